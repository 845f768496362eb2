"""The resource types of this room, as a table."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import msgspec

from studiolo.kernel.resource import Action, ResourceType
from studiolo.rooms.assets import schema
from studiolo.rooms.assets.domain import (
    Family,
    admit_container,
    admit_data_container,
    admit_datastore,
    admit_version,
    code_facets,
    container_for_data,
    container_for_version,
    find_code,
    settle_code,
    settle_component,
    settle_data,
    settle_environment,
    settle_model,
    shows_asset,
    shows_datastore,
    shows_model,
)
from studiolo.rooms.assets.domain.components import same_component
from studiolo.rooms.assets.domain.versions import same_code
from studiolo.rooms.assets.service import SECRETS, UPLOAD, AssetService

_WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$"
_VERBS = frozenset({"get", "list", "put", "delete"})

DATA = Family("data asset", settle_data, ("dataType", "dataUri", "referencedUris"), has_state=False)
MODEL = Family("model", settle_model, ("modelUri", "modelType", "flavors"))
CODE = Family("code asset", settle_code, ("codeUri", "properties"), same=same_code)
ENVIRONMENT = Family("environment", settle_environment, ("image", "build", "condaFile", "inferenceConfig", "osType"), is_whole=True)
COMPONENT = Family("component", settle_component, ("componentSpec",), same=same_component, reworded=frozenset({"componentSpec"}))


def asset_types(service: AssetService) -> list[ResourceType]:
    """The types, built on one service."""
    upload = (Action(UPLOAD, service.start_upload, is_secret=True, needs_no_resource=True),)
    return [
        replace(_container(service, "data", "data assets"), schema=schema.DataContainer, admit=admit_data_container),
        replace(_versions(service, "data", DATA, schema.DataVersion), actions=upload, parent_draft=container_for_data),
        _container(service, "models", "models"),
        replace(_versions(service, "models", MODEL, schema.ModelVersion), actions=upload, shows=shows_model),
        _container(service, "codes", "code"),
        replace(_versions(service, "codes", CODE, schema.CodeVersion), actions=upload, facets=code_facets, finds=find_code),
        _container(service, "environments", "environments"),
        _versions(service, "environments", ENVIRONMENT, schema.EnvironmentVersion),
        _container(service, "components", "components"),
        replace(_versions(service, "components", COMPONENT, schema.ComponentVersion), resolve=service.default_version),
        _datastores(service),
    ]


def _container(service: AssetService, plural: str, words: str) -> ResourceType:
    return ResourceType(
        name=f"{_WORKSPACES}/{plural}",
        about=f"Names of {words}: what all versions of a name share.",
        schema=schema.Asset,
        admit=admit_container,
        verbs=_VERBS,
        view=service.latest,
        may_delete=service.may_delete_asset,
        shows=shows_asset,
        name_pattern=_NAME,
    )


def _versions(service: AssetService, plural: str, family: Family, properties: type[msgspec.Struct]) -> ResourceType:
    return ResourceType(
        name=f"{_WORKSPACES}/{plural}/versions",
        about=f"Versions of a {family.word}: the content is fixed, the description and tags are not.",
        schema=properties,
        admit=partial(admit_version, family),
        verbs=_VERBS,
        may_delete=service.may_delete_asset,
        shows=shows_asset,
        name_pattern=_NAME,
        parent_draft=container_for_version,
    )


def _datastores(service: AssetService) -> ResourceType:
    return ResourceType(
        name=f"{_WORKSPACES}/datastores",
        about="References to storage. Three of them come with every project.",
        schema=schema.Datastore,
        admit=admit_datastore,
        verbs=_VERBS,
        view=service.endpoint,
        may_delete=service.may_delete_datastore,
        shows=shows_datastore,
        actions=(Action(SECRETS, service.list_secrets, is_secret=True),),
        name_pattern=_NAME,
    )
