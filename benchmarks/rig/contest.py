"""Contenders in turn, the same load for each, round by round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.rig import machine
from benchmarks.rig.load import Request, Sample, drive
from benchmarks.rig.process import Process


@dataclass(frozen=True, slots=True)
class Contender:
    """One server, running and frozen, and the requests that it takes by name."""

    name: str
    process: Process
    url: str
    requests: Mapping[str, Request]


@dataclass(frozen=True, slots=True)
class Load:
    """A request's name and over how many connections it is asked."""

    request: str
    clients: int

    def __str__(self) -> str:
        return f"{self.request} c{self.clients}"


@dataclass(slots=True)
class Scores:
    """What every contender did under every load."""

    samples: dict[tuple[str, Load], list[Sample]] = field(default_factory=dict[tuple[str, Load], list[Sample]])

    def add(self, name: str, load: Load, sample: Sample) -> None:
        """Keep one more sample."""
        self.samples.setdefault((name, load), []).append(sample)

    def median(self, name: str, load: Load) -> Sample | None:
        """The medians of a contender under a load; the refused requests of all rounds."""
        kept = self.samples.get((name, load))
        if not kept:
            return None
        return Sample(
            rate=statistics.median(sample.rate for sample in kept),
            p50_ms=statistics.median(sample.p50_ms for sample in kept),
            p99_ms=statistics.median(sample.p99_ms for sample in kept),
            refused=sum(sample.refused for sample in kept),
            cpu_us=statistics.median(sample.cpu_us for sample in kept),
        )

    def ratio(self, name: str, peer: str, load: Load) -> float | None:
        """How many times a peer's rate a contender has: the median over the rounds of the ratio within each round."""
        mine, others = self.samples.get((name, load)), self.samples.get((peer, load))
        if not mine or not others or any(sample.refused for sample in mine):
            return None
        rounds = [one.rate / other.rate for one, other in zip(mine, others, strict=False) if other.rate > 0]
        return statistics.median(rounds) if rounds else None

    def saving(self, name: str, peer: str, load: Load) -> float | None:
        """How many times a contender's processor time per request a peer takes: steadier than rates on a busy machine."""
        mine, other = self.median(name, load), self.median(peer, load)
        if mine is None or other is None or mine.cpu_us <= 0:
            return None
        return other.cpu_us / mine.cpu_us


def contest(contenders: Sequence[Contender], loads: Sequence[Load]) -> Scores:
    """Measure all contenders in `machine.ROUNDS` rounds. They must be frozen; they are again at the end."""
    scores = Scores()
    for contender in contenders:
        contender.process.freeze()
    for _ in range(machine.ROUNDS):
        for contender in contenders:
            contender.process.thaw()
            time.sleep(0.1)
            for load in loads:
                request = contender.requests.get(load.request)
                if request is not None:
                    scores.add(contender.name, load, drive(contender.url, request, load.clients, machine.SECONDS, contender.process))
            contender.process.freeze()
    return scores


def rows(
    scores: Scores, contenders: Sequence[Contender], loads: Sequence[Load], size_bytes: Mapping[str, int] | None = None
) -> list[list[str]]:
    """A line for each load, a cell for each contender; with a size, the rate is told in MB/s."""
    lines: list[list[str]] = []
    for load in loads:
        size = (size_bytes or {}).get(load.request)
        lines.append([str(load), *(_cell(scores.median(contender.name, load), size) for contender in contenders)])
    return lines


def _cell(sample: Sample | None, size: int | None) -> str:
    if sample is None:
        return "–"
    rate = f"{sample.rate * size / 1e6:,.0f} MB/s" if size else f"{sample.rate:,.0f}/s"
    refused = f"  REFUSED {sample.refused}" if sample.refused else ""
    return f"{rate}, p50 {short(sample.p50_ms)} p99 {short(sample.p99_ms)} ms, cpu {sample.cpu_us:,.0f} us{refused}"


def short(value: float) -> str:
    """Three digits of a figure."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
