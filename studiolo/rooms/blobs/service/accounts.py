"""Storage accounts: found by name on every call, their keys sealed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Invalid, NotFound, Stale
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.keys import generation_of
from studiolo.kernel.resource import PLATFORM
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, PutResource, Store, Write
from studiolo.rooms.blobs.domain.blob import Account
from studiolo.rooms.blobs.domain.names import check_account
from studiolo.rooms.blobs.ports import Keys
from studiolo.rooms.blobs.service.rows import SERVICES, row

SPACE: Final = "blobs/accounts"
KEY_NAMES: Final = ("key1", "key2")
_RACES = 5
_KEY_BYTES = 64


class Secrets(msgspec.Struct, frozen=True):
    """What is sealed with an account: its two shared keys and the root of its user delegation keys, in base64.

    `revoked` counts, by object id, how often a principal's delegation keys were revoked.
    """

    key1: str
    key2: str
    delegation: str
    revoked: dict[str, int] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Account).decode
_decode_secrets = msgspec.json.Decoder(Secrets).decode


class Accounts:
    """All storage accounts, by their globally unique names."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._known: dict[str, Account] = {}
        self._secrets: dict[str, Secrets] = {}
        store.listen(self._forget)

    async def find(self, name: str) -> Account | None:
        """The account of this name."""
        found = self._known.get(name)
        if found is None:
            entry = await self._store.entry(SPACE, name)
            if entry is None:
                return None
            found = self._known[name] = _decode(entry.doc)
        return found

    async def get(self, id_: ResourceId) -> Account:
        """The account of this resource.

        Raises:
            NotFound: there is none.
        """
        found = await self.find(id_.name.lower())
        if found is None or found.id.lower() != id_.key:
            raise NotFound(f"There is no storage account '{id_}'.")
        return found

    async def ensure(self, id_: ResourceId, *, is_shared_key_allowed: bool) -> Account:
        """The account, made if it is not there, with this setting. Safe to repeat.

        Raises:
            Invalid: the name is no account name.
            Conflict: the name belongs to another resource (code `StorageAccountAlreadyTaken`).
        """
        name = id_.name
        check_account(name)
        for _ in range(_RACES):
            entry = await self._store.entry(SPACE, name)
            old = _decode(entry.doc) if entry else None
            if old is not None and old.id.lower() != id_.key:
                raise Conflict(f"The storage account named {name} is already taken.", code="StorageAccountAlreadyTaken", target="name")
            if old is not None and old.is_shared_key_allowed == is_shared_key_allowed:
                return old
            made = await self._made(id_, is_shared_key_allowed=is_shared_key_allowed) if old is None else old
            made = msgspec.structs.replace(made, is_shared_key_allowed=is_shared_key_allowed)
            if await self._put(made, entry):
                return made
        raise _contended(name)

    async def drop(self, name: str) -> None:
        """Forget the account and its keys: what they sealed cannot be read again. Safe to repeat.

        The name is given free last: whoever takes it then gets keys of its own, and a crash in between leaves none behind.
        """
        await self._keys.destroy(f"account/{name}")
        await self._store.commit(DropEntry(SPACE, name))

    async def secrets(self, account: Account) -> Secrets:
        """The account's keys. Raises as the key ring does, although they were opened before."""
        await self._keys.keys(account.owner)
        found = self._secrets.get(account.sealed)
        if found is None:
            opened = await self._keys.open(account.owner, base64.b64decode(account.sealed), _place(account.name))
            found = self._secrets[account.sealed] = _decode_secrets(opened)
        return found

    async def regenerate(self, account: Account, key_name: str) -> Secrets:
        """Give the account a new key in place of one; what the old one signed is void at once.

        Raises:
            Invalid: there is no key of this name.
        """
        if key_name not in KEY_NAMES:
            raise Invalid(f"'{key_name[:50]}' is no key: an account has key1 and key2.", code="InvalidKeyName", target="keyName")
        old = await self.secrets(account)
        return await self._replace(account, msgspec.structs.replace(old, **{key_name: _fresh_key()}))

    async def revoke(self, account: Account, oid: str | None = None) -> None:
        """Void the user delegation keys of one principal, or of all, and with them every signature made with them."""
        old = await self.secrets(account)
        if oid is None:
            await self._replace(account, msgspec.structs.replace(old, delegation=_fresh_key(), revoked={}))
        else:
            await self._replace(account, msgspec.structs.replace(old, revoked={**old.revoked, oid: old.revoked.get(oid, 0) + 1}))

    async def reseal(self, name: str) -> bool:
        """Seal the account's keys anew if an older generation sealed them; whether it was. Nobody notices."""
        account = await self.find(name)
        if account is None:
            return False
        newest = (await self._keys.keys(account.owner)).number
        if generation_of(base64.b64decode(account.sealed)) == newest:
            return False
        await self._replace(account, await self.secrets(account))
        return True

    async def _replace(self, account: Account, secrets: Secrets) -> Secrets:
        entry = await self._store.entry(SPACE, account.name)
        sealed = await self._sealed(account.name, secrets)
        if entry is None or not await self._put(msgspec.structs.replace(_decode(entry.doc), sealed=sealed), entry):
            raise _contended(account.name)
        return secrets

    async def _made(self, id_: ResourceId, *, is_shared_key_allowed: bool) -> Account:
        secrets = Secrets(_fresh_key(), _fresh_key(), _fresh_key())
        now = int(clock.now().timestamp() * 1000)
        sealed = await self._sealed(id_.name, secrets)
        return Account(name=id_.name, id=id_.text, sealed=sealed, is_shared_key_allowed=is_shared_key_allowed, created=now)

    async def _sealed(self, name: str, secrets: Secrets) -> str:
        return base64.b64encode(await self._keys.seal(f"account/{name}", _encode(secrets), _place(name))).decode()

    async def _put(self, account: Account, over: Entry | None) -> bool:
        entry = PutEntry(SPACE, Entry(account.name, clock.new_tag(), _encode(account)), expect=over.etag if over else ABSENT)
        # The blob service is a resource of its own, and there as soon as its account is.
        service = PutResource(row(account.service_id, SERVICES, PLATFORM, clock.stamp(clock.now()), {}))
        try:
            await (self._store.commit(entry) if over else self._store.commit(entry, service))
        except Stale:
            return False
        return True

    def _forget(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, PutEntry | DropEntry) and write.space == SPACE:
                self._known.pop(write.entry.key if isinstance(write, PutEntry) else write.key, None)
                self._secrets.clear()


def _fresh_key() -> str:
    return base64.b64encode(clock.new_secret(_KEY_BYTES)).decode()


def _place(name: str) -> bytes:
    return b"account secrets\0" + name.encode()


def _contended(name: str) -> Conflict:
    return Conflict(f"The storage account '{name}' is being changed by somebody else; try again.", code="AnotherOperationInProgress")
