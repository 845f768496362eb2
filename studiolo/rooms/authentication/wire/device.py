"""The page where a person types in the code that a program shows, sees who asks and from where, and decides."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, NotFound
from studiolo.rooms.authentication.service.grants.device_code import DeviceCode, Pending
from studiolo.rooms.authentication.service.throttle import Pace
from studiolo.rooms.authentication.wire.forms import MARK, Forms, Visitor, asked_for, on_page, to_sign_in
from studiolo.wire.http import Answer, Call, Permit, Public, Route
from studiolo.wire.pages import field, hidden, page, problem

_PURPOSE: Final = "device"
_TRIES_PER_MINUTE: Final = 10
_SHOWN: Final = Public("gives nothing without a signed-in person's own yes")


def device_routes(devices: DeviceCode, forms: Forms, pace: Pace) -> list[Route]:
    """`/device`."""
    pages = _Pages(devices, forms, pace)
    return [
        Route("GET", "/device", _SHOWN, pages.ask, about="a page for the code that a program shows"),
        Route("POST", "/device", _SHOWN, pages.decide, about="the code, then the person's yes or no"),
    ]


class _Pages:
    def __init__(self, devices: DeviceCode, forms: Forms, pace: Pace) -> None:
        self._devices = devices
        self._forms = forms
        self._pace = pace

    async def ask(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visitor = await self._forms.visitor(call)
        if visitor is None:
            return to_sign_in(call)
        return await self._form(visitor)

    async def decide(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visitor = await self._forms.visitor(call)
        if visitor is None:
            return to_sign_in(call)
        fields = await self._forms.checked(call, visitor, _PURPOSE)
        code, choice = fields.get("code", "")[:100], fields.get("choice", "")
        # Guessing somebody else's code is what a pace is for: for each person, and for each address.
        for key in (visitor.person.oid, call.client):
            self._pace.step(f"device tries/{key}", _TRIES_PER_MINUTE)
        try:
            if choice not in ("yes", "no"):
                return await self._question(visitor, code, await self._devices.find(code))
            pending = await self._devices.decide(code, visitor.person, is_yes=choice == "yes")
        except (NotFound, Conflict) as fault:
            raise on_page(fault, await self._form(visitor, fault)) from None
        name = escape(pending.client_name)
        if choice == "no":
            return page("Declined", f"<p>{name} was told no. You can close this page.</p>")
        return page(
            "You are signed in", f"<p>{name} goes on as <strong>{escape(visitor.person.name)}</strong>. You can close this page.</p>"
        )

    async def _form(self, visitor: Visitor, fault: Fault | None = None) -> Answer:
        body = f"""{problem(fault.message if fault else "")}
<form class="narrow" method="post" action="/device">{hidden(**{MARK: await self._forms.mark(visitor, _PURPOSE)})}
{field("code", "Code", hint="The nine letters that the program shows")}<button>Next</button></form>"""
        return page("Enter the code", body)

    async def _question(self, visitor: Visitor, code: str, pending: Pending) -> Answer:
        ago = max(0, int((clock.now() - datetime.fromisoformat(pending.at)).total_seconds()))
        when = f"{ago} seconds ago" if ago < 90 else f"{ago // 60} minutes ago"
        body = f"""
<p class="lead"><strong>{escape(pending.client_name)}</strong> asks to sign in as you, on another device.</p>
<dl><dt>You are</dt><dd>{escape(visitor.person.name or visitor.person.oid)}</dd>
{asked_for(pending.resource, pending.downstream)}
<dt>Asked from</dt><dd>{escape(pending.place or "an unknown address")}, {when}</dd>
<dt>Client id</dt><dd><code>{escape(pending.client)}</code></dd></dl>
<p>Say yes only if you have started this program yourself. Whoever sent you this code would be signed in as you.</p>
<form method="post" action="/device">{hidden(**{MARK: await self._forms.mark(visitor, _PURPOSE), "code": code})}
<p class="buttons"><button name="choice" value="yes">Yes, sign it in</button>
<button class="quiet" name="choice" value="no">No</button></p></form>
"""
        return page(f"Sign in {pending.client_name}?", body)
