"""Accounts and deployments: where a project's models live, and what may be written to them.

Every project has one account, of the project's own name and in its group. Keys and deployments hang on the account; what
a token may do with a model is decided at the project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from studiolo.kernel.access.names import DEPLOYMENT_MODEL, DEPLOYMENT_NAME
from studiolo.kernel.faults import Conflict, Invalid, NotFound, NotOffered
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Change, Demand, Draft, JsonObject

ACCOUNT: Final = "Microsoft.CognitiveServices/accounts"
DEPLOYMENT: Final = "Microsoft.CognitiveServices/accounts/deployments"
WORKSPACE: Final = "Microsoft.MachineLearningServices/workspaces"

_DATA = f"{ACCOUNT}/OpenAI"
CHAT_ACTION: Final = f"{_DATA}/deployments/chat/completions/action"
COMPLETIONS_ACTION: Final = f"{_DATA}/deployments/completions/action"
EMBEDDINGS_ACTION: Final = f"{_DATA}/deployments/embeddings/action"
DEPLOYMENTS_READ: Final = f"{_DATA}/deployments/read"
MODELS_READ: Final = f"{_DATA}/models/read"
KEY_ACTIONS: Final = (CHAT_ACTION, COMPLETIONS_ACTION, EMBEDDINGS_ACTION, DEPLOYMENTS_READ, MODELS_READ)
"""All that a project key can ever do."""

Ability = Literal["chat", "embeddings"]


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be deployed. `format` is its publisher, as the public cloud spells it."""

    name: str
    version: str
    format: str
    ability: Ability
    context_tokens: int
    license: str

    def body(self) -> JsonObject:
        """The model as accounts list it."""
        return {
            "name": self.name,
            "version": self.version,
            "format": self.format,
            "capabilities": self.capabilities(),
            "isDefaultVersion": True,
            "lifecycleStatus": "GenerallyAvailable",
            "maxCapacity": 1,
            "skus": [{"name": "Standard", "capacity": {"default": 1, "maximum": 1}}],
        }

    def capabilities(self) -> dict[str, str]:
        """What its deployments offer, spelled as in the public cloud: texts that say true."""
        return {"chatCompletion": "true", "completion": "true"} if self.ability == "chat" else {"embeddings": "true"}


CATALOG: Final = (
    Model("gemma-3-270m", "1", "Google", "chat", 8192, "Gemma Terms of Use"),
    Model("all-minilm-l6-v2", "1", "Sentence Transformers", "embeddings", 512, "Apache-2.0"),
)
DEFAULTS: Final = {"chat": CATALOG[0], "embeddings": CATALOG[1]}
"""The deployments that a new project gets."""


def find_model(name: str) -> Model | None:
    """The model of this name, whatever its case."""
    return next((model for model in CATALOG if model.name == name.lower()), None)


def account_of(project: ResourceId) -> ResourceId:
    """The account that belongs to a project.

    Raises:
        Invalid: the id lies in no resource group.
    """
    group = project.group_id
    if group is None:
        raise Invalid(f"'{project}' lies in no resource group, so it can have no model account.", code="InvalidResourceId")
    return group.extension(ACCOUNT, project.name)


def project_of(account: ResourceId) -> ResourceId:
    """The project that an account belongs to. Raises as `account_of`."""
    group = account.group_id
    if group is None:
        raise Invalid(f"'{account}' lies in no resource group.", code="InvalidResourceId")
    return group.extension(WORKSPACE, account.name)


def admit_account(change: Change) -> Draft:
    """The account that may be written: one per project, of its name.

    Raises:
        NotFound: there is no project of this name in the group (code `ProjectNotFound`).
        Invalid: a kind or a SKU that is not here.
    """
    project = change.fact(project_of(change.id).key)
    if project is None or (project.kind or "").lower() == "hub":
        raise NotFound(
            f"An account belongs to the project of its own name, and the group has no project '{change.id.name}'. "
            "Create the project first.",
            code="ProjectNotFound",
            target="name",
        )
    new = change.new
    kind = {"openai": "OpenAI", "aiservices": "AIServices"}.get((new.kind or "AIServices").lower())
    if kind is None:
        raise NotOffered(f"Accounts of kind '{new.kind}' are not offered; use AIServices or OpenAI.", target="kind")
    if (new.sku or {"name": "S0"}).get("name") != "S0":
        raise Invalid("The only SKU of an account is S0.", code="InvalidSku", target="sku.name")
    kept: JsonObject = {name: new.properties[name] for name in ("disableLocalAuth",) if new.properties.get(name) is not None}
    before: JsonObject = (
        {name: change.old.properties[name] for name in ("provisioningState",) if name in change.old.properties} if change.old else {}
    )
    return msgspec.structs.replace(
        new,
        kind=kind,
        sku={"name": "S0"},
        location=new.location or project.location,
        identity=change.old.identity if change.old else {"type": "SystemAssigned"},
        properties={
            "disableLocalAuth": False,
            **kept,
            **before,
            "projectId": project.id.text,
            "workspaceId": project.properties["workspaceId"],
        },
    )


