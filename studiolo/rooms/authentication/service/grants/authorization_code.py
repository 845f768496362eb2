"""`authorization_code` with a proof key: a person says yes in a browser, the application gets a code (RFC 6749, 4.1; RFC 7636).

A code holds for minutes, once, for one client, redirect address and proof key. A second use ends what the first one gave.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.digests import digest_of
from studiolo.kernel.faults import Fault, Invalid, Stale
from studiolo.kernel.principals import Principal
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store, Write
from studiolo.kernel.store.sweeping import overdue
from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.clients import Client
from studiolo.rooms.authentication.domain.scopes import Wanted, wanted_of
from studiolo.rooms.authentication.ports import People
from studiolo.rooms.authentication.service.clients import Clients
from studiolo.rooms.authentication.service.consents import Consents
from studiolo.rooms.authentication.service.grants.asked import Asked
from studiolo.rooms.authentication.service.mint import Issued, Leave, Mint

NAME: Final = "authorization_code"
CODE_LIFE: Final = timedelta(minutes=5)
_REMEMBERED: Final = timedelta(hours=1)
_SPACE: Final = "iam.authorization-codes"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_LONGEST_ECHO: Final = 4096


@dataclass(frozen=True, slots=True)
class Authorization:
    """What an application asks a person for, checked; `downstream` are the hops that may follow."""

    client: Client
    redirect: str
    is_posted: bool
    state: str | None
    wanted: Wanted
    challenge: str
    nonce: str
    prompt: frozenset[str]
    downstream: tuple[str, ...]


class _Kept(msgspec.Struct, frozen=True):
    client: str
    client_since: str
    oid: str
    since: str
    at: str
    until: str
    redirect: str
    challenge: str
    nonce: str
    resource: str
    scopes: tuple[str, ...]
    openid: tuple[str, ...]
    sid: str
    is_spent: bool = False
    downstream: tuple[str, ...] = ()


_kept = msgspec.json.Decoder(_Kept)


class AuthorizationCode:
    """The grant, and the codes that it takes."""

    name: ClassVar[str] = NAME

    def __init__(self, store: Store, people: People, clients: Clients, consents: Consents, mint: Mint) -> None:
        self._store = store
        self._people = people
        self._clients = clients
        self._consents = consents
        self._mint = mint

    async def place(self, query: Mapping[str, str]) -> tuple[Client, str]:
        """The client that asks, and where it may be answered: until both are known, nobody is sent anywhere.

        Raises:
            Invalid: there is no such client, or the address is not registered with it.
        """
        if not (client_id := query.get("client_id")):
            raise refusals.invalid_request("The request must contain the following parameter: 'client_id'.")
        client = await self._clients.named(client_id)
        redirect = query.get("redirect_uri", "")
        if not redirect and len(client.redirects) == 1 and not client.native_redirects:
            redirect = client.redirects[0]
        if not client.takes_answers_at(redirect):
            text = (
                f"The redirect URI '{redirect[:200]}' specified in the request does not match the redirect URIs configured for the "
                f"application '{client.id}'."
            )
            raise Invalid(text, code="invalid_request", info={"aadsts": 50011})
        return client, redirect

    async def asked(self, client: Client, redirect: str, query: Mapping[str, str]) -> Authorization:
        """The whole request. What is wrong with it, the client may be told.

        Raises:
            Invalid: a parameter is missing, malformed or not offered.
        """
        if query.get("response_type") != "code":
            raise Invalid(
                "Only response_type=code is offered; tokens never travel through the browser's address line.",
                code="unsupported_response_type",
                info={"aadsts": 700051},
            )
        mode = query.get("response_mode", "query")
        if mode not in ("query", "form_post"):
            raise refusals.invalid_request("'response_mode' must be query or form_post.")
        challenge = query.get("code_challenge", "")
        if challenge and (query.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge)):
            raise refusals.invalid_request("'code_challenge' must be the S256 kind, with code_challenge_method=S256.")
        if not challenge and client.is_native(redirect):
            raise refusals.invalid_request("A public client must send a 'code_challenge' (RFC 7636).")
        state, nonce = query.get("state"), query.get("nonce", "")
        if len(state or "") > _LONGEST_ECHO or len(nonce) > _LONGEST_ECHO:
            raise refusals.invalid_request("'state' and 'nonce' have at most 4096 characters.")
        wanted = wanted_of(query)
        if wanted.resource:
            (await self._mint.target(wanted.resource)).chosen(wanted)
        prompt = frozenset(query.get("prompt", "").split())
        downstream = await self._mint.downstream(wanted.resource)
        return Authorization(client, redirect, mode == "form_post", state, wanted, challenge, nonce, prompt, downstream)

    async def issue(self, asked: Authorization, person: Principal) -> str:
        """The code for a person who said yes."""
        now = clock.now()
        text = clock.new_token()
        kept = _Kept(
            client=asked.client.id,
            client_since=asked.client.since,
            oid=person.oid,
            since=person.since,
            at=clock.stamp(now),
            until=clock.stamp(now + CODE_LIFE),
            redirect=asked.redirect,
            challenge=asked.challenge,
            nonce=asked.nonce,
            resource=asked.wanted.resource,
            scopes=asked.wanted.scopes,
            openid=tuple(sorted(asked.wanted.openid)),
            sid=clock.new_id(),
            downstream=asked.downstream,
        )
        write = PutEntry(_SPACE, Entry(digest_of(text), clock.new_tag(), msgspec.json.encode(kept)), expect=ABSENT)
        await self._store.commit(write, *await self._swept())
        return text

    async def __call__(self, asked: Asked) -> Issued:
        """The tokens that a code buys. Raises as `TokenService.grant` does."""
        code = asked.need("code")
        proven = await self._clients.proven(asked.fields, asked.addresses)
        entry = await self._store.entry(_SPACE, digest_of(code))
        if entry is None:
            raise refusals.bad_code()
        kept, now = _kept.decode(entry.doc), clock.stamp(clock.now())
        if (kept.client, kept.client_since) != (proven.client.id, proven.client.since):
            raise refusals.bad_code()
        if kept.is_spent:
            await self._consents.end_sid(kept.oid, kept.sid)
            raise refusals.reused_code()
        if kept.until <= now or asked.fields.get("redirect_uri", kept.redirect) != kept.redirect:
            raise refusals.bad_code()
        if not proven.is_proven and not proven.client.is_native(kept.redirect):
            raise refusals.missing_proof()
        _check_verifier(kept.challenge, asked.fields.get("code_verifier", ""))
        person = await self._people.principal(kept.oid)
        if person is None or not person.is_enabled or person.since != kept.since or kept.at < person.not_before:
            raise refusals.bad_code()
        return await self._given(asked, entry, kept, Leave(person, proven, kept.sid, kept.downstream))

    async def _given(self, asked: Asked, entry: Entry, kept: _Kept, leave: Leave) -> Issued:
        meant = Wanted(kept.resource, kept.scopes, frozenset(kept.openid))
        if asked.fields.get("scope") or asked.fields.get("resource"):
            again = wanted_of(asked.fields)
            if again.resource and not (leave.proven.client.is_everybodys or self._mint.is_same(again.resource, kept.resource)):
                raise refusals.no_leave(leave.proven.client.name, again.resource)
            meant = again if again.resource else meant
        if meant.resource:
            (await self._mint.target(meant.resource)).chosen(meant)
        spent = Entry(entry.key, clock.new_tag(), msgspec.json.encode(msgspec.structs.replace(kept, is_spent=True)))
        writes: list[Write] = [PutEntry(_SPACE, spent, expect=entry.etag)]
        refresh = ""
        if "offline_access" in kept.openid:
            refresh, begun = await self._consents.begin(leave, Wanted(kept.resource, kept.scopes, frozenset(kept.openid)))
            writes.append(begun)
        try:
            await self._store.commit(*writes)
        except Stale:  # two came with one code at the same moment
            await self._consents.end_sid(kept.oid, kept.sid)
            raise refusals.reused_code() from None
        if not self._mint.is_same(meant.resource, kept.resource):
            leave = replace(leave, downstream=())
        return await self._mint.for_person(leave, meant, asked.version, kept.openid, nonce=kept.nonce, refresh=refresh)

    async def _swept(self) -> list[Write]:
        end = clock.stamp(clock.now() - _REMEMBERED)
        over = await overdue(self._store, _SPACE, lambda entry: _kept.decode(entry.doc).until <= end)
        return [DropEntry(_SPACE, entry.key) for entry in over]


def _check_verifier(challenge: str, verifier: str) -> None:
    """Raise unless the verifier is the challenge's; one that was not announced is as wrong as one that is missing."""
    if not challenge and not verifier:
        return
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    if not challenge or not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(digest, challenge):
        raise refusals.bad_verifier()


def answer_of(fault: Fault) -> dict[str, str]:
    """What a client is told of a refusal, in the redirect's fields."""
    return {"error": fault.code if fault.code[:1].islower() else "server_error", "error_description": _described(fault)}


def _described(fault: Fault) -> str:
    return f"AADSTS{refusals.number_of(fault)}: {fault.message}"
