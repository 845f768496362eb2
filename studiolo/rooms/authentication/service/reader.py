"""Access tokens that come back: whose they are, and whether they hold here and now."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from studiolo.kernel import clock
from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.principals import Principal
from studiolo.kernel.resource import Caller
from studiolo.rooms.authentication.domain.audiences import Audiences
from studiolo.rooms.authentication.domain.clients import IMPERSONATION
from studiolo.rooms.authentication.domain.tokens import Issuer, Verified, check_claims
from studiolo.rooms.authentication.ports import People
from studiolo.rooms.authentication.service.revocations import Revocations
from studiolo.rooms.authentication.service.signing import SigningKeys

_MOST_REMEMBERED: Final = 20_000


class _Known(NamedTuple):
    """A token that was read: what it says, whom it was last found to belong to, and the caller that this makes."""

    verified: Verified
    principal: Principal
    caller: Caller


class TokenReader:
    """Says who shows a token. A token that was read once is remembered by its digest, so that a hot call costs a look-up."""

    def __init__(self, keys: SigningKeys, people: People, revocations: Revocations, issuer: Issuer, audiences: Audiences) -> None:
        self._keys = keys
        self._people = people
        self._revocations = revocations
        self._issuer = issuer
        self._audiences = audiences
        self._known: dict[bytes, _Known] = {}
        self._generation = keys.generation

    async def caller(self, token: str, kind: str) -> Caller:
        """The principal that a token was given to, if surfaces of this kind take it.

        The principal is looked up on every call: one that was removed, switched off or signed out is refused at once. An
        application that acts for a person must hold the scope for that.

        Raises:
            Unauthenticated: the token is not one of ours, does not hold now, is for another surface, lacks the scope, was
                taken back, or its principal is gone or switched off.
        """
        known = await self._read(token)
        verified = known.verified
        if not self._audiences.takes(kind, verified.audience):
            raise Unauthenticated(
                f"The access token is for '{verified.audience}', which is another service than the one that was called.",
                code="InvalidAuthenticationTokenAudience",
            )
        if verified.is_delegated and IMPERSONATION not in verified.scopes:
            raise Unauthenticated(
                f"The access token does not hold the scope '{IMPERSONATION}', without which nothing is done for a person."
            )
        return known.caller

    async def verified(self, token: str) -> tuple[Verified, Principal]:
        """What a token says that holds now, for whatever audience, and whose it is. Raises as `caller` does."""
        known = await self._read(token)
        return known.verified, known.principal

    async def _read(self, token: str) -> _Known:
        now = clock.now().timestamp()
        if self._generation != self._keys.generation:
            self._generation = self._keys.generation
            self._known.clear()
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is None:
            verified = check_claims(await self._keys.read(token), self._issuer, now)
        else:
            verified = known.verified
            verified.check_time(now)
        if self._revocations.is_over(verified.application, verified.consent, verified.issued_at):
            raise Unauthenticated("The access token was revoked. Sign in again.")
        principal = await self._people.principal(verified.oid)
        # The same object as before means that nothing about the principal has changed.
        if known is None or known.principal is not principal:
            known = self._owned(verified, principal)
            if len(self._known) >= _MOST_REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[digest] = known
        return known

    def _owned(self, verified: Verified, principal: Principal | None) -> _Known:
        if principal is None or not principal.is_enabled or not verified.is_of(principal):
            raise Unauthenticated("The access token's principal was removed, switched off or signed out.")
        application = "" if verified.is_delegated else verified.application
        caller = Caller(verified.oid, verified.tenant, principal.kind, principal.name, application, since=principal.since)
        return _Known(verified, principal, caller)
