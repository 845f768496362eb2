"""Requests as they stand: no path is tidied, no redirect followed, and every byte of the answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
import yarl

from studiolo.app.authority import client_context
from studiolo.app.client.names import LocalNames
from studiolo.app.client.session import reaching, refusal_of
from studiolo.app.environment import ClientEnvironment
from studiolo.kernel.faults import Invalid, Unavailable
from studiolo.kernel.resource import JsonObject

API_VERSION: Final = "2024-10-01"
STORAGE: Final = "https://storage.azure.com"
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Request:
    """One request without a credential. `account` is the storage account that a request of the plane `blob` goes to.

    `{credential}` and `{signature}` in the body are the places of the credential inside a batch.
    """

    method: str
    plane: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    account: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a refusal; nothing where there is none."""
        if told := self.headers.get("x-ms-error-code"):
            return told
        try:
            error: Any = msgspec.json.decode(self.body)["error"]
            return str(error if isinstance(error, str) else error["code"])
        except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
            return ""

    @property
    def told(self) -> str:
        """Status and code, as in `404 ResourceNotFound`."""
        return f"{self.status} {self.code}"

    @property
    def received(self) -> bytes:
        """Every byte of it."""
        return "\n".join(f"{name}: {value}" for name, value in self.headers.items()).encode() + b"\n\n" + self.body

    def json(self) -> JsonObject:
        """The body of an answer that was not refused. Raises Refusal."""
        if self.status >= 300:
            raise refusal_of(self.status, self.body)
        return msgspec.json.decode(self.body) if self.body else {}


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who sends requests: headers by plane (`main`, `blob`), or what goes to a query's end.

    Who `has_rights` holds some anywhere, so that lists are shown to them; the credentials of others open nothing.
    """

    name: str
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    signature: str = ""
    has_rights: bool = False
    # It proves the same, which is nothing, whatever it is shown to; or it holds for one container, and proves nothing elsewhere.
    has_twin: bool = True

    def is_for(self, plane: str) -> bool:
        """Whether this identity has anything to show on a plane; nobody shows nothing on both."""
        return plane in self.headers or (plane == "blob" if self.signature else not self.headers)


@asynccontextmanager
async def open_studio(environment: ClientEnvironment, bundle: Path | None) -> AsyncGenerator[Studio]:
    """The studio of this environment, for callers who carry nothing from one request to the next, cookies least of all."""
    connector = aiohttp.TCPConnector(ssl=client_context(bundle) if bundle is not None else True, resolver=LocalNames(), limit=32)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=120.0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Studio(environment, http)


class Studio:
    """The studio as anybody may call it."""

    def __init__(self, environment: ClientEnvironment, http: aiohttp.ClientSession) -> None:
        self.environment = environment
        self.url = environment.url
        self.http = http
        scheme, _, self.place = environment.url.partition("://")
        self.scheme = scheme

    def blob_url(self, account: str) -> str:
        """Where a storage account answers."""
        return f"{self.scheme}://{account}.blob.core.{self.place}"

    async def ask(self, request: Request, by: Identity) -> Reply:
        """One request by somebody; as often as it takes until it is not put off, which would prove nothing."""
        base, target, inner = self.url, request.target, ""
        headers = {**request.headers, **by.headers.get(request.plane, {})}
        if request.plane == "blob":
            base = self.blob_url(request.account)
            if by.signature:
                target += ("&" if "?" in target else "?") + by.signature
                inner = f"?{by.signature}"
        credential = "".join(f"{name}: {value}\r\n" for name, value in by.headers.get(request.plane, {}).items())
        body = request.body.replace(b"{credential}", credential.encode()).replace(b"{signature}", inner.encode())
        while True:
            reply = await self.send(request.method, base + target, headers, body)
            if reply.status != _TOO_MANY:
                return reply
            await asyncio.sleep(float(reply.headers.get("retry-after", "1")))

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """One request."""
        async with (
            reaching(self.url),
            self.http.request(
                method,
                yarl.URL(url, encoded=True),
                headers=dict(headers),
                data=body or None,
                allow_redirects=False,
                skip_auto_headers=("content-type",),
            ) as answer,
        ):
            return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, await answer.read())

    async def arm(self, method: str, path: str, headers: Mapping[str, str], body: JsonObject | None = None, **query: str) -> JsonObject:
        """One call of the resource manager that must not be refused. Raises Refusal."""
        asked = urlencode(
            {"api-version": API_VERSION, **{name.replace("_", "$", 1) if name[0] == "_" else name: v for name, v in query.items()}}
        )
        sent = {**headers, "content-type": "application/json"} if body is not None else headers
        raw = msgspec.json.encode(body) if body is not None else b""
        return (await self.send(method, f"{self.url}{quote(path)}?{asked}", sent, raw)).json()

    async def token(self, client: str, secret: str, audience: str) -> dict[str, str]:
        """The header that proves an application for an audience. Raises Refusal."""
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": f"{audience}/.default"}
        reply = await self.send("POST", f"{self.url}/adfs/oauth2/v2.0/token", _FORM, urlencode(form).encode())
        return {"authorization": f"Bearer {reply.json()['access_token']}"}

    async def workload_token(self, header: str, audience: str) -> dict[str, str]:
        """The header that proves the managed identity to which a workload's header is bound. Raises Refusal."""
        asked = urlencode({"resource": audience, "api-version": "2019-08-01"})
        reply = await self.send("GET", f"{self.url}/msi/token?{asked}", {"x-identity-header": header})
        return {"authorization": f"Bearer {reply.json()['access_token']}"}

    async def linked(self, link: str) -> dict[str, str]:
        """The headers of the session that a one-time sign-in link begins.

        Raises:
            Invalid: it is no link of this studio's (code `InvalidSignInLink`).
            Unavailable: it was used, or has ended (code `SignInFailed`).
        """
        start, _, code = link.partition("/signin?code=")
        if start != self.url or not code:
            raise Invalid(f"The link is none of '{self.url}': `studiolo up` prints one at each start.", code="InvalidSignInLink")
        session = await self.session({"code": code})
        if session is None:
            raise Unavailable(
                "The sign-in link does not sign in: it was used, or has ended. Start the studio again for a new one.", code="SignInFailed"
            )
        return session

    async def session(self, form: Mapping[str, str]) -> dict[str, str] | None:
        """The headers of the session that the sign-in form begins with these fields, if it does."""
        reply = await self.send("POST", f"{self.url}/signin", {**_FORM, "origin": self.url}, urlencode(form).encode())
        cookie = reply.headers.get("set-cookie", "").partition(";")[0]
        if reply.status not in (200, 302, 303) or "=" not in cookie:
            return None
        return {"cookie": cookie, "origin": self.url}
