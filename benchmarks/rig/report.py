"""Tables for people: what was measured, and beside it what was promised."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.rig.contest import short


class Budget(msgspec.Struct, frozen=True):
    """What one figure should be; exactly one of `at_most` and `at_least` is there."""

    about: str
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    stretch: float | None = None

    def is_met(self, figure: float) -> bool:
        """Whether the promise holds."""
        if self.at_most is not None:
            return figure <= self.at_most
        return self.at_least is not None and figure >= self.at_least

    def is_stretched(self, figure: float) -> bool:
        """Whether even the wish holds."""
        if self.stretch is None:
            return False
        return figure <= self.stretch if self.at_most is not None else figure >= self.stretch


@dataclass(slots=True)
class Report:
    """What one part found. `figures` are named as its budgets are; None where one could not be measured."""

    title: str
    columns: Sequence[str] = ()
    lines: list[list[str]] = field(default_factory=list[list[str]])
    figures: dict[str, float | None] = field(default_factory=dict[str, float | None])
    notes: list[str] = field(default_factory=list[str])


def budgets(part: str) -> dict[str, Budget]:
    """The budgets of one part."""
    text = (Path(__file__).parents[1] / "budgets.toml").read_text()
    return msgspec.convert(tomllib.loads(text).get(part, {}), dict[str, Budget])


def show(part: str, report: Report) -> list[str]:
    """Print a report and its verdicts; return the names of the budgets that were missed."""
    print(f"\n── {part}: {report.title}")
    if report.lines:
        _table(report.columns, report.lines)
    for note in report.notes:
        print(f"   {note}")
    promised = budgets(part)
    if promised:
        print()
        _table(("budget", "promised", "stretch", "measured", ""), [_verdict(promised[name], report.figures.get(name)) for name in promised])
    return [
        f"{part}.{name}"
        for name, budget in promised.items()
        if (figure := report.figures.get(name)) is not None and not budget.is_met(figure)
    ]


def _verdict(budget: Budget, figure: float | None) -> list[str]:
    sign, bound = ("≤", budget.at_most) if budget.at_most is not None else ("≥", budget.at_least)
    wish = f"{sign} {_plain(budget.stretch)}" if budget.stretch is not None else ""
    if figure is None:
        return [budget.about, f"{sign} {_plain(bound)} {budget.unit}", wish, "–", "not measured"]
    verdict = "miss" if not budget.is_met(figure) else "pass, stretch too" if budget.is_stretched(figure) else "pass"
    return [budget.about, f"{sign} {_plain(bound)} {budget.unit}", wish, short(figure), verdict]


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}" if number == int(number) else f"{number:g}"


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[i]) for line in (columns, *lines)) for i in range(len(columns))]
    for line in (columns, ["-" * width for width in widths], *lines):
        print("   " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def times(ratios: Mapping[str, float | None]) -> str:
    """Ratios in one line."""
    return ", ".join(f"{name} {'–' if ratio is None else short(ratio)}" for name, ratio in ratios.items())
