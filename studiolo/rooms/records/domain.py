"""What of the record is asked for, how a line is shown, and how long lines are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from studiolo.kernel.faults import Invalid
from studiolo.kernel.numbers import whole_number
from studiolo.kernel.record import MERGED, Repeats
from studiolo.kernel.resource import JsonObject

READ: Final = "Microsoft.Insights/eventtypes/values/Read"
READ_ROLES: Final = "Microsoft.Authorization/roleAssignments/read"
READ_RETENTION: Final = "Studiolo.Audit/retention/read"
WRITE_RETENTION: Final = "Studiolo.Audit/retention/write"

DEFAULT_DAYS: Final = 400
LEAST_DAYS: Final = 90
MOST_DAYS: Final = 36_500
DECISIONS: Final = ("change", "secret", "refusal", "repeats")
DENIED: Final = ("refusal", "repeats")
KINDS: Final = ("change", "secret", "refusal", "repeats", "reads", "adopted", "cut", "loss")
_MOST: Final = 1000
_USUAL: Final = 100


class Wanted(msgspec.Struct, frozen=True):
    """A page of lines: those that a query names, from a number on."""

    after: int = 0
    before: int = 0
    since: str = ""
    until: str = ""
    who: str = ""
    kinds: tuple[str, ...] = ()
    limit: int = _USUAL
    oldest_first: bool = False


_OF_EXPORTS: Final = frozenset({"since", "until", "$top", "$skiptoken", "api-version"})


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many days lines are kept."""

    days: int = DEFAULT_DAYS

    def check(self) -> None:
        """Raise Invalid unless the number is one that a studio may have."""
        if not LEAST_DAYS <= self.days <= MOST_DAYS:
            raise Invalid(
                f"Lines of the record are kept for {LEAST_DAYS} to {MOST_DAYS} days, not for {self.days}.",
                code="InvalidRetention",
                target="days",
            )


def wanted(query: Mapping[str, str], *, kinds: tuple[str, ...] = ()) -> Wanted:
    """What a query asks for: `since`, `until`, `who`, `kind`, `denied`, `order`, `$top`, `$skipToken`.

    Raises:
        Invalid: a parameter is malformed (code `InvalidQueryParameterValue`).
    """
    asked = {name.lower(): value for name, value in query.items()}
    oldest_first = _one_of(asked, "order", ("newest", "oldest")) == "oldest"
    token = _number(asked, "$skiptoken", 0, 1 << 62)
    kind = _one_of(asked, "kind", KINDS)
    is_denied = _one_of(asked, "denied", ("true", "false")) == "true"
    return Wanted(
        after=token if oldest_first else 0,
        before=0 if oldest_first else token,
        since=_moment(asked, "since"),
        until=_moment(asked, "until"),
        who=asked.get("who", "").lower(),
        kinds=(kind,) if kind else DENIED if is_denied else kinds,
        limit=_number(asked, "$top", _USUAL, _MOST) or _USUAL,
        oldest_first=oldest_first,
    )


def wanted_export(query: Mapping[str, str]) -> tuple[Wanted, str]:
    """What a page of an export is asked for with, `since`, `until` and `$top`, and its `$skipToken`.

    Raises:
        Invalid: a parameter is malformed or none of these (code `InvalidQueryParameterValue`): an export leaves nothing else out.
    """
    asked = {name.lower(): value for name, value in query.items()}
    other = next((name for name in asked if name not in _OF_EXPORTS), None)
    if other is not None:
        raise _bad(other, "left away: an export takes 'since' and 'until' alone")
    token = asked.pop("$skiptoken", "")
    return wanted({"$top": str(_MOST), **asked}), token


def shown(line: Any) -> JsonObject:
    """A line (`store.Line`) with all that is needed to check it: bytes in hexadecimal, the document as the text that was digested."""
    return {
        **line._asdict(),
        "doc": line.doc.decode(),
        "previous": line.previous.hex(),
        "digest": line.digest.hex(),
        "seal": line.seal.hex(),
    }


def explained(line: Any, repeats: Repeats, *, is_for_the_refused: bool) -> JsonObject:
    """A decision for people. Who was refused sees what the refusal said and no more.

    A line that `isMerged` tells of several refusals and of none what it was; any other of one, or of some that were alike.
    """
    doc = msgspec.json.decode(line.doc)
    is_merged = line.id.startswith(MERGED)
    found: JsonObject = {
        "id": f"/providers/Studiolo.Access/decisions/{line.id}",
        "name": line.id,
        "type": "Studiolo.Access/decisions",
        "at": line.at,
        "line": line.seq,
        "isMerged": is_merged,
        "refusals": {"count": repeats.more + 1, "first": line.at, "last": repeats.last},
        "request": {"id": None if is_merged else line.request, "method": doc.get("method"), "path": doc.get("path")},
        "error": {"code": doc.get("code"), "message": doc.get("message")},
        "allowed": False,
    }
    if is_for_the_refused:
        return {**found, "isComplete": False}
    return {
        **found,
        "isComplete": True,
        "principal": {"id": line.caller, **doc.get("caller", {})},
        "client": doc.get("client"),
        "action": line.action,
        "scope": line.target,
        "reason": line.reason,
        "deciding": line.deciding.split(),
        "recordVersion": line.version,
        "explanation": doc.get("explanation") or {},
    }


def _number(asked: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = asked.get(name)
    if text is None:
        return usual
    number = whole_number(text)
    if number is None or number > most:
        raise _bad(name, f"a number up to {most}")
    return number


def _one_of(asked: Mapping[str, str], name: str, offered: tuple[str, ...]) -> str:
    text = asked.get(name, "").lower()
    if text and text not in offered:
        raise _bad(name, f"one of {', '.join(offered)}")
    return text


def _moment(asked: Mapping[str, str], name: str) -> str:
    text = asked.get(name)
    if not text:
        return ""
    try:
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise _bad(name, "a moment such as 2027-01-31 or 2027-01-31T12:00:00Z") from None


def _bad(name: str, what: str) -> Invalid:
    return Invalid(f"'{name}' must be {what}.", code="InvalidQueryParameterValue", target=name)
