"""Conditional headers, read as the Blob service reads them.

Where an ETag and a date condition of the same sense stand together, the ETag decides (Blob service REST, "Specifying
conditional headers for Blob service operations").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from studiolo.kernel.faults import Conflict, Fault, NotOffered, Stale
from studiolo.rooms.blobs.domain.times import seconds_of

_OF_COPIES = "x-ms-source-"
_OWN = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "x-ms-if-tags", "x-ms-lease-id")
# What a copy's source may be asked for too, with this before it. Two names for one thing, as clients send both.
_NAMES = {"": frozenset(_OWN), _OF_COPIES: frozenset((*(_OF_COPIES + name for name in _OWN), _OF_COPIES + "if-tags"))}
_NOT_MET = "The condition specified using HTTP conditional header(s) is not met."


class NotModified(Fault):
    """The caller has the newest state already; an answer without a body."""

    default_code = "ConditionNotMet"


class Conditions(NamedTuple):
    """What must hold before an operation; dates in seconds."""

    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None
    modified_since: int | None = None
    unmodified_since: int | None = None

    @property
    def wants_absence(self) -> bool:
        """Whether the operation is meant for something that is not there yet."""
        return self.none_match == ("*",)


NONE = Conditions()


def conditions_of(headers: Mapping[str, str], *, prefix: str = "") -> Conditions:
    """The conditions that the headers carry; `prefix` is `x-ms-source-` for those on a copy's source.

    Raises:
        Invalid: a date is malformed.
        NotOffered: a condition on tags.
        Stale: a lease id was named, and no blob here has a lease.
    """
    if _NAMES[prefix].isdisjoint(headers):
        return NONE
    if prefix + "x-ms-if-tags" in headers or (prefix and prefix + "if-tags" in headers):
        raise NotOffered("Conditions on tags (x-ms-if-tags) are not offered; use If-Match.", target="x-ms-if-tags")
    if not prefix and headers.get("x-ms-lease-id"):
        raise Stale("There is currently no lease on the blob; leases are not offered.", code="LeaseNotPresentWithBlobOperation")
    since, unless = headers.get(prefix + "if-modified-since"), headers.get(prefix + "if-unmodified-since")
    return Conditions(
        match=_tags(headers.get(prefix + "if-match")),
        none_match=_tags(headers.get(prefix + "if-none-match")),
        modified_since=seconds_of(since, "If-Modified-Since") if since else None,
        unmodified_since=seconds_of(unless, "If-Unmodified-Since") if unless else None,
    )


def check_read(asked: Conditions, etag: str, modified_ms: int) -> None:
    """Return if a read of something with this ETag may go on.

    Raises:
        Stale: it is not what the caller expects (code `ConditionNotMet`).
        NotModified: the caller has it already.
    """
    if asked is NONE:
        return
    if not _is_expected(asked, etag, modified_ms):
        raise Stale(_NOT_MET, code="ConditionNotMet")
    if not _is_fresh(asked, etag, modified_ms):
        raise NotModified(_NOT_MET)


def check_write(asked: Conditions, etag: str | None, modified_ms: int) -> None:
    """Return if a write over what is there (ETag None: nothing) may go on.

    Raises:
        Conflict: there is something and the caller asks that there be nothing (code `BlobAlreadyExists`).
        Stale: another condition does not hold (code `ConditionNotMet`).
    """
    if asked is NONE:
        return
    if etag is None:
        if asked.match is not None:
            raise Stale(_NOT_MET, code="ConditionNotMet")
        return
    if asked.wants_absence:
        raise Conflict("The specified blob already exists.", code="BlobAlreadyExists")
    if not _is_expected(asked, etag, modified_ms) or not _is_fresh(asked, etag, modified_ms):
        raise Stale(_NOT_MET, code="ConditionNotMet")


def _is_expected(asked: Conditions, etag: str, modified_ms: int) -> bool:
    if asked.match is not None:
        return asked.match == ("*",) or etag in asked.match
    return asked.unmodified_since is None or modified_ms // 1000 <= asked.unmodified_since


def _is_fresh(asked: Conditions, etag: str, modified_ms: int) -> bool:
    if asked.none_match is not None:
        return asked.none_match != ("*",) and etag not in asked.none_match
    return asked.modified_since is None or modified_ms // 1000 > asked.modified_since


def _tags(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(tag.strip().removeprefix("W/").strip('"') for tag in text.split(","))
