"""Load by wrk: one thread, some connections, some seconds; what it saw, and what it cost the server."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.rig import machine
from benchmarks.rig.process import Process

# A body from here on is sent as it is, without a search for {n}.
_LARGE: Final = 64 << 10
_LUA: Final = """
-- Requests of one kind. TARGET and BODY may hold {n}, which runs from 0 to NAMES - 1 in the target and on and on in the body.
local method, target, names = os.getenv("METHOD"), os.getenv("TARGET"), tonumber(os.getenv("NAMES"))
local headers, body, ring, n = {}, nil, {}, 0
for line in string.gmatch(os.getenv("HEADERS") or "", "[^\\n]+") do
  local k, v = string.match(line, "^([^:]+): (.*)$")
  headers[k] = v
end
local path = os.getenv("BODY")
if path and path ~= "" then
  local f = io.open(path, "rb")
  body = f:read("*a")
  f:close()
end
local before, after = nil, nil
if body and #body < LARGE then before, after = string.match(body, "^(.-){n}(.*)$") end
function init(args)
  for i = 0, names - 1 do
    local to = string.gsub(target, "{n}", tostring(i))
    ring[i] = before and to or wrk.format(method, to, headers, body)
  end
end
function request()
  n = n + 1
  local next = ring[n % names]
  if before then return wrk.format(method, next, headers, before .. n .. after) end
  return next
end
""".replace("LARGE", str(_LARGE))


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, again and again. `{n}` in the target names `names` different things."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Path | None = None
    names: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of wrk saw."""

    rate: float
    p50_ms: float
    p99_ms: float
    refused: int
    cpu_us: float


def is_there() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def fill(url: str, request: Request) -> None:
    """Ask once for each name, over one connection; every answer must be a success.

    Raises:
        RuntimeError: one was not.
    """
    body = request.body.read_bytes() if request.body else None
    connection = connect(url)
    for number in range(request.names):
        target = request.target.replace("{n}", str(number))
        sent = body.replace(b"{n}", b"0") if body is not None and len(body) < _LARGE else body
        connection.request(request.method, target, sent, dict(request.headers))
        answer = connection.getresponse()
        said = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{request.method} {url}{target} was answered with {answer.status}: {said[:500].decode(errors='replace')}")
    connection.close()


def connect(url: str) -> http.client.HTTPConnection:
    """A connection. Certificates are not checked: the authority is made at a first start, and this is no test of it."""
    parts = urlsplit(url)
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.netloc, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(parts.netloc, timeout=60, context=context)


def drive(url: str, request: Request, clients: int, seconds: int, server: Process) -> Sample:
    """Ask for so many seconds over so many connections.

    Raises:
        RuntimeError: wrk gave no figures.
    """
    script = machine.work() / "request.lua"
    script.write_text(_LUA)
    env = {
        **os.environ,
        "METHOD": request.method,
        "TARGET": request.target,
        "NAMES": str(request.names),
        "HEADERS": "\n".join(f"{name}: {value}" for name, value in request.headers.items()),
        "BODY": str(request.body or ""),
    }
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "20s", "--latency", "-s", str(script), url]
    before = server.cpu_seconds()
    done = subprocess.run(
        machine.pinned(command, machine.LOAD_CPU), env=env, capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    spent = server.cpu_seconds() - before
    return _read(done.stdout, spent, done.stderr)


def _read(said: str, cpu_seconds: float, complaint: str) -> Sample:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    count = re.search(r"(\d+) requests in", said)
    halves = [re.search(rf"^ +{percent}% +([\d.]+)(us|ms|s|m) *$", said, re.MULTILINE) for percent in ("50", "99")]
    if rate is None or count is None or halves[0] is None or halves[1] is None:
        raise RuntimeError(f"wrk gave no figures: {said[-400:]}{complaint[-400:]}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    return Sample(
        rate=float(rate[1]),
        p50_ms=_milliseconds(halves[0]),
        p99_ms=_milliseconds(halves[1]),
        refused=(int(refused[1]) if refused else 0) + (sum(map(int, broken.groups())) if broken else 0),
        cpu_us=cpu_seconds / max(1, int(count[1])) * 1e6,
    )


def _milliseconds(match: re.Match[str]) -> float:
    return float(match[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[match[2]]
