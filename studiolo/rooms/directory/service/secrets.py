"""Secrets of applications: 256 random bits, kept as SHA-256, several at a time, each with an end."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.digests import digest_of
from studiolo.kernel.faults import Conflict, Invalid, NotFound
from studiolo.kernel.gate import Gate
from studiolo.kernel.principals import SERVICE_PRINCIPALS, by_application
from studiolo.kernel.resource import Invocation, JsonObject, Resource
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store
from studiolo.rooms.directory.ports import Delegation

_SPACE: Final = "iam.client-secrets"
_PREFIX = "studiolo_"
_LIFE = timedelta(days=730)
_MAX_LIFE = timedelta(days=3650)
_MAX_SECRETS = 20
_MAX_NAME = 120


class Kept(msgspec.Struct, rename="camel", frozen=True):
    """What is kept of a secret. `since` is the birth of its application, so that a later one of the same id does not inherit it."""

    key_id: str
    sha256: str
    hint: str
    display_name: str
    start_date_time: str
    end_date_time: str
    since: str

    def public(self) -> JsonObject:
        """What everybody who may read the application sees."""
        return {
            "keyId": self.key_id,
            "hint": self.hint,
            "displayName": self.display_name,
            "startDateTime": self.start_date_time,
            "endDateTime": self.end_date_time,
        }


@dataclass(frozen=True, slots=True)
class Minted:
    """A new secret: its text, shown once, and what is kept of it."""

    text: str
    kept: Kept
    write: PutEntry


_kept = msgspec.json.Decoder(Kept)


def mint(app_id: str, since: str, display_name: str, end: datetime | None, at: datetime) -> Minted:
    """A new secret for an application that was born at `since`."""
    text = _PREFIX + clock.new_token()
    kept = Kept(
        key_id=clock.new_id(),
        sha256=digest_of(text),
        hint=text[len(_PREFIX) :][:3],
        display_name=display_name,
        start_date_time=clock.stamp(at),
        end_date_time=clock.stamp(end or at + _LIFE),
        since=since,
    )
    entry = Entry(f"{app_id.lower()}/{kept.key_id}", clock.new_tag(), msgspec.json.encode(kept))
    return Minted(text, kept, PutEntry(_SPACE, entry, expect=ABSENT))


class ClientSecrets:
    """The secrets of all applications. `gate` and `delegation` are asked before one is given out."""

    def __init__(self, store: Store, gate: Gate, delegation: Delegation) -> None:
        self._store = store
        self._gate = gate
        self._delegation = delegation

    async def of(self, app_id: str, since: str) -> Sequence[Kept]:
        """The secrets of the application that was born at `since`."""
        entries = await self._store.entries(_SPACE, prefix=f"{app_id.lower()}/", limit=1000)
        return [kept for kept in (_kept.decode(entry.doc) for entry in entries) if kept.since == since]

    async def check(self, app_id: str, since: str, text: str, at: datetime) -> Literal["good", "expired", "wrong"]:
        """Whether the text is a secret of this application at this moment."""
        digest = digest_of(text)
        found: Literal["good", "expired", "wrong"] = "wrong"
        for kept in await self.of(app_id, since):
            if hmac.compare_digest(kept.sha256, digest):
                found = "good" if clock.stamp(at) < kept.end_date_time else "expired"
        return found

    async def drop_all(self, app_id: str) -> None:
        """Forget every secret of an application; safe to repeat."""
        entries = await self._store.entries(_SPACE, prefix=f"{app_id.lower()}/", limit=1000)
        if entries:
            await self._store.commit(*(DropEntry(_SPACE, entry.key) for entry in entries))

    # ── the application's actions ────────────────────────────────────────────────────────────────────────────────

    async def add(self, call: Invocation) -> JsonObject:
        """POST addPassword: a new secret, whose text only this answer holds.

        Raises:
            Forbidden: the caller may not assign roles to the application, or not all those that it holds: its secret is
                worth them (codes `AuthorizationFailed`, `MembershipBeyondDelegation`).
            Invalid: the wished end is malformed, past or more than ten years away.
            Conflict: the application has 20 secrets already (code `TooManyAppPasswords`).
        """
        await self.require_giver(call)
        credential: Any = call.body.get("passwordCredential") or {}
        if not isinstance(credential, dict):
            raise Invalid("'passwordCredential' must be an object.", target="passwordCredential")
        credential = cast("JsonObject", credential)
        name, at = credential.get("displayName") or "", clock.now()
        if not isinstance(name, str) or len(name) > _MAX_NAME:
            raise Invalid(f"'displayName' is a text of at most {_MAX_NAME} characters.", target="passwordCredential.displayName")
        app_id, since = call.resource.name, call.resource.system.created_at
        if len(await self.of(app_id, since)) >= _MAX_SECRETS:
            raise Conflict(
                f"An application has at most {_MAX_SECRETS} secrets; remove one that is not used any more.", code="TooManyAppPasswords"
            )
        minted = mint(app_id, since, name, _end(credential.get("endDateTime"), at), at)
        await self._store.commit(minted.write)
        return {**minted.kept.public(), "secretText": minted.text}

    async def require_giver(self, call: Invocation) -> None:
        """Return if the caller may give out a proof of the application. Raises Forbidden as `add` does."""
        app_id = call.resource.name
        await self._gate.require(call.caller, GIVES_ROLES, call.resource.id.text)
        for row in (await self._store.by_facet(SERVICE_PRINCIPALS.lower(), by_application(app_id), limit=1)).rows:
            oid = row.key.rpartition("/")[2]
            await self._delegation.require_holdings(call.caller, oid, app_id, [(oid, "ServicePrincipal")])

    async def remove(self, call: Invocation) -> None:
        """POST removePassword: forget one secret, named by `keyId`, at once.

        Raises:
            NotFound: the application has no such secret.
        """
        key = f"{call.resource.name.lower()}/{str(call.body.get('keyId', '')).lower()}"
        if await self._store.entry(_SPACE, key) is None:
            raise NotFound(f"The application has no secret with the keyId '{call.body.get('keyId', '')}'.", target="keyId")
        await self._store.commit(DropEntry(_SPACE, key))

    async def view(self, application: Resource) -> JsonObject:
        """The secrets' public part, laid over the application when it is read."""
        return {"passwordCredentials": [kept.public() for kept in await self.of(application.name, application.system.created_at)]}


def _end(text: object, at: datetime) -> datetime | None:
    if text is None:
        return None
    try:
        end = datetime.fromisoformat(str(text))
        is_fine = at < end <= at + _MAX_LIFE
    except (ValueError, TypeError):
        raise Invalid("'endDateTime' must be a moment such as 2027-01-31T00:00:00Z.", target="passwordCredential.endDateTime") from None
    if not is_fine:
        raise Invalid("'endDateTime' must lie in the future, at most ten years away.", target="passwordCredential.endDateTime")
    return end
