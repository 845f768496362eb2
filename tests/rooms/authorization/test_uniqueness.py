"""What a write looks up beside its own id, through the whole pipeline."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from studiolo.kernel.faults import Conflict, Forbidden
from tests.support.studio import AUTHORIZATION, GROUP, HERE, READER, Studio, guid, open_studio

pytestmark = pytest.mark.anyio

DEFINITIONS = f"/{AUTHORIZATION}/roleDefinitions"
DIRECTORY = "/providers/Studiolo.Directory"
THING = f"{GROUP}/providers/Test.Rooms/things/box"
READ, WRITE = "Test.Rooms/things/read", "Test.Rooms/things/write"


def keeper(name: str = "Keeper") -> dict[str, object]:
    return {"roleName": name, "assignableScopes": [HERE], "permissions": [{"actions": ["Test.Rooms/*"]}]}


async def test_a_principal_holds_a_role_at_a_scope_once(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid, READER, GROUP)
    for scope in (GROUP, GROUP.replace("resourceGroups", "RESOURCEGROUPS")):
        with pytest.raises(Conflict) as caught:
            await studio.assign(101, ada.oid, READER, scope)
        assert caught.value.code == "RoleAssignmentExists"
    await studio.assign(101, ada.oid, READER, THING)
    await studio.assign(100, ada.oid, READER, GROUP, description="may look")


async def codes(*writes: Awaitable[object]) -> list[str]:
    """What writes that are begun together come to: the code of each refusal, and nothing for each that is done."""
    done = await asyncio.gather(*writes, return_exceptions=True)
    found = [each.code if isinstance(each, Conflict) else repr(each) for each in done if isinstance(each, BaseException)]
    return sorted(found)


async def test_of_many_who_say_the_same_at_once_one_alone_is_heard(studio: Studio, tmp_path: Path) -> None:
    """Also where they come to several processes on one database, each with a store of its own."""
    neighbour = await open_studio(tmp_path)
    try:
        for number in range(1, 11):
            ada = await studio.user(number)
            refused = await codes(
                *(
                    each.assign(1000 * number + each_number, ada.oid, READER, GROUP)
                    for each_number, each in enumerate([studio, neighbour] * 4)
                )
            )
            assert refused == ["RoleAssignmentExists"] * 7
            found = await studio.store.by_facet("microsoft.authorization/roleassignments", f"principal:{ada.oid}")
            assert len(found.rows) == 1
    finally:
        await neighbour.close()


async def test_two_roles_of_one_name_and_two_principals_of_one_application_cannot_be_made_at_once(studio: Studio) -> None:
    refused = await codes(*(studio.put(f"{HERE}{DEFINITIONS}/{guid(200 + n)}", keeper()) for n in range(5)))
    assert len(refused) == 4
    await studio.put(f"{DIRECTORY}/applications/{guid(50)}", {"displayName": "robot"})
    acting = {"displayName": "robot", "appId": guid(50)}
    refused = await codes(*(studio.put(f"{DIRECTORY}/servicePrincipals/{guid(60 + n)}", acting) for n in range(5)))
    assert refused == ["ServicePrincipalExists"] * 4


async def test_a_custom_role_of_a_subscription_is_assigned_and_decides(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.put(f"{HERE}{DEFINITIONS}/{guid(200)}", keeper())
    await studio.assign(100, ada.oid, guid(200), GROUP)
    assert await studio.gate.may(ada, WRITE, THING)


async def test_a_role_has_one_home_and_a_name_of_its_own(studio: Studio) -> None:
    await studio.put(f"{HERE}{DEFINITIONS}/{guid(200)}", keeper())
    for path, name in ((f"{GROUP}{DEFINITIONS}/{guid(200)}", "Other"), (f"{GROUP}{DEFINITIONS}/{guid(201)}", "keeper")):
        with pytest.raises(Conflict):
            await studio.put(path, keeper(name))


async def test_an_application_has_one_service_principal(studio: Studio) -> None:
    await studio.put(f"{DIRECTORY}/applications/{guid(50)}", {"displayName": "robot"})
    await studio.put(f"{DIRECTORY}/servicePrincipals/{guid(51)}", {"displayName": "robot", "appId": guid(50)})
    with pytest.raises(Conflict) as caught:
        await studio.put(f"{DIRECTORY}/servicePrincipals/{guid(52)}", {"displayName": "robot", "appId": guid(50)})
    assert caught.value.code == "ServicePrincipalExists"


async def test_a_condition_on_the_callers_attributes_decides_and_follows_them(studio: Studio) -> None:
    ada = await studio.user(1, customSecurityAttributes={"Team": {"level": "high"}})
    condition = "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Team_level] StringEquals 'high'"
    await studio.assign(100, ada.oid, READER, GROUP, condition=condition, conditionVersion="2.0")
    await studio.gate.require(ada, READ, THING)
    await studio.user(1, customSecurityAttributes={"Team": {"level": "low"}})
    with pytest.raises(Forbidden):
        await studio.gate.require(ada, READ, THING)


async def test_a_control_grant_is_no_data_grant_even_right_after_it(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid, READER, GROUP)
    await studio.gate.require(ada, READ, THING)
    with pytest.raises(Forbidden):
        await studio.gate.require(ada, READ, THING, is_data=True)
