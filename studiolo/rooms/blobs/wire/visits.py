"""A visit: one call to the data plane, from its host and path to what it may do.

The credential is proven and the decision asked before anything is shown, so that what is absent and what is forbidden
answer alike, accounts too. A blob's tags before the call are among what conditions may ask for (authorization
specification, section 6): reads find the blob first, changes only where a condition looks at them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from studiolo.kernel.faults import Fault, Forbidden, NotOffered
from studiolo.rooms.blobs.domain.blob import Account, Etagged
from studiolo.rooms.blobs.domain.conditions import Conditions
from studiolo.rooms.blobs.domain.names import address
from studiolo.rooms.blobs.domain.sas import Level
from studiolo.rooms.blobs.ports import Callers, Recipients
from studiolo.rooms.blobs.service.access import Access, Credential, Request
from studiolo.rooms.blobs.service.blobs import Facts, Terms
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
NOT_PERMITTED: Final = "This request is not authorized to perform this operation using this permission."
"""What everybody is told whom a decision refuses, and whoever asks for an account that does not exist: it names nothing."""


class _TagsAsked(Fault):
    """A condition looks at the stored tags of a blob that nobody has read yet. It ends the question, never a call."""


class _Unread(Mapping[str, str]):
    """Stands in for stored tags, so that a blob is read before a decision only where some condition looks at them."""

    def __getitem__(self, key: str) -> str:
        raise _TagsAsked(key)

    def __iter__(self) -> Iterator[str]:
        raise _TagsAsked("every key")

    def __len__(self) -> int:
        raise _TagsAsked("their number")


_UNREAD: Final = _Unread()


class Visit:
    """One call: its account, its address, its credential, and the decisions that it asks for."""

    __slots__ = ("_storage", "_tags", "account", "address", "call", "credential", "query")

    def __init__(self, call: Call, storage: Storage, request: Request, credential: Credential) -> None:
        self.call = call
        self.query = request.query
        # What does not exist looks on the way to the decision like what is empty, and lets nobody in.
        self.account = request.account or Account(name=request.account_name, id="", sealed="")
        self.address = request.address
        self.credential = credential
        self._storage = storage
        self._tags: Mapping[str, str] = _UNREAD

    @property
    def scope(self) -> str:
        """The scope of decisions: the container, or the account's blob service."""
        container = self.address.container
        return self.account.container_id(container) if container else self.account.service_id

    async def stored(self) -> Etagged | None:
        """The blob as it is now, if it is there."""
        container = await self._storage.containers.find(self.account, self.address.container)
        return await self._storage.blobs.find(container, self.address.blob) if container else None

    async def may_control(self, permit: Permit, action: str, level: Level, letters: str, *, is_for_account: bool = True) -> None:
        """Return if the call may do something to a container or to the service; raise Forbidden if not."""
        self.credential.check(level, letters, is_for_account=is_for_account)
        await self._require(permit, action, resource=self._container())

    async def may_list(self, permit: Permit, prefix: str, *, with_tags: bool) -> None:
        """Return if the call may list the container's blobs that begin so, and see their tags.

        A list is of no blob: it carries the container and the prefix, also where a folder stands in its path.
        """
        self.credential.check("container", "l")
        if with_tags:
            self.credential.check("container", "t")
        request = {BLOB_PREFIX: prefix} if prefix else None
        await self._require(permit, READ, sub_operations=LIST, request=request, resource=self._container())
        if with_tags:
            await self._require(permit, READ_TAGS, resource=self._container())

    async def may_read(self, permit: Permit, found: Etagged | None) -> None:
        """Return if the call may read the blob as it was found."""
        await self.may_see(permit, READ, "r", found)

    async def may_see(self, permit: Permit, action: str, letters: str, found: Etagged | None) -> None:
        """Return if the call may see this of the blob as it was found."""
        self.credential.check("blob", letters)
        await self._require(permit, action, resource=self._blob(found.blob.tags if found else {}))

    async def may(
        self, permit: Permit, action: str, letters: str, *, tags: Mapping[str, str] | None = None, sub_operations: tuple[str, ...] = ()
    ) -> None:
        """Return if the call may do this to the blob; `tags` are the new ones that it brings."""
        self.credential.check("blob", letters)
        await self._may_change(permit, action, sub_operations, {BLOB_TAGS: tags} if tags else None)

    async def may_write(self, permit: Permit, facts: Facts | None = None) -> bool:
        """Return whether the call may write a new blob only, or raise Forbidden if it may not even that.

        Either action will do for a new blob, `blobs/write` alone for one in place of another.
        """
        letter = self.credential.check("blob", "wc")
        tags = facts.tags if facts else {}
        if tags:
            self.credential.check("blob", "t")
        request = {BLOB_TAGS: tags} if tags else None
        sub = (_WITH_TAGS if tags else ()) + (WRITE_TIER if facts and facts.tier else ())
        must_be_new = letter == "c"
        try:
            await self._may_change(permit, WRITE, sub, request)
        except Forbidden as refusal:
            try:
                await self._may_change(permit, ADD, sub, request)
            except Forbidden:
                raise refusal from None
            must_be_new = True
        if tags:
            await self._may_change(permit, WRITE_TAGS, (), request)
        return must_be_new

    def terms(self, conditions: Conditions, *, must_be_new: bool = False) -> Terms:
        """Under which what was decided may be done."""
        return Terms(conditions, must_be_new, None if self._tags is _UNREAD else self._tags)

    def _container(self) -> dict[str, Any]:
        found: dict[str, Any] = {ACCOUNT_NAME: self.account.name, ACCOUNT_IS_HNS: False}
        if self.address.container:
            found[CONTAINER_NAME] = self.address.container
        return found

    def _blob(self, tags: Mapping[str, str]) -> dict[str, Any]:
        """The attributes of the blob before the call. Unread tags count as there until a condition looks at them."""
        return {**self._container(), BLOB_PATH: self.address.blob, BLOB_IS_CURRENT_VERSION: True, BLOB_TAGS: tags}

    async def _may_change(self, permit: Permit, action: str, sub_operations: tuple[str, ...], request: Mapping[str, Any] | None) -> None:
        """Ask with the tags that the blob has before the change; what is refused is refused with all of them known."""
        try:
            await self._require(permit, action, sub_operations=sub_operations, request=request, resource=self._blob(self._tags))
        except (_TagsAsked, Forbidden):
            if self._tags is not _UNREAD or not self.account.id:
                raise
            found = await self.stored()
            self._tags = found.blob.tags if found else {}
            await self._require(permit, action, sub_operations=sub_operations, request=request, resource=self._blob(self._tags))

    async def _require(
        self,
        permit: Permit,
        action: str,
        *,
        resource: Mapping[str, Any],
        sub_operations: tuple[str, ...] = (),
        request: Mapping[str, Any] | None = None,
    ) -> None:
        caller = self.credential.caller
        if not self.account.id:
            permit.charge(caller)
            raise Forbidden(NOT_PERMITTED, code="AuthorizationPermissionMismatch")
        await permit.require(caller, action, self.scope, sub_operations=sub_operations, request=request, resource=resource)


class Door:
    """Lets calls in: from the host's account to the credential."""

    def __init__(self, storage: Storage, callers: Callers, recipients: Recipients, ending: str) -> None:
        """`ending` is what follows the account in host names, with its leading dot."""
        self._storage = storage
        self._ending = ending
        self.access = Access(storage.accounts, storage.delegation, callers, recipients)

    def account_of(self, host: str) -> str | None:
        """The account that a host name names; None if the host is none of ours."""
        return host.removesuffix(self._ending) if host.endswith(self._ending) else None

    async def enter(self, call: Call, raw_path: str | None = None) -> Visit:
        """The visit of a call whose credential is proven; `raw_path` stands in for the call's own.

        Raises:
            Invalid: the path or the query breaks a rule.
            NotOffered: the call asks for snapshots, versions, keys of its own.
            Unauthenticated, Forbidden: the credential does not hold.
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
        account = await self._storage.accounts.find(name)
        return Request(
            call, call.method, call.headers, raw_path, raw_query, query, call.client, call.scheme, name, account, address(raw_path)
        )

    def visit(self, call: Call, request: Request, credential: Credential) -> Visit:
        """The visit of a proven credential."""
        return Visit(call, self._storage, request, credential)
