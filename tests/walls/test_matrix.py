"""Every served route and every verb of every type, for eight identities, against what the roles' own text says."""

from __future__ import annotations

from collections import Counter

import pytest

from studiolo.app.served import served_routes, served_types
from tests.walls.examples import ROUTES, TYPES
from tests.walls.house import IDENTITIES, House
from tests.walls.matrix import route_label, trials

pytestmark = pytest.mark.anyio


async def test_every_route_and_every_type_has_an_example(house: House) -> None:
    routes = {route_label(route) for route in served_routes(house.application.surfaces)}
    types = {declared["name"] for declared in served_types(house.application.control.catalog)}
    missing = sorted(routes - set(ROUTES)) + sorted(types - set(TYPES))
    gone = sorted(set(ROUTES) - routes) + sorted(set(TYPES) - types)
    assert not missing, "tests/walls/examples.py needs a line for each of:\n" + "\n".join(missing)
    assert not gone, "tests/walls/examples.py has lines for what is not served:\n" + "\n".join(gone)


async def test_who_may_do_what_is_what_the_roles_say(house: House) -> None:
    wrong: list[str] = []
    counts: Counter[str] = Counter()
    for trial in trials(house):
        for name in IDENTITIES:
            person = house.people[name]
            wanted = trial.expects(name, person)
            reply = await trial.send(house, person)
            found = trial.outcome(reply)
            counts[wanted] += 1
            if found != wanted and trial.plane is not None:
                wrong.append(f"{trial.label} for {name}: {found} ({reply.status} {reply.body[:160]!r}), and it must be {wanted}")
    assert not wrong, f"{len(wrong)} of {counts.total()}:\n" + "\n".join(wrong)
    # A matrix without both answers would prove nothing.
    assert counts["yes"] > 300
    assert counts["no"] > 300
    assert counts["unknown"] > 300


async def test_public_routes_tell_everybody_the_same(house: House) -> None:
    for trial in trials(house):
        if trial.plane is None:
            replies = [await trial.send(house, house.people[name]) for name in ("none", "other tenant", "owner", "expired")]
            assert len({reply.status for reply in replies if trial.label != "platform GET /"}) <= 1, trial.label
