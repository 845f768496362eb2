"""Rates: how many calls an address, a principal and a project may make, as token buckets in memory.

A bucket holds `burst` calls and gains `per_second` of them. Whoever finds it empty is refused with the seconds after
which another try makes sense. Buckets that nobody asked for lately are forgotten, the oldest first, so that a flood
from many addresses takes bounded memory and pushes out nothing but addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from studiolo.kernel import clock
from studiolo.kernel.faults import TooMany

if TYPE_CHECKING:
    from studiolo.kernel.resource import Caller

SIGN_IN: Final = "sign-in"
ANONYMOUS: Final = "anonymous"
PRINCIPAL: Final = "principal"
PROJECT: Final = "project"
_REMEMBERED: Final = 16_384
_WHY: Final = {
    SIGN_IN: "This address signs in too often",
    ANONYMOUS: "This address sends too many requests without a valid credential",
    PRINCIPAL: "This caller sends too many requests",
    PROJECT: "This project is sent too many requests",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls a second on the long run, so many at once."""

    per_second: float
    burst: float


# An address may be a whole office, so no address limit touches a call that a valid credential came with.
DEFAULT_RATES: Final[Mapping[str, Rate]] = {
    SIGN_IN: Rate(20, 200),
    ANONYMOUS: Rate(200, 2_000),
    PRINCIPAL: Rate(2_000, 100_000),
    PROJECT: Rate(4_000, 200_000),
}


class _Buckets:
    """All buckets of one rate."""

    def __init__(self, name: str, rate: Rate) -> None:
        self._why = _WHY[name]
        self._rate = rate
        self._left: dict[str, tuple[float, float]] = {}

    def is_empty(self, who: str) -> bool:
        found = self._left.get(who)
        return found is not None and self._filled(found, clock.monotonic()) < 1.0

    def take(self, who: str) -> None:
        now = clock.monotonic()
        found = self._left.pop(who, None)
        left = self._rate.burst if found is None else self._filled(found, now)
        if found is None and len(self._left) >= _REMEMBERED:
            self._forget(now)
        if left < 1.0:
            self._left[who] = (left, now)
            raise self.refusal(who)
        self._left[who] = (left - 1.0, now)

    def _forget(self, now: float) -> None:
        """Make room: whoever has all calls left loses nothing by it, so that nobody pushes out who has none with many names."""
        for who in [who for who, found in self._left.items() if self._filled(found, now) >= self._rate.burst]:
            del self._left[who]
        if len(self._left) >= _REMEMBERED:
            del self._left[next(iter(self._left))]

    def refusal(self, who: str) -> TooMany:
        left = self._filled(self._left[who], clock.monotonic()) if who in self._left else 1.0
        wait = max(0.0, 1.0 - left) / self._rate.per_second
        return TooMany(f"{self._why}: try again in {max(1, round(wait))} s.", retry_after_seconds=wait)

    def _filled(self, found: tuple[float, float], now: float) -> float:
        left, at = found
        return min(self._rate.burst, left + (now - at) * self._rate.per_second)


class Rates:
    """The buckets of one server."""

    def __init__(self, rates: Mapping[str, Rate] = DEFAULT_RATES) -> None:
        self._buckets = {name: _Buckets(name, rates.get(name, usual)) for name, usual in DEFAULT_RATES.items()}

    def charge_address(self, kind: str, address: str) -> None:
        """Count one call of an address that has proven nothing (yet). Raises TooMany."""
        self._buckets[kind].take(network_of(address))

    def is_flooding(self, address: str) -> bool:
        """Whether the address has used up its requests without a valid credential."""
        return self._buckets[ANONYMOUS].is_empty(network_of(address))

    def refusal(self, address: str) -> TooMany:
        """What a flooding address is told."""
        return self._buckets[ANONYMOUS].refusal(network_of(address))

    def note_stranger(self, address: str) -> TooMany | None:
        """Count one request whose credential proved nothing; the refusal, if there were too many."""
        try:
            self._buckets[ANONYMOUS].take(network_of(address))
        except TooMany as refusal:
            return refusal
        return None

    def charge(self, caller: Caller) -> None:
        """Count one call of a caller. Raises TooMany."""
        self._buckets[PRINCIPAL].take(caller.oid)

    def charge_project(self, scope: str) -> None:
        """Count one call to the project that a scope lies in, if it lies in one. Raises TooMany."""
        project = project_of(scope)
        if project is not None:
            self._buckets[PROJECT].take(project)


def network_of(address: str) -> str:
    """The address by which strangers are counted: IPv6 networks are handed out whole, so their first half counts."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False).network_address)
    except ValueError:
        return address


@lru_cache(maxsize=2048)
def project_of(scope: str) -> str | None:
    """What a call counts against besides its caller: the workspace, the model account or the container that a scope names."""
    low = scope.lower()
    for kind in (
        "/microsoft.machinelearningservices/workspaces/",
        "/blobservices/default/containers/",
        "/microsoft.cognitiveservices/accounts/",
    ):
        head, found, rest = low.partition(kind)
        if found and rest:
            return head + found + rest.partition("/")[0]
    return None
