"""Decisions as lines of the record, each with an id that the refused person is told.

What is promised: a refusal has its line on the disk before its answer leaves, and so has a call that gives out a
secret before it is served; if the line cannot be written, the answer is `RecordUnavailable`. A write's line carries
the decision that allowed it, in the write's own commit. Allowed reads are counted by caller and action, once a minute.

Floods do not fill the disk. Refusals of one caller within a second that are alike in all that a line explains share it.
Beyond a caller's budget refusals of one code are merged: they share a line a second that says of none what it was, and
its id begins with `merged-`. A line of kind `repeats` then says how many shared a line, and until when.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.explanation import explain
from studiolo.kernel.access.telling import told
from studiolo.kernel.faults import Fault, Unavailable
from studiolo.kernel.request import CALLER, REQUEST_ID
from studiolo.kernel.resource import PLATFORM, Caller
from studiolo.kernel.store.port import Emit, Store

REFUSAL: Final = "refusal"
REPEATS: Final = "repeats"
SECRET: Final = "secret"
READS: Final = "reads"

_BURST, _REFILL = 20, 2.0
"""Lines that one caller's refusals may make at once, and how many more each second. Callers without a name are one caller."""
_ALL_BURST, _ALL_REFILL = 200, 20.0
_MOST_CALLERS = 10_000
_COUNT_SECONDS = 60.0
_MOST_COUNTS = 500
_MOST_ROWS = 20
_MOST_TEXT = 1000
_MOST_VALUE = 256
_MOST_BYTES = 16_384
MERGED: Final = "merged-"
"""How the id of a line begins that tells several refusals without saying what each was."""

_SECRET_TEXT: Final = re.compile(
    r"(?i)(?P<name>\b(?:sig|signature|accountkey|sharedaccesssignature|sharedaccesskey|password|pwd|client_secret|secret|access_token|"
    r"refresh_token|id_token|assertion|code|api-key|apikey)\s*[=:]\s*)[^&;\s'\"]+"
    r"|(?:bearer|basic|sharedkey)\s+[^\s'\"]{8,}"
    r"|\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"
    r"|\b(?:studiolo_|stu_|sk-)[\w-]{16,}"
    r"|[A-Za-z0-9+_=]{40,}"
)


class Granted(NamedTuple):
    """By what a call was allowed: the rows that decided, and the newest line of the record that the decision saw."""

    reason: str = "platform"
    deciding: tuple[str, ...] = ()
    version: int = 0


class Decision(NamedTuple):
    """A no of the gate, with what is needed to explain it later."""

    caller: Caller
    action: str
    scope: str
    reason: str
    deciding: tuple[str, ...] = ()
    version: int = 0
    ask: Ask | None = None
    facts: CompiledFacts | None = None

    @property
    def is_conditional(self) -> bool:
        """Whether the same call with other attributes could be allowed."""
        return self.ask is not None and self.facts is not None and self.facts.plan(self.ask).answer(self.ask).is_conditional

    def explained(self) -> dict[str, Any]:
        """The rows, chain, conditions and attributes of this moment, within bounds and without secrets."""
        if self.ask is None or self.facts is None:
            return {}
        found = told(explain(self.ask, self.facts), self.facts.facts.hierarchy)
        for name in ("denyAssignments", "roleAssignments"):
            if len(found[name]) > _MOST_ROWS:
                found[f"{name}LeftOut"] = len(found[name]) - _MOST_ROWS
                found[name] = found[name][:_MOST_ROWS]
        found["lines"] = found["lines"][: 4 * _MOST_ROWS]
        bags = {
            "request": self.ask.request,
            "resource": self.ask.resource,
            "principal": self.ask.principal_attributes,
            "environment": self.ask.environment,
        }
        return clean({**found, "subOperations": list(self.ask.sub_operations), "attributes": bags})


class Asked(NamedTuple):
    """The call that was refused, as its sender knows it: nothing of its query, headers or body."""

    method: str
    path: str
    client: str


class Repeats(NamedTuple):
    """How many refusals share a line beyond the first, and when the last of them was."""

    more: int
    last: str


@dataclass(slots=True)
class _Open:
    """A refusal's line of this second, and how many more it stands for.

    `facts` are held as long as their identity tells what they were.
    """

    id: str
    line: Emit
    written: asyncio.Task[None]
    facts: CompiledFacts | None = None
    more: int = 0
    last: str = ""


