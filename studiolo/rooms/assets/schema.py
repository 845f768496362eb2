"""Which properties have which JSON types on the wire. What is not named here is kept as it came."""

from __future__ import annotations

from typing import Any

import msgspec

Scalar = str | int | float | bool | None
Texts = dict[str, Scalar] | None


class Asset(msgspec.Struct, rename="camel"):
    """What versions and containers of every family have."""

    description: str | None = None
    tags: Texts = None
    properties: Texts = None
    is_archived: bool | None = None


class Version(Asset, rename="camel"):
    """What versions of every family have."""

    is_anonymous: bool | None = None
    stage: str | None = None


class DataContainer(Asset, rename="camel"):
    """All versions of one data asset."""

    data_type: str | None = None


class DataVersion(Version, rename="camel"):
    """A version of a data asset."""

    data_type: str | None = None
    data_uri: str | None = None
    referenced_uris: list[str] | None = None


class ModelVersion(Version, rename="camel"):
    """A version of a model."""

    model_uri: str | None = None
    model_type: str | None = None
    flavors: dict[str, dict[str, Any]] | None = None
    job_name: str | None = None


class CodeVersion(Version, rename="camel"):
    """A snapshot of code."""

    code_uri: str | None = None


class BuildContext(msgspec.Struct, rename="camel"):
    """A folder with a Dockerfile."""

    context_uri: str
    dockerfile_path: str | None = None


class EnvironmentVersion(Version, rename="camel"):
    """A version of an environment."""

    image: str | None = None
    build: BuildContext | None = None
    conda_file: str | None = None
    inference_config: dict[str, Any] | None = None
    os_type: str | None = None
    auto_rebuild: str | None = None


class ComponentVersion(Version, rename="camel"):
    """A version of a component."""

    component_spec: dict[str, Any] | None = None


class Datastore(msgspec.Struct, rename="camel"):
    """A reference to storage."""

    datastore_type: str | None = None
    credentials: dict[str, Any] | None = None
    account_name: str | None = None
    container_name: str | None = None
    filesystem: str | None = None
    file_share_name: str | None = None
    store_name: str | None = None
    one_lake_workspace_name: str | None = None
    artifact: dict[str, Any] | None = None
    endpoint: str | None = None
    protocol: str | None = None
    service_data_access_auth_identity: str | None = None
    resource_group: str | None = None
    subscription_id: str | None = None
    description: str | None = None
    tags: Texts = None
    properties: Texts = None
