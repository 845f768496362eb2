"""Rotation of the keys that sign tokens, for whoever may."""

from __future__ import annotations

from typing import Final

from studiolo.kernel.access.scopes import ROOT
from studiolo.kernel.faults import Invalid
from studiolo.rooms.authentication.service.signing import SigningKeys
from studiolo.rooms.authentication.wire.authenticator import Authenticator
from studiolo.wire.http import Answer, Call, Guard, Permit, Route

_PATH: Final = "/providers/Studiolo.Directory/rotateTokenKeys"
_ROTATE: Final = "Studiolo.Directory/tokenKeys/rotate/action"


def key_routes(keys: SigningKeys, authenticator: Authenticator) -> list[Route]:
    """`POST /providers/Studiolo.Directory/rotateTokenKeys`; with `{"isOldVoid": true}` every token of the old keys ends."""

    async def rotate(call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        caller = await authenticator.identify(call)
        await permit.require(caller, _ROTATE, ROOT)
        body = await call.json()
        is_old_void = body.get("isOldVoid", False)
        if not isinstance(is_old_void, bool):
            raise Invalid("'isOldVoid' is true or false.", target="isOldVoid")
        kid = await keys.rotate(is_old_void=is_old_void)
        return Answer.json({"kid": kid, "published": [key["kid"] for key in await keys.published()]})

    return [Route("POST", _PATH, Guard((_ROTATE,), is_data=False), rotate, about="a new key signs tokens from now on")]
