"""Who edits the database by hand gains nothing: changed, removed, added and replayed rows never make an allow."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from studiolo.app.tree import ScopeTree
from studiolo.kernel.access.decision import Ask, decide
from studiolo.kernel.access.reach import who_can
from studiolo.kernel.faults import Fault, Unavailable
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.store.port import ANY, PutResource, Row
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.authorization import accept_rights
from studiolo.rooms.authorization.backends.seals import Seals
from studiolo.rooms.authorization.backends.stored import StoredGrants
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, SUBSCRIPTION, Studio, guid, open_node

pytestmark = pytest.mark.anyio
THING = f"{GROUP}/providers/Test.Rooms/things/box"
TREE = "/providers/Microsoft.Management/managementGroups"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
HUB, PROJECT = (f"{GROUP}/providers/{WORKSPACES}/{name}" for name in ("home", "triage"))
IN_PROJECT = f"{PROJECT}/providers/Test.Rooms/things/box"
ASKS = [(action, scope) for action in ("Test.Rooms/things/read", "Test.Rooms/things/write") for scope in (HERE, THING, IN_PROJECT)]
CUSTOM = guid(800)
SEALED = (
    "studiolo.directory/users",
    "studiolo.directory/groups",
    "microsoft.authorization/roleassignments",
    "microsoft.authorization/denyassignments",
    "microsoft.management/managementgroups",
    "microsoft.management/managementgroups/subscriptions",
    "microsoft.machinelearningservices/workspaces",
)


@pytest.fixture
async def world(studio: Studio) -> Studio:
    """Ada reads through a group, Bob owns but for a deny assignment on a group that holds him, Eve has a custom role.

    Dan owns a management group beside the one that holds the subscription, and a hub whose roles do not reach its project.
    """
    ada, bob, eve = [await studio.user(number) for number in (1, 2, 3)]
    await studio.user(4, accountEnabled=False)
    await studio.group(10, ada.oid)
    await studio.group(11, bob.oid)
    permissions = [{"actions": ["Test.Rooms/things/read"]}]
    await studio.put(
        f"/{AUTHORIZATION}/roleDefinitions/{CUSTOM}", {"roleName": "narrow", "assignableScopes": [HERE], "permissions": permissions}
    )
    await studio.assign(100, guid(10), READER, GROUP)
    await studio.assign(101, bob.oid, OWNER, HERE)
    await studio.assign(102, eve.oid, CUSTOM, GROUP)
    await studio.assign(103, guid(4), OWNER, GROUP)
    await studio.put(
        f"{GROUP}/{AUTHORIZATION}/denyAssignments/{guid(700)}",
        {"denyAssignmentName": "no", "principals": [{"id": guid(11), "type": "Group"}], "permissions": [{"actions": ["Test.Rooms/*"]}]},
    )
    dan = await studio.user(5)
    for path in (f"{TREE}/ours", f"{TREE}/theirs", f"{TREE}/ours/subscriptions/{SUBSCRIPTION}"):
        await studio.put(path, {})
    await studio.store.commit(
        workspace(HUB, "Hub", {"roleInheritance": "None"}), workspace(PROJECT, "Project", {"hubResourceId": HUB, "friendlyName": "1"})
    )
    await studio.assign(104, dan.oid, OWNER, f"{TREE}/theirs")
    await studio.assign(105, dan.oid, OWNER, HUB)
    return studio


def workspace(path: str, kind: str, properties: dict[str, Any]) -> PutResource:
    """A workspace as its room writes it."""
    by = {"createdAt": "2026-01-01T00:00:00Z", "createdBy": "x", "createdByType": "User"}
    changed = {"lastModifiedAt": "2026-01-01T00:00:00Z", "lastModifiedBy": "x", "lastModifiedByType": "User"}
    doc = {"id": path, "type": WORKSPACES, "kind": kind, "location": "local", "properties": properties, "systemData": by | changed}
    key = path.lower()
    return PutResource(Row(key, WORKSPACES.lower(), key.rpartition("/")[0], '"1"', msgspec.json.encode(doc), None, "2026"), ANY)


async def allowed(grants: StoredGrants) -> set[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for number in range(1, 6):
        for action, scope in ASKS:
            if decide(Ask(guid(number), action, scope), await grants.facts(guid(number))).allowed:
                found.add((guid(number), action, scope))
    return found


async def looked_through(world: Studio) -> None:
    """Ask until the server that goes on has looked at everything again, which it does for a small part of the time."""
    await world.user(9)  # a change by another hand between two of one's own is noticed at the second
    until = asyncio.get_running_loop().time() + 10
    while not world.seals.damage and asyncio.get_running_loop().time() < until:
        await world.grants.refresh()
        await world.seals.rest()


async def grants_over(store: SqliteStore, seals: Seals) -> StoredGrants:
    tree = ScopeTree(store, seals)
    await tree.load()
    return StoredGrants(store, heirs=tree, seals=seals)


async def fresh(store: SqliteStore) -> set[tuple[str, str, str]]:
    """What somebody who reads everything anew allows: of a server that went on, and of one that was started."""
    seals = Seals(store, await KeyRing(store, b"k" * 32).data_key("authorization"))
    went_on = set[tuple[str, str, str]]()
    with suppress(Unavailable):  # where the version itself is not believed, nothing is decided
        went_on = await allowed(await grants_over(store, seals))
    with pytest.raises(Unavailable) as caught:
        await seals.open()
    assert caught.value.code == "AuthorizationStoreDamaged"
    return went_on


def flips(path: Path, every: int) -> Iterator[tuple[str, str, str, bytes | str]]:
    """Each byte of each column of each sealed row of our small world, one at a time: table, column, key, the other value."""
    at = 0
    with closing(sqlite3.connect(path)) as raw:
        rows = raw.execute("select key, type, parent, etag, created, doc, private from resources").fetchall()
        seals = raw.execute("select key, doc from entries where space in ('iam.seals', 'iam.authorization')").fetchall()
    ours = [row for row in rows if row[1] in SEALED or CUSTOM in row[0]]
    columns = ("type", "parent", "etag", "created", "doc", "private")
    values = [("resources", column, row[0], value) for row in ours for column, value in zip(columns, row[1:], strict=True) if value]
    values += [("entries", "doc", key, doc) for key, doc in seals if key == "state" or key in {row[0] for row in ours}]
    for table, column, key, value in values:
        raw_value = value.encode() if isinstance(value, str) else value
        for place in range(len(raw_value)):
            at += 1
            if at % every == 0:
                turned = bytearray(raw_value)
                turned[place] ^= 1
                yield table, column, key, turned.decode() if isinstance(value, str) else bytes(turned)


async def flip(world: Studio, path: Path, every: int) -> int:
    before = await fresh_before(world)
    done = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for table, column, key, value in flips(path, every):
            where = "where key = ?" + ("" if table == "resources" else " and space in ('iam.seals', 'iam.authorization')")
            update = f"update {table} set {column} = ? {where}"  # noqa: S608 - names from this file
            (old,) = raw.execute(f"select {column} from {table} {where}", (key,)).fetchone()  # noqa: S608 - the same
            raw.execute(update, (value, key))
            assert await fresh(world.store) <= before, (table, column, key, value)
            raw.execute(update, (old, key))
            done += 1
    assert await fresh_before(world) == before
    return done


async def fresh_before(world: Studio) -> set[tuple[str, str, str]]:
    seals = Seals(world.store, await KeyRing(world.store, b"k" * 32).data_key("authorization"))
    await seals.open()
    found = await allowed(await grants_over(world.store, seals))
    assert found
    return found


async def test_a_flipped_byte_never_allows_and_is_noticed_at_the_start(world: Studio, tmp_path: Path) -> None:
    assert await flip(world, tmp_path / "studiolo.db", every=211) > 20


@pytest.mark.nightly
@pytest.mark.timeout(3600)
async def test_every_flipped_byte_never_allows(world: Studio, tmp_path: Path) -> None:
    assert await flip(world, tmp_path / "studiolo.db", every=1) > 5_000


@pytest.mark.parametrize(
    "key", [f"{GROUP}/{AUTHORIZATION}/denyAssignments/{guid(700)}", f"/providers/Studiolo.Directory/groups/{guid(11)}"]
)
@pytest.mark.parametrize("is_thorough", [False, True])
async def test_a_row_that_was_removed_by_hand_opens_nothing(world: Studio, tmp_path: Path, key: str, *, is_thorough: bool) -> None:
    before = await fresh_before(world)
    with closing(sqlite3.connect(tmp_path / "studiolo.db")) as raw:
        raw.execute("delete from resources where key = ?", (key.lower(),))
        raw.execute("delete from facets where key = ?", (key.lower(),))
        if is_thorough:
            raw.execute("delete from entries where space = 'iam.seals' and key = ?", (key.lower(),))
        raw.commit()
    with pytest.raises(Fault) as caught:
        await open_node(tmp_path)
    assert caught.value.code == "AuthorizationStoreDamaged"
    # The server that goes on looks at everything once it has noticed that somebody else wrote.
    await looked_through(world)
    assert await allowed(world.grants) <= before
    assert not await allowed(world.grants)


async def test_an_older_row_that_is_put_back_with_its_seal_opens_nothing(world: Studio, tmp_path: Path) -> None:
    key = f"/providers/studiolo.directory/groups/{guid(10)}"
    path = tmp_path / "studiolo.db"
    with closing(sqlite3.connect(path)) as raw:
        row = raw.execute("select key, type, parent, etag, created, doc, private from resources where key = ?", (key,)).fetchone()
        seal = raw.execute("select * from entries where space = 'iam.seals' and key = ?", (key,)).fetchone()
        facets = raw.execute("select * from facets where key = ?", (key,)).fetchall()
    await world.group(10)
    before = await fresh_before(world)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("insert or replace into resources (key, type, parent, etag, created, doc, private) values (?, ?, ?, ?, ?, ?, ?)", row)
        raw.execute("insert or replace into entries values (?, ?, ?, ?)", seal)
        raw.executemany("insert or replace into facets values (?, ?, ?)", facets)
        raw.commit()
    assert not await allowed(world.grants) - before - {(guid(1), *ask) for ask in ASKS}
    await looked_through(world)
    assert not await allowed(world.grants)


@pytest.mark.parametrize("case", ["another parent", "another group", "roles that reach", "another hub", "no subscription"])
async def test_a_tree_that_was_changed_by_hand_gives_nothing(world: Studio, tmp_path: Path, case: str) -> None:
    before = await fresh_before(world)
    membership = f"{TREE}/ours/subscriptions/{SUBSCRIPTION}".lower()
    tenant = world.tenant.encode()
    with closing(sqlite3.connect(tmp_path / "studiolo.db")) as raw:
        match case:
            case "another parent":
                change_doc(raw, f"{TREE}/ours", b'"name":"%b"' % tenant, b'"name":"theirs"')
            case "another group":
                for column in ("key", "parent", "doc"):
                    raw.execute(
                        f"update resources set {column} = replace(cast({column} as text), '/ours', '/theirs') where key = ?",  # noqa: S608 - ours
                        (membership if column == "key" else membership.replace("/ours", "/theirs"),),
                    )
            case "roles that reach":
                change_doc(raw, HUB, b'"roleInheritance":"None"', b'"roleInheritance":"Projects"')
            case "another hub":
                change_doc(raw, PROJECT, b"/home", b"/mine")
            case _:
                raw.execute("delete from resources where key = ?", (membership,))
                raw.execute("delete from entries where space = 'iam.seals' and key = ?", (membership,))
        raw.commit()
    assert await fresh(world.store) <= before
    with pytest.raises(Unavailable) as caught:
        await open_node(tmp_path)
    assert caught.value.code == "AuthorizationStoreDamaged"
    # The server that goes on: what it knows still holds, until it has looked at everything.
    assert await allowed(world.grants) <= before
    await looked_through(world)
    assert not await allowed(world.grants)


def change_doc(raw: sqlite3.Connection, path: str, old: bytes, new: bytes) -> None:
    (doc,) = raw.execute("select doc from resources where key = ?", (path.lower(),)).fetchone()
    assert old in doc
    raw.execute("update resources set doc = ? where key = ?", (doc.replace(old, new), path.lower()))


async def test_a_tree_that_was_changed_by_hand_would_have_given_something(world: Studio) -> None:
    """The changes above are not idle: written as the studio writes, they let Dan in."""
    before = await fresh_before(world)
    await world.store.commit(workspace(HUB, "Hub", {"roleInheritance": "Projects"}))
    assert await fresh_before(world) - before == {
        (guid(5), action, IN_PROJECT) for action in ("Test.Rooms/things/read", "Test.Rooms/things/write")
    }
    await world.put(f"{TREE}/theirs/subscriptions/{SUBSCRIPTION}", {})
    assert (guid(5), "Test.Rooms/things/write", HERE) in await fresh_before(world)


@pytest.mark.parametrize("is_asked_before", [False, True])
@pytest.mark.parametrize("case", ["an assignment", "a role", "a user", "a group", "a deny assignment", "a parent", "a new assignment"])
async def test_questions_about_everybody_believe_no_more_than_single_decisions(
    world: Studio, tmp_path: Path, case: str, *, is_asked_before: bool
) -> None:
    if is_asked_before:
        assert await agreed(world)
    source = f"{HERE}/{AUTHORIZATION}/roleAssignments/{guid(101)}".lower()
    with closing(sqlite3.connect(tmp_path / "studiolo.db")) as raw:
        match case:
            case "an assignment":
                change_doc(raw, f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(102)}", guid(3).encode(), guid(1).encode())
            case "a role":
                change_doc(raw, f"/{AUTHORIZATION}/roleDefinitions/{CUSTOM}", b"Test.Rooms/things/read", b"Test.Rooms/things/*")
            case "a user":
                change_doc(raw, f"/providers/Studiolo.Directory/users/{guid(4)}", b"false", b"true")
            case "a group":
                change_doc(raw, f"/providers/Studiolo.Directory/groups/{guid(10)}", guid(1).encode(), guid(5).encode())
            case "a deny assignment":
                raw.execute("delete from resources where key = ?", (f"{GROUP}/{AUTHORIZATION}/denyAssignments/{guid(700)}".lower(),))
            case "a parent":
                change_doc(raw, f"{TREE}/ours", b'"name":"%b"' % world.tenant.encode(), b'"name":"theirs"')
            case _:
                row = raw.execute(
                    "select key, type, parent, etag, created, doc, private from resources where key = ?", (source,)
                ).fetchone()
                forged = (row[0].replace(guid(101), guid(109)), *row[1:5], row[5].replace(guid(2).encode(), guid(3).encode()), row[6])
                raw.execute("insert into resources (key, type, parent, etag, created, doc, private) values (?, ?, ?, ?, ?, ?, ?)", forged)
        raw.commit()
    await agreed(world)
    await looked_through(world)
    assert bool(await agreed(world)) == (case in ("an assignment", "a role", "a user", "a new assignment"))


async def agreed(world: Studio) -> set[tuple[str, str, str]]:
    """What who-can and simulate's world say of each question, the same as single decisions."""
    told = set[tuple[str, str, str]]()
    for action, scope in ASKS:
        reach = who_can(Ask("", action, scope), await world.worlds.above(scope.lower()))
        may = [(one, reach.verdict(one)) for one in reach.principals]
        told |= {(one, action, scope) for one, verdict in may if verdict is not None and verdict.allowed}
        whole = await world.worlds.whole()
        facts = {guid(number): whole.facts(guid(number)) for number in range(1, 6)}
        assert {one for one, found in facts.items() if decide(Ask(one, action, scope), found).allowed} == {
            one for one, asked, at in told if (asked, at) == (action, scope) and one in facts
        }
    everybody = {guid(number) for number in range(1, 6)}
    decided = await allowed(world.grants)
    assert {each for each in told if each[0] in everybody} == decided
    return decided


