"""Why somebody may or may not: a question that is no resource, asked below any scope."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from studiolo.kernel.access.scopes import ROOT
from studiolo.kernel.faults import Invalid
from studiolo.kernel.ids import parse
from studiolo.rooms.iam.service.access import AccessService, Question
from studiolo.rooms.iam.wire.authenticator import Authenticator
from studiolo.wire.http import Answer, Call, Guard, Permit, Route

_PATH: Final = "/providers/Studiolo.Access/explain"
_READ: Final = "Microsoft.Authorization/roleAssignments/read"


class _Asked(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of a question. `who` may be `me`."""

    who: str
    action: str
    plane: Literal["control", "data"] | None = None
    sub_operations: tuple[str, ...] = ()
    request: dict[str, object] = {}
    resource: dict[str, object] = {}
    environment: dict[str, object] = {}


def access_routes(service: AccessService, authenticator: Authenticator) -> list[Route]:
    """`POST {scope}/providers/Studiolo.Access/explain`, for whoever may read the role assignments at the scope."""

    async def explain(call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        caller = await authenticator.identify(call)
        scope = parse(f"/{params['scope']}").text if "scope" in params else ROOT
        await permit.require(caller, _READ, scope)
        try:
            asked = msgspec.convert(await call.json(), _Asked)
        except msgspec.ValidationError as error:
            raise Invalid(f"The question cannot be read: {error}.") from None
        who = caller.oid if asked.who == "me" else asked.who
        question = Question(who, asked.action, scope, asked.plane, asked.sub_operations, asked.request, asked.resource, asked.environment)
        return Answer.json(await service.explain(question))

    guard = Guard((_READ,), is_data=False)
    about = "the verdict on one action, with the rows that decide it and the conditions that fail"
    return [Route("POST", _PATH, guard, explain, about=about), Route("POST", "/{scope:path}" + _PATH, guard, explain, about=about)]
