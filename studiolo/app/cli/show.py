"""What commands print: answers on the standard output, everything else on the standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import typer

from studiolo.app.cli.options import Output
from studiolo.kernel.faults import Fault
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from rich.console import Console

_PIPED_WIDTH = 1000  # nothing is cut off in a file

_ADVICE = {
    "AuthorizationFailed": "Ask an owner for a role; `studiolo access explain me ACTION SCOPE` says what decides.",
    "InvalidAuthenticationToken": 'Run `eval "$(studiolo env)"` again: the sign-in is not, or no longer, valid.',
    "ResourceNotFound": "Look at the names with the `list` command; names hold in one hub or project.",
    "invalid_client": 'Run `eval "$(studiolo env)"` again: the client or its secret is not known here.',
}


class Column(NamedTuple):
    """One column of a table: its heading, and where its text comes from."""

    heading: str
    text: Callable[[JsonObject], Any]


def at(*path: str) -> Callable[[JsonObject], Any]:
    """What lies at a path of member names; nothing where a member is missing."""

    def read(item: JsonObject) -> Any:
        found: Any = item
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
        return found  # pyright: ignore[reportUnknownVariableType] - JSON

    return read


def json(value: Any) -> None:
    """A value as JSON for programs."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.buffer.flush()


def items(found: Sequence[JsonObject], columns: Sequence[Column], output: Output) -> None:
    """A list."""
    if output is Output.JSON:
        json(found)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.heading, overflow="fold")
    for item in found:
        table.add_row(*(_cell(column.text(item)) for column in columns))
    _console().print(table)


def item(found: JsonObject, columns: Sequence[Column], output: Output) -> None:
    """One thing, a line for each of its columns."""
    if output is Output.JSON:
        json(found)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for column in columns:
        text = _cell(column.text(found))
        if text.plain:
            table.add_row(column.heading, text)
    _console().print(table)


def done(what: str) -> None:
    """A line about what was done, beside the answer."""
    typer.echo(what, err=True)


def problem(fault: Fault) -> None:
    """A fault: its code, what was wrong, what to do. Details stand below."""
    where = f" (at {fault.target})" if fault.target else ""
    typer.secho(f"{fault.code}: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(f"{fault.message}{where}", err=True)
    for detail in fault.details:
        typer.echo(f"  {detail.code}: {detail.message}", err=True)
    if fault.decision_id:
        typer.echo(f"What decided it: studiolo access explain {plain(fault.decision_id)}", err=True)
    elif fault.code in _ADVICE:
        typer.echo(_ADVICE[fault.code], err=True)


def plain(text: str) -> str:
    """Text from elsewhere without what would command a terminal; lines stay lines."""
    return "".join(mark if mark.isprintable() or mark in "\n\t" else "\ufffd" for mark in text)


@contextmanager
def working(title: str) -> Generator[Callable[[str], None]]:
    """A line that moves while an operation goes on; gives a function that shows the operation's state."""
    console = _console(is_error=True)
    if not console.is_terminal:
        yield lambda _state: None
        return
    with console.status(f"{title} …") as status:
        yield lambda state: status.update(f"{title} … {state}")


@contextmanager
def moving(title: str, total_bytes: int) -> Generator[Callable[[int], None]]:
    """A bar while bytes move; gives a function that takes how many more have moved."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = _console(is_error=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(title, total=total_bytes)
        yield lambda more: bar.update(task, advance=more)


def _console(*, is_error: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=is_error, highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    return console


def _cell(value: Any) -> Any:
    from rich.text import Text

    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        values: Iterable[Any] = value  # pyright: ignore[reportUnknownVariableType] - JSON
        value = ", ".join(f"{one}={value[one]}" if isinstance(value, dict) else str(one) for one in values)
    return Text("" if value is None else plain(str(value)))
