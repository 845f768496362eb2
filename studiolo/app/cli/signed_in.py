"""Commands that sign in: they find the studio, open one client, and speak to the public API alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from studiolo.app.environment import ClientEnvironment
from studiolo.app.home import Home
from studiolo.app.settings import default_home, surroundings
from studiolo.kernel.faults import NotFound

if TYPE_CHECKING:
    from studiolo.app.client import Client
    from studiolo.app.client.person import PersonFile

T = TypeVar("T")


def find_studio(home: Path | None) -> tuple[ClientEnvironment, Path | None]:
    """The studio that a command speaks to, and the certificates to trust.

    `--home` wins, then the environment (`STUDIOLO_URL` and its companions), then the usual home.

    Raises:
        NotFound: there is none (codes `NoStudio`, `EnvironmentIncomplete`).
    """
    variables = surroundings()
    if home is None and variables.get("STUDIOLO_URL"):
        environment = ClientEnvironment.read(variables)
        bundle = variables.get("SSL_CERT_FILE") or variables.get("REQUESTS_CA_BUNDLE")
        return environment, Path(bundle) if bundle and environment.url.startswith("https:") else None
    place, found = studio_in(home)
    return found, place.bundle if found.url.startswith("https:") else None


def studio_in(home: Path | None) -> tuple[Home, ClientEnvironment]:
    """The studio of a folder, or of the usual one.

    Raises:
        NotFound: none has been started there (code `NoStudio`).
    """
    place = Home(home.expanduser().absolute() if home is not None else default_home())
    found = place.environment()
    if found is None:
        option = f" --home '{home}'" if home is not None else ""
        raise NotFound(f"No studio has been started in '{place.root}': start one with `studiolo up{option}`.", code="NoStudio")
    return place, found


def on_client(home: Path | None, work: Callable[[Client], Awaitable[T]]) -> T:
    """Do `work` with a client that is signed in: as the person of `studiolo login`, else as the environment's application.

    Raises what `work` raises.
    """
    environment, bundle = find_studio(home)
    from studiolo.app.client import open_client

    async def run() -> T:
        async with open_client(environment, bundle, person_file(home, environment)) as client:
            return await work(client)

    return asyncio.run(run())


def person_file(home: Path | None, environment: ClientEnvironment) -> PersonFile:
    """Where it is kept who is signed in to a studio: in its home, or in the usual one for a studio elsewhere."""
    from studiolo.app.client.person import PersonFile

    place = home.expanduser().absolute() if home is not None else default_home()
    return PersonFile(place / "person.json", environment.url)
