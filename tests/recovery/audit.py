"""What must hold of a studio at rest, whatever happened to it: nothing half-made, nothing left behind, nothing twice.

It looks at the folder itself and trusts no code of the studio's. Whoever reads one of its lines learns what is wrong.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

WORKSPACES = "microsoft.machinelearningservices/workspaces"
_ACCOUNTS = "microsoft.storage/storageaccounts"
_CONTAINERS = "microsoft.storage/storageaccounts/blobservices/containers"
_MODELS = "microsoft.cognitiveservices/accounts"
_PRINCIPALS = "studiolo.directory/serviceprincipals"
_ASSIGNMENTS = "microsoft.authorization/roleassignments"
_APPLICATIONS = "studiolo.directory/applications"
_DIRECTORY = ("studiolo.directory/users", "studiolo.directory/groups", _PRINCIPALS)
_UNDER_WAY = ("Creating", "Updating", "Deleting", "Accepted", "Running")
_KINDS = ("azureml", "blobstore", "code", "file")
_STORES = ("workspaceblobstore", "workspaceartifactstore", "workspacefilestore")
_GUID = 36


@dataclass(frozen=True)
class Found:
    """What the folder holds."""

    resources: dict[str, dict[str, Any]]  # bodies by lower-case id
    types: dict[str, str]
    entries: dict[str, dict[str, Any]]  # space to key to document
    payloads: dict[str, bytes]
    operations: list[tuple[str, str, str]]  # target, kind, status
    facets: set[str]
    objects: set[str]

    def of(self, type_name: str) -> dict[str, dict[str, Any]]:
        """The resources of a type (lower case)."""
        return {key: self.resources[key] for key, found in self.types.items() if found == type_name}


def look(home: Path) -> Found:
    """Read a folder whose server is at rest."""
    with closing(sqlite3.connect(f"file:{home / 'data' / 'studiolo.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute("select key, type, doc from resources").fetchall()
        entries: dict[str, dict[str, Any]] = {}
        for space, key, doc in connection.execute("select space, key, doc from entries"):
            entries.setdefault(space, {})[key] = doc if space in ("blobs/loose", "blobs/dropped") else msgspec.json.decode(doc)
        return Found(
            resources={key: msgspec.json.decode(doc) for key, _, doc in rows},
            types={key: type_name for key, type_name, _ in rows},
            entries=entries,
            payloads=dict(connection.execute("select name, data from payloads")),
            operations=list(connection.execute("select target, kind, status from operations")),
            facets={key for (key,) in connection.execute("select distinct key from facets")},
            objects={path.name for path in (home / "data" / "blobs").rglob("*") if path.is_file()},
        )


def troubles(home: Path) -> list[str]:
    """Everything that is wrong with a studio at rest."""
    found = look(home)
    checks = (_at_rest, _held, _workspaces, _identities, _grants, _storage, _keys, _models, _secrets, _bytes)
    return [trouble for check in checks for trouble in check(found)]


def _at_rest(found: Found) -> Iterator[str]:
    """Nothing goes on any more."""
    for target, kind, status in found.operations:
        if status not in ("Succeeded", "Failed"):
            yield f"{kind} of {target} is {status}"
    for key, body in found.resources.items():
        if body["properties"].get("provisioningState") in _UNDER_WAY:
            yield f"{key} is {body['properties']['provisioningState']}"
    for key in found.facets - found.resources.keys():
        yield f"a facet finds {key}, which is gone"
    for run in found.entries.get("deployment-stops", {}):
        yield f"the deployment run {run} is asked to stop, and it is over"


def _held(found: Found) -> Iterator[str]:
    """What holds a resource is there."""
    for key in found.resources:
        holder = _holder(key)
        if holder and holder not in found.resources:
            yield f"{key} hangs on {holder}, which is gone"


def _holder(key: str) -> str:
    before, _, own = key.rpartition("/providers/")
    if own.count("/") > 2:
        return key.rsplit("/", 2)[0]
    if own:
        return before
    return key.rsplit("/", 2)[0] if "/resourcegroups/" in key else ""


def _workspaces(found: Found) -> Iterator[str]:
    """A hub and a project have all their parts, once."""
    workspaces = found.of(WORKSPACES)
    for key, body in workspaces.items():
        own, kind = body["properties"], body["kind"]
        if own.get("provisioningState") != "Succeeded":
            yield f"{key} is {own.get('provisioningState')}: {own.get('error')}"
            continue
        if not (body.get("identity") or {}).get("principalId"):
            yield f"{key} has no identity"
        if kind == "Project":
            hub = workspaces.get(own["hubResourceId"].lower())
            if hub is None:
                yield f"{key} belongs to {own['hubResourceId']}, which is gone"
                continue
            yield from _project(found, key, body, hub["properties"]["storageAccount"].lower())
            continue
        for member in ("storageAccount", "keyVault"):
            if own[member].lower() not in found.resources:
                yield f"the {member} of {key} is gone"
        if kind == "Default":
            yield from _project(found, key, body, own["storageAccount"].lower())


def _project(found: Found, key: str, body: dict[str, Any], account: str) -> Iterator[str]:
    guid = body["properties"]["workspaceId"]
    held = found.entries.get(f"blobs/containers/{account.rpartition('/')[2]}", {})
    for kind in _KINDS:
        name = f"{guid}-{kind}"
        if name not in held or f"{account}/blobservices/default/containers/{name}" not in found.resources:
            yield f"{key} lacks its container {kind}"
    for store in _STORES:
        if f"{key}/datastores/{store}" not in found.resources:
            yield f"{key} lacks its datastore {store}"
    model = key.replace(f"/{WORKSPACES}/", f"/{_MODELS}/")
    if model not in found.resources:
        yield f"{key} lacks its model account"
    principal = (body.get("identity") or {}).get("principalId", "")
    grants = [a["properties"] for a in found.of(_ASSIGNMENTS).values() if a["properties"]["principalId"] == principal]
    if not any(g["scope"].lower() == account and guid in g.get("condition", "") for g in grants):
        yield f"the identity of {key} may not reach its containers"
    if not any(g["scope"].lower() == key for g in grants):
        yield f"the identity of {key} holds no role in it"


def _identities(found: Found) -> Iterator[str]:
    """Every resource with an identity has one, and every identity its resource."""
    kept = found.entries.get("iam.identities", {})
    principals = found.of(_PRINCIPALS)
    owners = Counter(name.lower() for body in principals.values() for name in body["properties"].get("alternativeNames") or ())
    for owner, count in owners.items():
        if count > 1:
            yield f"{owner} has {count} identities"
        if owner not in kept:
            yield f"an identity of {owner} is known to the directory alone"
    for owner, identity in kept.items():
        if owner not in found.resources:
            yield f"an identity is left of {owner}, which is gone"
        if f"/providers/{_PRINCIPALS}/{identity['principalId']}" not in found.resources:
            yield f"the identity of {owner} is no principal"
        shown = found.resources.get(owner, {})
        principal = (shown.get("identity") or {}).get("principalId") or shown.get("properties", {}).get("principalId")
        if shown and principal != identity["principalId"]:
            yield f"{owner} shows the identity {principal}, and has {identity['principalId']}"
    for body in principals.values():
        own = body["properties"]
        application = f"/providers/{_APPLICATIONS}/{own['appId']}"
        if own.get("servicePrincipalType") == "Application" and application not in found.resources:
            yield f"the principal {body['name']} acts for the application {own['appId']}, which is gone"


def _grants(found: Found) -> Iterator[str]:
    """Every grant and every membership is somebody's, and none is there twice."""
    people = {key.rpartition("/")[2] for name in _DIRECTORY for key in found.of(name)}
    seen: Counter[tuple[str, ...]] = Counter()
    for key, body in found.of(_ASSIGNMENTS).items():
        own = body["properties"]
        if own["principalId"].lower() not in people:
            yield f"the grant {key} is held by {own['principalId']}, who is gone"
        seen[own["scope"].lower(), own["principalId"].lower(), own["roleDefinitionId"].rpartition("/")[2], own.get("condition") or ""] += 1
    for (scope, principal, role, _), count in seen.items():
        if count > 1:
            yield f"{principal} holds {role} at {scope} {count} times"
    for key, body in found.of("studiolo.directory/groups").items():
        for member in body["properties"]["members"]:
            if member not in people:
                yield f"the group {key} holds {member}, who is gone"


