"""`studiolo upgrade`: what a newer release needs of a studio that an older one made, and must not do by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from studiolo.app.cli.options import HomeOption, YesOption, confirm


def upgrade(
    database: Annotated[str | None, typer.Option(help="As for `studiolo up`.", show_default=False)] = None,
    yes: YesOption = False,
    home: HomeOption = None,
) -> None:
    """Accept, as they are now, the rows that an older release did not seal; what was sealed must still hold."""
    import asyncio

    from studiolo.app.cli import show
    from studiolo.app.compose import upgrade_rights
    from studiolo.app.home import Home
    from studiolo.app.settings import Settings, default_home

    place = Home((home.expanduser() if home is not None else default_home()).absolute())
    confirm(f"What an older release left unsealed in '{place.root}' will be what the database says now. Go on?", is_sure=yes)
    settings = Settings(home=place.root, database=database).checked()
    place.prepare(settings.database_file(place.database))
    with place.hold():
        found = asyncio.run(upgrade_rights(settings, place))
    for type_name, count in found.items():
        show.done(f"{count} of {type_name} are sealed as they are.")
    if not found:
        show.done("There is nothing to upgrade.")
