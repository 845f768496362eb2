"""Options that many commands share, each worded once."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from studiolo.kernel.faults import Invalid


class Output(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"


class Persona(StrEnum):
    """Who somebody is in a team."""

    IT_ADMIN = "it-admin"
    MANAGER = "manager"
    LEAD_DEVELOPER = "lead-developer"
    DEVELOPER = "developer"


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="The studio's folder. Default: the studio that the environment names, else ~/.studiolo.", show_default=False
    ),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="A table for people, or JSON for programs.")]
HubOption = Annotated[str | None, typer.Option("--hub", help="The hub's name. Default: AZUREML_HUB.", show_default=False)]
ProjectOption = Annotated[
    str | None, typer.Option("--project", "-p", help="The project's name. Default: AZUREML_PROJECT.", show_default=False)
]
TagsOption = Annotated[list[str] | None, typer.Option("--tag", help="A tag as NAME=VALUE; may be given again.", show_default=False)]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def tags(given: list[str] | None) -> dict[str, str] | None:
    """Tags as a mapping; None if none were given."""
    if not given:
        return None
    found: dict[str, str] = {}
    for text in given:
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise typer.BadParameter(f"'{text}' is no tag: write NAME=VALUE.", param_hint="--tag")
        found[name] = value
    return found


def confirm(question: str, *, is_sure: bool) -> None:
    """Ask before something is lost; without a terminal, only `--yes` is an answer.

    Raises:
        typer.Abort: the answer is no.
        Invalid: there is nobody to ask (code `ConfirmationNeeded`).
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise Invalid(f"{question} There is no terminal to ask at: say yes with --yes.", code="ConfirmationNeeded")
    typer.confirm(question, abort=True, err=True)