def _storage(found: Found) -> Iterator[str]:
    """Accounts and containers are the same on both planes, and a project's containers have their project."""
    guids = {body["properties"]["workspaceId"] for body in found.of(WORKSPACES).values()}
    accounts = found.of(_ACCOUNTS)
    kept = {document["id"].lower() for document in found.entries.get("blobs/accounts", {}).values()}
    for key in kept ^ accounts.keys():
        yield f"the account {key} is on one plane alone"
    containers = {
        f"{account}/blobservices/default/containers/{name}"
        for account in accounts
        for name in found.entries.get(f"blobs/containers/{account.rpartition('/')[2]}", {})
    }
    for key in containers ^ found.of(_CONTAINERS).keys():
        yield f"the container {key} is on one plane alone"
    for space, held in found.entries.items():
        if not space.startswith("blobs/containers/"):
            continue
        if held and not any(key.endswith(space.removeprefix("blobs/containers")) for key in accounts):
            yield f"containers are left of the account {space.rpartition('/')[2]}, which is gone"
        for name in held:
            if name[_GUID : _GUID + 1] == "-" and name[_GUID + 1 :] in _KINDS and name[:_GUID] not in guids:
                yield f"the container {name} is left of a project that is gone"


def _keys(found: Found) -> Iterator[str]:
    """No key outlives what it sealed."""
    guids = {body["properties"]["workspaceId"] for body in found.of(WORKSPACES).values()}
    accounts = {key.rpartition("/")[2] for key in found.of(_ACCOUNTS)}
    for owner in found.entries.get("keys", {}):
        parts = owner.split("/")
        if parts[0] == "account" and parts[1] not in accounts:
            yield f"the key {owner} is left of an account that is gone"
        if parts[0] == "account" and len(parts) > 3 and parts[3] not in guids:
            yield f"the key {owner} is left of a project that is gone"
        if parts[0] == "models" and owner.removeprefix("models") not in found.of(_MODELS):
            yield f"the key {owner} is left of a model account that is gone"


