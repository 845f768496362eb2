"""Which attributes and sub-operations each action's calls carry: the table of section 6, written down once more."""

from __future__ import annotations

import pytest

from studiolo.kernel.access.conditions import compile_condition, syntax
from studiolo.kernel.access.lints.offers import OFFERS, Variant

SA, DIRECTORY = "Microsoft.Storage/storageAccounts", "Microsoft.Directory/CustomSecurityAttributes/Id"
CONTAINERS = f"{SA}/blobServices/containers"
BLOBS = f"{CONTAINERS}/blobs"
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
STORED = {f"{SA}:name", f"{SA}:isHnsEnabled", f"{CONTAINERS}:name"}
OF_BLOB = {*STORED, f"{BLOBS}:path", f"{SA}/encryptionScopes:name", f"{BLOBS}:isCurrentVersion"}
VERSIONED = {f"{BLOBS}:versionId", f"{BLOBS}:snapshot"}
TAGS = f"{BLOBS}/tags"
ML, MODELS = "Microsoft.MachineLearningServices/workspaces", "Microsoft.CognitiveServices/accounts"
WORKSPACE, DEPLOYMENT = {f"{ML}:name", f"{ML}:kind"}, {f"{MODELS}/deployments:name", f"{MODELS}/deployments:model"}
GRANT = {f"{ASSIGNMENTS}:{name}" for name in ("RoleDefinitionId", "PrincipalId", "PrincipalType")}
Way = tuple[tuple[str, ...], set[str], set[str]]
PLAIN: list[Way] = [((), VERSIONED, OF_BLOB)]
WRITE: list[Way] = [
    ((), set(), OF_BLOB),
    (("Blob.Write.WithTagHeaders",), {TAGS}, OF_BLOB),
    (("Blob.Write.Tier",), set(), OF_BLOB),
]
ALONE = (
    *("delete", "deleteBlobVersion/action", "move/action", "permanentDelete/action", "manageOwnership/action"),
    *("modifyPermissions/action", "immutableStorage/runAsSuperUser/action", "runAsSuperUser/action", "tags/read"),
)
TABLE: dict[tuple[str, str], list[Way]] = {
    ("data", f"{BLOBS}/read"): [((), VERSIONED, {*OF_BLOB, TAGS}), (("Blob.List",), {f"{BLOBS}:prefix"}, STORED)],
    ("data", f"{BLOBS}/write"): WRITE,
    ("data", f"{BLOBS}/add/action"): WRITE,
    **{("data", f"{BLOBS}/{verb}"): PLAIN for verb in ALONE},
    ("data", f"{BLOBS}/tags/write"): [((), {*VERSIONED, TAGS}, OF_BLOB)],
    ("data", f"{BLOBS}/filter/action"): [((), set(), {f"{SA}:name", f"{SA}:isHnsEnabled"})],
    **{("control", f"{CONTAINERS}/{verb}"): [((), set(), STORED)] for verb in ("read", "write", "delete")},
    **{
        ("control", f"{ML}/{verb}"): [((), set(), WORKSPACE)]
        for verb in ("read", "delete", "diagnose/action", "showKey/action", "rotateKey/action", "destroyKey/action")
    },
    **{("control", f"{ML}/hubs/{verb}"): [((), set(), WORKSPACE)] for verb in ("delete", "join/action", "join")},
    **{("control", f"{ML}/{verb}"): [((), {f"{ML}:kind"}, WORKSPACE)] for verb in ("write", "hubs/write")},
    **{("control", f"{MODELS}/deployments/{verb}"): [((), set(), DEPLOYMENT)] for verb in ("read", "delete")},
    ("control", f"{MODELS}/deployments/write"): [((), {f"{MODELS}/deployments:model"}, DEPLOYMENT)],
    **{
        ("data", f"{MODELS}/OpenAI/deployments/{call}/action"): [((), set(), DEPLOYMENT)]
        for call in ("chat/completions", "completions", "embeddings")
    },
    ("control", f"{ASSIGNMENTS}/write"): [((), GRANT, set())],
    ("control", f"{ASSIGNMENTS}/delete"): [((), set(), GRANT)],
}


def small(names: set[str]) -> frozenset[str]:
    return frozenset(map(str.lower, names))


def test_the_table_is_that_of_the_specification() -> None:
    said = {place: [(way.sub_operations, way.request, way.resource) for way in offer.variants] for place, offer in OFFERS.items()}
    assert said == {
        (plane, action.lower()): [(names, small(request), small(resource)) for names, request, resource in ways]
        for (plane, action), ways in TABLE.items()
    }
    assert all((each.plane, each.action) == place for place, each in OFFERS.items())
    assert next(iter(OFFERS)) == ("data", f"{BLOBS}/read".lower())


@pytest.mark.parametrize(
    ("attribute", "is_carried"),
    [
        (f"@Principal[{DIRECTORY}:Team_Name]", True),
        (f"@Principal[{DIRECTORY.upper()}:Team_Name]", True),
        (f"@Principal[{DIRECTORY}]", False),
        ("@Principal[x:y]", False),
        *((f"@Environment[{name}]", True) for name in ("UtcNow", "isPrivateLink", "Microsoft.Network/privateEndpoints")),
        ("@Environment[Microsoft.Network/virtualNetworks/subnets]", True),
        ("@Environment[UtcNow:x]", False),
        ("@Environment[x]", False),
        ("@Resource[x:y]", False),
    ],
)
def test_every_call_carries_who_asks_and_the_surroundings(attribute: str, is_carried: bool) -> None:
    assert Variant().offers(of(attribute)) is is_carried


def test_a_call_carries_what_is_asked_of_its_own_source() -> None:
    way = Variant((), small({TAGS, f"{BLOBS}:prefix"}), small({f"{CONTAINERS}:name"}))
    assert way.offers(of(f"@Request[{TAGS}:Any<$key_case_sensitive$>]"))
    assert way.offers(of(f"@Request[{TAGS}&$keys$&]"))
    assert way.offers(of(f"@Request[{BLOBS}:PREFIX]"))
    assert way.offers(of(f"@Resource[{CONTAINERS}:Name]"))
    assert not way.offers(of(f"@Request[{CONTAINERS}:name]"))
    assert not way.offers(of(f"@Resource[{BLOBS}:prefix]"))
    assert not way.offers(of(f"@Request[{BLOBS}:path]"))


def of(attribute: str) -> syntax.Attribute:
    node = compile_condition(f"Exists {attribute}").syntax
    assert isinstance(node, syntax.Presence)
    return node.attribute
