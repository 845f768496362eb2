"""Managed identities for workloads: a secret that only one workload has, worth the tokens of one identity until it ends.

A workload (a job, a program that somebody starts) does not sign in. Whoever starts it binds it to the identity of a resource and
hands it an endpoint and a header, as the public cloud's hosts do. The secret is random, kept as SHA-256, and of no use for
another identity: a selector that names one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.digests import digest_of
from studiolo.kernel.faults import Invalid, NotFound, Unauthenticated
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.principals import Principal
from studiolo.kernel.resource import Caller, JsonObject
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store
from studiolo.kernel.store.sweeping import overdue
from studiolo.rooms.authentication.ports import Delegation, Directory, People
from studiolo.rooms.authentication.service.mint import Issued, Mint
from studiolo.rooms.authentication.service.revocations import Revocations

_SPACE: Final = "iam.workloads"
_OF_SCOPE: Final = "iam.workloads-of"
_LIFE: Final = timedelta(hours=12)
_MOST_LIFE: Final = timedelta(days=7)
_MOST_NAME: Final = 120
_MOST: Final = 1000
_SELECTORS: Final = ("client_id", "clientid", "object_id", "principal_id", "mi_res_id", "msi_res_id")


class Kept(msgspec.Struct, rename="camel", frozen=True):
    """What is kept of a binding: which identity, of which birth, and until when."""

    id: str
    name: str
    resource: str
    oid: str
    since: str
    by: str
    starts: str
    ends: str
    digest: str

    def public(self) -> JsonObject:
        """What whoever may read bindings sees."""
        return {
            "id": self.id,
            "name": self.name,
            "resource": self.resource,
            "boundBy": self.by,
            "startsOn": self.starts,
            "expiresOn": self.ends,
        }


_kept = msgspec.json.Decoder(Kept)


class Workloads:
    """The bindings of all workloads."""

    def __init__(self, store: Store, people: People, directory: Directory, delegation: Delegation, mint: Mint) -> None:
        self._store = store
        self._people = people
        self._directory = directory
        self._delegation = delegation
        self._mint = mint

    async def bind(self, caller: Caller, resource: ResourceId, name: str, seconds: int | None) -> tuple[Kept, str]:
        """A new binding to the resource's identity, and its secret, which only this answer holds.

        Raises:
            NotFound: the resource has no identity (code `IdentityNotFound`).
            Forbidden: the caller may not give all roles that the identity holds (code `MembershipBeyondDelegation`).
            Invalid: the name is too long, or the life longer than seven days.
        """
        if len(name) > _MOST_NAME:
            raise Invalid(f"'name' has at most {_MOST_NAME} characters.", target="name")
        life = _LIFE if seconds is None else timedelta(seconds=seconds)
        if not timedelta(minutes=1) <= life <= _MOST_LIFE:
            raise Invalid(f"'lifeSeconds' lies between 60 and {int(_MOST_LIFE.total_seconds())}.", target="lifeSeconds")
        acting = await self._identity(resource)
        await self._delegation.require_holdings(caller, acting.oid, acting.application, [(acting.oid, "ServicePrincipal")])
        text, at = clock.new_token(), clock.now()
        kept = Kept(
            clock.new_id(),
            name,
            resource.text,
            acting.oid,
            acting.since,
            caller.oid,
            clock.stamp(at),
            clock.stamp(at + life),
            digest_of(text),
        )
        doc = msgspec.json.encode(kept)
        over = await overdue(self._store, _SPACE, lambda entry: _kept.decode(entry.doc).ends <= kept.starts)
        await self._store.commit(
            PutEntry(_SPACE, Entry(kept.digest, clock.new_tag(), doc), expect=ABSENT),
            PutEntry(_OF_SCOPE, Entry(_place(kept), clock.new_tag(), doc), expect=ABSENT),
            *(drop for entry in over for drop in _ended(_kept.decode(entry.doc))),
        )
        return kept, text

    async def list(self, resource: ResourceId) -> Sequence[Kept]:
        """The resource's bindings that have not ended."""
        now = clock.stamp(clock.now())
        entries = await self._store.entries(_OF_SCOPE, prefix=f"{resource.key}|", limit=_MOST)
        return [kept for kept in (_kept.decode(entry.doc) for entry in entries) if kept.ends > now]

    async def unbind(self, resource: ResourceId, id_: str) -> None:
        """End a binding at once, with every token that was given under it.

        Raises:
            NotFound: there is none.
        """
        key = f"{resource.key}|{id_.lower()}"
        entry = await self._store.entry(_OF_SCOPE, key)
        if entry is None:
            raise NotFound(f"'{resource}' has no workload '{id_[:100]}'.", code="WorkloadNotFound", target="id")
        kept = _kept.decode(entry.doc)
        await self._store.commit(*_ended(kept), Revocations.of_consent(kept.id))

    async def token(self, secret: str, asked: Mapping[str, str]) -> tuple[Issued, Principal]:
        """A token of the identity that the secret is bound to.

        Raises:
            Unauthenticated: the secret is none, is over, or its identity is gone or switched off.
            Invalid: another identity is named, or the resource is unknown.
        """
        entry = await self._store.entry(_SPACE, digest_of(secret)) if secret else None
        kept = _kept.decode(entry.doc) if entry is not None else None
        acting = await self._people.principal(kept.oid) if kept is not None else None
        if kept is None or kept.ends <= clock.stamp(clock.now()) or acting is None or not acting.is_enabled or acting.since != kept.since:
            raise Unauthenticated("This workload has no identity here, or not any more.", code="WorkloadUnknown")
        own = {acting.oid.lower(), acting.application.lower(), kept.resource.lower()}
        for name in _SELECTORS:
            if asked.get(name) and asked[name].lower() not in own:
                raise Invalid("Identity not found: this workload is bound to another one.", code="invalid_request", target=name)
        resource = asked.get("resource", "")
        if not resource:
            raise Invalid("The parameter 'resource' is required.", code="invalid_request", target="resource")
        target = await self._mint.target(resource)
        return await self._mint.for_identity(acting, target.audience, kept.id), acting

    async def _identity(self, resource: ResourceId) -> Principal:
        oid = await self._directory.identity_of(resource)
        acting = await self._people.principal(oid) if oid else None
        if acting is None:
            raise NotFound(f"'{resource}' has no managed identity.", code="IdentityNotFound")
        return acting


def _place(kept: Kept) -> str:
    """Where a binding is found by its resource."""
    return f"{kept.resource.lower()}|{kept.id}"


def _ended(kept: Kept) -> tuple[DropEntry, DropEntry]:
    """The removal of a binding."""
    return DropEntry(_SPACE, kept.digest), DropEntry(_OF_SCOPE, _place(kept))
