"""A running studio as its callers meet it: raw HTTP on one connection, the owner's session, and people with roles or none."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tests.support.server import Server

API = "2024-10-01-preview"
BLOB_VERSION = "2025-11-05"
ROLES = "/providers/Microsoft.Authorization/roleDefinitions"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
DIRECTORY = "/providers/Studiolo.Directory"
_SIGN_IN = re.compile(r"/signin\?code=(\S+)")


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the error in the resource manager's shape, whose other parts are checked on the way."""
        error = self.json()["error"]
        assert set(error) >= {"code", "message"}, error
        assert error["message"].strip()
        assert self.headers["content-type"].startswith("application/json")
        assert self.headers.get("x-ms-error-code", error["code"]) == error["code"]
        return error["code"]

    @property
    def blob_code(self) -> str:
        """The code of an error in the Blob protocol's shape."""
        code = self.headers["x-ms-error-code"]
        if self.body:
            assert self.headers["content-type"].startswith("application/xml")
            assert f"<Code>{code}</Code><Message>" in self.body.decode("utf-8-sig")
        return code


@dataclass(frozen=True)
class Person:
    """Somebody who signs in with a secret; a person or a program, the engine does not care."""

    url: str
    oid: str
    client_id: str
    secret: str = field(repr=False)

    @property
    def credential(self) -> Any:
        """The unchanged client's credential."""
        from azure.identity import ClientSecretCredential

        return ClientSecretCredential("adfs", self.client_id, self.secret, authority=self.url)


