"""A whole studio in this process: the real composition on a real folder, asked as clients ask, and killed at will."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from studiolo.app.compose import Application, compose
from studiolo.app.environment import ClientEnvironment
from studiolo.app.home import Home
from studiolo.app.settings import Settings
from tests.recovery.power import MortalStore, Power
from tests.support.asgi import Reply, call

PORT = 8443
ORIGIN = f"https://localhost:{PORT}"
API = "2024-10-01"
SECONDS = 30.0
_ARM, _BLOB = f"{ORIGIN}/.default", "https://storage.azure.com/.default"


class Request(NamedTuple):
    """One request of a client. `account` sends it to a storage account's own host."""

    method: str
    path: str
    body: dict[str, Any] | bytes = b""
    account: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.account}{self.path}"


@dataclass
class Studio:
    """One life of a studio. `tokens` outlive it."""

    home: Home
    power: Power
    application: Application
    store: MortalStore
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> ClientEnvironment:
        """What `studiolo env` tells clients."""
        found = self.home.environment()
        assert found is not None
        return found

    @property
    def group(self) -> str:
        """The first resource group."""
        return f"/subscriptions/{self.environment.subscription}/resourceGroups/{self.environment.resource_group}"

    async def ask(self, request: Request, **headers: str) -> Reply:
        """Send a request as the command line's application."""
        proof = {"authorization": f"Bearer {await self._token(_BLOB if request.account else _ARM)}"}
        kept = {**proof, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if request.account:
            host = f"{request.account}.blob.core.localhost:{PORT}"
            kept |= {"x-ms-version": "2024-11-04", "x-ms-blob-type": "BlockBlob", "content-length": str(len(request.body))}
            return await self._call(request.method, request.path, request.body, kept, host)
        path = request.path + ("&" if "?" in request.path else "?") + f"api-version={API}"
        return await self._call(request.method, path, request.body, kept, f"localhost:{PORT}")

    async def _token(self, scope: str) -> str:
        if scope not in self.tokens:
            known = self.environment
            form = {"client_id": known.client_id, "client_secret": known.client_secret, "scope": scope, "grant_type": "client_credentials"}
            kept = {"content-type": "application/x-www-form-urlencoded"}
            reply = await self._call("POST", "/adfs/oauth2/v2.0/token", urlencode(form).encode(), kept, f"localhost:{PORT}")
            self.tokens[scope] = reply.json()["access_token"]
        return self.tokens[scope]

    async def _call(self, method: str, path: str, body: dict[str, Any] | bytes, headers: dict[str, str], host: str) -> Reply:
        return await call(self.application.asgi, method, path, body=body, headers=headers, host=host)

    async def settle(self) -> None:
        """Return when nothing goes on in the background any more."""
        changed = asyncio.Event()
        self.store.listen(lambda _: changed.set())
        async with asyncio.timeout(SECONDS):
            while await self.store.due(float("inf")):
                await changed.wait()
                changed.clear()
        for names in (("operation-",), ("blobs-purge", "blobs-names", "blobs-expiry")):
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name().startswith(names)), return_exceptions=True)

    async def stop(self) -> None:
        """Stop as a signal does."""
        await self.application.stop()

    async def die(self, *survivors: asyncio.Task[Any]) -> None:
        """End as a process that is killed: every task stops where it is, and nothing is cleared up."""
        self.power.gone.set()
        mine = {asyncio.current_task(), *survivors}
        others = [task for task in asyncio.all_tasks() if task not in mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.store.perish()


async def open_studio(root: Path, *, power: Power | None = None, tokens: dict[str, str] | None = None) -> Studio:
    """Start a studio on a folder; `root` is made if it is not there."""
    studio = await compose_studio(root, power or Power(), tokens)
    await studio.application.start()
    return studio


async def compose_studio(root: Path, power: Power, tokens: dict[str, str] | None = None) -> Studio:
    """Build a studio on a folder, and leave it to the caller to start it."""
    home = Home(root)
    home.prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studiolo.app.compose.SqliteStore", partial(MortalStore, power=power))
        application = await compose(Settings(home=root, port=PORT, has_model=False), home)
    store = application.control.store
    assert isinstance(store, MortalStore)
    return Studio(home, power, application, store, {} if tokens is None else tokens)


@dataclass(frozen=True)
class Template:
    """A home that others begin as a copy of, and tokens that hold in all of them."""

    root: Path
    tokens: dict[str, str]

    async def open(self, root: Path, power: Power | None = None) -> Studio:
        """A studio of one's own."""
        shutil.copytree(self.root, root)
        return await open_studio(root, power=power, tokens=self.tokens)


async def prepare(root: Path, requests: Sequence[Request] = ()) -> Template:
    """A home that has been started once, in which these requests were answered."""
    studio = await open_studio(root)
    for request in requests:
        reply = await studio.ask(request)
        assert reply.status < 300, (str(request), reply.status, reply.body[:500])
    for account in ("", "any"):
        await studio.ask(Request("GET", "/subscriptions" if not account else "/none", account=account))
    await studio.settle()
    await studio.stop()
    return Template(root, studio.tokens)
