"""The declaration of accounts, their deployments and the models that can be deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from studiolo.kernel.faults import NotAllowed
from studiolo.kernel.ids import Collection
from studiolo.kernel.resource import Action, Caller, Change, Draft, JsonObject, Resource, ResourceType
from studiolo.rooms.models.domain import accounts
from studiolo.rooms.models.schema import arm
from studiolo.rooms.models.service.accounts import Accounts


def account_types(service: Accounts) -> list[ResourceType]:
    """Accounts, deployments, and the catalog as each account lists it."""
    return [
        ResourceType(
            name=accounts.ACCOUNT,
            about="A project's model account: its keys and its deployments. Every project has one, of its own name.",
            schema=arm.AccountProperties,
            admit=accounts.admit_account,
            needs=accounts.account_needs,
            demands=accounts.account_demands,
            provision=service.provision,
            retire=service.retire,
            view=service.view,
            facets=_facets,
            actions=(
                Action("listKeys", service.list_keys, is_secret=True),
                Action("regenerateKey", service.regenerate_key, is_secret=True),
            ),
            name_pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{1,63}$",
            is_tracked=True,
        ),
        ResourceType(
            name=accounts.DEPLOYMENT,
            about="A model under a name: what model calls are sent to.",
            schema=arm.DeploymentProperties,
            admit=accounts.admit_deployment,
            attributes=accounts.deployment_request,
            described=accounts.described,
            name_pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        ),
        ResourceType(
            name=f"{accounts.ACCOUNT}/models",
            about="The models that an account can deploy.",
            schema=arm.ModelProperties,
            admit=_never,
            lists=_list_models,
            verbs=frozenset({"list"}),
        ),
    ]


def _facets(account: Resource) -> Iterable[str]:
    yield account.properties["workspaceId"]


async def _list_models(caller: Caller, collection: Collection, query: Mapping[str, str]) -> Sequence[JsonObject]:
    del caller, query
    return [{"id": f"{collection.text}/{model.name}", **model.body()} for model in accounts.CATALOG]


def _never(change: Change) -> Draft:
    raise NotAllowed(f"'{change.id.type}' cannot be written.")
