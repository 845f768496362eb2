"""`studiolo up`: the whole studio on one port."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studiolo.app.settings import DEFAULT_PORT, Settings, default_home, read_rates

if TYPE_CHECKING:
    from studiolo.app.home import Holder, Home
    from studiolo.app.welcome import Welcome


class Tls(StrEnum):
    """Whether the port speaks TLS."""

    ON = "on"
    OFF = "off"


def up(
    home: Annotated[Path | None, typer.Option(help="The studio's folder. Default: ~/.studiolo.", show_default=False)] = None,
    host: Annotated[str, typer.Option(help="The name or address to be reached by; loopback is always served.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The one port for everything; 0 picks a free one.")] = DEFAULT_PORT,
    database: Annotated[str | None, typer.Option(help="A URL. Default: SQLite in the home.", show_default=False)] = None,
    blobs: Annotated[str | None, typer.Option(help="A URL. Default: a folder in the home.", show_default=False)] = None,
    no_model: Annotated[bool, typer.Option("--no-model", help="Start without the local models.")] = False,
    rate: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PER_SECOND[/AT_ONCE] for sign-in, anonymous, principal or project; may come again.", show_default=False),
    ] = None,
    allow_vault: Annotated[
        list[str] | None,
        typer.Option(help="HOST or HOST:PORT of a vault in a private network that customers' keys may lie in.", show_default=False),
    ] = None,
    allow_provider: Annotated[
        list[str] | None,
        typer.Option(
            help="HOST or HOST:PORT of a sign-in provider in a private network, or http://localhost:PORT for one on this machine.",
            show_default=False,
        ),
    ] = None,
    tls: Annotated[Tls, typer.Option(help="off: plain HTTP, on loopback only, for a proxy in front.")] = Tls.ON,
) -> None:
    """Start the studio and serve it until Ctrl-C or SIGTERM."""
    import os

    place = (home.expanduser() if home is not None else default_home()).absolute()
    settings = Settings(
        home=place,
        host=host,
        port=port,
        database=database,
        blobs=blobs,
        has_model=not no_model,
        has_tls=tls is Tls.ON,
        rates=read_rates(rate or ()),
        vaults=tuple(allow_vault or ()),
        providers=tuple(allow_provider or ()),
    ).checked()

    from studiolo.app.home import Home

    os.umask(0o077)
    opened = Home(place)
    opened.prepare(settings.database_file(opened.database))
    with opened.hold() as tell:
        _serve(settings, opened, tell)


def _serve(settings: Settings, home: Home, tell: Callable[[Holder], None]) -> None:
    """Bind, make certificates, compose, and answer until the end."""
    import asyncio
    import dataclasses
    import os

    import uvloop

    from studiolo.app.authority import Authority
    from studiolo.app.compose import compose
    from studiolo.app.home import Holder
    from studiolo.app.server import listen, serve
    from studiolo.app.settings import surroundings
    from studiolo.kernel import clock

    variables = surroundings()
    sockets = listen(settings.host, settings.port)
    settings = dataclasses.replace(settings, port=sockets[0].getsockname()[1])
    authority, context = Authority(home), None
    if settings.has_tls:
        authority.ensure(settings.names, clock.now())
        roots = variables.get("SSL_CERT_FILE") or variables.get("REQUESTS_CA_BUNDLE")
        authority.write_bundle(Path(roots) if roots else None)
        context = authority.server_context()

    def renew() -> None:
        if context is not None and authority.ensure(settings.names, clock.now()):
            authority.load(context)

    async def run() -> None:
        application = await compose(settings, home)

        def ready() -> None:
            tell(Holder(os.getpid(), settings.url))
            _greet(application.welcome(), settings)

        await serve(application, sockets, context, ready=ready, renew=renew)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    typer.echo("The studio has stopped.", err=True)


def _greet(welcome: Welcome, settings: Settings) -> None:
    import sys

    from studiolo.app.settings import surroundings
    from studiolo.app.welcome import Commands, lines

    commands = Commands.of(Path(sys.executable), Path(sys.argv[0]).absolute(), surroundings().get("PATH", ""))
    special = None if settings.home == default_home() else settings.home
    has_clients = all(_is_installed(module) for module in ("azure.ai.ml", "azure.identity", "openai"))
    for line in lines(welcome, commands, special, has_tls=settings.has_tls, has_clients=has_clients):
        typer.echo(line)
    sys.stdout.flush()


def _is_installed(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