class Recorder:
    """Writes decisions. One per store; `stop` writes what is still counted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._second = -1
        self._open: dict[bytes, _Open] = {}
        self._ended: Iterable[_Open] = ()
        self._budgets: dict[str, tuple[float, float]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._counted_since = clock.monotonic()
        self._background: set[asyncio.Task[None]] = set()

    @property
    def version(self) -> int:
        """The newest line of the record."""
        return self._store.head()[0]

    # ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def refused(self, fault: Fault, asked: Asked) -> str:
        """The id of the line that tells this refusal, once it is on the disk.

        Raises:
            Unavailable: it cannot be written (code `RecordUnavailable`).
        """
        decision: Decision | None = fault.decision
        caller = decision.caller.oid if decision is not None else CALLER.get()
        now = clock.monotonic()
        self._turn(int(now))
        key = _likeness(caller, fault, asked, decision)
        found = self._open.get(key)
        if found is None and not self._may_write(caller, now):
            key = _encode((caller, fault.code))
            found = self._open.get(key) or self._merged(fault, caller)
        elif found is None:
            found = self._begin(fault, asked, decision, caller)
        if key in self._open:
            found.more, found.last = found.more + 1, clock.stamp(clock.now())
        self._open[key] = found
        try:
            await asyncio.shield(found.written)  # others may wait for the same line
        except Unavailable as error:
            self._open = {key: one for key, one in self._open.items() if one is not found}
            raise _unavailable() from error
        return found.id

    def _begin(self, fault: Fault, asked: Asked, decision: Decision | None, caller: str) -> _Open:
        doc: dict[str, Any] = {
            "method": asked.method,
            "path": clean(asked.path[:_MOST_TEXT]),
            "client": asked.client,
            "code": fault.code,
            "message": clean(fault.message[:_MOST_TEXT]),
        }
        if decision is not None:
            doc["caller"] = _described(decision.caller)
            doc["explanation"] = decision.explained()
        facts = decision.facts if decision is not None else None
        line = Emit(
            at=clock.stamp(clock.now()),
            action=decision.action if decision else "",
            status="Refused",
            target=decision.scope.lower() if decision else "/",
            caller=caller,
            doc=_bounded(doc),
            kind=REFUSAL,
            reason=decision.reason if decision else fault.code,
            deciding=" ".join(decision.deciding) if decision else "",
            version=decision.version if decision else self.version,
            request=REQUEST_ID.get(),
            id=clock.new_id(),
        )
        return _Open(line.id, line, asyncio.create_task(self._store.commit(line)), facts)

    def _merged(self, fault: Fault, caller: str) -> _Open:
        """A line that stands for refusals of one code, and says of none what it was."""
        text = "One of several refusals within a second, beyond those that the record tells one by one: ask again to have it explained."
        line = Emit(
            at=clock.stamp(clock.now()),
            action="",
            status="Refused",
            target="/",
            caller=caller,
            doc=_encode({"code": fault.code, "message": text}),
            kind=REFUSAL,
            reason="Merged",
            version=self.version,
            id=MERGED + clock.new_id(),
        )
        return _Open(line.id, line, asyncio.create_task(self._store.commit(line)))

    def repeats(self, id_: str) -> Repeats | None:
        """How many refusals share a line that was just written; None once that is on the record itself."""
        for one in (*self._open.values(), *self._ended):
            if one.id == id_:
                return Repeats(one.more, one.last or one.line.at)
        return None

    def _may_write(self, caller: str, now: float) -> bool:
        """Take one line from the caller's budget and from everybody's."""
        if len(self._budgets) > _MOST_CALLERS:
            self._budgets.clear()
        left = [(name, *self._left(name, burst, refill, now)) for name, burst, refill in _budgets_of(caller)]
        if any(tokens < 1 for _, tokens, _ in left):
            return False
        for name, tokens, _ in left:
            self._budgets[name] = (tokens - 1, now)
        return True

    def _left(self, name: str, burst: float, refill: float, now: float) -> tuple[float, float]:
        tokens, at = self._budgets.get(name, (burst, now))
        return min(burst, tokens + (now - at) * refill), now

    def _turn(self, second: int) -> None:
        """Begin another second: what the last one counted is written behind the answers."""
        if second == self._second:
            return
        self._second = second
        self._ended, self._open = self._open.values(), {}
        self._spawn(_repeats(self._ended))
        asyncio.get_running_loop().call_later(1.1, self._turn_later)

    def _turn_later(self) -> None:
        if self._open:
            self._turn(int(clock.monotonic()))

    # ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def secret(self, caller: Caller, action: str, scope: str, status: str, granted: Granted, code: str = "") -> None:
        """Tell that a secret is about to be given out or changed, or what came of it. Raises as `refused` does."""
        line = Emit(
            clock.stamp(clock.now()),
            action,
            status,
            scope.lower(),
            caller.oid,
            _encode({"caller": _described(caller), "code": code or None}),
            kind=SECRET,
            reason=granted.reason,
            deciding=" ".join(granted.deciding),
            version=granted.version,
        )
        try:
            await self._store.commit(line)
        except Unavailable as error:
            raise _unavailable() from error

    # ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────

    def count(self, caller: str, action: str) -> None:
        """Count an allowed decision that leaves no line of its own."""
        key = (caller, action)
        if key in self._counts or len(self._counts) < _MOST_COUNTS:
            self._counts[key] = self._counts.get(key, 0) + 1
        else:
            self._counts["", ""] = self._counts.get(("", ""), 0) + 1
        if clock.monotonic() - self._counted_since > _COUNT_SECONDS:
            self._spawn(self._counted())

    def _counted(self) -> Sequence[Emit]:
        counts, self._counts = self._counts, {}
        self._counted_since = clock.monotonic()
        if not counts:
            return ()
        doc = _encode({"allowed": [{"caller": caller, "action": action, "count": n} for (caller, action), n in counts.items()]})
        return (Emit(clock.stamp(clock.now()), "Studiolo.Access/decisions/count", "Allowed", "/", PLATFORM.oid, doc, kind=READS),)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def stop(self) -> None:
        """Write what is still counted."""
        ended, self._open = self._open, {}
        lines = [*_repeats(ended.values()), *self._counted()]
        await asyncio.gather(*self._background, return_exceptions=True)
        if lines:
            await self._store.commit(*lines)

    def _spawn(self, lines: Sequence[Emit]) -> None:
        if lines:
            task = asyncio.create_task(self._write(lines))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _write(self, lines: Sequence[Emit]) -> None:
        try:
            await self._store.commit(*lines)
        except Unavailable:
            return  # numbers alone are lost: each first refusal had its line before its answer


def clean(value: Any) -> Any:
    """The same value without what looks like a secret, and with long texts cut."""
    if isinstance(value, str):
        shown = _SECRET_TEXT.sub(lambda found: f"{found['name'] or ''}[redacted]", value)
        return shown if len(shown) <= _MOST_TEXT else f"{shown[:_MOST_VALUE]}…"
    if isinstance(value, Mapping):
        return {str(name): clean(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]  # pyright: ignore[reportUnknownVariableType] - JSON
    return value


_encode = msgspec.json.Encoder().encode


def _bounded(doc: dict[str, Any]) -> bytes:
    found = _encode(doc)
    if len(found) <= _MOST_BYTES:
        return found
    explanation = doc.get("explanation", {})
    kept = {name: explanation[name] for name in ("action", "scope", "plane", "reason", "deciding") if name in explanation}
    return _encode({**doc, "explanation": {**kept, "isTooLarge": True}})


def _described(caller: Caller) -> dict[str, str]:
    return {"name": caller.name, "kind": caller.kind, "application": caller.application}


def _budgets_of(caller: str) -> tuple[tuple[str, float, float], ...]:
    return ((f"caller {caller}", _BURST, _REFILL), ("all", _ALL_BURST, _ALL_REFILL))


def _likeness(caller: str, fault: Fault, asked: Asked, decision: Decision | None) -> bytes:
    """A digest of all that a refusal's line explains, but for its moment."""
    told: list[Any] = [caller, fault.code, fault.message, *asked]
    if decision is not None:
        told += [decision.action, decision.scope, decision.reason, decision.deciding, id(decision.facts)]
    if decision is not None and decision.ask is not None:
        ask = decision.ask
        told += [ask.plane, ask.sub_operations, ask.request, ask.resource, ask.principal_attributes]
    return hashlib.sha256(_encode(told)).digest()


def _repeats(ended: Iterable[_Open]) -> list[Emit]:
    at = clock.stamp(clock.now())
    return [
        one.line._replace(at=at, kind=REPEATS, id="", deciding="", doc=_encode({"of": one.id, "count": one.more, "last": one.last}))
        for one in ended
        if one.more
    ]


def _unavailable() -> Unavailable:
    return Unavailable(
        "The call is not served, since the record of what was decided cannot be written: the disk is full or cannot be written to. "
        "Nothing was given out. The studio's operator has to free space.",
        code="RecordUnavailable",
        retry_after_seconds=5,
    )
