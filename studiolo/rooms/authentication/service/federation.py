"""Signing in through a provider elsewhere: authorization code with proof key, state and nonce (OpenID Connect Core, 3.1).

A sign-in is bound to the browser that began it, by a cookie whose digest is kept with the state; the state works once. The
proof key and the nonce are marks on the state, which only this studio makes, so that nothing of worth lies in the store.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.digests import digest_of
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Conflict, Forbidden, NotFound, Stale
from studiolo.kernel.principals import FEDERATED, GROUPS, USERS, Principal, by_identity, by_member, identity, identity_facets, principal_id
from studiolo.kernel.resource import PLATFORM, JsonObject
from studiolo.kernel.store.port import ABSENT, DropEntry, Emit, Entry, PutEntry, Store
from studiolo.kernel.store.sweeping import overdue
from studiolo.rooms.authentication.domain.federation import PROVIDERS, Provider, Vouched, check_issuer, token_refused, vouched_by
from studiolo.rooms.authentication.ports import Objects, People
from studiolo.rooms.authentication.service.openid import OpenIdClient
from studiolo.rooms.authentication.service.providers import Providers
from studiolo.rooms.authentication.service.signin import Next, SignIn
from studiolo.rooms.authentication.service.stamps import Stamps
from studiolo.rooms.authentication.service.throttle import Pace, Pauses, too_many_tries

_SPACE: Final = "iam.federated-sign-ins"
_LIFE: Final = timedelta(minutes=10)
_VERIFIER: Final = "code verifier"
_NONCE: Final = "nonce"
_PER_MINUTE: Final = 30
_LONGEST: Final = 4096
_RACES: Final = 10


class _Begun(msgspec.Struct, frozen=True):
    """A sign-in that was begun: at which provider, in which browser, and where it goes on."""

    provider: str
    since: str
    browser: str
    redirect: str
    goal: str
    until: str


_begun = msgspec.json.Decoder(_Begun)


class Offer(NamedTuple):
    """A provider as the sign-in page shows it."""

    name: str
    shown_name: str


@dataclass(frozen=True, slots=True)
class Onward:
    """Where the browser goes to sign in, and the secret that binds the sign-in to it."""

    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """Who came back: a session or a further step, and where they wanted to go."""

    next: Next
    goal: str


class _Moved(NamedTuple):
    joined: tuple[str, ...]
    left: tuple[str, ...]
    kept: tuple[str, ...]


class Federation:
    """Sign-in by providers. Users and groups are written through `objects`, as the platform."""

    def __init__(
        self, store: Store, people: People, objects: Objects, stamps: Stamps, signin: SignIn, providers: Providers, client: OpenIdClient
    ) -> None:
        self._store = store
        self._people = people
        self._objects = objects
        self._stamps = stamps
        self._signin = signin
        self._providers = providers
        self._client = client
        self._pace = Pace()
        self._by_address = Pauses(free=20, longest_seconds=300)

    async def offers(self) -> list[Offer]:
        """What the sign-in page offers."""
        return [Offer(each.name, each.shown_name) for each in await self._providers.list()]

    async def begin(self, name: str, origin: str, goal: str, browser: str, address: str) -> Onward:
        """Begin a sign-in. `browser` is the secret that the browser holds from an earlier one, if any; `address` is the caller's.

        Raises:
            NotFound: there is no such provider.
            TooMany: the address begins too many.
            Unavailable: the provider does not answer as it must.
        """
        provider = await self._named(name)
        self._check_pause(address)
        self._pace.step(address, _PER_MINUTE)
        metadata = await self._client.metadata(provider.issuer)
        state = clock.new_token()
        browser = browser if len(browser) == len(state) else clock.new_token()
        now, redirect = clock.now(), f"{origin}/signin/from/{provider.name}"
        begun = _Begun(provider.name, provider.since, digest_of(browser), redirect, goal, clock.stamp(now + _LIFE))
        over = await overdue(self._store, _SPACE, lambda each: _begun.decode(each.doc).until <= clock.stamp(now))
        await self._store.commit(
            PutEntry(_SPACE, Entry(digest_of(state), clock.new_tag(), msgspec.json.encode(begun)), expect=ABSENT),
            *(DropEntry(_SPACE, each.key) for each in over),
        )
        challenge = hashlib.sha256((await self._stamps.stamp(_VERIFIER, state)).encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(provider.scopes),
            "state": state,
            "nonce": await self._stamps.stamp(_NONCE, state),
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        at = metadata.authorization_endpoint
        return Onward(f"{at}{'&' if '?' in at else '?'}{urlencode(asked)}", browser)

    async def finish(self, name: str, query: Mapping[str, str], browser: str, address: str) -> Arrived:
        """Take a provider's answer, which the browser brings.

        Raises:
            Forbidden: it is no answer to a sign-in of this browser (code `SignInStepOver`), or not to be believed (codes of
                `domain.federation`), or the person may not come in (codes `UserNotAdmitted`, `UserDisabled`).
            TooMany: the address failed too often.
            Unavailable: the provider does not answer as it must.
        """
        state = query.get("state", "")[:_LONGEST]
        if not state:
            raise _over()
        self._check_pause(address)
        self._by_address.failed(address)  # counted before the work, so that many at once are many failures
        begun = await self._taken(name, state, browser)
        provider = await self._named(name)
        if provider.since != begun.since:
            raise _over()
        metadata = await self._client.metadata(provider.issuer)
        check_issuer(query.get("iss"), provider, metadata)
        if "error" in query or not query.get("code"):
            raise Forbidden(f"'{provider.shown_name}' did not sign you in. Begin again, or ask there.", code="ProviderRefused")
        verifier = await self._stamps.stamp(_VERIFIER, state)
        token = await self._client.bought(
            provider, await self._providers.secret_of(provider), query["code"][:_LONGEST], begun.redirect, verifier
        )
        claims = await self._client.claims(provider, token)
        vouched = vouched_by(claims, provider, await self._stamps.stamp(_NONCE, state), clock.now().timestamp())
        person = await self._person(provider, vouched)
        moved = await self._moved(provider, person.oid, vouched.groups)
        await self._tell(provider, person, moved)
        self._by_address.forgave(address)
        return Arrived(await self._signin.after_provider(person), begun.goal)

    # ── whose sign-in it is ──────────────────────────────────────────────────────────────────────────────────────

    def _check_pause(self, address: str) -> None:
        if (pause := self._by_address.remaining(address)) > 0:
            raise too_many_tries(pause)

    async def _named(self, name: str) -> Provider:
        provider = await self._providers.find(name)
        if provider is None:
            raise NotFound(f"Nobody signs in here by '{name[:100]}'.", code="ProviderNotFound")
        return provider

    async def _taken(self, name: str, state: str, browser: str) -> _Begun:
        """The sign-in of a state, which is over with this: a state works once, in the browser that began it, at its own provider."""
        entry = await self._store.entry(_SPACE, digest_of(state))
        begun = _begun.decode(entry.doc) if entry is not None else None
        if entry is None or begun is None or not browser or not hmac.compare_digest(begun.browser, digest_of(browser)):
            raise _over()
        try:
            await self._store.commit(DropEntry(_SPACE, entry.key, expect=entry.etag))
        except Stale:
            raise _over() from None
        if begun.provider != name.lower() or begun.until <= clock.stamp(clock.now()):
            raise _over()
        return begun

    # ── who it is ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _person(self, provider: Provider, vouched: Vouched) -> Principal:
        found = await self._known(vouched)
        if found is None:
            if not provider.admits_new_users:
                raise Forbidden(
                    f"'{provider.shown_name}' knows you, and this studio does not yet. Ask whoever runs it to let you in; they need to "
                    f"know that you are '{vouched.subject[:100]}' there.",
                    code="UserNotAdmitted",
                )
            found = await self._made(vouched)
        if not found.is_enabled:
            raise Forbidden("This account is switched off. Ask whoever runs this studio.", code="UserDisabled")
        return found

    async def _known(self, vouched: Vouched) -> Principal | None:
        """The user whom an identity belongs to, by the user's own word: what finds it by facet is not believed alone."""
        facet = by_identity(vouched.issuer, vouched.subject)
        for row in (await self._store.by_facet(USERS.lower(), facet, limit=1)).rows:
            user = resource_of(row)
            if facet in identity_facets(user.properties):
                return await self._people.principal(user.name)
        return None

    async def _made(self, vouched: Vouched) -> Principal:
        """A new user, who has no mail address and no name to sign in by: those would be another's word for who somebody is."""
        oid = clock.new_id()
        properties: JsonObject = {
            "displayName": vouched.shown_name,
            "identities": [identity(vouched.issuer, vouched.subject)],
            "creationType": FEDERATED,
        }
        try:
            await self._objects.write(PLATFORM, principal_id(USERS, oid), properties, is_patch=False, if_none_match="*")
        except Conflict:  # the same person came twice at this moment
            oid = ""
        found = await self._people.principal(oid) if oid else await self._known(vouched)
        if found is None:
            raise token_refused("the account was being made or removed at the same moment")
        return found

    # ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _moved(self, provider: Provider, oid: str, wanted: frozenset[str]) -> _Moved:
        """Bring the person into the mapped groups that they are in elsewhere, and out of the others; no other group is touched.

        A group that would be left without its last owner keeps them, and the record tells.
        """
        if not provider.mapping:
            return _Moved((), (), ())
        rows = (await self._store.by_facet(GROUPS.lower(), by_member(oid))).rows
        present = {row.key.rpartition("/")[2] for row in rows} & provider.mapped
        joined, left, kept = list[str](), list[str](), list[str]()
        for group in sorted(present - wanted):
            try:
                if await self._change(group, oid, is_member=False):
                    left.append(group)
            except Conflict as fault:
                if fault.code != "LastOwner":
                    raise
                kept.append(group)
        for group in sorted(wanted - present):
            if await self._change(group, oid, is_member=True):
                joined.append(group)
        return _Moved(tuple(joined), tuple(left), tuple(kept))

    async def _change(self, group: str, oid: str, *, is_member: bool) -> bool:
        """Add or remove one member; again if somebody else was quicker. A group that is gone has no members."""
        id_ = principal_id(GROUPS, group)
        for _ in range(_RACES):
            try:
                body = await self._objects.get(PLATFORM, id_)
                members: list[str] = [each for each in body["properties"].get("members") or () if each != oid]
                if is_member:
                    members.append(oid)
                await self._objects.write(PLATFORM, id_, {"members": members}, is_patch=True, if_match=str(body["etag"]))
            except Stale:
                continue
            except NotFound:
                return False
            return True
        raise Conflict("The groups are being changed by too many at once. Try again.")

    async def _tell(self, provider: Provider, person: Principal, moved: _Moved) -> None:
        """Put the sign-in on the record, with what it changed."""
        at, target = clock.stamp(clock.now()), principal_id(PROVIDERS, provider.name).key
        doc = msgspec.json.encode({"user": person.oid, **moved._asdict()})
        await self._store.commit(Emit(at, f"{PROVIDERS}/signIn/action", "Succeeded", target, person.oid, doc))


def _over() -> Forbidden:
    text = "This sign-in was begun elsewhere, took too long, or is over. Begin again."
    return Forbidden(text, code="SignInStepOver")
