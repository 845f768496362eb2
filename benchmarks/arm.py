"""The control plane: GET, PUT and list of a resource, with token and decision, beside an ORM service that does the same.

Ours does more per request than the peer: it verifies a token, decides over the built-in roles, keeps ETags, compares
before it writes, writes an event with the state and has all of it on the disk before it answers. The peer takes the
caller's name from a header, and its SQLite does not wait for the disk (synchronous=normal).

Run: .venv/bin/python benchmarks/run.py arm
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.rig import load, machine, peers
from benchmarks.rig.contest import Contender, Load, contest, rows
from benchmarks.rig.load import Request
from benchmarks.rig.report import Report, times
from benchmarks.rig.studio import JSON, Studio

OURS: Final = "Studiolo"
OURS_TLS: Final = "Studiolo (TLS)"
_NAMES: Final = 200
_LOADS: Final = [Load(request, clients) for request in ("put", "get", "list") for clients in (1, 16)]
_TLS_LOADS: Final = [one for one in _LOADS if one.request == "get"]
# {n} counts on and on, so that every PUT is a change.
_BODY: Final = (
    '{"location":"westeurope","kind":"web","tags":{"env":"prod","team":"a"},"properties":'
    '{"friendlyName":"w","description":"a resource for tests","publicNetworkAccess":"Disabled","n":{n}}}'
)
_PEER_PLACE: Final = "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.MachineLearningServices/workspaces"


def measure() -> Report:
    """All contenders, in one run."""
    others = peers.Peers()
    others.start(peers.ORM, peers.orm_service)
    plain, secure = Studio("studiolo arm", has_tls=False), Studio("studiolo arm tls", has_tls=True)
    try:
        contenders = _contenders(others, {OURS: plain, OURS_TLS: secure})
        scores = contest(contenders, _LOADS)
    finally:
        others.stop()
        plain.stop()
        secure.stop()
    ratios = {str(one): scores.ratio(OURS, peers.ORM, one) for one in _LOADS}
    return Report(
        title="ARM requests with token and decision",
        columns=("wrk", *(contender.name for contender in contenders)),
        lines=rows(scores, contenders, _LOADS),
        figures={"get": ratios["get c16"], "put": ratios["put c16"]},
        notes=[
            *others.absent,
            f"rate, times {peers.ORM}: {times(ratios)}",
            f"processor time, {peers.ORM} by ours: {times({str(one): scores.saving(OURS, peers.ORM, one) for one in _LOADS})}",
            f"rate with TLS, times without: {times({str(one): scores.ratio(OURS_TLS, OURS, one) for one in _TLS_LOADS})}",
        ],
    )


def _contenders(others: peers.Peers, studios: dict[str, Studio]) -> list[Contender]:
    """Everybody, started, with resources to read."""
    body = machine.work() / "arm.json"
    body.write_text(_BODY)
    found: list[Contender] = []
    for name, studio in studios.items():
        studio.start()
        headers = {**JSON, **studio.signed_in(), "Host": f"localhost:{studio.port}"}
        place = f"{studio.group}/providers/Microsoft.Insights/components"
        requests = _requests(place, "?api-version=2020-02-02", headers, body)
        load.fill(studio.url, requests["put"])
        kept = {"get": requests["get"]} if studio.has_tls else requests
        found.append(Contender(name, studio.process, studio.url, kept))
        studio.hang_up()
    for name, (process, url) in others.running.items():
        requests = _requests(_PEER_PLACE, "", {**JSON, "x-user": "user-1"}, body)
        load.fill(url, requests["put"])
        found.append(Contender(name, process, url, requests))
    return found


def _requests(place: str, query: str, headers: dict[str, str], body: Path) -> dict[str, Request]:
    one = f"{place}/w{{n}}{query}"
    return {
        "put": Request("PUT", one, headers, body, names=_NAMES),
        "get": Request("GET", one, headers, names=_NAMES),
        "list": Request("GET", f"{place}{query}", headers),
    }
