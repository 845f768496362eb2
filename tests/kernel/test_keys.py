"""Generations of keys: rotation, wrapping anew from crash to crash, shares, customers' keys, and what tampering comes to."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from studiolo.app.outbound import GuardedOutbound
from studiolo.kernel.faults import Fault, Invalid
from studiolo.kernel.keys import SPACE, KeyRing, Rotation
from studiolo.kernel.keys.leases import LIFE_SECONDS
from studiolo.kernel.store.port import Entry, PutEntry, Write
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.keys import SharesFolder, customer_keys
from tests.support.vault import Vault, vault_in

MASTER, NEWER = bytes(range(32)), bytes(range(32, 64))
HUB, ACCOUNT, ONE, TWO, MODELS = "hub/h", "account/a", "account/a/project/one", "account/a/project/two", "models/one"
ALL = (HUB, ACCOUNT, ONE, TWO, MODELS)


class Home:
    """A store and what lies outside of it."""

    def __init__(self, folder: Path, **customers: Any) -> None:
        self.folder = folder
        self.customers = customers
        (folder / "data").mkdir(exist_ok=True)
        self.shares = SharesFolder(folder / "shares")
        self.store = SqliteStore(folder / "data" / "studiolo.db")

    def ring(self, master: bytes = MASTER, previous: bytes | None = None) -> KeyRing:
        found = customer_keys([self.folder / "data"], **self.customers) if self.customers else None
        return KeyRing(self.store, master, previous=previous, shares=self.shares, customers=found)

    async def build(self) -> tuple[KeyRing, Rotation]:
        """A hub with an account, two projects, and something that hangs on the first."""
        ring = self.ring()
        rotation = Rotation(ring)
        await rotation.establish(HUB, None, has_share=True)
        await rotation.establish(ACCOUNT, HUB)
        await rotation.establish(ONE, HUB, has_share=True)
        await rotation.establish(TWO, HUB, has_share=True)
        await rotation.establish(MODELS, ONE)
        return ring, rotation

    async def by(self, owner: str) -> list[str]:
        """By which generations of its parent a key is wrapped."""
        found = await self.ring().find(owner)
        assert found is not None
        return [one.by for one in found[1].generations]


async def keys_of(ring: KeyRing, owners: Sequence[str] = ALL) -> dict[str, bytes]:
    return {owner: await ring.data_key(owner) for owner in owners}


async def code_of(ring: KeyRing, owner: str) -> str:
    with pytest.raises(Fault) as refused:
        await ring.keys(owner)
    return refused.value.code


async def test_a_rotated_key_seals_with_the_new_version_and_opens_the_old(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ring, rotation = await home.build()
    old = await ring.seal(ONE, b"canary", b"name/1")
    before = await keys_of(ring)
    assert await rotation.rotate(ONE) == 2
    new = await ring.seal(ONE, b"canary", b"name/1")
    again = home.ring()
    for sealed in (old, new):
        assert await again.open(ONE, sealed, b"name/1") == b"canary"
    after = await keys_of(again)
    assert [owner for owner in ALL if before[owner] != after[owner]] == [ONE]
    assert (await again.keys(ONE)).of(1) == before[ONE]
    assert await home.by(MODELS) == ["2"]
    await rotation.retire(ONE)
    with pytest.raises(Fault) as refused:
        await ring.open(ONE, old, b"name/1")
    assert refused.value.code == "SecretDamaged"
    assert await ring.open(ONE, new, b"name/1") == b"canary"
    await home.store.close()


async def test_a_rotated_hub_wraps_all_below_anew_and_drops_its_old_version(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ring, rotation = await home.build()
    for n in range(250):
        await rotation.establish(f"account/a/project/n{n}", HUB)
    before = await keys_of(ring)
    stolen = {owner: await home.store.entry(SPACE, owner) for owner in (ONE, ACCOUNT)}
    await rotation.rotate(HUB)
    await rotation.retire(HUB)
    assert {owner: key for owner, key in (await keys_of(home.ring())).items() if owner != HUB} == {
        owner: key for owner, key in before.items() if owner != HUB
    }
    assert {tuple(await home.by(f"account/a/project/n{n}")) for n in range(250)} == {("2",)}
    # What an older copy of the rows holds hangs on a version that is gone.
    for owner, entry in stolen.items():
        assert entry is not None
        await home.store.commit(PutEntry(SPACE, entry))
        assert await code_of(home.ring(), owner) == "KeyRingDamaged"
    await home.store.close()


class _Killed(BaseException):
    """The end of the process."""


class Dying:
    """A store whose process ends at its commit number `at`, before or after that is durable."""

    def __init__(self, store: SqliteStore, at: int, *, is_durable: bool) -> None:
        self._store = store
        self._left = at
        self._is_durable = is_durable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, *writes: Write) -> None:
        self._left -= 1
        if self._left <= 0:
            if self._is_durable and self._left == 0:
                await self._store.commit(*writes)
            raise _Killed
        await self._store.commit(*writes)


@pytest.mark.parametrize("is_durable", [False, True])
@pytest.mark.parametrize("what", ["hub", "project", "master", "destroy"])
async def test_a_crash_at_any_commit_loses_no_key(tmp_path: Path, what: str, is_durable: bool) -> None:
    first = tmp_path / "first"
    first.mkdir()
    home = Home(first)
    ring, rotation = await home.build()
    for n in range(120):
        await rotation.establish(f"account/a/project/n{n}", HUB)
    before = await keys_of(ring)
    await home.store.close()
    for at in range(1, 12):
        home = Home(Path(shutil.copytree(first, tmp_path / str(at))))
        dying: Any = Dying(home.store, at, is_durable=is_durable)
        newer = NEWER if what == "master" else MASTER
        ended = KeyRing(dying, newer, previous=MASTER, shares=home.shares)
        try:
            match what:
                case "hub":
                    await Rotation(ended).rotate(HUB)
                    await Rotation(ended).retire(HUB)
                case "project":
                    await Rotation(ended).rotate(ONE)
                case "master":
                    await Rotation(ended).rewrap_master()
                case _:
                    await ended.shred(TWO)
        except _Killed:
            is_over = False
        else:
            is_over = True
        start = home.ring(newer, MASTER)
        if what == "master":
            await Rotation(start).rewrap_master()
            start = home.ring(newer)  # the older one is not needed any more
        await Rotation(start).recover()
        for owner in ALL:
            found = await home.ring(newer).find(owner)
            assert found is not None
            if found[1].destroyed:
                assert (what, owner) == ("destroy", TWO)
                assert home.shares.find(TWO) is None
                continue
            keys = await start.keys(owner)
            assert keys.of(1) == before[owner] if 1 in keys.older or keys.number == 1 else owner == HUB
        await home.store.close()
        if is_over:
            return
    raise AssertionError("it never came to an end")


async def test_a_destroyed_key_is_gone_in_every_backup_of_the_data_and_its_neighbour_is_not(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ring, _ = await home.build()
    sealed = {owner: await ring.seal(owner, b"canary") for owner in (ONE, TWO, MODELS)}
    await home.store.close()
    shutil.copytree(tmp_path / "data", tmp_path / "backup")
    home = Home(tmp_path)
    ring = home.ring()
    await ring.shred(ONE)
    assert await code_of(ring, ONE) == "KeyDestroyed"
    assert await code_of(ring, MODELS) == "KeyDestroyed"
    with pytest.raises(Fault):
        await ring.seal(ONE, b"more")
    await home.store.close()
    shutil.rmtree(tmp_path / "data")
    shutil.move(tmp_path / "backup", tmp_path / "data")
    restored = Home(tmp_path).ring()
    assert await restored.open(TWO, sealed[TWO]) == b"canary"
    for owner in (ONE, MODELS):
        with pytest.raises(Fault) as refused:
            await restored.open(owner, sealed[owner])
        assert refused.value.code == "KeyDestroyed"
    await restored.store.close()


async def test_a_copy_of_data_and_master_key_without_the_shares_opens_no_project(tmp_path: Path) -> None:
    home = Home(tmp_path)
    await home.build()
    thief = KeyRing(home.store, MASTER, shares=SharesFolder(tmp_path / "elsewhere"))
    for owner in ALL:
        assert await code_of(thief, owner) == "KeyDestroyed"
    await home.store.close()


async def test_tampered_rows_are_told_and_the_others_open(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ring, rotation = await home.build()
    await rotation.rotate(ONE)
    whole = {owner: await home.store.entry(SPACE, owner) for owner in ALL}
    one, two = whole[ONE], whole[TWO]
    assert one is not None
    assert two is not None
    import json

    shown = json.loads(one.doc)
    cut = {**shown, "generations": [{**part, "wrapped": part["wrapped"][:-8]} for part in shown["generations"]]}
    swapped = {**shown, "generations": [{**shown["generations"][0], "number": 2}, {**shown["generations"][1], "number": 1}]}
    bare = {name: value for name, value in shown.items() if name != "has_share"}
    moved = {**shown, "parent": None}
    guarded = {**shown, "customer": {"address": "file:///x", "wrapped": ""}}
    for doc in (two.doc, b"{", b"[]", b'{"parent":null}', *(json.dumps(other).encode() for other in (cut, swapped, bare, moved))):
        await home.store.commit(PutEntry(SPACE, Entry(ONE, "t", doc)))
        assert await code_of(home.ring(), ONE) == "KeyRingDamaged"
        assert await home.ring().data_key(TWO) == await ring.data_key(TWO)
    await home.store.commit(PutEntry(SPACE, Entry(ONE, "t", json.dumps(guarded).encode())))
    assert await code_of(home.ring(), ONE) == "CustomerKeyUnreachable"
    await home.store.commit(PutEntry(SPACE, one))
    assert len(await home.ring().data_key(ONE)) == 32
    await home.store.close()


# ── customers' keys ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def vault(tmp_path: Path) -> Any:
    with vault_in(tmp_path) as found:
        yield found


def reaching(vault: Vault, folder: Path) -> Home:
    return Home(folder, outbound=GuardedOutbound([vault.host], vault.context()))


async def lapse() -> None:
    """Longer than anything of a customer's key is held."""
    await asyncio.sleep(LIFE_SECONDS + 0.5)  # noqa: TID251 - time is what is tested


