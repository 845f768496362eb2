"""One example request for each route and each type: what the permission matrix, the closed start and the path corpus send.

A new route or type needs one line here, or the matrix fails and says which. Texts are filled in from `names`. A route's
line says at which scope it is decided, a type's line gives the path of one that does not exist. Nothing here succeeds in
changing anything: writes carry an ETag that nothing has.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.walls.house import House

ABSENT = "7b3f2a10-0000-4000-8000-00000000abcd"
_XML = b'<?xml version="1.0" encoding="utf-8"?>'
_TAGS = _XML + b"<Tags><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tags>"
_BLOCKS = _XML + b"<BlockList><Latest>QUFBQQ==</Latest></BlockList>"
_KEY_INFO = _XML + b"<KeyInfo><Start>{start}</Start><Expiry>{expiry}</Expiry></KeyInfo>"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_PART = (
    b"--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n"
    b"DELETE /{container}/absent.txt HTTP/1.1\r\nauthorization: {bearer}\r\ncontent-length: 0\r\n\r\n--b--\r\n"
)


@dataclass(frozen=True)
class Ask:
    """An example of a route: the scope of its decision, what stands in for its template, and what else is sent."""

    at: str = ""
    path: str = ""
    query: str = ""
    body: bytes | dict[str, Any] = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    # The action that decides, where it is not the first that the route declares.
    needs: str = ""
    # The code that everybody who is known gets, where a token alone is not enough.
    always: str = ""
    # It shows what lies at or below the scope, as far as the caller may see it.
    is_list: bool = False
    # It tells everybody who is known something about themselves.
    is_own: bool = False


@dataclass(frozen=True)
class Thing:
    """An example of a type: the path of one that does not exist, and the actions that some of its POSTs ask for beside their own."""

    path: str
    location: bool = False
    also: dict[str, str] = field(default_factory=dict[str, str])


def names(house: House) -> dict[str, str]:
    """What the texts of examples are filled in with."""
    account = house.project["properties"]["storageAccount"]
    return {
        "subscription": house.subscription.rpartition("/")[2],
        "group": house.group.rpartition("/")[2],
        "deployment": "absent",
        "operation": "1",
        "scope": house.project["id"].strip("/"),
        "tenant": "adfs",
        "container": house.container,
        "blob": "absent.txt",
        "project": house.workspace_id,
        "model": "absent",
        "provider": "absent",
        "rg": house.group,
        "first": house.project["id"],
        "account": account,
        "service": f"{account}/blobServices/default",
        "box": f"{account}/blobServices/default/containers/{house.container}",
        "absent": ABSENT,
        "id": ABSENT,
        "member": ABSENT,
        "decision": ABSENT,
        "fresh": str(uuid.uuid4()),
    }


_BOX = Ask("{box}")
_SERVICE = Ask("{service}")
_FIRST = Ask("{first}")
_DEPLOYMENT = Ask("{rg}/providers/Microsoft.Resources/deployments/absent")
_NO_KEY = Ask(always="ProjectMissing")
_NO_LINE = Ask(always="DecisionNotFound")
_ROOT = Ask("/")
_ROOT_LIST, _FIRST_LIST = Ask("/", is_list=True), Ask("{first}", is_list=True)
_QUESTION = {"who": "me", "action": "a/b/read"}
_PLAN: dict[str, Any] = {"change": {}}
_CHAT = {"model": "absent", "messages": [{"role": "user", "content": "hi"}]}
_TEXT = {"model": "absent", "prompt": "hi", "input": "hi"}
_FORM = {"content-type": "application/x-www-form-urlencoded"}
_AZURE = "api-version=2024-10-21"
_ML = "Microsoft.MachineLearningServices/workspaces"

_DIRECTORY = "/providers/Studiolo.Directory/{}/{{absent}}"
_PERSON = {kind: Ask(_DIRECTORY.format(kind)) for kind in ("users", "groups", "servicePrincipals", "applications")}

# ── routes: "{surface} {verb} {path}?{query}" ────────────────────────────────────────────────────────────────────────
_STEPS = "/subscriptions/{subscription}/resourcegroups/{group}/deployments/{deployment}/operations"
ROUTES: dict[str, Ask] = {
    f"deployments GET {_STEPS}": _DEPLOYMENT,
    f"deployments GET {_STEPS}/{{operation}}": _DEPLOYMENT,
    "access POST /providers/Studiolo.Access/explain": Ask("/", body=_QUESTION),
    "access POST /{scope:path}/providers/Studiolo.Access/explain": Ask("{first}", body=_QUESTION),
    "access POST /providers/Studiolo.Directory/rotateTokenKeys": _ROOT,
    "access POST /{scope:path}/providers/Studiolo.Identity/workloads": Ask("{first}"),
    "access GET /{scope:path}/providers/Studiolo.Identity/workloads": Ask("{first}"),
    "access DELETE /{scope:path}/providers/Studiolo.Identity/workloads/{id}": Ask("{first}"),
    "workloads GET /msi/token": Ask(),
    "access POST /providers/Studiolo.Access/whoCan": Ask("/", body={"action": "a/b/read"}),
    "access POST /{scope:path}/providers/Studiolo.Access/whoCan": Ask("{first}", body={"action": "a/b/read"}),
    "access POST /providers/Studiolo.Access/can": Ask("/", body={"who": "me"}),
    "access POST /{scope:path}/providers/Studiolo.Access/can": Ask("{first}", body={"who": "me"}),
    "access POST /providers/Studiolo.Access/simulate": Ask("/", body=_PLAN),
    "access POST /{scope:path}/providers/Studiolo.Access/simulate": Ask("{first}", body=_PLAN),
    "record GET /providers/Studiolo.Audit/head": _ROOT_LIST,
    "record GET /providers/Studiolo.Audit/lines": _ROOT_LIST,
    "record GET /providers/Studiolo.Audit/export": _ROOT_LIST,
    "record GET /{scope:path}/providers/Studiolo.Audit/lines": _FIRST_LIST,
    "record GET /{scope:path}/providers/Studiolo.Audit/export": _FIRST_LIST,
    "record GET /providers/Studiolo.Audit/retention": _ROOT_LIST,
    "record PUT /providers/Studiolo.Audit/retention": Ask("/", body={"days": "no number"}),
    "record GET /providers/Studiolo.Access/decisions": _ROOT_LIST,
    "record GET /{scope:path}/providers/Studiolo.Access/decisions": _FIRST_LIST,
    "record GET /providers/Studiolo.Access/decisions/{decision}": _NO_LINE,
    "activity GET /subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values": Ask(
        "/subscriptions/{subscription}"
    ),
    "house GET /providers/Studiolo.House/routes": Ask("/"),
    "house GET /providers/Studiolo.House/types": Ask("/"),
    "house GET /{scope:path}/providers/Studiolo.House/routes": _FIRST,
    "house GET /{scope:path}/providers/Studiolo.House/types": _FIRST,
    "tokens GET /common/discovery/instance": Ask(),
    "tokens GET /{tenant}/.well-known/openid-configuration": Ask(),
    "tokens GET /{tenant}/v2.0/.well-known/openid-configuration": Ask(),
    "tokens GET /{tenant}/discovery/keys": Ask(),
    "tokens GET /{tenant}/discovery/v2.0/keys": Ask(),
    "tokens POST /{tenant}/oauth2/token": Ask(),
    "tokens POST /{tenant}/oauth2/v2.0/token": Ask(),
    "tokens GET /{tenant}/oauth2/authorize": Ask(),
    "tokens GET /{tenant}/oauth2/v2.0/authorize": Ask(),
    "tokens GET /{tenant}/oauth2/logout": Ask(),
    "tokens GET /{tenant}/oauth2/v2.0/logout": Ask(),
    "tokens POST /{tenant}/oauth2/authorize": Ask(),
    "tokens POST /{tenant}/oauth2/v2.0/authorize": Ask(),
    "tokens POST /{tenant}/oauth2/devicecode": Ask(),
    "tokens POST /{tenant}/oauth2/v2.0/devicecode": Ask(),
    "sign-in GET /signin": Ask(),
    "sign-in GET /signin/password": Ask(),
    "sign-in GET /signin/with/{provider}": Ask(),
    "sign-in GET /signin/from/{provider}": Ask(),
    "sign-in POST /signin/password": Ask(),
    "sign-in POST /signin/code": Ask(),
    "sign-in GET /account": Ask(),
    "sign-in POST /account/password": Ask(),
    "sign-in POST /account/codes": Ask(),
    "sign-in POST /account/signout": Ask(),
    "sign-in GET /device": Ask(),
    "sign-in POST /device": Ask(),
    "sign-in POST /signin": Ask(body=b"code=nobody-made-this", headers=_FORM),  # names and passwords are slowed down as they repeat
    "sign-in POST /signout": Ask(),
    "graph GET /v1.0/users": _ROOT,
    "graph POST /v1.0/users": _ROOT,
    "graph GET /v1.0/users/{id}": _PERSON["users"],
    "graph PATCH /v1.0/users/{id}": _PERSON["users"],
    "graph DELETE /v1.0/users/{id}": _PERSON["users"],
    "graph GET /v1.0/groups": _ROOT,
    "graph POST /v1.0/groups": _ROOT,
    "graph GET /v1.0/groups/{id}": _PERSON["groups"],
    "graph PATCH /v1.0/groups/{id}": _PERSON["groups"],
    "graph DELETE /v1.0/groups/{id}": _PERSON["groups"],
    "graph GET /v1.0/servicePrincipals": _ROOT,
    "graph POST /v1.0/servicePrincipals": _ROOT,
    "graph GET /v1.0/servicePrincipals/{id}": _PERSON["servicePrincipals"],
    "graph GET /v1.0/servicePrincipals({id})": _PERSON["servicePrincipals"],
    "graph PATCH /v1.0/servicePrincipals/{id}": _PERSON["servicePrincipals"],
    "graph PATCH /v1.0/servicePrincipals({id})": _PERSON["servicePrincipals"],
    "graph DELETE /v1.0/servicePrincipals/{id}": _PERSON["servicePrincipals"],
    "graph DELETE /v1.0/servicePrincipals({id})": _PERSON["servicePrincipals"],
    "graph GET /v1.0/applications": _ROOT,
    "graph POST /v1.0/applications": _ROOT,
    "graph GET /v1.0/applications/{id}": _PERSON["applications"],
    "graph GET /v1.0/applications({id})": _PERSON["applications"],
    "graph PATCH /v1.0/applications/{id}": _PERSON["applications"],
    "graph PATCH /v1.0/applications({id})": _PERSON["applications"],
    "graph DELETE /v1.0/applications/{id}": _PERSON["applications"],
    "graph DELETE /v1.0/applications({id})": _PERSON["applications"],
    "graph GET /v1.0/users/{id}/memberOf": _PERSON["users"],
    "graph GET /v1.0/users/{id}/transitiveMemberOf": _PERSON["users"],
    "graph GET /v1.0/groups/{id}/memberOf": _PERSON["groups"],
    "graph GET /v1.0/groups/{id}/transitiveMemberOf": _PERSON["groups"],
    "graph GET /v1.0/servicePrincipals/{id}/memberOf": _PERSON["servicePrincipals"],
    "graph GET /v1.0/servicePrincipals/{id}/transitiveMemberOf": _PERSON["servicePrincipals"],
    "graph GET /v1.0/groups/{id}/members": _PERSON["groups"],
    "graph GET /v1.0/groups/{id}/transitiveMembers": _PERSON["groups"],
    "graph POST /v1.0/groups/{id}/members/$ref": Ask(_DIRECTORY.format("groups"), needs="Studiolo.Directory/groups/write"),
    "graph DELETE /v1.0/groups/{id}/members/{member}/$ref": Ask(_DIRECTORY.format("groups"), needs="Studiolo.Directory/groups/write"),
    "graph POST /v1.0/applications/{id}/addPassword": _PERSON["applications"],
    "graph POST /v1.0/applications/{id}/removePassword": _PERSON["applications"],
    "graph POST /v1.0/directoryObjects/getByIds": Ask("/", body={"ids": []}),
    "graph GET /v1.0/me": Ask(is_own=True),
    "blobs GET /{container}/{blob:path}?comp=blocklist": _BOX,
    "blobs GET /{container}/{blob:path}?comp=tags": _BOX,
    "blobs GET /{container}/{blob:path}?restype=container&comp=list": _BOX,
    "blobs GET /{container}/{blob:path}?restype=account&comp=properties": _SERVICE,
    "blobs GET /{container}/{blob:path}": _BOX,
    "blobs HEAD /{container}/{blob:path}": _BOX,
    "blobs PUT /{container}/{blob:path}?comp=block": Ask("{box}", query="blockid=QUFBQQ==", body=b"x"),
    "blobs PUT /{container}/{blob:path}?comp=blocklist": Ask("{box}", body=_BLOCKS),
    "blobs PUT /{container}/{blob:path}?comp=metadata": _BOX,
    "blobs PUT /{container}/{blob:path}?comp=properties": _BOX,
    "blobs PUT /{container}/{blob:path}?comp=tags": Ask("{box}", body=_TAGS),
    "blobs PUT /{container}/{blob:path}?comp=tier": Ask("{box}", headers={"x-ms-access-tier": "Cool"}),
    "blobs PUT /{container}/{blob:path}?comp=copy": Ask("{box}", query="copyid={fresh}", headers={"x-ms-copy-action": "abort"}),
    "blobs PUT /{container}/{blob:path}": Ask("{box}", body=b"x", headers={"if-match": '"0x1"'}),
    "blobs DELETE /{container}/{blob:path}": _BOX,
    "blobs GET /{container}?restype=container&comp=list": _BOX,
    "blobs GET /{container}?restype=container": _BOX,
    "blobs HEAD /{container}?restype=container": _BOX,
    "blobs GET /{container}?restype=account&comp=properties": _SERVICE,
    "blobs PUT /{container}?restype=container&comp=metadata": Ask("{service}/containers/absent", path="/absent"),
    "blobs PUT /{container}?restype=container": _BOX,
    "blobs DELETE /{container}?restype=container": Ask("{service}/containers/absent", path="/absent"),
    "blobs GET /?comp=list": _SERVICE,
    "blobs GET /?restype=service&comp=properties": _SERVICE,
    "blobs GET /?restype=account&comp=properties": _SERVICE,
    "blobs POST /?restype=service&comp=userdelegationkey": Ask("{service}", body=_KEY_INFO),
    "blobs POST /{container}?restype=container&comp=batch": Ask(
        "{box}", body=_PART, headers={"content-type": "multipart/mixed; boundary=b"}, needs=f"{_BLOBS}/delete"
    ),
    "blobs POST /?comp=batch": Ask("{box}", body=_PART, headers={"content-type": "multipart/mixed; boundary=b"}, needs=f"{_BLOBS}/delete"),
    "models POST /openai/v1/chat/completions": _NO_KEY,
    "models POST /openai/deployments/{deployment}/chat/completions": _NO_KEY,
    "models POST /openai/v1/completions": _NO_KEY,
    "models POST /openai/deployments/{deployment}/completions": _NO_KEY,
    "models POST /openai/v1/embeddings": _NO_KEY,
    "models POST /openai/deployments/{deployment}/embeddings": _NO_KEY,
    "models GET /openai/v1/models": _NO_KEY,
    "models GET /openai/v1/models/{model}": _NO_KEY,
    "models GET /openai/models": _NO_KEY,
    "models GET /openai/models/{model}": _NO_KEY,
    "models GET /openai/deployments": _NO_KEY,
    "models GET /openai/deployments/{deployment}": _NO_KEY,
    "models POST /projects/{project}/openai/v1/chat/completions": Ask("{first}", body=_CHAT),
    "models POST /projects/{project}/openai/deployments/{deployment}/chat/completions": Ask("{first}", query=_AZURE, body=_CHAT),
    "models POST /projects/{project}/openai/v1/completions": Ask("{first}", body=_TEXT),
    "models POST /projects/{project}/openai/deployments/{deployment}/completions": Ask("{first}", query=_AZURE, body=_TEXT),
    "models POST /projects/{project}/openai/v1/embeddings": Ask("{first}", body=_TEXT),
    "models POST /projects/{project}/openai/deployments/{deployment}/embeddings": Ask("{first}", query=_AZURE, body=_TEXT),
    "models GET /projects/{project}/openai/v1/models": _FIRST,
    "models GET /projects/{project}/openai/v1/models/{model}": _FIRST,
    "models GET /projects/{project}/openai/models": Ask("{first}", query=_AZURE),
    "models GET /projects/{project}/openai/models/{model}": Ask("{first}", query=_AZURE),
    "models GET /projects/{project}/openai/deployments": Ask("{first}", query=_AZURE),
    "models GET /projects/{project}/openai/deployments/{deployment}": Ask("{first}", query=_AZURE),
    "platform GET /healthz": Ask(),
    "platform HEAD /healthz": Ask(),
    "platform GET /metadata/endpoints": Ask(),
    "platform GET /discovery": Ask(),
    "platform GET /page.css": Ask(),
    "platform GET /": Ask(),
}

# ── types ────────────────────────────────────────────────────────────────────────────────────────────────────────────
TYPES: dict[str, Thing] = {
    "Microsoft.Authorization/denyAssignments": Thing("{first}/providers/Microsoft.Authorization/denyAssignments/{absent}"),
    "Microsoft.Authorization/permissions": Thing("{first}/providers/Microsoft.Authorization/permissions/{absent}"),
    "Microsoft.Authorization/roleAssignments": Thing("{first}/providers/Microsoft.Authorization/roleAssignments/{absent}"),
    "Microsoft.Authorization/roleDefinitions": Thing("{first}/providers/Microsoft.Authorization/roleDefinitions/{absent}"),
    "Microsoft.CognitiveServices/accounts": Thing("{rg}/providers/Microsoft.CognitiveServices/accounts/absent", location=True),
    "Microsoft.CognitiveServices/accounts/deployments": Thing(
        "{rg}/providers/Microsoft.CognitiveServices/accounts/first/deployments/absent"
    ),
    "Microsoft.CognitiveServices/accounts/models": Thing("{rg}/providers/Microsoft.CognitiveServices/accounts/first/models/absent"),
    "Microsoft.Insights/components": Thing("{rg}/providers/Microsoft.Insights/components/absent", location=True),
    "Microsoft.KeyVault/vaults": Thing("{rg}/providers/Microsoft.KeyVault/vaults/absent", location=True),
    _ML: Thing("{first}", location=True, also={"rotateKey": f"{_ML}/write", "destroyKey": "Microsoft.Authorization/dataKeys/delete"}),
    f"{_ML}/codes": Thing("{first}/codes/absent"),
    f"{_ML}/codes/versions": Thing("{first}/codes/absent/versions/1"),
    f"{_ML}/components": Thing("{first}/components/absent"),
    f"{_ML}/components/versions": Thing("{first}/components/absent/versions/1"),
    f"{_ML}/data": Thing("{first}/data/absent"),
    f"{_ML}/data/versions": Thing("{first}/data/absent/versions/1"),
    f"{_ML}/datastores": Thing("{first}/datastores/absent"),
    f"{_ML}/environments": Thing("{first}/environments/absent"),
    f"{_ML}/environments/versions": Thing("{first}/environments/absent/versions/1"),
    f"{_ML}/models": Thing("{first}/models/absent"),
    f"{_ML}/models/versions": Thing("{first}/models/absent/versions/1"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": Thing(
        "{rg}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/absent", location=True
    ),
    "Microsoft.Management/managementGroups": Thing("/providers/Microsoft.Management/managementGroups/absent"),
    "Microsoft.Management/managementGroups/descendants": Thing("/providers/Microsoft.Management/managementGroups/absent/descendants/1"),
    "Microsoft.Management/managementGroups/subscriptions": Thing(
        "/providers/Microsoft.Management/managementGroups/absent/subscriptions/{subscription}"
    ),
    "Microsoft.OperationalInsights/workspaces": Thing("{rg}/providers/Microsoft.OperationalInsights/workspaces/absent", location=True),
    "Microsoft.Resources/deployments": Thing("{rg}/providers/Microsoft.Resources/deployments/absent"),
    "Microsoft.Resources/deployments/operations": Thing("{rg}/providers/Microsoft.Resources/deployments/absent/operations/1"),
    "Microsoft.Resources/resourceGroups": Thing("{rg}", location=True),
    "Microsoft.Resources/subscriptions": Thing("/subscriptions/{subscription}"),
    "Microsoft.Storage/storageAccounts": Thing("{rg}/providers/Microsoft.Storage/storageAccounts/absent", location=True),
    "Microsoft.Storage/storageAccounts/blobServices": Thing("{account}/blobServices/default"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": Thing("{service}/containers/absent"),
    "Studiolo.Directory/applications": Thing("/providers/Studiolo.Directory/applications/{absent}"),
    "Studiolo.Directory/groups": Thing("/providers/Studiolo.Directory/groups/{absent}"),
    "Studiolo.Directory/identityProviders": Thing("/providers/Studiolo.Directory/identityProviders/{absent}"),
    "Studiolo.Directory/servicePrincipals": Thing("/providers/Studiolo.Directory/servicePrincipals/{absent}"),
    "Studiolo.Keys/rotations": Thing("{first}/providers/Studiolo.Keys/rotations/absent"),
    "Studiolo.Directory/signInPolicies": Thing("/providers/Studiolo.Directory/signInPolicies/{absent}"),
    "Studiolo.Directory/users": Thing("/providers/Studiolo.Directory/users/{absent}"),
}
