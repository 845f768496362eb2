import asyncio
from typing import Any

import msgspec
import pytest

from studiolo.kernel.faults import Forbidden, Invalid
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM, Caller
from tests.support.asgi import call
from tests.support.studio import AUTHORIZATION, GROUP, READER, Studio, guid

pytestmark = pytest.mark.anyio

THING = f"{GROUP}/providers/Test.Rooms/things/box"
READ = "Test.Rooms/things/read"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
DIRECTORY = "/providers/Studiolo.Directory"


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_rights_come_through_groups_of_groups_and_end_with_the_membership(studio: Studio) -> None:
    ada = await studio.user(1)
    for number, member in ((10, ada.oid), (11, guid(10)), (12, guid(11))):
        await studio.group(number, member)
    await studio.assign(100, guid(12), READER, GROUP)
    assert await studio.gate.may(ada, READ, THING)
    await studio.group(11)
    assert not await studio.gate.may(ada, READ, THING)
    await studio.group(11, guid(10))
    assert await studio.gate.may(ada, READ, THING)
    await studio.control.delete(PLATFORM, parse(f"{DIRECTORY}/groups/{guid(10)}"))
    assert not await studio.gate.may(ada, READ, THING)


async def test_membership_does_not_flow_upwards(studio: Studio) -> None:
    ada, bob = await studio.user(1), await studio.user(2)
    await studio.group(10, ada.oid)
    await studio.group(11, guid(10), bob.oid)
    await studio.assign(100, guid(10), READER, GROUP)
    assert await studio.gate.may(ada, READ, THING)
    assert not await studio.gate.may(bob, READ, THING)