@pytest.mark.slow
async def test_a_vaults_key_guards_a_hub_and_withdrawing_it_stops_serving(tmp_path: Path, vault: Vault) -> None:
    home = reaching(vault, tmp_path)
    ring, rotation = await home.build()
    before = await ring.data_key(ONE)
    await rotation.guard(HUB, vault.uri)
    asked = len(vault.asked)
    assert [await ring.data_key(ONE) for _ in range(100)] == [before] * 100
    assert len(vault.asked) <= asked + 1
    assert all("api-version=7" in path for path, _ in vault.asked)
    for status, code in (
        (403, "CustomerKeyRevoked"),
        (404, "CustomerKeyRevoked"),
        (503, "CustomerKeyUnreachable"),
        (429, "CustomerKeyUnreachable"),
    ):
        vault.status = status
        if status >= 429:
            assert await ring.data_key(ONE) == before  # what is held is held for its seconds
        await lapse()
        assert await code_of(ring, ONE) == code
        assert await code_of(ring, MODELS) == code
        vault.status = 200
        await asyncio.sleep(1.1)  # noqa: TID251 - as long as a refusal is remembered
        assert await ring.data_key(ONE) == before
    vault.location, vault.status = f"https://{vault.host}/keys/other/1/unwrapkey", 302
    await lapse()
    assert await code_of(ring, ONE) == "CustomerKeyUnreachable"
    assert not any("/other/" in path for path, _ in vault.asked)
    await home.store.close()


