"""Generates the reference from what is served: `python -m studiolo.app.reference [--check]`.

One fact, one place: types, routes, permissions, faults and parity come from the catalog, the surfaces and the source.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from studiolo.app.parity import FEATURES
from studiolo.app.permissions import conditions_page, permissions_page
from studiolo.kernel import faults
from studiolo.kernel.faults import Fault
from studiolo.wire.http import Guard, Surface
from studiolo.wire.render import status_of

if TYPE_CHECKING:
    from studiolo.app.compose import Application

ROOT = Path(__file__).resolve().parents[2]
_BEGIN, _END = "<!-- generated: parity -->", "<!-- end -->"


def pages(application: Application) -> dict[Path, str]:
    """Every generated file with its text."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, _, rest = text.partition(_BEGIN)
    tail = rest.partition(_END)[2]
    return {
        ROOT / "docs/reference/types.md": _types(application),
        ROOT / "docs/reference/routes.md": _routes(application),
        ROOT / "docs/reference/permissions.md": permissions_page(application.surfaces, application.control.catalog),
        ROOT / "docs/reference/conditions.md": conditions_page(application.surfaces, application.control.catalog),
        ROOT / "docs/reference/faults.md": _faults(),
        ROOT / "docs/reference/parity.md": _parity(application, everything=True),
        readme: f"{head}{_BEGIN}\n{_parity(application, everything=False)}{_END}{tail}",
    }


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _types(application: Application) -> str:
    rows = [
        (
            f"`{declared.name}`",
            ", ".join(sorted(declared.verbs)),
            ", ".join(f"`{declared.permission(action.permission or action.name)}`" for action in declared.actions),
            declared.about,
        )
        for declared in sorted(application.control.catalog, key=lambda t: t.key)
    ]
    head = "# Resource types\n\nEach verb asks for `{type}/read`, `/write` or `/delete`; POST actions for the permission that is named.\n\n"
    return head + _table(("type", "verbs", "actions", "about"), rows)


def _routes(application: Application) -> str:
    text = "# Routes outside the resource façade\n\nEach route declares the actions that it asks the engine for, or why it is public.\n"
    for surface in application.surfaces:
        if not isinstance(surface, Surface):
            continue
        rows = [
            (
                route.method,
                f"`{route.path}`" + "".join(f" `{k}={v or '…'}`" for k, v in route.query.items()),
                ", ".join(f"`{action}`" for action in route.guard.actions)
                if isinstance(route.guard, Guard)
                else f"public: {route.guard.reason}",
                route.about,
            )
            for route in surface.routes
        ]
        text += f"\n## {surface.name}\n\n" + _table(("verb", "path", "decided by", "about"), rows)
    return text


def _faults() -> str:
    kinds = sorted((kind for kind in _below(Fault)), key=lambda k: (status_of(k("")), k.__name__))
    rows = [(str(status_of(kind(""))), kind.__name__, f"`{kind.default_code}`", (kind.__doc__ or "").splitlines()[0]) for kind in kinds]
    codes = "\n".join(f"- `{code}`" for code in sorted(_codes()))
    return (
        "# Faults\n\nWhat a refusal can be, its status, and every code that the source raises.\n\n"
        + _table(("status", "kind", "usual code", "meaning"), rows)
        + f"\n## Codes\n\n{codes}\n"
    )


def _below(kind: type[Fault]) -> list[type[Fault]]:
    found = [sub for sub in kind.__subclasses__() if sub.__module__ == faults.__name__]
    return [*found, *(deeper for sub in found for deeper in _below(sub))]


def _codes() -> set[str]:
    """Every literal `code=` in the source, and the default codes."""
    found = {kind.default_code for kind in _below(Fault)}
    for path in (ROOT / "studiolo").rglob("*.py"):
        found |= {code for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) for code in _codes_in(node)}
    return found


def _codes_in(node: ast.AST) -> Iterator[str]:
    """The codes that one piece of source gives: an argument, a class's own or usual one, a parameter's default."""
    match node:
        case ast.keyword(arg="code", value=ast.Constant(value=str(code))):
            yield code
        case ast.Assign(targets=[ast.Name(id="default_code" | "code")], value=ast.Constant(value=str(code))):
            yield code
        case ast.AnnAssign(target=ast.Name(id="default_code" | "code"), value=ast.Constant(value=str(code))):
            yield code
        case ast.arguments(args=positional, defaults=defaults, kwonlyargs=named, kw_defaults=named_defaults):
            pairs = [*zip(positional[len(positional) - len(defaults) :], defaults, strict=True), *zip(named, named_defaults, strict=True)]
            for parameter, default in pairs:
                if parameter.arg == "code" and isinstance(default, ast.Constant) and isinstance(default.value, str):
                    yield default.value
        case _:
            return


def _parity(application: Application, *, everything: bool) -> str:
    types = {declared.key for declared in application.control.catalog}
    surfaces = {surface.name for surface in application.surfaces}
    rows = [
        (feature.area, feature.what, "yes" if feature.is_offered(types, surfaces) else "**not offered**", feature.limits)
        for feature in FEATURES
        if everything or feature.limits or not feature.is_offered(types, surfaces)
    ]
    head = "# Parity with the original\n\n" if everything else ""
    return head + _table(("area", "feature", "here", "what is missing"), rows)


async def _collect() -> dict[Path, str]:
    from studiolo.app.compose import compose
    from studiolo.app.home import Home
    from studiolo.app.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), has_model=False)
        home = Home(settings.home)
        home.prepare()
        application = await compose(settings, home)
        try:
            return pages(application)
        finally:
            await application.stop()


def main() -> int:
    """Write the pages, or with `--check` say which differ and fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a page is out of date")
    is_check = parser.parse_args().check
    stale = 0
    for path, text in asyncio.run(_collect()).items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        shown = path.relative_to(ROOT)
        if is_check:
            sys.stderr.write(f"{shown} is out of date: run scripts/docs\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {shown}\n")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