async def test_groups_may_hold_each_other(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.group(10)
    await studio.group(11, guid(10))
    await studio.group(10, guid(11), ada.oid)
    await studio.assign(100, guid(11), READER, GROUP)
    assert await studio.gate.may(ada, READ, THING)


async def test_a_new_member_is_in_force_for_the_next_call(studio: Studio) -> None:
    people = [await studio.user(number) for number in range(1, 6)]
    await studio.group(10)
    await studio.assign(100, guid(10), READER, GROUP)
    for at, person in enumerate(people):
        assert not await studio.gate.may(person, READ, THING)
        await studio.group(10, *(each.oid for each in people[: at + 1]))
        assert await studio.gate.may(person, READ, THING)


@pytest.mark.parametrize(
    ("members", "code"),
    [(["ada"], "InvalidGroupMember"), ([guid(1), guid(1).upper()], "InvalidGroupMember"), ([guid(9)], "PrincipalNotFound")],
)
async def test_members_are_principals_each_once(studio: Studio, members: list[str], code: str) -> None:
    await studio.user(1)
    with pytest.raises(Invalid) as caught:
        await studio.group(10, *members)
    assert caught.value.code == code


# ── users, applications, service principals ──────────────────────────────────────────────────────────────────────


NOT_A_USER: list[dict[str, Any]] = [
    {},
    {"displayName": ""},
    {"displayName": "a\x00b"},
    {"displayName": "x" * 300},
    {"displayName": 5},
    {"displayName": "Ada", "mail": "no address"},
    {"displayName": "Ada", "accountEnabled": "yes"},
    {"displayName": "Ada", "customSecurityAttributes": {"A_B": {"c": "x"}}},
    {"displayName": "Ada", "customSecurityAttributes": {"A": {"c": {"deep": 1}}}},
    {"displayName": "Ada", "customSecurityAttributes": {"A": 1}},
]


async def test_a_user_outside_the_rules_is_not_written(studio: Studio) -> None:
    for properties in NOT_A_USER:
        with pytest.raises(Invalid):
            await studio.put(f"{DIRECTORY}/users/{guid(1)}", properties)
    assert await studio.grants.principal(guid(1)) is None


async def test_a_principal_is_named_by_a_guid(studio: Studio) -> None:
    for kind in ("users", "groups", "servicePrincipals", "applications"):
        with pytest.raises(Invalid) as caught:
            await studio.put(f"{DIRECTORY}/{kind}/ada", {"displayName": "Ada"})
        assert caught.value.code == "InvalidResourceName"


async def test_users_are_found_by_name_and_address(studio: Studio) -> None:
    await studio.user(1, mail="Ada@Example.org", userPrincipalName="ada@studio")
    await studio.user(2)
    owner = Caller(studio.beginning.owner)
    from studiolo.kernel.ids import Collection

    collection = Collection(None, "Studiolo.Directory/users", f"{DIRECTORY}/users")
    for text in ("mail eq 'ada@example.org'", "userPrincipalName eq 'ADA@studio'", "displayName eq 'user-1'"):
        listed = await studio.control.list(owner, collection, {"$filter": text})
        assert [msgspec.json.decode(doc)["name"] for doc in listed.docs] == [guid(1)]
    with pytest.raises(Invalid):
        await studio.control.list(owner, collection, {"$filter": "startswith(mail,'a')"})


async def test_people_without_a_role_at_the_root_see_nobody(studio: Studio) -> None:
    await studio.user(1)
    for kind in ("users", "groups", "servicePrincipals", "applications"):
        assert (await studio.ask("GET", f"{DIRECTORY}/{kind}")).json()["value"] == []
    assert (await studio.ask("PUT", f"{DIRECTORY}/users/{guid(2)}", {"properties": {"displayName": "x"}})).code == "AuthorizationFailed"


async def test_a_service_principal_needs_its_application(studio: Studio) -> None:
    path = f"{DIRECTORY}/servicePrincipals/{guid(51)}"
    with pytest.raises(Invalid) as caught:
        await studio.put(path, {"displayName": "robot", "appId": guid(50)})
    assert caught.value.code == "ApplicationNotFound"
    await studio.put(f"{DIRECTORY}/applications/{guid(50)}", {"displayName": "robot"})
    await studio.put(path, {"displayName": "robot", "appId": guid(50)})


async def test_nobody_but_the_platform_makes_a_managed_identity(studio: Studio) -> None:
    owner = Caller(studio.beginning.owner)
    await studio.put(f"{DIRECTORY}/applications/{guid(50)}", {"displayName": "robot"})
    for extra in ({"servicePrincipalType": "ManagedIdentity"}, {"alternativeNames": [THING]}):
        with pytest.raises(Forbidden):
            await studio.put(f"{DIRECTORY}/servicePrincipals/{guid(51)}", {"displayName": "x", "appId": guid(50), **extra}, owner)


async def test_secrets_are_not_written_with_the_application(studio: Studio) -> None:
    with pytest.raises(Invalid) as caught:
        await studio.put(f"{DIRECTORY}/applications/{guid(50)}", {"displayName": "x", "passwordCredentials": [{"secretText": "mine"}]})
    assert caught.value.code == "NotWritable"


async def test_attributes_of_a_principal_reach_conditions(studio: Studio) -> None:
    ada = await studio.user(1, customSecurityAttributes={"Team": {"clearance": "high", "floors": [1, 2]}})
    await studio.grants.facts(ada.oid)
    prefix = "Microsoft.Directory/CustomSecurityAttributes/Id:Team"
    assert studio.grants.attributes(ada.oid) == {f"{prefix}_clearance": "high", f"{prefix}_floors": [1, 2]}


async def test_attributes_are_written_under_their_own_name_alone(studio: Studio) -> None:
    await studio.user(1)
    await studio.put(f"{DIRECTORY}/applications/{guid(50)}", {"displayName": "robot"})
    for path, properties in ((f"users/{guid(1)}", {"displayName": "Ada"}), (f"servicePrincipals/{guid(51)}", {"appId": guid(50)})):
        for name in ("CustomSecurityAttributes", "customsecurityattributes"):
            with pytest.raises(Invalid) as caught:
                await studio.put(f"{DIRECTORY}/{path}", {**properties, name: {"Team": {"level": "high"}}})
            assert caught.value.target == f"properties.{name}"
        await studio.put(f"{DIRECTORY}/{path}", {**properties, "customSecurityAttributes": {"Team": {"level": "low"}}})


async def test_whoever_may_write_all_but_assignments_cannot_help_himself_to_roles(studio: Studio) -> None:
    eve = await studio.user(6)
    await studio.assign(600, eve.oid, CONTRIBUTOR, "/")
    await studio.group(10)
    client = studio.beginning.cli_client_id
    for kind, name, properties in (
        ("groups", guid(10), {"displayName": "group-10", "members": [eve.oid]}),
        ("users", eve.oid, {"displayName": "eve", "customSecurityAttributes": {"Team": {"level": "high"}}}),
        ("applications", guid(50), {"displayName": "robot"}),
        ("servicePrincipals", guid(51), {"displayName": "robot", "appId": client}),
    ):
        with pytest.raises(Forbidden):
            await studio.put(f"{DIRECTORY}/{kind}/{name}", properties, eve)
    with pytest.raises(Forbidden):
        await studio.control.act(eve, parse(f"{DIRECTORY}/applications/{client}"), "addPassword", {}, {})


# ── identities of resources ──────────────────────────────────────────────────────────────────────────────────────


async def test_an_identity_is_made_once_however_many_ask(studio: Studio) -> None:
    made = await asyncio.gather(*(studio.principals.ensure_identity(parse(THING)) for _ in range(10)))
    assert len({each.principal_id for each in made}) == 1
    found = await studio.principal(made[0].principal_id)
    assert (found.kind, found.application, found.resource_id, found.name) == ("ServicePrincipal", made[0].client_id, THING, "box")


async def test_a_retired_identity_leaves_no_right_behind(studio: Studio) -> None:
    first = await studio.principals.ensure_identity(parse(THING))
    await studio.assign(100, first.principal_id, READER, GROUP)
    caller = Caller(first.principal_id)
    assert await studio.gate.may(caller, READ, THING)
    for _ in range(2):
        await studio.principals.retire_identity(parse(THING))
    assert not await studio.gate.may(caller, READ, THING)
    assert await studio.control.find(parse(f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}")) is None
    second = await studio.principals.ensure_identity(parse(THING))
    assert second.principal_id != first.principal_id


async def test_a_managed_identity_is_not_deleted_by_itself(studio: Studio) -> None:
    made = await studio.principals.ensure_identity(parse(THING))
    with pytest.raises(Forbidden) as caught:
        await studio.control.delete(Caller(studio.beginning.owner), parse(f"{DIRECTORY}/servicePrincipals/{made.principal_id}"))
    assert caught.value.code == "DenyAssignmentAuthorizationFailed"


async def test_a_user_assigned_identity_gets_a_principal_and_loses_it(studio: Studio) -> None:
    path = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/robot"
    made = await studio.ask("PUT", path, {"location": "local", "properties": {"principalId": guid(9)}})
    found = made.json()["properties"]
    assert made.status == 201
    assert found["tenantId"] == studio.tenant
    assert (await studio.principal(found["principalId"])).application == found["clientId"]
    again = await studio.ask("PUT", path, {"location": "local", "tags": {"a": "b"}})
    assert again.json()["properties"]["principalId"] == found["principalId"]
    assert (await studio.ask("DELETE", path)).status == 200
    assert await studio.grants.principal(found["principalId"]) is None


async def test_a_user_cannot_sign_in_as_a_managed_identity(studio: Studio) -> None:
    made = await studio.principals.ensure_identity(parse(THING))
    reply = await studio.token_reply(client_id=made.client_id)
    assert reply.json()["error_codes"] == [700016]


async def test_the_first_page_of_a_stranger_needs_no_session(studio: Studio) -> None:
    assert (await call(studio.front, "GET", "/signin")).status == 200