async def test_a_silent_vault_does_not_hold_callers_for_long_and_many_share_one_question(tmp_path: Path, vault: Vault) -> None:
    home = reaching(vault, tmp_path)
    _, rotation = await home.build()
    await rotation.guard(HUB, vault.uri)
    vault.is_silent = True
    ring, asked = home.ring(), len(vault.asked)
    began = asyncio.get_running_loop().time()
    codes = await asyncio.gather(*(code_of(ring, owner) for owner in (ONE, TWO, ACCOUNT, HUB)))
    assert set(codes) == {"CustomerKeyUnreachable"}
    assert asyncio.get_running_loop().time() - began < 4
    assert len(vault.asked) == asked + 1
    await asyncio.sleep(1.5)  # noqa: TID251 - until the vault hangs up
    await home.store.close()


async def test_what_guarded_hub_lies_in_the_store_opens_without_the_vault_to_nobody(tmp_path: Path, vault: Vault) -> None:
    home = reaching(vault, tmp_path)
    _, rotation = await home.build()
    old = await home.store.entry(SPACE, ONE)
    await rotation.guard(HUB, vault.uri)
    with_all_but_the_vault = KeyRing(home.store, MASTER, shares=home.shares, customers=customer_keys([], GuardedOutbound()))
    for owner in ALL:
        assert await code_of(with_all_but_the_vault, owner) == "CustomerKeyRevoked"
    # Rows from before hang on a version of the hub's key that is gone.
    assert old is not None
    await home.store.commit(PutEntry(SPACE, old))
    assert await code_of(home.ring(), ONE) == "KeyRingDamaged"
    await home.store.close()


