"""The controls: each attack's request, first sent by somebody who may. What that does not show to be valid is not tried.

The PUT of each type comes first: it plants what the other controls, and then the attackers, reach for.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from studiolo.app.client.session import Refusal
from studiolo.app.isolation.asking import Identity, Reply, Request
from studiolo.app.isolation.attacks import BLOB_HEADERS, Attack, Form, resolved
from studiolo.app.isolation.certificates import new_certificates
from studiolo.app.isolation.identities import NOBODY, Cast, bind
from studiolo.app.isolation.judging import DENIED, has_succeeded
from studiolo.app.isolation.report import NotTried
from studiolo.app.isolation.things import THINGS, Thing
from studiolo.app.isolation.world import World, spare_of
from studiolo.kernel import clock
from studiolo.kernel.faults import Fault

_DIRECTORY: Final = "/providers/Studiolo.Directory"
_ORDER: Final = ("PUT", "POST", "PATCH", "GET", "HEAD", "DELETE")
_SHOWS_NOTHING: Final = "the owner's answer shows nothing of the kept project, so that it is missing elsewhere proves nothing"
_MAKING: Final = Attack("", Form("PUT", ""), {})


@dataclass(frozen=True, slots=True)
class Control:
    """What came of a control: whose request succeeded, and the answer; or why there is none. `is_stated`: that was known before."""

    by: str = ""
    answer: str = ""
    why: str = ""
    is_stated: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the request is shown to be a valid one."""
        return not self.why


