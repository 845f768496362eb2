"""One probe, from the making of its world to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from studiolo.app.environment import ClientEnvironment
from studiolo.app.isolation.asking import Attacker, Reply, open_studio
from studiolo.app.isolation.attacks import Attack, attacks, is_refusal
from studiolo.app.isolation.report import Finding, Line, Report
from studiolo.app.isolation.world import World
from studiolo.kernel import clock
from studiolo.kernel.faults import Unavailable
from studiolo.kernel.resource import JsonObject

_AT_ONCE: Final = 8
_SHOWN: Final = 300
_OK: Final = 200
_FAILED: Final = 500
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Options:
    """What to probe: the hub's name (empty: one of the probe's own), and a one-time link of somebody who may make identities."""

    hub: str
    link: str | None = None
    # Only routes in whose label this stands.
    only: str = ""


async def probe(environment: ClientEnvironment, bundle: Path | None, options: Options, told: Callable[[str], None]) -> Report:
    """Make the world, attack, put everything away whatever happens, and say what was found.

    Raises:
        Forbidden: the caller may not make what a probe needs.
        Unavailable: nothing answers.
    """
    async with open_studio(environment, bundle) as studio:
        admin = await studio.token(environment.client_id, environment.client_secret, studio.url)
        keeper = await studio.session(options.link) if options.link else admin
        world = World(studio, admin, keeper, options.hub)
        began = clock.stamp(clock.now())
        try:
            await world.make(told)
            found = await _attack(world, told, options.only)
        finally:
            told("putting everything away")
            left = await asyncio.shield(asyncio.ensure_future(world.clear()))
        found.left_behind = left
        found.began, found.ended = began, clock.stamp(clock.now())
        return found


async def _attack(world: World, told: Callable[[str], None], only: str) -> Report:
    studio = world.studio
    house = f"{world.subscription}/providers/Studiolo.House"
    routes = (await studio.arm("GET", f"{house}/routes", world.admin))["value"]
    types = (await studio.arm("GET", f"{house}/types", world.admin))["value"]
    book = _Book(world)
    tries = [
        (attack, by)
        for by in world.attackers
        for attack in attacks(world, routes, types)
        if by.is_for(attack.plane) and only in attack.route
    ]
    await book.see()
    room = asyncio.Semaphore(_AT_ONCE)

    async def make(attack: Attack, attacker: Attacker) -> None:
        async with room:
            await book.make(attack, attacker)

    for first in range(0, len(tries), 200):
        told(f"attack {first} of {len(tries)}")
        await asyncio.gather(*(make(*one) for one in tries[first : first + 200]))
    report = book.report(routes, types)
    if only:
        report.not_tried.append(f"routes without '{only}' in their name")
    report.not_tried.append("tokens of the project's managed identity: only the signatures that it makes")
    return report


class _Book:
    """Makes attacks and writes down what came of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lines: dict[str, Line] = {}
        self._findings: list[Finding] = []

    async def see(self) -> None:
        """See that what is planted can be read by its owner: an attack on what is not there proves nothing."""
        world = self._world
        signature = await world.studio.arm(
            "POST",
            f"{world.kept.id}/datastores/workspaceblobstore/listSecrets",
            world.admin,
            {"expirableSecret": True, "expireAfterHours": 1},
        )
        blob = f"{world.studio.blob_url(world.kept.account)}/{world.kept.container}/{world.names['blob']}"
        reply = await world.studio.send("GET", f"{blob}?{str(signature['sasToken']).lstrip('?')}", {"x-ms-version": "2025-11-05"})
        if reply.status != _OK:
            raise Unavailable("The probe's own canary cannot be read by its owner, so attacks would prove nothing.", code="ProbeBlind")

    async def make(self, attack: Attack, attacker: Attacker) -> None:
        """Make one attack; and where it only reads, ask the same of something that does not exist."""
        base = self._world.studio.blob_url(attack.account) if attack.plane == "blob" else self._world.studio.url
        target = attack.target
        if attacker.signature and attack.plane == "blob":
            target += ("&" if "?" in target else "?") + attacker.signature
        headers = {**attack.headers, **attacker.headers.get(attack.plane, {})}
        reply = await self._send(attack, base + target, headers)
        sent = "\n".join([base + target, *headers.values()]).encode() + attack.body
        wrong = sorted(set(self._world.canaries.found_in(_received(reply), sent)))
        other = self._world.without_names(target)
        if attack.is_aimed and attack.method == "GET" and other != target:
            twin = await self._send(attack, base + other, headers)
            if (twin.status, self._world.normal(twin.body)) != (reply.status, self._world.normal(reply.body)):
                wrong.append("whether it exists")
        self._note(attack, attacker, target, reply, wrong)

    async def _send(self, attack: Attack, url: str, headers: Mapping[str, str]) -> Reply:
        reply = await self._world.studio.send(attack.method, url, headers, attack.body)
        while reply.status == _TOO_MANY:  # an attack that was only put off proves nothing
            await asyncio.sleep(float(reply.headers.get("retry-after", "1")))
            reply = await self._world.studio.send(attack.method, url, headers, attack.body)
        return reply

    def _note(self, attack: Attack, attacker: Attacker, target: str, reply: Reply, leaked: list[str]) -> None:
        line = self._lines.setdefault(attack.route, Line(attack.route))
        is_refused = is_refusal(reply.status, reply.body)
        line.attempts += 1
        line.refused += is_refused
        line.answered += not is_refused
        line.bytes_received += len(_received(reply))
        has_failed = reply.status >= _FAILED and not is_refused
        if leaked or has_failed or (attack.is_aimed and not is_refused):
            line.leaks += 1
            expected = "a refusal" if attack.is_aimed else "an answer without anything of the other project"
            request = f"{attack.method} {target.partition('sig=')[0][:_SHOWN]}"
            self._findings.append(Finding(attack.route, attacker.name, request, expected, reply.status, reply.code, leaked))

    def report(self, routes: list[JsonObject], types: list[JsonObject]) -> Report:
        """Everything that was written down."""
        world, lines = self._world, sorted(self._lines.values(), key=lambda line: line.route)
        return Report(
            studio=world.studio.url,
            version=version("studiolo"),
            began="",
            ended="",
            hub=world.hub,
            attackers=[attacker.name for attacker in world.attackers],
            canaries=sorted(set(world.canaries.planted.values())),
            served_routes=len(routes),
            served_types=len(types),
            attempts=sum(line.attempts for line in lines),
            bytes_received=sum(line.bytes_received for line in lines),
            lines=lines,
            findings=self._findings,
        )


def _received(reply: Reply) -> bytes:
    return "\n".join(f"{name}: {value}" for name, value in reply.headers.items()).encode() + b"\n\n" + reply.body
