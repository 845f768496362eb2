"""What callers write: bodies of resources, of every type that strangers write much about, and bodies of Graph."""

# Readers are often private to what they belong to.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from studiolo.kernel import principals as known
from studiolo.kernel.access.scopes import FLAT
from studiolo.kernel.control.drafting import written
from studiolo.kernel.documents import draft_from, merge_patch, row_of
from studiolo.kernel.faults import Fault
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Caller, Change, Resource, ResourceType, SystemData
from studiolo.rooms.assets import provider as assets
from studiolo.rooms.assets import schema as asset_schema
from studiolo.rooms.assets.domain import admit_datastore, admit_version
from studiolo.rooms.authentication.domain import federation
from studiolo.rooms.authentication.domain.passwords import check_password
from studiolo.rooms.authentication.schema import IdentityProvider
from studiolo.rooms.authentication.service.clients import Clients
from studiolo.rooms.authorization import schema as rights
from studiolo.rooms.authorization import wire as access
from studiolo.rooms.authorization.domain import assignments, denials, management, overrides, roles, schedules
from studiolo.rooms.directory import schema
from studiolo.rooms.directory.domain import graph, principals
from studiolo.wire.http import read_json_object
from tests.fuzz.readers.raw import check

AT = "2026-11-29T00:00:00.000000Z"
ID = "22222222-2222-2222-2222-222222222222"
TENANT = "11111111-1111-1111-1111-111111111111"
SYSTEM = SystemData("ada", "User", AT, "ada", "User", AT)
ADA = Caller(ID, TENANT, "User", "ada@studio.test")
WORKSPACE = f"/subscriptions/{TENANT}/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


def _directory() -> Iterator[ResourceType]:
    yield ResourceType(name=known.USERS, schema=schema.User, admit=principals.admit_user, kin=principals.user_kin, facets=known.user_facets)
    yield ResourceType(
        name=known.GROUPS,
        schema=schema.Group,
        admit=principals.admit_group,
        needs=principals.group_needs,
        facets=known.group_facets,
    )
    yield ResourceType(
        name=known.SERVICE_PRINCIPALS,
        schema=schema.ServicePrincipal,
        admit=principals.admit_service_principal,
        needs=principals.service_principal_needs,
        kin=principals.service_principal_kin,
        facets=known.service_principal_facets,
    )
    yield ResourceType(
        name=known.APPLICATIONS,
        schema=schema.Application,
        admit=partial(principals.admit_application, is_reserved=Clients.is_everybodys, checked_client=Clients.checked),
        facets=known.application_facets,
    )
    yield ResourceType(name=federation.PROVIDERS, schema=IdentityProvider, admit=federation.admit_provider, needs=federation.provider_needs)


def _rights() -> Iterator[ResourceType]:
    yield ResourceType(
        name=roles.ROLE_DEFINITIONS,
        schema=rights.RoleDefinition,
        admit=roles.admit,
        kin=roles.kin,
        demands=roles.demands,
        facets=roles.facets,
    )
    yield ResourceType(
        name=roles.ROLE_ASSIGNMENTS,
        schema=rights.RoleAssignment,
        admit=assignments.admit,
        needs=assignments.needs,
        kin=assignments.kin,
        facets=assignments.facets,
        attributes=assignments.attributes,
    )
    yield ResourceType(
        name=denials.DENY_ASSIGNMENTS,
        schema=rights.DenyAssignment,
        admit=denials.admit,
        needs=denials.needs,
        demands=denials.demands,
        facets=denials.facets,
    )
    yield ResourceType(
        name=management.MANAGEMENT_GROUPS,
        schema=rights.ManagementGroup,
        admit=partial(management.admit_group, tenant=TENANT, tree=FLAT),
        needs=partial(management.group_needs, tenant=TENANT),
        demands=partial(management.group_demands, tenant=TENANT),
        facets=management.group_facets,
    )


