"""Project keys: their shape, their storage, their replacement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.faults import Fault, Invalid, NotFound, Stale
from studiolo.kernel.ids import parse
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.models.domain.keys import is_well_formed, key_text, slot_of
from studiolo.rooms.models.service.keys import Keys
from tests.rooms.models.conftest import ACCOUNT, PROJECT

ACCOUNT_ID, PROJECT_ID = parse(ACCOUNT), parse(PROJECT)
MASTER = b"m" * 32


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    found = SqliteStore(tmp_path / "keys.db")
    yield found
    await found.close()


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def opened(store: SqliteStore, master: bytes = MASTER) -> Keys:
    keys = Keys(store, KeyRing(store, master))
    await keys.ensure(ACCOUNT_ID, PROJECT_ID, "workspace-id", "identity")
    return keys


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_a_key_has_its_prefix_its_length_and_its_checksum(account_key: bytes, salt: bytes) -> None:
    text = key_text(account_key, "primary", salt)
    assert text.startswith("stu_")
    assert len(text) == 53
    assert is_well_formed(text)
    assert key_text(account_key, "secondary", salt) != text


@given(st.integers(0, 52), st.characters(codec="ascii"))
def test_a_mistyped_key_is_known_as_such(at: int, typed: str) -> None:
    text = key_text(b"k" * 32, "primary", b"s" * 16)
    wrong = text[:at] + typed + text[at + 1 :]
    assert is_well_formed(wrong) == (wrong == text)


def test_key_names_are_those_of_the_public_cloud() -> None:
    assert (slot_of("Key1"), slot_of("key2")) == ("primary", "secondary")
    with pytest.raises(Invalid):
        slot_of("key3")


async def test_both_keys_open_the_project_and_are_shown_again_and_again(store: SqliteStore) -> None:
    keys = await opened(store)
    shown = await keys.list(ACCOUNT_ID)
    assert shown["primary"] != shown["secondary"]
    for slot, text in shown.items():
        holder = await keys.find(text)
        assert holder is not None
        assert (holder.project, holder.slot, holder.identity) == (PROJECT, slot, "identity")
        assert holder.names_project("TRIAGE")
        assert holder.names_project("workspace-id")
        assert not holder.names_project("other")
    assert await (await opened(store)).list(ACCOUNT_ID) == shown


async def test_the_store_holds_no_key_and_makes_none_without_the_master_key(store: SqliteStore, tmp_path: Path) -> None:
    keys = await opened(store)
    shown = await keys.list(ACCOUNT_ID)
    bytes_on_disk = on_disk(tmp_path)
    for text in shown.values():
        assert text.encode() not in bytes_on_disk
        assert text[4:47].encode() not in bytes_on_disk
    with pytest.raises(Fault, match="cannot be unwrapped"):
        await Keys(store, KeyRing(store, b"x" * 32)).list(ACCOUNT_ID)


async def test_a_replaced_key_fails_at_the_next_call_and_the_other_goes_on(store: SqliteStore) -> None:
    keys = await opened(store)
    before = await keys.list(ACCOUNT_ID)
    assert await keys.find(before["primary"]) is not None
    after = await keys.regenerate(ACCOUNT_ID, "primary")
    assert await keys.find(before["primary"]) is None
    assert await keys.find(after["primary"]) is not None
    assert after["secondary"] == before["secondary"]
    assert await keys.find(after["secondary"]) is not None


async def test_keys_out_of_use_open_nothing_until_they_are_taken_back(store: SqliteStore) -> None:
    keys = await opened(store)
    shown = await keys.list(ACCOUNT_ID)
    await keys.ensure(ACCOUNT_ID, PROJECT_ID, "workspace-id", "identity", is_enabled=False)
    assert await keys.find(shown["primary"]) is None
    replaced = await keys.regenerate(ACCOUNT_ID, "primary")
    assert await keys.find(replaced["primary"]) is None
    await keys.ensure(ACCOUNT_ID, PROJECT_ID, "workspace-id", "identity")
    assert await keys.find(replaced["primary"]) is not None
    assert await keys.find(shown["secondary"]) is not None


async def test_dropped_keys_are_gone_for_good(store: SqliteStore) -> None:
    keys = await opened(store)
    shown = await keys.list(ACCOUNT_ID)
    for _ in range(2):
        await keys.drop(ACCOUNT_ID)
    assert await keys.find(shown["primary"]) is None
    with pytest.raises(NotFound):
        await keys.list(ACCOUNT_ID)
    assert await (await opened(store)).list(ACCOUNT_ID) != shown


async def test_two_replacements_at_once_leave_one_winner(store: SqliteStore) -> None:
    keys, others = await opened(store), await opened(store)
    first = keys.regenerate(ACCOUNT_ID, "primary")
    second = others.regenerate(ACCOUNT_ID, "primary")
    done = await asyncio.gather(first, second, return_exceptions=True)
    winners = [found for found in done if not isinstance(found, BaseException)]
    assert all(isinstance(found, Stale) for found in done if isinstance(found, BaseException))
    assert winners
    assert await keys.find((await keys.list(ACCOUNT_ID))["primary"]) is not None
