"""What is looked up by an id, and belongs to somebody else, is answered like what is not there."""

from __future__ import annotations

import uuid

import pytest

from tests.walls.house import House
from tests.walls.test_alike import VARIES, shown

pytestmark = pytest.mark.anyio

_DECISIONS = "/providers/Studiolo.Access/decisions"


async def test_operations_and_decisions_of_somebody_else_are_answered_like_none(house: House) -> None:
    """Also on the record: who is told no can look up both decisions, and learns the same from both."""
    begun = await house.arm("POST", f"{house.project['id']}/rotateKey", {"reencrypt": True})
    assert begun.status == 202, begun.body
    operation = begun.headers["azure-asyncoperation"].partition("?")[0].removeprefix("https://localhost:8443")
    reader, other = house.people["reader"], await house.person("curious")
    refused = await house.arm("DELETE", house.project["id"], who=reader)
    decision = f"{_DECISIONS}/{refused.headers['x-studiolo-decision-id']}"
    assert (await house.arm("GET", decision, who=reader)).status == 200, "who was refused sees it"
    for there in (decision, operation, operation.replace("operationsStatus", "operationResults")):
        told: list[object] = []
        for path in (there, there[:-36] + str(uuid.uuid4())):
            reply = await house.arm("GET", path, who=other)
            assert reply.status == 404
            own = await house.arm("GET", f"{_DECISIONS}/{reply.headers['x-studiolo-decision-id']}", who=other)
            told.append((shown(reply), VARIES.sub("~", str({**own.json(), "line": 0}))))
        assert told[0] == told[1], there
        assert (await house.arm("GET", there)).status in (200, 202), "who may read it sees it"
