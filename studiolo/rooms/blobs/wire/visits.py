"""A visit: one call to the data plane, from its host and path to what it may do.

The credential is proven and the decision asked before anything is looked up, so that what is absent and what is
forbidden answer alike. The one exception reads a blob's tags first, because a condition may ask for them; what it finds
shows in no answer that the decision does not allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from studiolo.kernel.access.names import (
    ACCOUNT_IS_HNS,
    ACCOUNT_NAME,
    BLOB_IS_CURRENT_VERSION,
    BLOB_PATH,
    BLOB_PREFIX,
    BLOB_TAGS,
    CONTAINER_NAME,
)
from studiolo.kernel.faults import Forbidden, NotOffered
from studiolo.rooms.blobs.domain.blob import Account, Etagged
from studiolo.rooms.blobs.domain.names import Address, address
from studiolo.rooms.blobs.domain.sas import Level
from studiolo.rooms.blobs.ports import Callers
from studiolo.rooms.blobs.service.access import Access, Credential, Request
from studiolo.rooms.blobs.service.blobs import Facts
from studiolo.rooms.blobs.service.storage import Storage
from studiolo.rooms.blobs.wire.headers import check_offered
from studiolo.wire.http import Call, Permit

_SERVICE: Final = "Microsoft.Storage/storageAccounts/blobServices"
_CONTAINER: Final = f"{_SERVICE}/containers"
READ: Final = f"{_CONTAINER}/blobs/read"
WRITE: Final = f"{_CONTAINER}/blobs/write"
ADD: Final = f"{_CONTAINER}/blobs/add/action"
DELETE: Final = f"{_CONTAINER}/blobs/delete"
READ_TAGS: Final = f"{_CONTAINER}/blobs/tags/read"
WRITE_TAGS: Final = f"{_CONTAINER}/blobs/tags/write"
READ_CONTAINER: Final = f"{_CONTAINER}/read"
WRITE_CONTAINER: Final = f"{_CONTAINER}/write"
DELETE_CONTAINER: Final = f"{_CONTAINER}/delete"
READ_SERVICE: Final = f"{_SERVICE}/read"
GET_INFO: Final = f"{_SERVICE}/getInfo/action"
DELEGATE: Final = f"{_SERVICE}/generateUserDelegationKey/action"
LIST: Final = ("Blob.List",)
_WITH_TAGS = ("Blob.Write.WithTagHeaders",)
WRITE_TIER: Final = ("Blob.Write.Tier",)


class Visit:
    """One call: its account, its address, its credential, and the decisions that it asks for."""

    __slots__ = ("account", "address", "call", "credential", "query")

    def __init__(self, call: Call, query: Mapping[str, str], account: Account, address: Address, credential: Credential) -> None:
        self.call = call
        self.query = query
        self.account = account
        self.address = address
        self.credential = credential

    @property
    def scope(self) -> str:
        """The scope of decisions: the container, or the account's blob service."""
        container = self.address.container
        return self.account.container_id(container) if container else self.account.service_id

    def _resource(self, tags: Mapping[str, str] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {ACCOUNT_NAME: self.account.name, ACCOUNT_IS_HNS: False}
        if self.address.container:
            found[CONTAINER_NAME] = self.address.container
        if self.address.blob:
            found[BLOB_PATH] = self.address.blob
            found[BLOB_IS_CURRENT_VERSION] = True
        if tags:
            found[BLOB_TAGS] = tags
        return found

    async def may_control(self, permit: Permit, action: str, level: Level, letters: str, *, is_for_account: bool = True) -> None:
        """Return if the call may do something to a container or to the service; raise Forbidden if not."""
        self.credential.check(level, letters, is_for_account=is_for_account)
        await permit.require(self.credential.caller, action, self.scope, resource=self._resource())

    async def may_list(self, permit: Permit, prefix: str) -> None:
        """Return if the call may list the container's blobs that begin so."""
        self.credential.check("container", "l")
        request = {BLOB_PREFIX: prefix} if prefix else None
        await permit.require(self.credential.caller, READ, self.scope, sub_operations=LIST, request=request, resource=self._resource())

    async def may_read(self, permit: Permit, found: Etagged | None) -> None:
        """Return if the call may read the blob, of which `found` gives the tags."""
        self.credential.check("blob", "r")
        tags = found.blob.tags if found else None
        await permit.require(self.credential.caller, READ, self.scope, resource=self._resource(tags))

    async def may(
        self, permit: Permit, action: str, letters: str, *, tags: Mapping[str, str] | None = None, sub_operations: tuple[str, ...] = ()
    ) -> None:
        """Return if the call may do this to the blob; `tags` are the new ones that it brings."""
        self.credential.check("blob", letters)
        request = {BLOB_TAGS: tags} if tags else None
        await permit.require(
            self.credential.caller, action, self.scope, sub_operations=sub_operations, request=request, resource=self._resource()
        )

    async def may_write(self, permit: Permit, facts: Facts | None = None) -> bool:
        """Return whether the call may write a new blob only, or raise Forbidden if it may not even that.

        Either action will do for a new blob, `blobs/write` alone for one in place of another.
        """
        letter = self.credential.check("blob", "wc")
        tags = facts.tags if facts else {}
        request = {BLOB_TAGS: tags} if tags else None
        sub = (_WITH_TAGS if tags else ()) + (WRITE_TIER if facts and facts.tier else ())
        caller, scope, resource = self.credential.caller, self.scope, self._resource()
        must_be_new = letter == "c"
        try:
            await permit.require(caller, WRITE, scope, sub_operations=sub, request=request, resource=resource)
        except Forbidden as refusal:
            try:
                await permit.require(caller, ADD, scope, sub_operations=sub, request=request, resource=resource)
            except Forbidden:
                raise refusal from None
            must_be_new = True
        if tags:
            self.credential.check("blob", "t")
            await permit.require(caller, WRITE_TAGS, scope, request=request, resource=resource)
        return must_be_new


class Door:
    """Lets calls in: from the host's account to the credential."""

    def __init__(self, storage: Storage, callers: Callers, ending: str) -> None:
        """`ending` is what follows the account in host names, with its leading dot."""
        self._accounts = storage.accounts
        self._ending = ending
        self.access = Access(storage.accounts, storage.delegation, callers)

    def account_of(self, host: str) -> str | None:
        """The account that a host name names; None if the host is none of ours."""
        return host.removesuffix(self._ending) if host.endswith(self._ending) else None

    async def enter(self, call: Call, raw_path: str | None = None) -> Visit:
        """The visit of a call whose credential is proven; `raw_path` stands in for the call's own.

        Raises:
            Invalid: the path or the query breaks a rule.
            NotOffered: the call asks for snapshots, versions, keys of its own.
            Unauthenticated, Forbidden: the credential does not hold, or there is no such account.
        """
        query = call.query()
        check_offered(call)
        if query and ("snapshot" in query or "versionid" in query):
            raise NotOffered("Snapshots and versions of blobs are not offered.", target="snapshot" if "snapshot" in query else "versionid")
        request = await self.request(call, call.host, raw_path or call.raw_path, call.raw_query, query)
        credential = await self.access.of(request)
        return self.visit(call, request, credential)

    async def request(self, call: Call, host: str, raw_path: str, raw_query: str, query: Mapping[str, str]) -> Request:
        """The parts of a call, or of a copy's source, that credentials are about."""
        name = self.account_of(host) or ""
        account = await self._accounts.find(name)
        return Request(
            call, call.method, call.headers, raw_path, raw_query, query, call.client, call.scheme, name, account, address(raw_path)
        )

    @staticmethod
    def visit(call: Call, request: Request, credential: Credential) -> Visit:
        """The visit of a proven credential. An account that does not exist is one that nobody may enter."""
        if request.account is None:
            raise Forbidden(
                "This request is not authorized to perform this operation using this permission.", code="AuthorizationPermissionMismatch"
            )
        return Visit(call, request.query, request.account, request.address, credential)
