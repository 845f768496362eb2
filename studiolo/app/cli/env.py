"""`studiolo env`: what a shell must export so that unchanged clients use this studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def env(
    home: Annotated[Path | None, typer.Option("--home", help="The studio's folder. Default: ~/.studiolo.", show_default=False)] = None,
) -> None:
    """Print export lines for a shell: eval "$(studiolo env)".

    Fails, with nothing printed, unless the studio answers and is trusted: clients that cannot reach it would turn
    to the public cloud without a word.
    """
    import asyncio

    from studiolo.app.authority import Authority
    from studiolo.app.cli.signed_in import studio_in
    from studiolo.app.environment import shell_lines
    from studiolo.app.settings import surroundings

    place, environment = studio_in(home)
    variables = surroundings()
    roots = variables.get("SSL_CERT_FILE") or variables.get("REQUESTS_CA_BUNDLE")
    if environment.url.startswith("https:"):
        Authority(place).write_bundle(Path(roots) if roots else None)

    from studiolo.app.client.reach import check_metadata

    asyncio.run(check_metadata(environment.url, place.bundle))
    typer.echo("\n".join(shell_lines(environment, place.bundle, variables)))