async def test_the_master_key_is_rotated_while_the_vault_is_down(tmp_path: Path, vault: Vault) -> None:
    home = reaching(vault, tmp_path)
    ring, rotation = await home.build()
    before = await keys_of(ring, (ONE, TWO))
    await rotation.guard(HUB, vault.uri)
    vault.status = 503
    await Rotation(home.ring(NEWER, MASTER)).rewrap_master()
    vault.status = 200
    assert await keys_of(home.ring(NEWER), (ONE, TWO)) == before
    await home.store.close()


@pytest.mark.parametrize(
    "address",
    [
        "http://{host}/keys/contoso",
        "https://{host}/secrets/contoso",
        "https://{host}/keys/../secrets/contoso",
        "https://{host}/keys/contoso?x=1",
        "https://user:word@{host}/keys/contoso",
        "https://localhost/keys/contoso",
        "https://127.0.0.1:1/keys/contoso",
        "https://2130706433/keys/contoso",
        "https://[::1]/keys/contoso",
        "https://169.254.169.254/keys/contoso",
        "https://vault.example:8443/keys/contoso",
        "file://host/key",
        "file:relative",
        "ftp://x/keys/a",
    ],
)
async def test_only_a_named_host_is_spoken_to(tmp_path: Path, vault: Vault, address: str) -> None:
    home = reaching(vault, tmp_path)
    ring, rotation = await home.build()
    before = await ring.data_key(ONE)
    with pytest.raises(Fault) as refused:
        await rotation.guard(HUB, address.format(host=vault.host))
    assert refused.value.code in ("CustomerKeyInvalid", "CustomerKeyUnreachable")
    assert isinstance(refused.value, Invalid) or address == "https://localhost/keys/contoso"
    assert vault.asked == []
    assert await home.ring().data_key(ONE) == before
    await home.store.close()


async def test_a_token_goes_to_its_vault_alone(tmp_path: Path, vault: Vault) -> None:
    word = secrets.token_hex(8)
    home = Home(tmp_path, outbound=GuardedOutbound([vault.host], vault.context()), tokens={vault.host: word, "other.example": "elsewhere"})
    _, rotation = await home.build()
    await rotation.guard(HUB, vault.uri)
    assert {headers.get("authorization", headers.get("Authorization")) for _, headers in vault.asked} == {f"Bearer {word}"}
    await home.store.close()
