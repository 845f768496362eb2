"""Running vectors and telling where the engine and their writer differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.conditions import UNKNOWN, check_condition, compile_condition
from studiolo.kernel.access.decision import decide
from studiolo.kernel.access.explanation import explain
from studiolo.kernel.access.lints import lint_grant
from studiolo.kernel.access.names import blob_name
from studiolo.kernel.access.vectors.rows import Decision, Expression, Lint, RawPath, Writing
from studiolo.kernel.access.vectors.world import World, full_names, unusable
from studiolo.kernel.faults import Invalid


class Disagreement(msgspec.Struct, frozen=True):
    """One vector on which the engine and its writer differ, or that cannot be run (`found` says why).

    `line` is 0 where the file is one JSON object. `detail` explains a decision, line by line.
    """

    file: str
    line: int
    id: str
    expected: str
    found: str
    why: str = ""
    detail: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.id}: expected {self.expected}, found {self.found}{f' ({self.why})' if self.why else ''}"


class Report(msgspec.Struct, frozen=True):
    """How many of all vectors agree, and every one that does not."""

    agreed: int
    total: int
    disagreements: tuple[Disagreement, ...]

    def __str__(self) -> str:
        return f"{self.agreed} of {self.total} agree"


def run_vectors(fixtures: Path, paths: Iterable[Path]) -> Report:
    """Run every vector of every file.

    A vector that cannot be run (an unknown role, a missing field) is a disagreement that says so.

    Raises:
        Invalid: the fixtures, or a file as a whole, cannot be read (code `InvalidVectors`).
    """
    world = World.read(fixtures)
    total = 0
    wrong: list[Disagreement] = []
    for path in paths:
        for row in _rows(path):
            total += 1
            if (disagreement := row.run(world)) is not None:
                wrong.append(disagreement)
    return Report(total - len(wrong), total, tuple(wrong))


class _Row(msgspec.Struct, frozen=True):
    """One vector, not yet decoded."""

    file: str
    line: int
    section: str
    place: str
    raw: bytes | msgspec.Raw

    def run(self, world: World) -> Disagreement | None:
        kind, check = _SECTIONS[self.section]
        try:
            vector = msgspec.json.decode(self.raw, type=kind)
        except msgspec.MsgspecError as error:
            return self._unusable(self._id(), "a vector of the documented form", str(error))
        expected = _spelled(vector.x)
        try:
            found, detail = check(vector, world)
        except Invalid as fault:
            return self._unusable(vector.id, expected, fault.message)
        if found == expected:
            return None
        return Disagreement(self.file, self.line, vector.id, expected, found, vector.why, detail)

    def _unusable(self, name: str, expected: str, message: str) -> Disagreement:
        return Disagreement(self.file, self.line, name, expected, f"a vector that cannot be run: {message}")

    def _id(self) -> str:
        try:
            return msgspec.json.decode(self.raw, type=_Named).id
        except msgspec.MsgspecError:
            return self.place


class _Named(msgspec.Struct):
    id: str


def _rows(path: Path) -> Iterator[_Row]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unusable(f"The vectors {path} cannot be read: {error.strerror}.") from error
    lines = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    if not lines:
        raise unusable(f"The file {path} holds no vector.")
    if path.suffix == ".jsonl" or _is_vector(lines[0][1]):
        for number, line in lines:
            yield _Row(str(path), number, "decisions", f"line {number}", line)
        return
    for section, rows in _sections(path, content).items():
        if section not in _SECTIONS:
            raise unusable(f"{path}: '{section}' is none of {', '.join(_SECTIONS)}.")
        for index, raw in enumerate(rows):
            yield _Row(str(path), 0, section, f"{section}[{index}]", raw)


def _is_vector(line: bytes) -> bool:
    try:
        return "rq" in msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return False


def _sections(path: Path, content: bytes) -> dict[str, list[msgspec.Raw]]:
    try:
        return msgspec.json.decode(content, type=dict[str, list[msgspec.Raw]])
    except msgspec.MsgspecError as error:
        raise unusable(f"{path} is neither one decision a line nor one object with lists of vectors: {error}.") from error


def _decision(vector: Decision, world: World) -> tuple[str, tuple[str, ...]]:
    ask, facts = world.ask(vector), world.facts(vector)
    try:
        verdict = decide(ask, facts)
    except Invalid as fault:
        return "reject", (fault.message,)
    return "allow" if verdict.allowed else "deny", tuple(explain(ask, facts).lines())


def _expression(vector: Expression, _world: World) -> tuple[str, tuple[str, ...]]:
    ask = Ask(
        "",
        vector.a,
        "/",
        "data",
        vector.sub,
        request=full_names(vector.req),
        resource=full_names(vector.res),
        principal_attributes=full_names(vector.pri),
        environment=full_names(vector.env),
    )
    value = compile_condition(vector.e).evaluate(ask)
    return "U" if value is UNKNOWN else "T" if value else "F", ()


def _writing(vector: Writing, _world: World) -> tuple[str, tuple[str, ...]]:
    try:
        check_condition(vector.c, vector.v)
    except Invalid as fault:
        return "reject", (fault.message,)
    return "accept", ()


def _lint(vector: Lint, world: World) -> tuple[str, tuple[str, ...]]:
    findings = lint_grant(compile_condition(world.condition(vector.c, "c") or ""), world.role(vector.role, "role").permissions)
    return " ".join(sorted({each.check for each in findings})), tuple(map(str, findings))


def _path(vector: RawPath, _world: World) -> tuple[str, tuple[str, ...]]:
    try:
        name = blob_name(vector.raw)
    except Invalid as fault:
        return "400", (fault.message,)
    return _spelled((name.container, name.blob)), ()


def _spelled(expected: str | int | tuple[str, str | None]) -> str:
    """An expectation as text; no blob and a blob without a name are the same."""
    return f"{expected[0]!r} {expected[1] or ''!r}" if isinstance(expected, tuple) else str(expected)


_SECTIONS: dict[str, tuple[type[Any], Callable[[Any, World], tuple[str, tuple[str, ...]]]]] = {
    "decisions": (Decision, _decision),
    "expr": (Expression, _expression),
    "write": (Writing, _writing),
    "lint": (Lint, _lint),
    "http": (RawPath, _path),
}
