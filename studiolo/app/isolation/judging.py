"""What an answer to an attack proves: a refusal, a leak, or nothing because the request was not tried in earnest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from studiolo.app.isolation.asking import Identity, Reply
from studiolo.app.isolation.attacks import Attack

Outcome = Literal["refused", "answered", "leaked", "not tried"]

DENIED: Final = frozenset({401, 403})
# The studio did not understand, or does not offer it: that says nothing about who may.
MISUNDERSTOOD: Final = frozenset({400, 404, 405, 408, 411, 413, 414, 415, 431, 501})
_OK: Final = range(200, 300)
_UNCHANGED: Final = 304
_MOVED: Final = range(300, 304)
_ABSENT: Final = 404
_ANSWERED: Final = "an answer where only a refusal is right"
_FAILED: Final = 500
_BATCH: Final = 202
_PART: Final = re.compile(rb"HTTP/1\.1 (\d{3})")
_MARKS: Final = frozenset(
    {
        "x-ms-request-id",
        "x-ms-correlation-request-id",
        "x-request-id",
        "x-ms-client-request-id",
        "x-studiolo-decision-id",
        "x-studiolo-authz-version",  # counts changes of rights in the whole studio
        "date",
        "content-length",
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one attack; `wrong` says what leaked, or why nothing was tried."""

    outcome: Outcome
    wrong: tuple[str, ...] = ()


def statuses(reply: Reply) -> list[int]:
    """The statuses of an answer: of a batch, those of its parts."""
    if reply.status == _BATCH and reply.headers.get("content-type", "").startswith("multipart/"):
        return [int(found) for found in _PART.findall(reply.body)] or [reply.status]
    return [reply.status]


def has_succeeded(attack: Attack, reply: Reply) -> bool:
    """Whether an answer is what only those are told who may."""
    usual = [status in _OK or status == _UNCHANGED or (attack.judged == "open" and status in _MOVED) for status in statuses(reply)]
    return all(usual) or reply.told in attack.tells


def shape(reply: Reply, varies: re.Pattern[bytes]) -> tuple[object, ...]:
    """An answer without what differs between any two: ids, times, and what `varies` finds, which are the names that were asked for."""
    headers = {name: varies.sub(b"*", value.encode()) for name, value in reply.headers.items() if name not in _MARKS}
    return reply.status, reply.code, headers, varies.sub(b"*", reply.body)


def judge(attack: Attack, by: Identity, reply: Reply, canaries: list[str], *, twin_differs: bool | None) -> Verdict:
    """What an answer proves.

    Args:
        attack: what was sent.
        by: who sent it.
        reply: what came back.
        canaries: what of the kept project stands in it.
        twin_differs: whether the same request for something absent is answered otherwise; None: it has no twin.
    """
    wrong = [*canaries, *(["whether it exists"] if twin_differs else [])]
    found = statuses(reply)
    if any(status >= _FAILED and status not in MISUNDERSTOOD and reply.told not in attack.tells for status in found):
        wrong.append("a failure in place of an answer")
    is_shown = attack.judged == "open" or (attack.judged == "filtered" and by.has_rights)
    is_right = has_succeeded(attack, reply)
    if is_right and not is_shown:
        wrong.insert(0, _ANSWERED)
    if wrong:
        return Verdict("leaked", tuple(wrong))
    if all(status in DENIED for status in found):
        return Verdict("refused")
    if is_right:
        return Verdict("answered")
    if all(status == _ABSENT for status in found) and twin_differs is False:
        return Verdict("refused")
    if all(status in MISUNDERSTOOD | DENIED for status in found):
        return Verdict("not tried", (attack.unfit,))
    return Verdict("answered") if is_shown else Verdict("leaked", (_ANSWERED,))


def differs(one: Reply, other: Reply, varies: re.Pattern[bytes]) -> bool:
    """Whether two answers differ in more than ids, times and names."""
    return shape(one, varies) != shape(other, varies)
