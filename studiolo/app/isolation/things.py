"""What a valid thing of each resource type looks like: where the probe keeps one, and what its verbs and actions are sent.

A type that is served needs a line here, or a test says which one lacks it. Writing these is what plants them: the PUT of each
line is a control, and makes what is attacked afterwards. Lines stand in the order in which things need each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from studiolo.kernel.resource import JsonObject


@dataclass(frozen=True, slots=True)
class Act:
    """A POST action: its body, where another path than the thing's is acted on, and what `Example` says of the rest."""

    body: JsonObject = field(default_factory=dict[str, Any])
    path: str = ""
    control: Mapping[str, str] = field(default_factory=dict[str, str])
    # The owner's request goes to the spare thing, so that what is attacked stays as it is.
    is_sparing: bool = False
    tells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thing:
    """One type. `{it}` in its path is the name of the kept thing, or of a spare one that may go.

    `tells` are, by verb, answers that only come once the decision was a yes; `why` says, by verb, why there is no control.
    `also` are further paths that are read. `is_guid` things are named by one.
    """

    path: str
    body: JsonObject = field(default_factory=dict[str, Any])
    patch: JsonObject = field(default_factory=dict[str, Any])
    actions: Mapping[str, Act] = field(default_factory=dict[str, Act])
    # The spare thing, where it is no sibling that a PUT makes; and what its body has instead.
    spare: str = ""
    spare_body: JsonObject = field(default_factory=dict[str, Any])
    tells: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    why: Mapping[str, str] = field(default_factory=dict[str, str])
    also: tuple[str, ...] = ()
    is_guid: bool = False
    # It was there before, so nothing is put away.
    is_given: bool = False
    # What it shows is everybody's, such as how people sign in; its lists show nothing of any project.
    is_common: bool = False


_ML: Final = "Microsoft.MachineLearningServices/workspaces"
_AUTH: Final = "{kept}/providers/Microsoft.Authorization"
_MANAGEMENT: Final = "/providers/Microsoft.Management/managementGroups"
_DIRECTORY: Final = "/providers/Studiolo.Directory"
_RIGHTS: Final = [{"actions": ["Microsoft.MachineLearningServices/workspaces/read"]}]
_TAGS: Final = {"tags": {"secret": "{secret}"}}
_TAGGED: Final = {"location": "local", "properties": {}, **_TAGS}
_ACCOUNT: Final = "{rg}/providers/Microsoft.Storage/storageAccounts/{storageAccounts}"
_MODELS: Final = "{rg}/providers/Microsoft.CognitiveServices/accounts"
_URI: Final = "azureml://datastores/workspaceblobstore/paths/{secret}"
_TEMPLATE: Final[JsonObject] = {
    "properties": {
        "mode": "Incremental",
        "template": {
            "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
            "contentVersion": "1.0.0.0",
            "resources": [],
            "outputs": {"secret": {"type": "string", "value": "{secret}"}},
        },
    }
}
_ARCHIVED: Final = {"properties": {"isArchived": True}}
_ABSENT: Final = ("404 ResourceNotFound",)


def _tracked(namespace: str) -> Thing:
    return Thing(f"{{rg}}/providers/{namespace}/{{it}}", _TAGGED, _TAGS)


def _family(plural: str, body: JsonObject, *, has_upload: bool = True) -> dict[str, Thing]:
    """An asset and its versions."""
    about = {"description": "{secret}", "tags": {"secret": "{secret}"}}
    kind = {"dataType": "uri_file"} if plural == "data" else {}
    upload = {"startPendingUpload": Act({"pendingUploadType": "TemporaryBlobReference"}, f"{{kept}}/{plural}/{{{plural}}}/versions/next")}
    return {
        f"{_ML}/{plural}": Thing(f"{{kept}}/{plural}/{{it}}", {"properties": {**about, **kind}}, spare_body=_ARCHIVED),
        f"{_ML}/{plural}/versions": Thing(
            f"{{kept}}/{plural}/{{{plural}}}/versions/{{it}}",
            {"properties": {**about, **body}},
            spare_body=_ARCHIVED,
            actions=upload if has_upload else {},
        ),
    }


