"""`decide.py` beside its budgets: the cases with the most assignments."""

from __future__ import annotations

import statistics
from typing import Final

from benchmarks.decide import ASKS, CASES, Case, facts, percentile, question, rate
from benchmarks.rig import machine
from benchmarks.rig.report import Report

_COUNT: Final = 4000
_FIGURES: Final = {
    "same question": "rate",
    "new scope": "rate_new_scope",
    "all conditional": "rate_conditional",
    "all patterns": "rate_patterns",
}


def measure() -> Report:
    """Every case with 4,000 assignments on the path."""
    report = Report("decisions on one core, 4,000 assignments on the path", ("case", "decisions/s", "p99 ms"))
    slowest = 0.0
    for case in CASES:
        with machine.undisturbed():
            per_second, p99 = _case(case)
        report.lines.append([case.name, f"{per_second:,.0f}", f"{p99:.4f}"])
        if case.name in _FIGURES:
            report.figures[_FIGURES[case.name]] = per_second
            slowest = max(slowest, p99)
    report.figures["slowest"] = slowest
    report.notes.append("many principals, and fewer assignments: benchmarks/decide.py")
    return report


def _case(case: Case) -> tuple[float, float]:
    known = facts(case, _COUNT)
    asks = [(question(number, is_new_scope=case.is_new_scope), known) for number in range(ASKS)]
    rate(asks[:1])
    quarter = len(asks) // 4
    rates = [rate(asks[at : at + quarter]) for at in range(quarter, len(asks), quarter)]
    return statistics.median(rates), percentile(asks[:quarter])