async def test_a_planned_assignment_of_a_role_that_was_changed_by_hand_is_refused(world: Studio, tmp_path: Path) -> None:
    plan = {"assign": [{"role": "narrow", "who": guid(1), "scope": THING}]}
    path = f"{GROUP}/providers/Studiolo.Access/simulate"
    assert (await world.ask("POST", path, {"change": plan})).status == 200
    with closing(sqlite3.connect(tmp_path / "studiolo.db")) as raw:
        change_doc(raw, f"/{AUTHORIZATION}/roleDefinitions/{CUSTOM}", b"Test.Rooms/things/read", b"Test.Rooms/things/*")
        raw.commit()
    await world.user(9)
    await looked_through(world)
    assert (await world.ask("POST", path, {"change": plan})).code == "RoleDefinitionDoesNotExist"


async def test_a_forged_row_and_a_forged_index_give_nothing(world: Studio, tmp_path: Path) -> None:
    before = await fresh_before(world)
    path = tmp_path / "studiolo.db"
    source = f"{HERE}/{AUTHORIZATION}/roleAssignments/{guid(101)}".lower()
    forged = source.replace(guid(101), guid(109))
    with closing(sqlite3.connect(path)) as raw:
        row = list(raw.execute("select key, type, parent, etag, created, doc, private from resources where key = ?", (source,)).fetchone())
        row[0], row[5] = forged, row[5].replace(guid(2).encode(), guid(3).encode())
        raw.execute("insert into resources (key, type, parent, etag, created, doc, private) values (?, ?, ?, ?, ?, ?, ?)", row)
        raw.execute("insert into facets values (?, ?, ?)", (row[1], f"principal:{guid(3)}", forged))
        joined = "studiolo.directory/groups", f"member:{guid(3)}", f"/providers/studiolo.directory/groups/{guid(10)}"
        raw.execute("insert into facets values (?, ?, ?)", joined)
        raw.execute("delete from facets where value = ?", (f"member:{guid(2)}",))
        raw.commit()
    assert await fresh(world.store) <= before