def _people() -> dict[str, Thing]:
    named = {"properties": {"displayName": "{secret}"}}
    return {
        "Studiolo.Directory/users": Thing(
            f"{_DIRECTORY}/users/{{it}}",
            {"properties": {"displayName": "{secret}", "userPrincipalName": "{it}@probe.example"}},
            named,
            {
                "createPasswordLink": Act(),
                "resetCredentials": Act(),
                "setPassword": Act({"password": "{password_text}"}),
                "revokeSignInSessions": Act(),
            },
            is_guid=True,
        ),
        "Studiolo.Directory/groups": Thing(
            f"{_DIRECTORY}/groups/{{it}}",
            {"properties": {"displayName": "{secret}", "description": "{secret}", "members": ["{users}"]}},
            named,
            is_guid=True,
        ),
        "Studiolo.Directory/applications": Thing(
            f"{_DIRECTORY}/applications/{{it}}",
            named,
            named,
            {
                "addPassword": Act(),
                "removePassword": Act({"keyId": "{password}"}, control={"password": "{other_spare_password}"}),
                "addKey": Act({"keyCredential": {"key": "{certificate}"}}, control={"certificate": "{spare_certificate}"}),
                "removeKey": Act({"keyId": "{key}"}, control={"key": "{spare_key}"}),
                "revokeTokens": Act(),
            },
            is_guid=True,
        ),
        "Studiolo.Directory/servicePrincipals": Thing(
            f"{_DIRECTORY}/servicePrincipals/{{it}}",
            {"properties": {"displayName": "{secret}", "appId": "{applications}"}},
            named,
            {"revokeTokens": Act()},
            spare_body={"properties": {"appId": "{application_of_spare}"}},
            is_guid=True,
        ),
        "Studiolo.Directory/identityProviders": Thing(
            f"{_DIRECTORY}/identityProviders/{{it}}",
            {"properties": {"displayName": "{secret}", "issuer": "https://login.example", "clientId": "probe"}},
            named,
            {"setClientSecret": Act({"clientSecret": "{password_text}"})},
            is_common=True,
        ),
        "Studiolo.Directory/signInPolicies": Thing(
            f"{_DIRECTORY}/signInPolicies/{{it}}",
            {"properties": {"secondFactor": "optional"}},
            {"properties": {"secondFactor": "optional"}},
            tells={"GET": _ABSENT, "PUT": ("400 InvalidResourceName",), "PATCH": _ABSENT},
            spare=f"{_DIRECTORY}/signInPolicies/{{fresh}}",
            is_given=True,
            is_common=True,
        ),
    }


