"""Assets: versions of data, made, changed, archived and removed."""

from __future__ import annotations

from typing import Any

from tests.parity.studio import unique
from tests.recovery.hand import Known, good
from tests.recovery.traffic.kind import Traffic


class Assets(Traffic):
    """Versions of one data asset in the first project, and references to storage beside it."""

    def prepare(self) -> None:
        project = self.hand.workspace("first-project")
        self.path = f"{project}/data/{unique('numbers')}"
        self.known: dict[str, Known[str | None]] = {}
        self.tags: dict[str, str] = {}
        self.stores = {f"{project}/datastores/{unique('store').replace('-', '_')}": Known(told=False) for _ in range(2)}

    def act(self) -> None:
        if self.chance.random() < 0.3:
            self._store()
            return
        version = str(self.chance.randint(1, 12))
        known, text = self.known.setdefault(version, Known[str | None](None)), unique("text")
        with known.trying(text):
            made = good(self.hand.arm("PUT", f"{self.path}/versions/{version}", body(text)), 200, 201)
        self.tags[version] = made.json()["etag"]

    def _store(self) -> None:
        path, known = self.chance.choice(list(self.stores.items()))
        if known.told:
            with known.trying(value=False):
                good(self.hand.arm("DELETE", path), 200)
        else:
            with known.trying(value=True):
                good(self.hand.arm("PUT", path, STORE), 201)

    def check(self) -> None:
        seen: dict[str, Any] = {}
        for version, known in self.known.items():
            if known.tried:
                self.tags.pop(version, None)
            reply = good(self.hand.arm("GET", f"{self.path}/versions/{version}"), 200, 404)
            known.is_(reply.json()["properties"]["description"] if reply.status == 200 else None)
            if reply.status == 200:
                seen[version] = reply.json()
                assert reply.json()["etag"] == self.tags.get(version, reply.json()["etag"]), "another ETag than its writer was told"
        if good(self.hand.arm("GET", self.path), 200, 404).status == 200:
            assert {each["name"]: each for each in self.hand.values(f"{self.path}/versions")} == seen, "the list and the versions disagree"
        else:
            assert not seen
        listed = {each["id"].lower() for each in self.hand.values(next(iter(self.stores)).rpartition("/")[0])}
        for path, known in self.stores.items():
            known.is_(good(self.hand.arm("GET", path), 200, 404).status == 200)
            assert (path.lower() in listed) == known.told


STORE = {
    "properties": {
        "datastoreType": "AzureBlob",
        "accountName": "elsewhere",
        "containerName": "raw",
        "credentials": {"credentialsType": "None"},
    }
}


def body(text: str) -> dict[str, Any]:
    """The body of a version."""
    where = "azureml://datastores/workspaceblobstore/paths/numbers.csv"
    return {"properties": {"dataType": "uri_file", "dataUri": where, "description": text}}
