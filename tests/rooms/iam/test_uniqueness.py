"""What a write looks up beside its own id, through the whole pipeline."""

import pytest

from studiolo.kernel.faults import Conflict, Forbidden
from tests.rooms.iam.studio import AUTHORIZATION, GROUP, HERE, READER, Studio, guid

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
