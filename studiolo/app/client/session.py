"""Signing in, ARM calls with their long operations, and model calls.

Operation headers and their order: ARM's asynchronous operations (`Azure-AsyncOperation`, `Location`, then
`properties.provisioningState`), with `Retry-After` and `x-ms-retry-after-ms`. Tokens go to the studio's own origin
alone, whatever a header or a body says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol, cast
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from studiolo.app.authority import client_context
from studiolo.app.client.names import LocalNames
from studiolo.app.environment import ClientEnvironment
from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Unavailable
from studiolo.kernel.resource import JsonObject

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 120.0
OPERATION_SECONDS: Final = 3600.0
_POLL_SECONDS: Final = 1.0
_FINAL: Final = frozenset({"succeeded", "failed", "canceled"})
_TOKEN_MARGIN: Final = 60.0

CLIENT_ID: Final = "73747564-696f-4c6f-8000-636c69000001"
"""The client id of this command line when a person uses it; every studio knows it."""

Progress = Callable[[str], None]


class Person(Protocol):
    """Who is signed in, if a person is."""

    def read(self) -> str | None:
        """The refresh token."""
        ...

    def keep(self, refresh_token: str) -> None:
        """Keep the next one."""
        ...


class Refusal(Fault):
    """What the server answered instead of what was asked for. `status` is the HTTP status."""

    def __init__(self, status: int, code: str, message: str, target: str | None = None) -> None:
        super().__init__(message, code=code, target=target)
        self.status = status


class Client:
    """A signed-in client. Every call raises Refusal for a no, Unavailable where nothing answers."""

    def __init__(self, environment: ClientEnvironment, http: aiohttp.ClientSession, person: Person | None = None) -> None:
        self.environment = environment
        self.http = http
        self._person = person
        self._token = ""
        self._token_ends = 0.0

    # ── Ids ──

    def group_id(self) -> str:
        """The id of the environment's resource group."""
        return f"/subscriptions/{_segment(self.environment.subscription)}/resourceGroups/{_segment(self.environment.resource_group)}"

    def workspace_id(self, name: str) -> str:
        """The id of a hub or a project of the environment's resource group."""
        return f"{self.group_id()}/providers/Microsoft.MachineLearningServices/workspaces/{_segment(name)}"

    # ── ARM ──

    async def get(self, path: str, api_version: str, **query: str) -> JsonObject:
        """One resource."""
        _, body = await self.send("GET", self._address(path, api_version, query))
        return body

    async def find(self, path: str, api_version: str) -> JsonObject | None:
        """One resource, or None if there is no such thing."""
        try:
            return await self.get(path, api_version)
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise

    async def pages(self, path: str, api_version: str, **query: str) -> AsyncIterator[JsonObject]:
        """The members of a collection, page after page."""
        address: str | None = self._address(path, api_version, query)
        while address:
            _, body = await self.send("GET", address)
            for item in body.get("value", []):
                yield item
            address = body.get("nextLink")

    async def write(
        self, path: str, api_version: str, body: JsonObject, told: Progress | None = None, *, method: str = "PUT"
    ) -> JsonObject:
        """Make or change a resource, wait until that is done, and give it back."""
        address = self._address(path, api_version, {})
        headers, answer = await self.send(method, address, body)
        if await self._finish(address, headers, answer, told):
            return await self.get(path, api_version)
        return answer

    async def delete(self, path: str, api_version: str, told: Progress | None = None, **query: str) -> None:
        """Delete a resource and wait until it is gone."""
        address = self._address(path, api_version, query)
        headers, answer = await self.send("DELETE", address)
        await self._finish(address, headers, answer, told)

    async def act(self, path: str, api_version: str, body: JsonObject | None = None, told: Progress | None = None) -> JsonObject:
        """What a POST action answers; if it goes on in the background, after its end."""
        address = self._address(path, api_version, {})
        headers, answer = await self.send("POST", address, body or {})
        if "azure-asyncoperation" in headers:
            await self._finish(address, headers, answer, told)
        return answer

    # ── Models ──

    async def chat(self, deployment: str, prompt: str) -> AsyncIterator[str]:
        """The pieces of a chat deployment's answer, as they come."""
        address = f"{self.environment.url}/openai/v1/chat/completions"
        asked = {"model": deployment, "messages": [{"role": "user", "content": prompt}], "stream": True}
        headers = {"authorization": f"Bearer {self.environment.model_key}", "content-type": "application/json"}
        async with self._request("POST", address, headers, msgspec.json.encode(asked)) as answer:
            async for line in answer.content:
                text = line.strip().removeprefix(b"data:").strip()
                if not line.startswith(b"data:") or text == b"[DONE]":
                    continue
                for choice in msgspec.json.decode(text).get("choices", []):
                    piece = choice.get("delta", {}).get("content")
                    if piece:
                        yield piece

    # ── HTTP ──

    async def send(self, method: str, address: str, body: JsonObject | None = None) -> tuple[Mapping[str, str], JsonObject]:
        """One call with our token, to the studio's own origin.

        Raises:
            Unavailable: the address leads elsewhere (code `ForeignAddress`), or nothing answers.
        """
        if _origin(address) != _origin(self.environment.url):
            raise Unavailable(
                f"The server sent us on to '{_origin(address)}', which is not the studio: nothing was sent there.", code="ForeignAddress"
            )
        headers = {"authorization": f"Bearer {await self._bearer()}", "accept": "application/json"}
        data = None
        if body is not None:
            headers["content-type"] = "application/json"
            data = msgspec.json.encode(body)
        async with self._request(method, address, headers, data) as answer:
            return {key.lower(): value for key, value in answer.headers.items()}, _object(await answer.read())

    async def principal(self) -> str:
        """The object id that we are signed in as."""
        payload = (await self._bearer()).split(".")[1]
        import base64

        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["oid"])

    async def identity_token(self, header: str, query: Mapping[str, str]) -> JsonObject:
        """What the managed identity endpoint answers to a workload with this header."""
        more = "".join(f"&{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
        address = f"{self.environment.url}/msi/token?api-version=2019-08-01{more}"
        async with self._request("GET", address, {"x-identity-header": header, "accept": "application/json"}, None) as answer:
            return _object(await answer.read())

    async def _bearer(self) -> str:
        if clock.monotonic() < self._token_ends:
            return self._token
        environment = self.environment
        middle = "" if environment.tenant == "adfs" else "/v2.0"
        found = await self._plain("GET", f"{environment.url}/{_segment(environment.tenant)}{middle}/.well-known/openid-configuration")
        endpoint = str(found.get("token_endpoint", ""))
        if _origin(endpoint) != _origin(environment.url):
            raise Unavailable(f"The sign-in page of '{environment.url}' names a token endpoint elsewhere.", code="ForeignAddress")
        refresh_token = self._person.read() if self._person is not None else None
        answer = await self.post_form(endpoint, self._proof(refresh_token))
        if self._person is not None and refresh_token is not None and "refresh_token" in answer:
            self._person.keep(str(answer["refresh_token"]))
        self._token = str(answer["access_token"])
        self._token_ends = clock.monotonic() + float(answer.get("expires_in", 0)) - _TOKEN_MARGIN
        return self._token

    def _proof(self, refresh_token: str | None) -> dict[str, str]:
        """How we ask for a token: for the person who is signed in, or as the environment's application."""
        scope = f"{self.environment.url}/.default"
        if refresh_token is not None:
            return {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": refresh_token, "scope": scope}
        proof = {"client_id": self.environment.client_id, "client_secret": self.environment.client_secret}
        return {"grant_type": "client_credentials", **proof, "scope": scope}

    async def post_form(self, address: str, form: Mapping[str, str]) -> JsonObject:
        """Send a form without a token; the JSON that it answers."""
        return await self._plain("POST", address, "&".join(f"{key}={quote(value, safe='')}" for key, value in form.items()))

    async def _plain(self, method: str, address: str, form: str | None = None) -> JsonObject:
        headers = {"accept": "application/json"}
        if form is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        async with self._request(method, address, headers, None if form is None else form.encode()) as answer:
            return _object(await answer.read())

    @asynccontextmanager
    async def _request(
        self, method: str, address: str, headers: Mapping[str, str], data: bytes | None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        async with (
            reaching(self.environment.url),
            self.http.request(method, address, headers=headers, data=data, allow_redirects=False) as answer,
        ):
            if answer.status >= 300:
                raise refusal_of(answer.status, await answer.read())
            yield answer

    def _address(self, path: str, api_version: str, query: Mapping[str, str]) -> str:
        more = "".join(f"&{quote(key, safe='$')}={quote(value, safe='')}" for key, value in query.items())
        return f"{self.environment.url}{path}?api-version={api_version}{more}"

    async def _finish(self, address: str, headers: Mapping[str, str], answer: JsonObject, told: Progress | None) -> bool:
        """Wait for the operation that an answer began; tell whether there was one."""
        operation = headers.get("azure-asyncoperation")
        location = headers.get("location") if operation is None else None
        state = _state(answer)
        if operation is None and location is None and (state is None or state.lower() in _FINAL):
            _check(state, answer)
            return False
        deadline = clock.monotonic() + OPERATION_SECONDS
        while clock.monotonic() < deadline:
            if told is not None:
                told(f"{answer['percentComplete']} %" if "percentComplete" in answer else state or "Accepted")
            await asyncio.sleep(_pause(headers))
            headers, answer = await self.send("GET", operation or location or address)
            # A Location answers with the thing itself once all is done; until then it says so by its headers.
            state = str(answer.get("status") or _state(answer) or ("InProgress" if headers.get("location") else "Succeeded"))
            if state.lower() in _FINAL:
                _check(state, answer)
                return True
        raise Unavailable(
            f"The operation was still going on after {OPERATION_SECONDS:.0f} s; it goes on without us.", code="OperationTimedOut"
        )


@asynccontextmanager
async def open_client(environment: ClientEnvironment, bundle: Path | None, person: Person | None = None) -> AsyncGenerator[Client]:
    """A client for the studio of this environment.

    Args:
        environment: where it is and who signs in.
        bundle: the certificates to trust; None only for a studio on plain HTTP.
        person: who is signed in; if anybody is, the client acts as them and not as the environment's application.

    Raises:
        Unavailable: the bundle cannot be read (code `BundleMissing`).
    """
    tls: ssl.SSLContext | bool = True
    if bundle is not None:
        try:
            tls = client_context(bundle)
        except OSError:
            raise Unavailable(
                f"The certificates in '{bundle}' cannot be read: run `studiolo up` once, which makes them.", code="BundleMissing"
            ) from None
    connector = aiohttp.TCPConnector(ssl=tls, resolver=LocalNames(), limit=16)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=True) as http:
        yield Client(environment, http, person)


@asynccontextmanager
async def reaching(url: str) -> AsyncGenerator[None]:
    """Say as a fault that, and why, nothing answers at `url`."""
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise Unavailable(
            f"The certificate at '{url}' is not one that we trust ({error.certificate_error}): "
            'run `eval "$(studiolo env)"` again; `studiolo doctor` looks for the reason.',
            code="CertificateNotTrusted",
        ) from None
    except aiohttp.ClientConnectorError as error:
        why = error.os_error.strerror or str(error.os_error)
        raise Unavailable(f"Nothing answers at '{url}' ({why}): start the studio with `studiolo up`.", code="ServerUnreachable") from None
    except TimeoutError:
        raise Unavailable(f"'{url}' did not answer in time: `studiolo doctor` looks for the reason.", code="ServerTimedOut") from None
    except aiohttp.ClientError as error:
        raise Unavailable(f"The connection to '{url}' broke: {error}. Try again.", code="ConnectionBroken") from None


def refusal_of(status: int, raw: bytes) -> Refusal:
    """The fault that an answer's body tells: ARM's, OAuth's or none that we know."""
    try:
        body = _object(raw)
    except Unavailable:
        body = {}
    error: Any = body.get("error")
    if told := _mapping(error):
        code, message = str(told.get("code") or f"Http{status}"), str(told.get("message") or "No reason was given.")
        refused = Refusal(status, code, message, told.get("target"))
        for more in told.get("additionalInfo") or ():
            if _mapping(more).get("type") == "Studiolo.Access/decisions":
                refused.decision_id = str(_mapping(more["info"]).get("id", ""))
        return refused
    if isinstance(error, str):
        return Refusal(status, error, str(body.get("error_description") or "No reason was given."))
    return Refusal(status, f"Http{status}", f"The server answered {status} without a reason that we can read.")


def _object(raw: bytes) -> JsonObject:
    if not raw.strip():
        return {}
    try:
        found = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        raise Unavailable("The answer is no JSON object: something else than a studio answers there.", code="UnexpectedAnswer")
    return _mapping(found)


def _mapping(value: Any) -> JsonObject:
    """The value if it is a JSON object, else an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _segment(text: str) -> str:
    return quote(text, safe="")


def _origin(address: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return address, None, None  # no address at all, so nobody's origin


def _state(answer: JsonObject) -> str | None:
    state: Any = _mapping(answer.get("properties")).get("provisioningState")
    return state if isinstance(state, str) else None


def _check(state: str | None, answer: JsonObject) -> None:
    if state is None or state.lower() == "succeeded":
        return
    error = _mapping(answer.get("error"))
    raise Refusal(
        200, str(error.get("code") or f"Operation{state.capitalize()}"), str(error.get("message") or f"The operation ended as '{state}'.")
    )


def _pause(headers: Mapping[str, str]) -> float:
    """How long to wait before the next look, as the server wishes."""
    for name, unit in (("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if seconds > 0:
            return min(seconds, 60.0)
    return _POLL_SECONDS