def _models(found: Found) -> Iterator[str]:
    """A model account has two keys and its first deployments, and no key opens one that is gone."""
    accounts = found.of(_MODELS)
    kept = found.entries.get("models.accounts", {})
    for key in kept.keys() ^ accounts.keys():
        yield f"the model account {key} and its keys are not both there"
    opened = Counter(holder["account"].lower() for holder in found.entries.get("models.keys", {}).values())
    for key in accounts:
        if opened[key] != 2:
            yield f"the model account {key} has {opened[key]} keys"
        if key.replace(f"/{_MODELS}/", f"/{WORKSPACES}/") not in found.resources:
            yield f"the model account {key} is left of a project that is gone"
        for name in ("chat", "embeddings"):
            if f"{key}/deployments/{name}" not in found.resources:
                yield f"the model account {key} lacks its deployment {name}"
    for key in opened.keys() - accounts.keys():
        yield f"a key opens {key}, which is gone"


def _secrets(found: Found) -> Iterator[str]:
    """No secret outlives its application."""
    applications = {key.rpartition("/")[2] for key in found.of(_APPLICATIONS)}
    for key in found.entries.get("iam.client-secrets", {}):
        if key.partition("/")[0] not in applications:
            yield f"the secret {key} is left of an application that is gone"


def _bytes(found: Found) -> Iterator[str]:
    """Every blob's bytes are there, and all bytes are a blob's or noted to be removed."""
    ids = {container["cid"] for space, held in found.entries.items() if space.startswith("blobs/containers/") for container in held.values()}
    dropped = found.entries.get("blobs/dropped", {}).keys()
    wanted: Counter[str] = Counter()
    for space, held in found.entries.items():
        if not space.startswith(("blobs/in/", "blobs/staged/")):
            continue
        if held and space.rpartition("/")[2] not in ids | dropped:
            yield f"{len(held)} blobs are left in {space}, whose container is gone"
        for document in held.values():
            wanted.update(_pieces(found, document) if space.startswith("blobs/in/") else [document[0]])
    present = found.payloads.keys() | found.objects
    for ref, count in wanted.items():
        if count > 1:
            yield f"the bytes {ref} belong to {count} blobs"
        if ref not in present:
            yield f"the bytes {ref} of a blob are gone"
    for ref in present - wanted.keys() - found.entries.get("blobs/loose", {}).keys():
        if ref.partition("#")[0] not in found.entries.get("blobs/loose", {}):
            yield f"the bytes {ref} are nobody's"


def _pieces(found: Found, blob: list[Any]) -> Iterator[str]:
    """The names of a blob's pieces and of the payloads that list them: an index entry is an array of which those are arrays."""
    for part in blob:
        if isinstance(part, list) and part and isinstance(part[0], list):
            yield from (piece[0] for piece in part)
        elif isinstance(part, list) and len(part) == 3 and str(part[0]).startswith("m"):
            for name in (f"{part[0]}.{number}" for number in range(part[1])):
                yield name
                yield from (piece[0] for piece in msgspec.msgpack.decode(found.payloads.get(name, b"\x90")))