class Studio:
    """One running server, and what tests of its wire share. Everything goes through the public API."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.env = server.env
        self.url = server.url
        self.subscription = f"/subscriptions/{self.env['AZURE_SUBSCRIPTION_ID']}"
        self.group = f"{self.subscription}/resourceGroups/{self.env['AZURE_RESOURCE_GROUP']}"
        self.owner = Person(self.url, "", self.env["AZURE_CLIENT_ID"], self.env["AZURE_CLIENT_SECRET"])
        self._connections: dict[str, http.client.HTTPSConnection] = {}
        self._tokens: dict[tuple[str, str], str] = {}
        self._roles: dict[str, str] = {}

    # ── raw HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────

    def send(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        host: str = "localhost",
    ) -> Reply:
        """One request as it stands. Every answer must say by which ids it can be found in a log."""
        netloc = f"{host}:{self.server.port}"
        for attempt in (1, 2):
            connection = self._connections.get(netloc)
            is_used = connection is not None
            if connection is None:
                connection = self._connections[netloc] = http.client.HTTPSConnection(
                    host, self.server.port, context=self.server.tls, timeout=60
                )
            try:
                connection.request(method, target, body, dict(headers or {}))
                answer = connection.getresponse()
                reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
            except (ConnectionError, ssl.SSLError, http.client.HTTPException):  # a kept one that the server has ended since
                connection.close()
                del self._connections[netloc]
                if not is_used or attempt == 2:
                    raise
                continue
            if answer.will_close:
                del self._connections[netloc]
            assert reply.headers.get("x-ms-request-id"), f"{method} {target} was answered without x-ms-request-id"
            assert reply.headers.get("x-ms-correlation-request-id"), f"{method} {target} was answered without x-ms-correlation-request-id"
            return reply
        raise AssertionError(target)

    def arm(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: Person | None = None,
        token: str | None = None,
        api: str | None = API,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One call to the resource manager, by the owner unless told otherwise; `body` is JSON, or bytes as they stand."""
        asked = {**({"api-version": api} if api is not None else {}), **(query or {})}
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", "authorization": f"Bearer {token or self.token(by or self.owner)}", **(headers or {})}
        return self.send(method, f"{quote(path)}?{urlencode(asked)}" if asked else quote(path), raw, sent)

    def blob(
        self,
        method: str,
        account: str,
        target: str,
        body: bytes | None = None,
        *,
        by: Person | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One call to a storage account's data plane; without `by`, with no credential but what `target` carries."""
        sent = {"x-ms-version": BLOB_VERSION, **(headers or {})}
        if by is not None:
            sent["authorization"] = f"Bearer {self.token(by, 'https://storage.azure.com')}"
        if method == "PUT" and "comp=" not in target and "x-ms-blob-type" not in sent and "restype=" not in target:
            sent["x-ms-blob-type"] = "BlockBlob"
        return self.send(method, target, body if body is not None or method != "PUT" else b"", sent, host=f"{account}.blob.core.localhost")

    def token(self, person: Person, resource: str | None = None) -> str:
        """An access token for a resource, ours if none is named, as the token endpoint gives it; kept while tests run."""
        wanted = resource or self.url
        found = self._tokens.get((person.client_id, wanted))
        if found is None:
            reply = self.ask_token(person.client_id, person.secret, scope=f"{wanted}/.default")
            assert reply.status == 200, reply.body
            found = self._tokens[person.client_id, wanted] = reply.json()["access_token"]
        return found

    def forget_token(self, person: Person) -> None:
        """Have the next call ask for a token anew."""
        self._tokens = {key: token for key, token in self._tokens.items() if key[0] != person.client_id}

    def ask_token(self, client_id: str, secret: str, *, tenant: str = "adfs", **fields: str) -> Reply:
        """One request to the token endpoint."""
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, **fields}
        path = f"/{tenant}/oauth2/token" if tenant == "adfs" else f"/{tenant}/oauth2/v2.0/token"
        return self.send("POST", path, urlencode(form).encode(), {"content-type": "application/x-www-form-urlencoded"})

    # ── people ───────────────────────────────────────────────────────────────────────────────────────────────────

    def redeem(self) -> Reply:
        """Open the one-time link that the server printed, as a browser would."""
        code = self.server.wait_for(_SIGN_IN).group(1)
        form = {"content-type": "application/x-www-form-urlencoded", "origin": self.url}
        return self.send("POST", "/signin", urlencode({"code": code}).encode(), form)

    @cached_property
    def cookie(self) -> str:
        """The session of the server's owner."""
        if not self.server.owner_cookie:
            reply = self.redeem()
            assert reply.status in (200, 302, 303), reply.body
            self.server.owner_cookie = reply.headers["set-cookie"].partition(";")[0]
        return self.server.owner_cookie

    def sign_in(self) -> None:
        """Open the owner's session now: the link that the server printed ends after a quarter of an hour."""
        assert self.cookie

    def directory(self, method: str, path: str, body: Any = None) -> Reply:
        """One call to the directory, by the server's owner."""
        headers = {"cookie": self.cookie, "origin": self.url, "content-type": "application/json"}
        return self.send(method, f"{DIRECTORY}{path}?api-version={API}", None if body is None else json.dumps(body).encode(), headers)

    def person(self, name: str = "guest") -> Person:
        """Somebody new, with a secret and without any right."""
        application, principal = str(uuid.uuid4()), str(uuid.uuid4())
        named = {"displayName": f"{name}-{application[:8]}"}
        made = self.directory("PUT", f"/applications/{application}", {"properties": named})
        assert made.status == 201, made.body
        minted = self.directory("POST", f"/applications/{application}/addPassword", {})
        assert minted.status == 200, minted.body
        acting = self.directory("PUT", f"/servicePrincipals/{principal}", {"properties": {**named, "appId": application}})
        assert acting.status == 201, acting.body
        return Person(self.url, principal, application, minted.json()["secretText"])

    def group_of(self, *members: Person) -> str:
        """The object id of a new security group."""
        oid = str(uuid.uuid4())
        body = {"properties": {"displayName": f"group-{oid[:8]}", "members": [member.oid for member in members]}}
        made = self.directory("PUT", f"/groups/{oid}", body)
        assert made.status == 201, made.body
        return oid

    def role(self, name: str) -> str:
        """The id of the role with this name."""
        if name not in self._roles:
            found = self.arm("GET", f"{self.group}{ROLES}", query={"$filter": f"roleName eq '{name}'"}).json()["value"]
            assert len(found) == 1, name
            self._roles[name] = found[0]["id"]
        return self._roles[name]

    def custom_role(self, *actions: str, data: Sequence[str] = (), at: str | None = None) -> str:
        """The id of a new role with these actions, which can be given at a scope (the first group) and below."""
        scope = at or self.group
        permissions = [{"actions": list(actions), "dataActions": list(data)}]
        body = {"roleName": unique("made"), "assignableScopes": [scope], "permissions": permissions}
        made = self.arm("PUT", f"{scope}{ROLES}/{uuid.uuid4()}", {"properties": body})
        assert made.status == 201, made.body
        return made.json()["id"]

    def grant(self, oid: str, role: str, scope: str, *, kind: str = "ServicePrincipal", condition: str | None = None) -> str:
        """The path of a new role assignment; `role` is a role's name or id."""
        path = f"{scope}{ASSIGNMENTS}/{uuid.uuid4()}"
        body: dict[str, Any] = {
            "roleDefinitionId": role if "/" in role else self.role(role),
            "principalId": oid,
            "principalType": kind,
        }
        if condition is not None:
            body |= {"condition": condition, "conditionVersion": "2.0"}
        made = self.arm("PUT", path, {"properties": body})
        assert made.status == 201, made.body
        return path

    def may(self, who: str, action: str, scope: str, *, data: bool = False, **attributes: Any) -> bool:
        """Whether the engine allows it, as `access explain` tells."""
        question = {"who": who, "action": action, "plane": "data" if data else "control", **attributes}
        told = self.arm("POST", f"{scope}/providers/Studiolo.Access/explain", question)
        assert told.status == 200, told.body
        return told.json()["allowed"]

    # ── places ───────────────────────────────────────────────────────────────────────────────────────────────────

    def workspace(self, name: str) -> str:
        """The id of a workspace in the first group."""
        return f"{self.group}/providers/Microsoft.MachineLearningServices/workspaces/{name}"

    def hub(self, name: str | None = None, **properties: Any) -> dict[str, Any]:
        """A new hub, made with one plain PUT."""
        path = self.workspace(name or unique("hub"))
        made = self.arm("PUT", path, {"location": "local", "kind": "Hub", "properties": properties})
        assert made.status == 201, made.body
        return made.json()

    def project(self, hub: str, name: str | None = None, *, by: Person | None = None, **properties: Any) -> dict[str, Any]:
        """A new project, made with one plain PUT."""
        path = self.workspace(name or unique("project"))
        body = {"location": "local", "kind": "Project", "properties": {"hubResourceId": hub, **properties}}
        made = self.arm("PUT", path, body, by=by)
        assert made.status == 201, made.body
        return made.json()

    def accounts(self) -> set[str]:
        """The ids of all storage accounts of the first group."""
        return {account["id"] for account in self.arm("GET", f"{self.group}/providers/Microsoft.Storage/storageAccounts").json()["value"]}

    def ml(self, workspace: str | None = None, *, by: Person | None = None) -> Any:
        """The unchanged machine learning client; without `by`, signed in by the environment alone."""
        from azure.ai.ml import MLClient
        from azure.identity import DefaultAzureCredential

        credential = DefaultAzureCredential() if by is None else by.credential
        return MLClient(credential, self.env["AZURE_SUBSCRIPTION_ID"], self.env["AZURE_RESOURCE_GROUP"], workspace)

    def close(self) -> None:
        """Let go of the connections."""
        for connection in self._connections.values():
            connection.close()


def unique(word: str) -> str:
    """A name that no other test has."""
    return f"{word}-{uuid.uuid4().hex[:8]}"


def account_of(workspace: Mapping[str, Any]) -> str:
    """The name of the storage account that a workspace's JSON names."""
    return workspace["properties"]["storageAccount"].rpartition("/")[2]


def local_path(url: str) -> str:
    """What a URL asks for below its host."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


@contextmanager
def opened(server: Server) -> Generator[Studio]:
    """The studio of a running server, with its owner signed in."""
    studio = Studio(server)
    try:
        studio.sign_in()
        yield studio
    finally:
        studio.close()