def _assets() -> Iterator[ResourceType]:
    place = "Microsoft.MachineLearningServices/workspaces"
    for name, family, properties in (
        ("data", assets.DATA, asset_schema.DataVersion),
        ("models", assets.MODEL, asset_schema.ModelVersion),
        ("codes", assets.CODE, asset_schema.CodeVersion),
        ("environments", assets.ENVIRONMENT, asset_schema.EnvironmentVersion),
        ("components", assets.COMPONENT, asset_schema.ComponentVersion),
    ):
        yield ResourceType(name=f"{place}/{name}/versions", schema=properties, admit=partial(admit_version, family))
    yield ResourceType(name=f"{place}/datastores", schema=asset_schema.Datastore, admit=admit_datastore)


TYPES = {declared.key: declared for declared in (*_directory(), *_rights(), *_assets())}


class _Everything(dict[str, Resource | None]):
    """Whatever a type asks for is there."""

    def get(self, key: str, default: Any = None) -> Any:
        if "#" in key:
            return None
        id_ = parse(key)
        properties = {"displayName": "One", "assignableScopes": ["/"], "roleName": "One", "type": "CustomRole", "permissions": []}
        return Resource(id=id_, type=id_.type, etag="one", system=SYSTEM, properties=properties)


def resource_body(raw: bytes) -> None:
    """The body of a write, to each type: with nothing else there, and with all there that it names."""
    body = read_json_object(raw)
    draft = draft_from(body)
    merge_patch({"properties": {"a": {"b": 1}}}, body)
    for declared in TYPES.values():
        for facts in (dict[str, Resource | None](), _Everything()):
            try:
                _admitted(declared, Change(_id(declared), None, draft, ADA, AT, ID, facts=facts))
            except Fault as fault:
                check(fault)


def _admitted(declared: ResourceType, change: Change) -> None:
    if declared.attributes is not None:
        declared.attributes(change)
    declared.check_properties(change.new.properties)
    for names in (declared.needs, declared.kin, declared.demands):
        if names is not None:
            names(change)
    made = written(declared, change, declared.admit(change))
    assert row_of(made).doc
    if declared.facets is not None:
        assert all(isinstance(facet, str) for facet in declared.facets(made))
    for bound in (schedules.START, schedules.END):
        moment = made.properties.get(bound) if declared.key == roles.ROLE_ASSIGNMENTS.lower() else None
        if moment is not None:
            assert len(moment) == len(AT)  # moments are compared as texts
            datetime.fromisoformat(moment)
    declared.admit(replace(change, old=made))  # what is stored can be written again


def _id(declared: ResourceType) -> ResourceId:
    namespace, _, kinds = declared.name.partition("/")
    if "/" in kinds or namespace == "Microsoft.MachineLearningServices":
        return parse(WORKSPACE + "".join(f"/{kind}/one" for kind in kinds.split("/")[1:]))
    return parse(f"/providers/{declared.name}/{ID}")


def graph_body(raw: bytes) -> None:
    """A body of Graph, and of a question about rights."""
    body = read_json_object(raw)
    reads: list[Callable[[], object]] = [
        partial(access._read, body, kind) for kind in (access._Asked, access._WhoCan, access._Can, access._Simulated)
    ]
    reads += [partial(overrides.override_in, {"studioloOverride": body})] if not _problem(body, rights.Override) else []
    for kind in graph.KINDS.values():
        reads += [partial(graph.properties_of, kind, body), partial(graph.password_in, kind, body, check_password)]
    for read in reads:
        try:
            read()
        except Fault as fault:
            check(fault)
    graph.oid_of(str(body.get("@odata.id")).rpartition("/")[2])
    graph.selected(body, [str(name) for name in body])


def _problem(body: Mapping[str, Any], kind: type[msgspec.Struct]) -> bool:
    try:
        msgspec.convert(body, kind)
    except msgspec.ValidationError:
        return True
    return False
