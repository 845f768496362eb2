"""Hubs and projects: made by template deployments, as the unchanged client makes them, and removed."""

from __future__ import annotations

from typing import Any

from tests.parity.studio import API, ASSIGNMENTS, account_of, unique
from tests.recovery.hand import Hand, Known, good
from tests.recovery.traffic.kind import Traffic

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
CONTAINERS = {"azureml", "blobstore", "code", "file"}
STORES = {"workspaceartifactstore", "workspaceblobstore", "workspacefilestore", "workspaceworkingdirectory"}


def deployed(hand: Hand, path: str, resource: dict[str, Any]) -> None:
    """Deploy one resource with a template and wait for its end, which must be a success."""
    template = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [{"apiVersion": API, **resource}]}
    good(hand.arm("PUT", path, {"properties": {"mode": "Incremental", "template": template}}), 200, 201)
    found = hand.settled(path)
    assert found is not None
    assert found["properties"]["provisioningState"] == "Succeeded", found


class Workspaces(Traffic):
    """What hubs and projects have in common: one name that comes and goes."""

    kind = ""

    def prepare(self) -> None:
        self.name = unique(self.kind.lower())
        self.path = self.hand.workspace(self.name)
        self.deployment = f"{self.hand.group}/providers/Microsoft.Resources/deployments/{self.name}"
        self.known = Known(told=False)
        self.last: dict[str, Any] | None = None

    def resource(self) -> dict[str, Any]:
        """What is deployed."""
        return {"type": WORKSPACES, "name": self.name, "location": "local", "kind": self.kind, "properties": {}}

    def act(self) -> None:
        if self.known.told:
            with self.known.trying(value=False):
                good(self.hand.arm("DELETE", self.path), 200, 202, 204)
                assert self.hand.settled(self.path) is None
            self.is_gone()
        else:
            with self.known.trying(value=True):
                if self.chance.random() < 0.6:
                    deployed(self.hand, self.deployment, self.resource())
                else:
                    body = {name: value for name, value in self.resource().items() if name not in ("type", "name")}
                    good(self.hand.arm("PUT", self.path, body), 201)
            self.last = self.hand.arm("GET", self.path).json()

    def check(self) -> None:
        run = self.hand.settled(self.deployment)
        found = self.hand.settled(self.path)
        if run is not None and self.known.tried == [True] and run["properties"]["provisioningState"] != "Succeeded":
            raise AssertionError(f"the deployment was begun and did not end well: {run['properties']}")
        self.known.is_(found is not None)
        if found is None:
            self.is_gone()
        else:
            if self.last is not None and self.last["properties"]["workspaceId"] == found["properties"]["workspaceId"]:
                assert self.last["etag"] == found["etag"]
            self.last = found
            self.is_whole(found)

    def is_whole(self, found: dict[str, Any]) -> None:
        """Assert that nothing that belongs to it is missing, or there twice."""
        assert found["properties"]["provisioningState"] == "Succeeded", found
        given = self.hand.values(f"{self.path}{ASSIGNMENTS}", **{"$filter": "atScope()"})
        own = [each["properties"] for each in given if each["properties"]["scope"].lower() == self.path.lower()]
        identity = found["identity"]["principalId"]
        held = sorted((each["principalId"] == identity, each["roleDefinitionId"].rpartition("/")[2]) for each in own)
        assert held == sorted(self.grants()), held

    def grants(self) -> list[tuple[bool, str]]:
        """Who holds what at the workspace: whether it is its own identity, and the role."""
        return []

    def is_gone(self) -> None:
        """Assert that nothing that belonged to it is left."""
        if self.last is not None:
            principal = self.last["identity"]["principalId"]
            assert self.hand.values(f"{self.hand.subscription}{ASSIGNMENTS}", **{"$filter": f"principalId eq '{principal}'"}) == []
            good(self.hand.directory("GET", f"/servicePrincipals/{principal}"), 404)


class Hubs(Workspaces):
    """Hubs, whose storage account and vault are removed behind them."""

    kind = "Hub"

    def grants(self) -> list[tuple[bool, str]]:
        return [(True, "b78c5d69-af96-48a3-bf8d-a8b4d589de94"), (False, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635")]

    def is_whole(self, found: dict[str, Any]) -> None:
        super().is_whole(found)
        for member in ("storageAccount", "keyVault"):
            assert self.hand.arm("GET", found["properties"][member]).status == 200, member

    def is_gone(self) -> None:
        super().is_gone()
        if self.last is not None:
            for member in ("storageAccount", "keyVault"):
                good(self.hand.arm("DELETE", self.last["properties"][member]), 200, 204)
            self.last = None


class Projects(Workspaces):
    """Projects of the first hub."""

    kind = "Project"

    def prepare(self) -> None:
        super().prepare()
        self.hub = self.hand.arm("GET", self.hand.workspace("home")).json()
        self.storage = f"{self.hand.group}/providers/Microsoft.Storage/storageAccounts/{account_of(self.hub)}"
        self.account = f"{self.hand.group}/providers/Microsoft.CognitiveServices/accounts/{self.name}"

    def resource(self) -> dict[str, Any]:
        return {**super().resource(), "properties": {"hubResourceId": self.hub["id"]}}

    def grants(self) -> list[tuple[bool, str]]:
        owner, scientist, caller = (
            "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
            "f6c7c914-8db3-469d-8ca1-694a8f32e121",
            "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd",
        )
        return [(False, owner), (True, scientist), (False, caller)]

    def containers(self, workspace_id: str) -> set[str]:
        """The containers whose name begins with the workspace's id."""
        listed = self.hand.values(f"{self.storage}/blobServices/default/containers")
        return {each["name"].removeprefix(f"{workspace_id}-") for each in listed if each["name"].startswith(workspace_id)}

    def is_whole(self, found: dict[str, Any]) -> None:
        super().is_whole(found)
        assert self.containers(found["properties"]["workspaceId"]) == CONTAINERS
        assert {store["name"] for store in self.hand.values(f"{self.path}/datastores")} <= STORES
        good(self.hand.arm("GET", f"{self.path}/datastores/workspaceblobstore"), 200)
        held = self.hand.values(
            f"{self.hand.subscription}{ASSIGNMENTS}", **{"$filter": f"principalId eq '{found['identity']['principalId']}'"}
        )
        assert len(held) == 2, held
        assert self.hand.arm("GET", self.account).json()["properties"]["provisioningState"] == "Succeeded"
        assert {each["name"] for each in self.hand.values(f"{self.account}/deployments")} == {"chat", "embeddings"}
        good(self.hand.arm("POST", f"{self.account}/listKeys", {}), 200)

    def is_gone(self) -> None:
        super().is_gone()
        good(self.hand.arm("GET", self.account), 404)
        if self.last is not None:
            assert self.containers(self.last["properties"]["workspaceId"]) == set()
            self.last = None