THINGS: Final[Mapping[str, Thing]] = {
    "Microsoft.Resources/subscriptions": Thing(
        "/subscriptions/{subscription}",
        why={"PUT": "the platform alone writes subscriptions: everybody else is refused, the owner too"},
        is_given=True,
        is_common=True,
    ),
    "Microsoft.Resources/resourceGroups": Thing("/subscriptions/{subscription}/resourceGroups/{it}", _TAGGED, _TAGS),
    "Microsoft.Management/managementGroups": Thing(
        f"{_MANAGEMENT}/{{it}}", {"properties": {"displayName": "{secret}"}}, {"properties": {"displayName": "{secret}"}}
    ),
    "Microsoft.Management/managementGroups/descendants": Thing(f"{_MANAGEMENT}/{{managementGroups}}/descendants/{{it}}"),
    # The subscription that is moved does not exist: moving the real one would change who holds what in it.
    "Microsoft.Management/managementGroups/subscriptions": Thing(
        f"{_MANAGEMENT}/{{managementGroups}}/subscriptions/{{it}}",
        tells={"GET": _ABSENT, "PUT": ("404 SubscriptionNotFound",)},
        spare=f"{_MANAGEMENT}/{{managementGroups}}/subscriptions/{{fresh_id}}",
        is_guid=True,
        is_given=True,
    ),
    **_people(),
    "Microsoft.ManagedIdentity/userAssignedIdentities": _tracked("Microsoft.ManagedIdentity/userAssignedIdentities"),
    "Microsoft.KeyVault/vaults": _tracked("Microsoft.KeyVault/vaults"),
    "Microsoft.OperationalInsights/workspaces": _tracked("Microsoft.OperationalInsights/workspaces"),
    "Microsoft.Insights/components": _tracked("Microsoft.Insights/components"),
    "Microsoft.Storage/storageAccounts": Thing(
        "{rg}/providers/Microsoft.Storage/storageAccounts/{it}",
        _TAGGED,
        _TAGS,
        {"listKeys": Act(), "regenerateKey": Act({"keyName": "key1"}), "revokeUserDelegationKeys": Act()},
        also=("{account}",),
    ),
    "Microsoft.Storage/storageAccounts/blobServices": Thing(
        f"{_ACCOUNT}/blobServices/default", {"properties": {}}, also=("{account}/blobServices/default",), is_given=True, is_common=True
    ),
    "Microsoft.Storage/storageAccounts/blobServices/containers": Thing(
        f"{_ACCOUNT}/blobServices/default/containers/{{it}}",
        {"properties": {"metadata": {"secret": "{secret}"}}},
        {"properties": {"metadata": {"secret": "{secret}"}}},
        also=("{account}/blobServices/default/containers/{container}",),
    ),
    _ML: Thing(
        "{kept}",
        {
            "location": "local",
            "kind": "Project",
            "tags": {"secret": "{project_tag}"},
            "properties": {"hubResourceId": "{hub}", "description": "{project_about}", "friendlyName": "{project_title}"},
        },
        {"tags": {"secret": "{project_tag}"}},
        {
            "diagnose": Act(),
            "showKey": Act(),
            "rotateKey": Act(),
            "destroyKey": Act({"name": "{kept_name}"}, control={"kept_name": "{spare_name}"}, is_sparing=True),
        },
        spare="{spare}",
        is_given=True,
    ),
    "Microsoft.CognitiveServices/accounts": Thing(
        f"{_MODELS}/{{kept_name}}",
        {"location": "local", "kind": "AIServices", **_TAGS},
        _TAGS,
        {"listKeys": Act(), "regenerateKey": Act({"keyName": "key1"}, is_sparing=True)},
        spare=f"{_MODELS}/{{spare_name}}",
        is_given=True,
    ),
    "Microsoft.CognitiveServices/accounts/deployments": Thing(
        f"{_MODELS}/{{kept_name}}/deployments/{{it}}",
        {"sku": {"name": "Standard", "capacity": 1}, "properties": {"model": {"name": "gemma-3-270m"}}},
        _TAGS,
    ),
    "Microsoft.CognitiveServices/accounts/models": Thing(f"{_MODELS}/{{kept_name}}/models/{{it}}"),
    **_family("data", {"dataType": "uri_file", "dataUri": _URI}),
    **_family("models", {"modelType": "custom_model", "modelUri": _URI}),
    **_family("codes", {"codeUri": _URI}),
    **_family("environments", {"image": "x/y:1"}, has_upload=False),
    **_family("components", {"componentSpec": {"type": "command", "command": "echo {secret}", "environment": "x"}}, has_upload=False),
    f"{_ML}/datastores": Thing(
        "{kept}/datastores/{it}",
        {"properties": {"datastoreType": "AzureBlob", "accountName": "{account_name}", "containerName": "{container}", **_TAGS}},
        actions={"listSecrets": Act({"expirableSecret": True, "expireAfterHours": 1}, "{kept}/datastores/workspaceblobstore")},
        also=("{kept}/datastores/workspaceblobstore",),
    ),
    "Microsoft.Authorization/roleDefinitions": Thing(
        f"{_AUTH}/roleDefinitions/{{it}}",
        {"properties": {"roleName": "{secret}", "permissions": _RIGHTS, "assignableScopes": ["{kept}"]}},
        is_guid=True,
    ),
    "Microsoft.Authorization/roleAssignments": Thing(
        f"{_AUTH}/roleAssignments/{{it}}",
        {"properties": {"roleDefinitionId": "{reader}", "principalId": "{users}", "principalType": "User", "description": "{secret}"}},
        spare_body={"properties": {"principalId": "{groups}", "principalType": "Group"}},
        is_guid=True,
    ),
    "Microsoft.Authorization/denyAssignments": Thing(
        f"{_AUTH}/denyAssignments/{{it}}",
        {
            "properties": {
                "denyAssignmentName": "{secret}",
                "permissions": [{"actions": ["Microsoft.MachineLearningServices/workspaces/jobs/delete"]}],
                "principals": [{"id": "{users}", "type": "User"}],
            }
        },
        is_guid=True,
    ),
    "Microsoft.Authorization/permissions": Thing(f"{_AUTH}/permissions/{{it}}"),
    "Microsoft.Resources/deployments": Thing(
        "{rg}/providers/Microsoft.Resources/deployments/{it}",
        _TEMPLATE,
        actions={
            "validate": Act(_TEMPLATE),
            "cancel": Act(tells=("409 DeploymentCannotBeCanceled",)),
            "exportTemplate": Act(),
            "whatIf": Act(_TEMPLATE, tells=("501 NotOffered",)),
        },
    ),
    "Microsoft.Resources/deployments/operations": Thing(
        "{rg}/providers/Microsoft.Resources/deployments/{deployments}/operations/{it}",
        tells={"GET": _ABSENT},
    ),
    "Studiolo.Keys/rotations": Thing("{kept}/providers/Studiolo.Keys/rotations/current"),
}


def word_of(name: str) -> str:
    """What the world calls the name of a type's kept thing: the type's last word; versions by the words before it too."""
    *_, holder, last = name.split("/")
    return f"{holder}_{last}" if last in ("versions", "operations", "subscriptions") else last