def account_needs(change: Change) -> list[ResourceId]:
    """The project that the account belongs to."""
    return [project_of(change.id)]


def account_demands(change: Change) -> list[Demand]:
    """Whoever gives a project an account changes the project."""
    return [Demand(f"{WORKSPACE}/write", project_of(change.id))] if change.old is None else []


def admit_deployment(change: Change) -> Draft:
    """The deployment that may be written: one of the catalog's models under a name.

    Raises:
        Invalid: no model, an unknown version or SKU.
        NotOffered: a model, or a setting, that is not here.
        Conflict: another model under the name of an existing deployment.
    """
    properties = change.new.properties
    model = _model(properties)
    if change.old is not None and change.old.properties["model"]["name"] != model.name:
        raise Conflict(
            f"The deployment '{change.id.name}' holds '{change.old.properties['model']['name']}'; "
            "delete it first to put another model under its name.",
            code="DeploymentModelImmutable",
            target="properties.model.name",
        )
    sku = change.new.sku or {"name": "Standard", "capacity": 1}
    if sku.get("name") != "Standard" or sku.get("capacity", 1) != 1:
        raise Invalid("The only SKU of a local model is Standard with a capacity of 1.", code="InvalidSku", target="sku")
    for name in ("raiPolicyName", "scaleSettings", "speculativeDecoding", "parentDeploymentName"):
        if properties.get(name) is not None:
            raise NotOffered(f"'{name}' is not offered on deployments yet; leave it out.", target=f"properties.{name}")
    return msgspec.structs.replace(
        change.new,
        sku={"name": "Standard", "capacity": 1},
        properties={
            "model": {"format": model.format, "name": model.name, "version": model.version},
            "capabilities": model.capabilities(),
            "versionUpgradeOption": "NoAutoUpgrade",
            "provisioningState": "Succeeded",
        },
    )


class _ModelName(msgspec.Struct):
    name: str


class _Properties(msgspec.Struct):
    model: _ModelName


class DeploymentBody(msgspec.Struct):
    """What a stored deployment says of itself, as far as calls need it."""

    name: str
    properties: _Properties


read_deployment: Final = msgspec.json.Decoder(DeploymentBody).decode


def described(deployment: ResourceId, doc: bytes | None) -> JsonObject:
    """The attributes of a deployment that conditions on calls see: its name and, if it is there, its model's name."""
    if doc is None:
        return attributes_of(deployment.name, None)
    body = read_deployment(doc)
    return attributes_of(body.name, body.properties.model.name)


def attributes_of(name: str, model: str | None) -> JsonObject:
    """The same from the two names."""
    return {DEPLOYMENT_NAME: name} if model is None else {DEPLOYMENT_NAME: name, DEPLOYMENT_MODEL: model}


def deployment_request(change: Change) -> tuple[JsonObject, JsonObject]:
    """Of a write, the model that is asked for, in the catalog's spelling."""
    asked: object = change.new.properties.get("model")
    named: object = asked.get("name") if isinstance(asked, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    if change.is_delete or not isinstance(named, str):
        return {}, {}
    model = find_model(named)
    return {DEPLOYMENT_MODEL: model.name if model else named}, {}


def _model(properties: dict[str, Any]) -> Model:
    asked: JsonObject = properties.get("model") or {}
    name = asked.get("name") or ""
    model = find_model(name)
    known = ", ".join(found.name for found in CATALOG)
    if not name:
        raise Invalid(
            f"'properties.model.name' is missing; the models here are: {known}.",
            code="DeploymentModelMissing",
            target="properties.model.name",
        )
    if model is None:
        raise NotOffered(
            f"The model '{name[:100]}' is not offered here; the models are: {known}.",
            code="ModelNotOffered",
            target="properties.model.name",
        )
    if asked.get("version", model.version) != model.version:
        raise Invalid(
            f"The model '{model.name}' has the version '{model.version}' only.",
            code="InvalidModelVersion",
            target="properties.model.version",
        )
    return model


def deployment_of(account: ResourceId, name: str) -> ResourceId | None:
    """The id of an account's deployment; None if no deployment can have this name."""
    if not name or len(name) > 64 or not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or not name.isascii():
        return None
    return parse(f"{account.text}/deployments/{name}")