async def test_rows_without_a_state_are_not_believed(world: Studio, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "studiolo.db")) as raw:
        raw.execute("delete from entries where space in ('iam.seals', 'iam.authorization')")
        raw.commit()
    with pytest.raises(Unavailable) as caught:
        await open_node(tmp_path)
    assert caught.value.code == "AuthorizationStoreDamaged"
    with pytest.raises(Unavailable):
        await world.grants.refresh()
    with pytest.raises(Unavailable):
        await world.user(9)


async def test_an_operator_can_accept_the_rows_as_they_are(world: Studio, tmp_path: Path) -> None:
    before = await fresh_before(world)
    with closing(sqlite3.connect(tmp_path / "studiolo.db")) as raw:
        raw.execute("delete from entries where space in ('iam.seals', 'iam.authorization')")
        raw.commit()
    assert await accept_rights(world.store, KeyRing(world.store, b"k" * 32)) > 40
    assert await fresh_before(world) == before
    again = await open_node(tmp_path)
    await again.close()


# ── the lines that tell of changes ───────────────────────────────────────────────────────────────────────────────────


async def reopened(path: Path) -> list[str]:
    """What the record says of itself after two more starts."""
    for _ in range(2):
        store = SqliteStore(path)
        await Seals(store, await KeyRing(store, b"k" * 32).data_key("authorization")).open()
        await store.close()
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("select reason from record where kind = 'loss'")]


@pytest.mark.parametrize(("cut", "told"), [(0, []), (1, ["RightsNewer"]), (3, ["RightsNewer"])])
async def test_a_start_tells_that_lines_of_rights_in_force_were_cut_off_the_record(
    studio: Studio, tmp_path: Path, cut: int, told: list[str]
) -> None:
    ada = await studio.user(1)
    for number, scope in enumerate((HERE, GROUP, THING)):
        await studio.assign(100 + number, ada.oid, READER, scope)
    with closing(sqlite3.connect(tmp_path / "studiolo.db")) as edited:
        edited.execute("delete from record where seq > (select max(seq) from record) - ?", (cut,))
        edited.commit()
    assert await reopened(tmp_path / "studiolo.db") == told
