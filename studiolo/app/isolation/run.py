"""One probe, from the making of its world to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from studiolo.app.environment import ClientEnvironment
from studiolo.app.isolation.asking import Identity, Reply, Request, open_studio
from studiolo.app.isolation.attacks import Attack, attacks_on
from studiolo.app.isolation.controls import Control, Controls
from studiolo.app.isolation.identities import NOBODY, Cast, dressed
from studiolo.app.isolation.judging import Verdict, differs, judge
from studiolo.app.isolation.report import Finding, Line, NotTried, Report
from studiolo.app.isolation.tricks import tricks_in
from studiolo.app.isolation.world import World
from studiolo.kernel import clock
from studiolo.kernel.resource import JsonObject

_AT_ONCE: Final = 8
_SHOWN: Final = 300
_UNTRIED: Final = Control(why="its control was not sent")
_FIRST_READS: Final = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class Options:
    """What to probe: the hub's name (empty: one of the probe's own), and a one-time link of somebody who may make identities."""

    hub: str
    link: str | None = None
    # Only routes in whose label this stands.
    only: str = ""


async def probe(environment: ClientEnvironment, bundle: Path | None, options: Options, told: Callable[[str], None]) -> Report:
    """Make the world, send the controls, attack, put everything away whatever happens, and say what was found.

    Raises:
        Forbidden: the caller may not make what a probe needs.
        Unavailable: nothing answers.
    """
    async with open_studio(environment, bundle) as studio:
        admin = await studio.token(environment.client_id, environment.client_secret, studio.url)
        keeper = await studio.linked(options.link) if options.link else admin
        world = World(studio, admin, keeper, options.hub)
        began = clock.stamp(clock.now())
        try:
            await world.make(told)
            told("making identities")
            found = await _attack(world, await dressed(world), told, options.only)
        finally:
            told("putting everything away")
            left = await asyncio.shield(asyncio.ensure_future(world.clear()))
        found.left_behind = left
        found.began, found.ended = began, clock.stamp(clock.now())
        return found


async def _attack(world: World, cast: Cast, told: Callable[[str], None], only: str) -> Report:
    studio = world.studio
    house = f"{world.subscription}/providers/Studiolo.House"
    routes = (await studio.arm("GET", f"{house}/routes", world.admin))["value"]
    types = (await studio.arm("GET", f"{house}/types", world.admin))["value"]
    attacks = [*attacks_on(routes, types), *tricks_in(world)]
    controls = Controls(world, cast)
    made = await controls.run(attacks, lambda attack: only in attack.route, told)
    book = _Book(world, controls)
    wanted = [(attack, made.get(number, _UNTRIED)) for number, attack in enumerate(attacks) if only in attack.route]
    # What reads comes first: a change that should not be possible takes nothing from what is tried after it.
    wanted.sort(key=lambda each: _FIRST_READS.index(each[0].form.method))
    proven = [by for by in cast.attackers if by.has_rights or by.name == "stranger"]
    unproven = [by for by in cast.attackers if by not in proven]
    # Apart, because the studio slows down those who prove nothing.
    await asyncio.gather(book.make(wanted, proven, told), book.make([each for each in wanted if not each[0].is_trick], unproven, None))
    report = book.report(cast, routes, types)
    if only:
        report.not_tried.append(NotTried("everything else", f"without '{only}' in its name, it was left out"))
    return report


class _Book:
    """Makes attacks and writes down what came of them."""

    def __init__(self, world: World, controls: Controls) -> None:
        self._world = world
        self._controls = controls
        self._lines: dict[str, Line] = {}
        self._findings: list[Finding] = []
        self._not_tried: dict[tuple[str, str], NotTried] = {}

    async def make(
        self, attacks: Sequence[tuple[Attack, Control]], attackers: Iterable[Identity], told: Callable[[str], None] | None
    ) -> None:
        """Make every attack by every attacker, some at a time and in order."""
        tries = iter([(attack, control, by) for attack, control in attacks for by in attackers if _makes(by, attack)])
        done = 0

        async def work() -> None:
            nonlocal done
            for attack, control, by in tries:
                await self._make(attack, control, by)
                done += 1
                if told is not None and done % 200 == 0:
                    told(f"attack {done}")

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))

    async def _make(self, attack: Attack, control: Control, by: Identity) -> None:
        """One attack, and the same request for something that does not exist."""
        world = self._world
        try:
            request = attack.form.filled({**self._controls.names_of(attack), "secret": "mine"})
        except KeyError:
            self._note(attack, control, by, "", Reply(0, {}, b""), Verdict("not tried", (control.why,)))
            return
        reply = await world.studio.ask(request, by)
        if attack.makes:
            world.saw_made(attack.makes, reply)
        found = world.canaries.found_in(reply.received, _sent(request, by))
        twin = world.twin_of(request) if attack.has_twin and by.has_twin else None
        other = await world.studio.ask(twin, by) if twin is not None else None
        told_apart = other is not None and attack.judged == "refused" and not attack.is_trick and differs(reply, other, world.varies)
        verdict = judge(attack, by, reply, found, twin_differs=None if other is None else told_apart)
        self._note(attack, control, by, request.target, reply, verdict)

    def _note(self, attack: Attack, control: Control, by: Identity, target: str, reply: Reply, verdict: Verdict) -> None:
        line = self._lines.setdefault(attack.route, Line(attack.route))
        line.control = line.control or (f"{control.answer} for {control.by}" if control.succeeded else "none")
        line.attempts += 1
        line.bytes_received += len(reply.received)
        if verdict.outcome == "leaked":
            line.leaks += 1
            expected = "a refusal" if attack.judged == "refused" else "an answer without anything of the other project"
            request = f"{attack.form.method} {target.partition('sig=')[0][:_SHOWN]}"
            self._findings.append(Finding(attack.route, by.name, request, expected, reply.status, reply.code, list(verdict.wrong)))
        elif not control.succeeded and verdict.outcome in ("refused", "not tried"):
            line.not_tried += 1
            self._leave(attack.route, control.why, "", is_stated=control.is_stated)
        elif verdict.outcome == "not tried":
            line.not_tried += 1
            why = verdict.wrong[0] or f"the attacker's request got {reply.told.strip()}, which is no refusal"
            self._leave(attack.route, why, by.name, is_stated=bool(verdict.wrong[0]))
        elif verdict.outcome == "refused":
            line.refused += 1
        else:
            line.answered += 1

    def _leave(self, route: str, why: str, who: str, *, is_stated: bool) -> None:
        found = self._not_tried.setdefault((route, why), NotTried(route, why, is_stated=is_stated))
        found.attempts += 1
        if who and who not in found.identities:
            found.identities.append(who)

    def report(self, cast: Cast, routes: list[JsonObject], types: list[JsonObject]) -> Report:
        """Everything that was written down."""
        world, lines = self._world, sorted(self._lines.values(), key=lambda line: line.route)
        return Report(
            studio=world.studio.url,
            version=version("studiolo"),
            began="",
            ended="",
            hub=world.hub,
            attackers=[attacker.name for attacker in cast.attackers],
            canaries=sorted(set(world.canaries.planted.values())),
            served_routes=len(routes),
            served_types=len(types),
            controls=sum(line.control not in ("", "none") for line in lines),
            attempts=sum(line.attempts for line in lines),
            refused=sum(line.refused for line in lines),
            bytes_received=sum(line.bytes_received for line in lines),
            lines=lines,
            findings=self._findings,
            not_tried=[*sorted(self._not_tried.values(), key=lambda each: (each.is_stated, each.route)), *cast.missing],
        )


def _makes(by: Identity, attack: Attack) -> bool:
    """Whether an attack is one for this identity: not if its credential is for elsewhere, or the request needs none."""
    return by is NOBODY if attack.is_bare else by.is_for(attack.form.plane)


def _sent(request: Request, by: Identity) -> bytes:
    return "\n".join([request.target, *request.headers.values(), *by.headers.get(request.plane, {}).values()]).encode() + request.body
