"""The declaration of storage accounts, their blob service and their containers."""

from __future__ import annotations

from typing import Final

from studiolo.kernel.access.names import ACCOUNT_IS_HNS, ACCOUNT_NAME, CONTAINER_NAME
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Action, Change, Draft, JsonObject, Resource, ResourceType
from studiolo.rooms.blobs.domain import resources
from studiolo.rooms.blobs.schema import arm
from studiolo.rooms.blobs.service.resources import StorageResources
from studiolo.rooms.blobs.service.rows import CONTAINERS, SERVICES

ACCOUNTS: Final = "Microsoft.Storage/storageAccounts"


def types(service: StorageResources) -> list[ResourceType]:
    """The resource types of this room."""
    return [
        ResourceType(
            name=ACCOUNTS,
            about="Storage accounts, with the Blob protocol; files, queues, tables and folders of their own are not offered.",
            schema=arm.AccountProperties,
            admit=resources.admit_account,
            provision=service.provision_account,
            retire=service.retire_account,
            view=service.view_account,
            actions=(
                Action("listKeys", service.list_keys, permission="listkeys", is_secret=True),
                Action("regenerateKey", service.regenerate_key, permission="regeneratekey", is_secret=True),
                Action("revokeUserDelegationKeys", service.revoke_delegation, is_secret=True),
            ),
            name_pattern=r"^[a-z0-9]{3,24}$",
            is_tracked=True,
        ),
        ResourceType(
            name=SERVICES,
            about="The blob service of an account; there is one, named default.",
            schema=arm.ServiceProperties,
            admit=resources.admit_service,
            verbs=frozenset({"get", "list", "put"}),
            name_pattern=r"(?i)^default$",
        ),
        ResourceType(
            name=CONTAINERS,
            about="Containers of blobs. The same containers are made, listed and removed on the data plane.",
            schema=arm.ContainerProperties,
            admit=resources.admit_container,
            provision=service.provision_container,
            retire=service.retire_container,
            view=service.view_container,
            parent_draft=_service_draft,
            described=_described,
            name_pattern=r"^(\$root|\$web|[a-z0-9](-?[a-z0-9])+)$",
        ),
    ]


def _service_draft(change: Change, parent: Resource | None) -> Draft | None:
    """The blob service is made with its account; it is missing only while that is still on its way."""
    del change
    return None if parent is not None else Draft()


def _described(container: ResourceId, doc: bytes | None) -> JsonObject:
    del doc  # the id says it all
    return {ACCOUNT_NAME: container.names[0], ACCOUNT_IS_HNS: False, CONTAINER_NAME: container.name}
