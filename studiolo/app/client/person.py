"""Signing in as a person from the command line: by a device code, kept as a refresh token in a private file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from studiolo.app.client.session import CLIENT_ID, Client, Refusal
from studiolo.app.environment import ClientEnvironment
from studiolo.app.home import read_private, write_atomic
from studiolo.kernel.faults import NotFound, Unavailable

_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_WAITING: Final = frozenset({"authorization_pending", "slow_down"})
_SCOPES: Final = "openid profile offline_access"


class _Kept(msgspec.Struct):
    url: str
    refresh_token: str


class PersonFile:
    """Who is signed in to one studio: `person.json` of a home, readable by its user alone."""

    def __init__(self, path: Path, url: str) -> None:
        self._path = path
        self._url = url

    def read(self) -> str | None:
        """The refresh token for this studio; None if nobody is signed in to it.

        Raises:
            Unsafe: other people can read the file.
        """
        try:
            kept = msgspec.json.decode(read_private(self._path), type=_Kept)
        except (NotFound, msgspec.DecodeError):
            return None
        return kept.refresh_token if kept.url == self._url else None

    def keep(self, refresh_token: str) -> None:
        """Keep the newest refresh token."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self._path, msgspec.json.encode(_Kept(self._url, refresh_token)))

    def forget(self) -> bool:
        """Forget who is signed in; tell whether anybody was."""
        was_there = self.read() is not None
        self._path.unlink(missing_ok=True)
        return was_there


async def sign_in(client: Client, told: Callable[[str], None]) -> str:
    """Let a person confirm this command line in a browser; the refresh token that comes of it.

    Args:
        client: a client of the studio; its own identity plays no part.
        told: shows the person what to do.

    Raises:
        Refusal: the person declined, or took too long.
    """
    environment = client.environment
    form = {"client_id": CLIENT_ID, "scope": f"{environment.url}/.default {_SCOPES}"}
    started = await client.post_form(_endpoint(environment, "devicecode"), form)
    told(str(started["message"]))
    pause = float(started.get("interval", 5))
    while True:
        try:
            asked = {"grant_type": _GRANT, "client_id": CLIENT_ID, "device_code": str(started["device_code"])}
            answer = await client.post_form(_endpoint(environment, "token"), asked)
        except Refusal as refusal:
            if refusal.code not in _WAITING:
                raise
            pause += 5 if refusal.code == "slow_down" else 0
            await asyncio.sleep(pause)
            continue
        if "refresh_token" not in answer:
            raise Unavailable("The studio gave no refresh token.", code="UnexpectedAnswer")
        return str(answer["refresh_token"])


def _endpoint(environment: ClientEnvironment, name: str) -> str:
    return f"{environment.url}/{quote(environment.tenant, safe='')}/oauth2/v2.0/{name}"
