"""Blobs of 4 KB and 8 MB, put and read, beside Azurite and, as the limit, nginx.

Ours asks with a token whose only way in is a role with the project's own condition, and keeps all bytes sealed with the
project's key. Azurite takes an account signature and keeps bytes as they came; nginx asks nobody and computes no digest.
Writes go to names in turn, so that every PUT replaces a blob.

Run: .venv/bin/python benchmarks/run.py blobs
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from benchmarks.rig import load, machine, peers
from benchmarks.rig.contest import Contender, Load, contest, rows
from benchmarks.rig.load import Request
from benchmarks.rig.report import Report, times
from benchmarks.rig.studio import Studio

OURS: Final = "Studiolo (sealed)"
_SIZES: Final = {"4K": 4 << 10, "8M": 8 << 20}
_NAMES: Final = {"4K": 200, "8M": 8}
_VERSION: Final = {"x-ms-version": "2025-01-05"}
_PUT: Final = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}
_LOADS: Final = [Load(f"{verb} {size}", clients) for size in _SIZES for verb in ("put", "get") for clients in (1, 8)]


def measure() -> Report:
    """All contenders, in one run."""
    others = peers.Peers()
    others.start(peers.AZURITE, peers.azurite)
    others.start(peers.NGINX, peers.nginx)
    studio = Studio("studiolo blobs", has_tls=False)
    try:
        contenders = _contenders(studio, others)
        scores = contest(contenders, _LOADS)
        for contender in contenders:
            contender.process.thaw()
        memory = {contender.name: contender.process.memory_mb() for contender in contenders}
    finally:
        others.stop()
        studio.stop()
    bytes_of = {f"{verb} 8M": _SIZES["8M"] for verb in ("put", "get")}
    ratios = {name: {str(one): scores.ratio(OURS, name, one) for one in _LOADS} for name in others.running}
    against = ratios.get(peers.AZURITE, {})
    return Report(
        title="blobs through the wire, sealed at rest",
        columns=("wrk", *(contender.name for contender in contenders)),
        lines=rows(scores, contenders, _LOADS, bytes_of),
        figures={f"{verb}_{size.lower()}": against.get(f"{verb} {size} c8") for size in _SIZES for verb in ("get", "put")},
        notes=[
            *others.absent,
            *(f"rate, times {name}: {times(each)}" for name, each in ratios.items()),
            *(f"processor time, {name} by ours: {times({str(one): scores.saving(OURS, name, one) for one in _LOADS})}" for name in ratios),
            "memory after the load (MB): " + ", ".join(f"{name} {value:.0f}" for name, value in memory.items()),
        ],
    )


def _contenders(studio: Studio, others: peers.Peers) -> list[Contender]:
    """Everybody, started, with blobs to read."""
    bodies = {size: machine.work() / f"{size}.bin" for size in _SIZES}
    for size, body in bodies.items():
        body.write_bytes(os.urandom(_SIZES[size]))
    studio.start()
    account, container = studio.blob_container()
    headers = {
        **_VERSION,
        "Authorization": f"Bearer {studio.token('https://storage.azure.com')}",
        "Host": f"{account}.blob.core.localhost:{studio.port}",
    }
    studio.hang_up()
    found = [Contender(OURS, studio.process, studio.url, _requests(f"/{container}/", "", headers, bodies))]
    for name, (process, url) in others.running.items():
        if name == peers.AZURITE:
            place, query = f"/{peers.AZURITE_ACCOUNT}/bench", f"?{peers.azurite_signature()}"
            load.fill(url, Request("PUT", f"{place}{query}&restype=container", {"Content-Length": "0"}))
            found.append(Contender(name, process, url, _requests(f"{place}/", query, dict(_VERSION), bodies)))
        else:
            found.append(Contender(name, process, url, _requests("/", "", {}, bodies)))
    for contender in found:
        for size in _SIZES:
            load.fill(contender.url, contender.requests[f"put {size}"])
    return found


def _requests(place: str, query: str, headers: dict[str, str], bodies: dict[str, Path]) -> dict[str, Request]:
    asked: dict[str, Request] = {}
    for size, body in bodies.items():
        target = f"{place}w{size}-{{n}}{query}"
        asked[f"put {size}"] = Request("PUT", target, {**headers, **_PUT}, body, names=_NAMES[size])
        asked[f"get {size}"] = Request("GET", target, headers, names=_NAMES[size])
    return asked
