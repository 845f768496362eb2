"""Providers elsewhere as the studio keeps them, and our secrets there: sealed, and of use for the issuer that they were given for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Fault, Invalid
from studiolo.kernel.gate import Gate
from studiolo.kernel.outbound import Outbound
from studiolo.kernel.principals import GROUPS, principal_id
from studiolo.kernel.resource import Change, Cleared, Invocation, JsonObject, Resource, Step
from studiolo.kernel.store.port import DropEntry, Entry, PutEntry, Store
from studiolo.rooms.authentication.domain.federation import PROVIDERS, Provider, moved_groups, provider_of
from studiolo.rooms.authentication.ports import Delegation, Sealer

_SPACE: Final = "iam.provider-secrets"
_OWNER: Final = "iam/provider-secrets"
_COLLECTION: Final = f"/providers/{PROVIDERS.lower()}"
_LONGEST_SECRET: Final = 512
_MOST: Final = 100


class _Kept(msgspec.Struct, frozen=True):
    """A sealed secret. `bound` says for which provider, issuer and client id it was given; it opens for no other."""

    sealed: bytes
    bound: str


_kept = msgspec.json.Decoder(_Kept)


class Providers:
    """All providers of the tenant. `origin` is where people reach us, which providers must know."""

    def __init__(self, store: Store, sealer: Sealer, gate: Gate, delegation: Delegation, outbound: Outbound, origin: str) -> None:
        self._store = store
        self._sealer = sealer
        self._gate = gate
        self._delegation = delegation
        self._outbound = outbound
        self._origin = origin

    async def find(self, name: str) -> Provider | None:
        """The provider of this name."""
        row = await self._store.find(f"{_COLLECTION}/{name.lower()}")
        return provider_of(resource_of(row)) if row is not None else None

    async def list(self) -> Sequence[Provider]:
        """All of them."""
        return [provider_of(resource_of(row)) for row in (await self._store.page(_COLLECTION, limit=_MOST)).rows]

    async def secret_of(self, provider: Provider) -> str:
        """Our secret at the provider; empty if it was given none for this issuer and client id."""
        entry = await self._store.entry(_SPACE, provider.name)
        kept = _kept.decode(entry.doc) if entry is not None else None
        if kept is None or kept.bound != _bound(provider):
            return ""
        try:
            return (await self._sealer.open(_OWNER, kept.sealed, kept.bound.encode())).decode()
        except Fault:
            return ""

    # ── what an administrator does ───────────────────────────────────────────────────────────────────────────────

    async def guard(self, change: Change) -> Cleared:
        """A provider that is written: its issuer may be asked, and its writer may add members to every group that it maps.

        Raises:
            Invalid: the operator has not allowed the issuer's host (code `IssuerNotAllowed`).
            Forbidden: a mapped group holds what the caller may not give, or a deny assignment that the caller may not remove
                spares or names it (codes `MembershipBeyondDelegation`, `MembershipUndoesDenial`).
        """
        if change.is_delete:
            return Cleared()
        new, old = change.new.properties, change.old.properties if change.old else {}
        if not self._outbound.may_reach(new["issuer"]):
            raise Invalid(
                f"'{new['issuer']}' is not asked: without more, providers are asked by HTTPS, by a host name and on port 443. An issuer in "
                "your own network must be allowed by the operator (`studiolo up --allow-provider HOST:PORT`, or http://localhost:PORT).",
                code="IssuerNotAllowed",
                target="properties.issuer",
            )
        for group in sorted(moved_groups(old, new)):
            found = change.fact(principal_id(GROUPS, group).key)
            name = found.properties["displayName"] if found is not None else group
            await self._delegation.require_anybody(change.caller, group, name)
            await self._delegation.require_release(change.caller, group, name)
        return Cleared()

    async def set_secret(self, call: Invocation) -> JsonObject:
        """POST setClientSecret: keep our secret at the provider; an empty one is forgotten.

        Raises:
            Forbidden: the caller may not assign roles.
            Invalid: the secret is no text of at most 512 characters.
        """
        await self._gate.require(call.caller, GIVES_ROLES, call.resource.id.text)
        secret = call.body.get("clientSecret")
        if not isinstance(secret, str) or len(secret) > _LONGEST_SECRET or not secret.isprintable():
            raise Invalid(f"'clientSecret' is a text of at most {_LONGEST_SECRET} characters.", target="clientSecret")
        provider = provider_of(call.resource)
        if not secret:
            await self._store.commit(DropEntry(_SPACE, provider.name))
            return {"hasClientSecret": False}
        bound = _bound(provider)
        doc = msgspec.json.encode(_Kept(await self._sealer.seal(_OWNER, secret.encode(), bound.encode()), bound))
        await self._store.commit(PutEntry(_SPACE, Entry(provider.name, clock.new_tag(), doc)))
        return {"hasClientSecret": True}

    async def view(self, provider: Resource) -> JsonObject:
        """What the provider has to know, and whether a secret is kept."""
        name = provider.name.lower()
        return {"redirectUri": f"{self._origin}/signin/from/{name}", "hasClientSecret": bool(await self.secret_of(provider_of(provider)))}

    async def retire(self, provider: Resource, step: Step) -> None:
        """A provider goes with our secret there."""
        await self._store.commit(DropEntry(_SPACE, provider.name.lower()))


def _bound(provider: Provider) -> str:
    return f"{provider.name}\n{provider.since}\n{provider.issuer}\n{provider.client_id}"
