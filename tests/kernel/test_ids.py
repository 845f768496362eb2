"""Resource ids: segments, case, refusals."""

import pytest

from studiolo.kernel.faults import Invalid
from studiolo.kernel.ids import Collection, ResourceId, parse, split

WS = "/subscriptions/S1/resourceGroups/Rg/providers/Microsoft.MachineLearningServices/workspaces/Hub"


def test_ids_compare_without_case_and_keep_their_spelling() -> None:
    one, two = parse(WS), parse(WS.upper())
    assert one.key == two.key
    assert one.text == WS


def test_a_nested_id_knows_its_type_names_and_holders() -> None:
    found = parse(WS + "/data/Tickets/versions/1/")
    assert found.type == "Microsoft.MachineLearningServices/workspaces/data/versions"
    assert found.names == ("Hub", "Tickets", "1")
    assert found.parent == parse(WS + "/data/Tickets")
    assert found.group == "Rg"
    assert found.subscription == "S1"
    assert found.group_id == parse("/subscriptions/S1/resourceGroups/Rg")


def test_an_extension_hangs_on_its_scope() -> None:
    found = parse(WS + "/providers/Microsoft.Authorization/roleAssignments/x")
    assert found.scope == parse(WS)
    assert found.parent == parse(WS)
    assert parse("/providers/Microsoft.Authorization/roleDefinitions/x").scope is None


def test_a_collection_names_its_type_and_parent() -> None:
    found = split(WS + "/data")
    assert isinstance(found, Collection)
    assert found.type == "Microsoft.MachineLearningServices/workspaces/data"
    assert found.parent == parse(WS)
    assert split("/subscriptions/s/resourcegroups") == Collection(
        parse("/subscriptions/s"), "Microsoft.Resources/resourceGroups", "/subscriptions/s/resourcegroups"
    )
    assert isinstance(split("/subscriptions"), Collection)


def test_groups_and_subscriptions_are_resources() -> None:
    assert parse("/subscriptions/s").type == "Microsoft.Resources/subscriptions"
    group = parse("/subscriptions/s/resourcegroups/g")
    assert isinstance(group, ResourceId)
    assert (group.type, group.name) == ("Microsoft.Resources/resourceGroups", "g")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "/",
        "/subscriptions//x",
        "/subscriptions/../x",
        "/subscriptions/s/./x",
        "/subscriptions/s%2f",
        "/subscriptions/s\\x",
        "/subscriptions/s/é",
        "/subscriptions/s/providers/NoDot/x/y",
        "/subscriptions/s/providers/A.B",
        "/subscriptions/s/a/b",
        "/subscriptions/s/providers/A.B/c/ d",
        "/subscriptions/s/providers/A.B/c/d\n",
        "/" + "a/" * 2000,
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        split(text)
