"""Decisions per second on one core, with 10, 400 and 4,000 assignments on the path.

    same question      the action and the scope were asked before; the attributes are new for every ask, and every
                       tenth assignment has a condition on them
    new scope          the same, and every ask is for another blob container, never asked before
    all conditional    every assignment has a condition of its own; the one that grants has the highest id
    all patterns       the same with StringLike '*…*'
    many principals    two hundred people in turn, each with the 4,000 rows, new scopes and attributes

The first ask of a person after a change indexes and compiles the rows, then decides; roles and conditions that were compiled
for somebody else are shared, which `many principals` shows. Times are processor time of one thread: waiting for a busy machine
is not counted.

Run: PYTHONPATH=. .venv/bin/python benchmarks/decide.py
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from studiolo.kernel.access.decision import Ask, Assignment, CompiledFacts, Facts, Permission, Role, decide

GROUP = "/subscriptions/s1/resourceGroups/rg1"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/hubsa"
CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
READ = f"{CONTAINERS}/blobs/read"
SCOPES = ("/", "/subscriptions/s1", GROUP, ACCOUNT)
GUARD = f"(!(ActionMatches{{'{CONTAINERS}/blobs/*'}})) OR (@Resource[{CONTAINERS}:name] "
PREFIX = GUARD + "StringStartsWith '$-')"
LIKE = GUARD + "StringLike '*$-*')"
ASKS = 20_000


class Case(msgspec.Struct, frozen=True):
    """What is measured; `$` in the condition becomes the assignment's own name."""

    name: str
    condition: str = PREFIX
    is_new_scope: bool = False
    is_all_conditional: bool = False


CASES = (
    Case("same question"),
    Case("new scope", is_new_scope=True),
    Case("all conditional", is_all_conditional=True),
    Case("all patterns", condition=LIKE, is_all_conditional=True),
)


def facts(case: Case, count: int) -> CompiledFacts:
    """Roles that are all different; every tenth grants under a condition, and the last one has the right one."""
    rows: list[Assignment] = []
    for index in range(count):
        grants = case.is_all_conditional or index % 10 == 0
        role = Role(f"r{index}", f"r{index}", (Permission(actions=(f"Contoso.R{index}/*/read",), data_actions=(READ,) if grants else ()),))
        condition = case.condition.replace("$", f"p{index}") if grants else None
        rows.append(Assignment(f"{index:05}", f"g{index % 40}", role, SCOPES[index % len(SCOPES)], condition))
    last = Role("last", "last", (Permission(data_actions=(f"{CONTAINERS}/blobs/*",)),))
    rows.append(Assignment("99999", "alice", last, GROUP, case.condition.replace("$", "mine")))
    ids = frozenset({"alice", *(f"g{index}" for index in range(40))})
    return CompiledFacts(Facts(known=True, enabled=True, ids=ids, assignments=tuple(rows)))


def question(number: int, *, is_new_scope: bool) -> Ask:
    name = f"mine-{number}"
    scope = f"{ACCOUNT}/blobServices/default/containers/{name}" if is_new_scope else ACCOUNT
    return Ask("alice", READ, scope, "data", resource={f"{CONTAINERS}:name": name, f"{CONTAINERS}/blobs:path": "a/b.txt"})


def rate(asks: Sequence[tuple[Ask, CompiledFacts]]) -> float:
    """Decisions per second."""
    begun = time.thread_time()
    for ask, known in asks:
        decide(ask, known)
    return len(asks) / (time.thread_time() - begun)


def percentile(asks: Sequence[tuple[Ask, CompiledFacts]]) -> float:
    """The 99th percentile of one decision in milliseconds."""
    times: list[float] = []
    for ask, known in asks:
        begun = time.thread_time()
        decide(ask, known)
        times.append(time.thread_time() - begun)
    return sorted(times)[int(len(times) * 0.99)] * 1000


def crowd(count: int, people: int) -> None:
    """Many principals in turn: what the first ask of each costs, then decisions per second and the 99th percentile."""
    case = CASES[1]
    rows = facts(case, count).facts.assignments
    cold: list[float] = []
    known: list[CompiledFacts] = []
    for number in range(people):
        begun = time.thread_time()
        ids = frozenset({"alice", *(f"g{index}" for index in range(40)), f"p{number}"})
        known.append(CompiledFacts(Facts(known=True, enabled=True, ids=ids, assignments=rows)))
        assert decide(question(number, is_new_scope=True), known[-1]).allowed
        cold.append((time.thread_time() - begun) * 1000)
    asks = [(question(number + people, is_new_scope=True), known[number % people]) for number in range(ASKS)]
    half = len(asks) // 2
    middle = sorted(cold)[people // 2]
    print(f"{'many principals':<18}{count:>12,}{middle:>14.2f}{rate(asks[:half]):>13,.0f}{percentile(asks[half:]):>9.4f}")


def main() -> None:
    print(f"{'case':<18}{'assignments':>12}{'first ask ms':>14}{'decisions/s':>13}{'p99 ms':>9}")
    for case in CASES:
        for count in (10, 400, 4000):
            known = facts(case, count)
            asks = [(question(number, is_new_scope=case.is_new_scope), known) for number in range(ASKS)]
            begun = time.thread_time()
            assert decide(*asks[0]).deciding == ("99999",)
            first = (time.thread_time() - begun) * 1000
            half = len(asks) // 2
            print(f"{case.name:<18}{count:>12,}{first:>14.2f}{rate(asks[:half]):>13,.0f}{percentile(asks[half:]):>9.4f}")
    crowd(4000, 200)
    print("budget: at least 50,000/s and a p99 below 1 ms with 4,000 assignments on the path")


if __name__ == "__main__":
    main()