class Controls:
    """Sends the controls."""

    def __init__(self, world: World, cast: Cast) -> None:
        self._world = world
        self._cast = cast

    async def run(self, attacks: Sequence[Attack], is_wanted: Callable[[Attack], bool], told: Callable[[str], None]) -> dict[int, Control]:
        """The control of each attack by its place in the list. Those that plant something run whether they are wanted or not."""
        made: dict[int, Control] = {}
        told("planting canaries")
        await self._plant()
        numbered = sorted(enumerate(attacks), key=lambda each: _rank(each[1], each[0]))
        is_furnished = False
        for number, attack in numbered:
            is_planting = _is_planting(attack)
            if not is_planting and not is_furnished:
                told("sending what the owner may")
                await self._furnish()
                is_furnished = True
            if is_planting or is_wanted(attack):
                made[number] = await self._one(attack)
        return made

    def names_of(self, attack: Attack) -> dict[str, str]:
        """What the names in an attack stand for."""
        world = self._world
        known = {**world.known, **world.fresh()}
        if "type" not in attack.names:
            return resolved(attack.names, known)
        return {**known, **world.of_type(attack.names["type"])}

    async def _one(self, attack: Attack) -> Control:
        if attack.why:
            return Control(why=attack.why, is_stated=attack.is_stated)
        try:
            names = self.names_of(attack)
            names = {**names, **resolved(attack.control, names)}
            form = attack.spare_form or attack.form
            if attack.spare is not None:
                path, place = await self._spare(attack.spare, names)
                form = replace(form, path=path) if "type" in attack.names else form
                names["id"] = place
            request = form.filled(names)
        except (Fault, KeyError) as fault:
            return Control(why=f"what the control needs could not be made: {fault}")
        by, reply = await self._allowed(attack, request)
        if by is None:
            why = _SHOWS_NOTHING if has_succeeded(attack, reply) else f"the owner's request got {reply.told.strip()}"
            return Control(answer=reply.told.strip(), why=why)
        if attack.makes:
            self._world.saw_made(attack.makes, reply)
        if _is_planting(attack) and not THINGS[attack.names["type"]].is_given:
            self._world.goes(request.target.partition("?")[0], dict(by.headers["main"]))
        return Control(by.name, reply.told.strip())

    async def _allowed(self, attack: Attack, request: Request) -> tuple[Identity | None, Reply]:
        """The first who may, and the answer; or nobody, and the first answer that was no refusal of a right."""
        replies: list[Reply] = []
        for by in [NOBODY] if attack.is_bare else self._cast.allowed:
            if not by.is_for(request.plane):
                continue
            reply = await self._world.studio.ask(request, by)
            shows = not attack.shows or self._world.canaries.found_in(reply.received, request.target.encode())
            if has_succeeded(attack, reply) and shows:
                return by, reply
            replies.append(reply)
        return None, min(replies, key=lambda reply: reply.status in DENIED)

    async def _spare(self, thing: Thing, names: dict[str, str]) -> tuple[str, str]:
        """Make something that the control may remove: its path, and its name."""
        world, fresh = self._world, {**names, **self._world.fresh()}
        if "application_of_spare" in str(thing.spare_body):
            fresh["application_of_spare"] = clock.new_id()
            await world.put(
                f"{_DIRECTORY}/applications/{fresh['application_of_spare']}", {"properties": {"displayName": "probe"}}, world.keeper
            )
        path, request = spare_of(thing, fresh)
        if request is not None:
            await self._made(request)
        return path, path.rpartition("/")[2]

    async def _made(self, request: Request) -> None:
        """Send what makes something, by the first who may. Raises Refusal if nobody may."""
        by, reply = await self._allowed(_MAKING, request)
        if by is None:
            reply.json()
        else:
            self._world.goes(request.target.partition("?")[0], dict(by.headers["main"]))

    # ── what stands ready ──

    async def _plant(self) -> None:
        """Blobs of the kept project, written by its owner."""
        world, new = self._world, self._world.canaries.new
        owner = self._cast.allowed[0]
        for name in ("blob", "second", "third", "fourth", "fifth", "spare_blob", "batch_blob", "other_batch_blob"):
            headers = {**BLOB_HEADERS, "x-ms-meta-secret": new("a blob's metadata"), "content-type": f"text/{new('a content type')}"}
            body = new("a blob's content").encode() * 3
            request = Request("PUT", "blob", f"/{world.kept.container}/{world.known[name]}", headers, body, world.kept.account)
            (await world.studio.ask(request, owner)).json()
        asked = await world.studio.arm("GET", "/providers/Studiolo.Audit/retention", world.admin)
        world.known["retention"] = str(asked.get("days"))
        world.known["reader"] = await world.role("Reader")
        world.known["password_text"] = secrets.token_urlsafe(24)
        world.known["identity_header"] = secrets.token_urlsafe(32)
        world.known["certificate"], world.known["spare_certificate"], *rest = new_certificates(4)
        self._certificates = rest
        for name in THINGS:
            world.of_type(name)
        world.known["kept_data"] = f"{world.kept.id}/data/{world.known['data']}".strip("/")
        world.known |= {name: world.of_type("Microsoft.CognitiveServices/accounts/deployments")["it"] for name in ("deployment", "model")}

    async def _furnish(self) -> None:
        """What hangs on the kept things: secrets, certificates, workloads. What cannot be made, its routes cannot be tried without."""
        world, application = self._world, f"{_DIRECTORY}/applications/{self._world.known['applications']}"
        try:
            for name in ("password", "spare_password", "other_spare_password"):
                made = await world.studio.arm("POST", f"{application}/addPassword", world.keeper, {})
                world.known[name] = str(made["keyId"])
            for name, certificate in zip(("key", "spare_key"), self._certificates, strict=True):
                made = await world.studio.arm("POST", f"{application}/addKey", world.keeper, {"keyCredential": {"key": certificate}})
                world.known[name] = str(made["keyId"])
            for name in ("binding", "spare_binding"):
                made = await bind(world, world.kept)
                world.known[name], world.known["kept_header"] = str(made["id"]), str(made["identityHeader"])
            world.known["free_application"] = clock.new_id()
            free = f"{_DIRECTORY}/applications/{world.known['free_application']}"
            await world.put(free, {"properties": {"displayName": "probe"}}, world.keeper)
        except Refusal as refusal:
            self._cast.missing.append(NotTried("what hangs on the kept things", refusal.message, is_stated=False))


def _rank(attack: Attack, number: int) -> tuple[int, int]:
    """What plants comes first, in the order of its table; what ends comes last, in the reverse."""
    if _is_planting(attack):
        return -1, number
    return _ORDER.index(attack.form.method), -number if "type" in attack.names else number


def _is_planting(attack: Attack) -> bool:
    return attack.form.method == "PUT" and "type" in attack.names
