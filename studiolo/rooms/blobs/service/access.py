"""Credentials: from what a request carries to a caller, and to what the credential itself is limited to.

A bearer token stands for its principal. A user delegation signature stands for the principal that made it, no further
than its letters; one that the platform made for somebody, only as long as they may have it. An account's key, and what
is signed with it, stands for the account's owner; that is off unless the account permits it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from studiolo.kernel import clock
from studiolo.kernel.faults import Forbidden
from studiolo.kernel.request import CALLER
from studiolo.kernel.resource import Caller
from studiolo.rooms.blobs.domain import sas, sharedkey
from studiolo.rooms.blobs.domain.blob import Account
from studiolo.rooms.blobs.domain.names import Address
from studiolo.rooms.blobs.ports import Callers, Recipients
from studiolo.rooms.blobs.service.accounts import Accounts
from studiolo.rooms.blobs.service.delegation import Delegation

_REMEMBERED = 4096


class Request(NamedTuple):
    """The parts of a request that credentials are about. `account` is None where the host names none of ours."""

    call: Any
    method: str
    headers: Mapping[str, str]
    raw_path: str
    raw_query: str
    query: Mapping[str, str]
    client: str
    scheme: str
    account_name: str
    account: Account | None
    address: Address


class Credential(NamedTuple):
    """Who calls, and the signature that limits the call, if there is one."""

    caller: Caller
    signed: sas.Sas | None = None

    def check(self, level: sas.Level, letters: str, *, is_for_account: bool = False) -> str:
        """The first of `letters` that the credential allows at this level; without a signature, the first.

        Raises:
            Forbidden: it allows none of them, or only an account's own signature may do this (`is_for_account`).
        """
        if self.signed is None:
            return letters[0]
        sas.check_covers(self.signed, level)
        if is_for_account and self.signed.kind != "account":
            raise Forbidden("A signature for a container or a blob does not allow this operation.", code="AuthorizationPermissionMismatch")
        for letter in letters:
            if letter in self.signed.letters:
                return letter
        raise Forbidden(
            f"The signature's permissions (sp={self.signed.letters}) lack '{letters[0]}', which this operation needs.",
            code="AuthorizationPermissionMismatch",
        )


class Access:
    """Reads credentials."""

    def __init__(self, accounts: Accounts, delegation: Delegation, callers: Callers, recipients: Recipients) -> None:
        self._accounts = accounts
        self._delegation = delegation
        self._callers = callers
        self._recipients = recipients
        self._read: dict[str, sas.Sas] = {}
        self._proven: set[tuple[str, str, str, str, str]] = set()

    async def of(self, request: Request) -> Credential:
        """The request's credential.

        Raises:
            Unauthenticated: there is none, or it proves nothing.
            Forbidden: a signature is refused.
        """
        authorization = request.headers.get("authorization", "")
        if sas.is_signed(request.query):
            return await self._signed(request, authorization)
        if authorization[:10].lower() == "sharedkey ":
            return await self._by_key(request, authorization[10:].strip())
        return Credential(await self._callers.identify(request.call))

    async def of_source(self, request: Request, token: str, own: Credential) -> Credential:
        """The credential for a copy's source: its URL's signature, else the token sent for it, else the caller's own."""
        if sas.is_signed(request.query):
            return await self._signed(request, "")
        if token:
            return Credential(await self._callers.of_token(token.removeprefix("Bearer ").strip()))
        if own.signed is not None:
            raise Forbidden(
                "The copy's source needs a signature in its URL, or x-ms-copy-source-authorization.", code="CannotVerifyCopySource"
            )
        return own

    # ── shared access signatures ─────────────────────────────────────────────────────────────────────────────────

    async def _signed(self, request: Request, authorization: str) -> Credential:
        signed = self._parsed(request)
        user = signed.get("sduoid")
        if authorization and not user:
            raise sas.refused("the request carries an Authorization header as well, so it is not clear who calls")
        account = request.account
        if signed.kind != "delegation" and (account is None or not account.is_shared_key_allowed):
            raise _keys_are_off(request.account_name)
        if account is None:
            # What is wrong with it for every account is said first, as of one that exists.
            sas.text_to_sign(signed, request.account_name, *request.address, request.headers, request.query)
            raise _not_matched()
        await self._prove(request, account, signed)
        sas.check_moment(signed, clock.now())
        sas.check_way(signed, request.client, request.scheme)
        if signed.kind != "delegation":
            return Credential(_holder(account), signed)
        if user:
            await self._check_user(request, signed, user)
        return Credential(await self._maker(signed), signed)

    async def _maker(self, signed: sas.Sas) -> Caller:
        """The principal that made a user delegation signature; who holds one that the platform gave out, must still be let to."""
        # For the record it is the maker who calls: for whom, is the maker's own word.
        CALLER.set(signed.get("skoid"))
        holder = signed.get("saoid")
        if holder and not await self._recipients.may_hold(holder, signed.get("scid")):
            raise sas.refused(f"'{holder[:36]}', to whom it was given (saoid), is gone, was switched off, or may no longer have one")
        caller = await self._callers.find(signed.get("skoid"), signed.get("sktid"))
        if caller is None:
            raise sas.refused("the principal that made it is unknown or disabled")
        return replace(caller, name=f"{caller.name} for {holder}") if holder else caller

    def _parsed(self, request: Request) -> sas.Sas:
        found = self._read.get(request.raw_query)
        if found is None:
            found = sas.read(request.query)
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            self._read[request.raw_query] = found
        return found

    async def _prove(self, request: Request, account: Account, signed: sas.Sas) -> None:
        """Return if the signature is one of this account's over this target."""
        container, blob = request.address
        since = await self._callers.since(signed.get("skoid")) if signed.kind == "delegation" else ""
        # `sealed` changes with every key of the account, and `since` with the principal, so that no proof outlives its key.
        proof = (account.sealed, since or "", container, blob if signed.get("sr") == "b" else "", request.raw_query)
        if proof in self._proven:
            return
        text = sas.text_to_sign(signed, account.name, container, blob, request.headers, request.query)
        if since is None:
            raise _not_matched()
        secrets = await self._accounts.secrets(account)
        keys = [await self._delegation.key_of(account, signed, since)] if signed.kind == "delegation" else [secrets.key1, secrets.key2]
        matches = [sas.is_signed_with(key, text, signed.get("sig")) for key in keys]
        if not any(matches):
            raise _not_matched()
        if not (signed.get("srh") or signed.get("srq")):
            if len(self._proven) >= _REMEMBERED:
                self._proven.clear()
            self._proven.add(proof)

    async def _check_user(self, request: Request, signed: sas.Sas, user: str) -> None:
        caller = await self._callers.identify(request.call)
        tenant = signed.get("skdutid")
        if caller.oid.lower() != user.lower() or (tenant and caller.tenant.lower() != tenant.lower()):
            raise sas.refused("it is for another user (sduoid)")

    # ── account keys ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _by_key(self, request: Request, given: str) -> Credential:
        name, _, signature = given.partition(":")
        account = request.account
        if account is None or not account.is_shared_key_allowed:
            raise _keys_are_off(request.account_name)
        sharedkey.check_moment(request.headers, clock.now())
        text = sharedkey.text_to_sign(request.method, request.headers, account.name, request.raw_path, request.raw_query)
        secrets = await self._accounts.secrets(account)
        matches = [hmac.compare_digest(sas.signature(key, text).encode(), signature.encode()) for key in (secrets.key1, secrets.key2)]
        if name != account.name or not any(matches):
            raise Forbidden("The Authorization header names another account, or its signature did not match.", code="AuthenticationFailed")
        return Credential(_holder(account))


def _not_matched() -> Forbidden:
    """The same where the account or the principal that a signature names does not exist."""
    return sas.refused("the signature did not match")


def _keys_are_off(name: str) -> Forbidden:
    """The same for an account that does not permit keys and for one that does not exist."""
    return Forbidden(
        f"Key based authentication is not permitted on the storage account '{name}'. Sign in with a token or a user delegation "
        "signature, or set 'allowSharedKeyAccess' on the account.",
        code="KeyBasedAuthenticationNotPermitted",
    )


def _holder(account: Account) -> Caller:
    """Whoever holds an account's key: no role is asked for, as in the original, which is why keys are off by default."""
    return Caller(oid=account.id, name=f"key of {account.name}", kind="AccountKey", is_platform=True)
