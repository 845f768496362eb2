"""A Studiolo under test, started as its users start it, and a raw client for it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from benchmarks.rig import machine
from benchmarks.rig.load import connect
from benchmarks.rig.process import Process

_FOREIGN: Final = ("STUDIOLO_", "AZURE", "ARM_", "OPENAI_", "SSL_CERT_", "REQUESTS_CA_")
_BLOB_CONTRIBUTOR: Final = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
_ASSIGNMENTS: Final = "/providers/Microsoft.Authorization/roleAssignments"
_IAM_VERSION: Final = "?api-version=2022-04-01"
_STORAGE_VERSION: Final = "?api-version=2023-01-01"
ML_VERSION: Final = "?api-version=2024-10-01-preview"
JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        return json.loads(self.body)


class Studio:
    """One `studiolo up --no-model`. Bytecode is kept with the benchmark's own files, so that a first start compiles it."""

    def __init__(self, name: str, *, has_tls: bool, home: Path | None = None, cpu: str | None = machine.SERVER_CPU) -> None:
        self.port = machine.free_port()
        self.home = home or machine.work() / f"home-{self.port}"
        self.has_tls = has_tls
        self._connection: http.client.HTTPConnection | None = None
        self._signed_in: dict[str, str] = {}
        command = [str(machine.COMMAND), "up", "--home", str(self.home), "--port", str(self.port), "--no-model"]
        self.process = Process(name, [*command, "--tls", "on" if has_tls else "off"], self.is_healthy, env=environment(), cpu=cpu)

    def start(self) -> None:
        """Start, and return with the first 200 from /healthz."""
        self.process.start()

    def stop(self) -> None:
        """End cleanly."""
        self.hang_up()
        self.process.stop()

    @property
    def url(self) -> str:
        """Where it listens; by address, since wrk resolves no names under localhost."""
        return f"{'https' if self.has_tls else 'http'}://127.0.0.1:{self.port}"

    def is_healthy(self) -> bool:
        """Whether /healthz answers 200 now."""
        try:
            return self.call("GET", "/healthz").status == 200
        except (OSError, http.client.HTTPException):
            self.hang_up()
            return False

    def hang_up(self) -> None:
        """Close the raw client's connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """One request on a kept connection."""
        if self._connection is None:
            self._connection = connect(self.url)
        self._connection.request(method, target, body, {"Host": f"localhost:{self.port}", **(headers or {})})
        answer = self._connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def expect(self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """A request with a JSON body or none, signed in, that must succeed.

        Raises:
            RuntimeError: it did not; the answer is told.
        """
        sent = None if body is None else json.dumps(body).encode()
        reply = self.call(method, target, sent, {**self.signed_in(), **JSON, **(headers or {})})
        if reply.status >= 300:
            raise RuntimeError(f"{method} {target} was answered with {reply.status}: {reply.body[:600].decode(errors='replace')}")
        return reply

    def settled(self, reply: Reply, *, pause_seconds: float = 0.005) -> float:
        """Wait for the operation that an answer names, if it names one; return when its end was seen (monotonic).

        Raises:
            RuntimeError: it failed.
        """
        address = reply.headers.get("azure-asyncoperation")
        while address is not None:
            shape = self.expect("GET", "/" + address.split("/", 3)[3]).json()
            if shape["status"] == "Succeeded":
                break
            if shape["status"] in ("Failed", "Canceled"):
                raise RuntimeError(f"The operation failed: {shape}")
            time.sleep(pause_seconds)
        return time.monotonic()

    # ── who calls, and for what ──────────────────────────────────────────────────────────────────────────────────

    @property
    def known(self) -> dict[str, str]:
        """What the home tells clients (`env.json`)."""
        return json.loads((self.home / "env.json").read_text())

    def token(self, resource: str = "") -> str:
        """An access token of the command line's application, for ARM unless another resource is named."""
        known = self.known
        form = {
            "grant_type": "client_credentials",
            "client_id": known["AZURE_CLIENT_ID"],
            "client_secret": known["AZURE_CLIENT_SECRET"],
            "scope": f"{resource or known['STUDIOLO_URL']}/.default",
        }
        reply = self.call(
            "POST",
            f"/{known['AZURE_TENANT_ID']}/oauth2/v2.0/token",
            urlencode(form).encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        if reply.status != 200:
            raise RuntimeError(f"No token: {reply.status} {reply.body[:300].decode(errors='replace')}")
        return str(reply.json()["access_token"])

    def signed_in(self) -> dict[str, str]:
        """The header that signs ARM requests in."""
        if not self._signed_in:
            self._signed_in = {"Authorization": f"Bearer {self.token()}"}
        return self._signed_in

    @property
    def group(self) -> str:
        """The id of the resource group that the first start makes."""
        return f"/subscriptions/{self.known['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{self.known['AZURE_RESOURCE_GROUP']}"

    def workspace(self, name: str) -> dict[str, Any]:
        """A hub or project."""
        return self.expect("GET", f"{self.group}/providers/Microsoft.MachineLearningServices/workspaces/{name}{ML_VERSION}").json()

    def blob_container(self) -> tuple[str, str]:
        """The first project's account and one of its containers, opened to this caller under the project's own condition."""
        project = self.workspace(self.known["AZUREML_PROJECT"])
        account = self.workspace(self.known["AZUREML_HUB"])["properties"]["storageAccount"]
        listed = self.expect("GET", f"{account}{_ASSIGNMENTS}{_IAM_VERSION}").json()["value"]
        condition = next(one["properties"]["condition"] for one in listed if one["properties"].get("condition"))
        subscription = f"/subscriptions/{self.known['AZURE_SUBSCRIPTION_ID']}"
        properties = {
            "roleDefinitionId": f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{_BLOB_CONTRIBUTOR}",
            "principalId": _claims(self.token())["oid"],
            "principalType": "ServicePrincipal",
            "condition": condition,
            "conditionVersion": "2.0",
            # The caller is the studio's owner, who may do all of this without the condition; what is measured is its decision.
            "studioloOverride": {"checks": ["L6"], "reason": "a decision under a condition is to be measured"},
        }
        self.expect("PUT", f"{account}{_ASSIGNMENTS}/6f0c6a7e-0000-4000-8000-000000000001{_IAM_VERSION}", {"properties": properties})
        containers = self.expect("GET", f"{account}/blobServices/default/containers{_STORAGE_VERSION}").json()["value"]
        own = [one["name"] for one in containers if one["name"].startswith(project["properties"]["workspaceId"])]
        return account.rpartition("/")[2], own[0]


def environment() -> dict[str, str]:
    """This process's environment for a server: nothing that names another studio, and bytecode that is kept."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN) and name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, "PYTHONPYCACHEPREFIX": str(machine.work() / "bytecode")}


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
