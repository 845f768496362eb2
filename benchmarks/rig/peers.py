"""The others, started beside us in the same run; whoever is not installed is left out, and its reason is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from benchmarks.rig import machine
from benchmarks.rig.process import DidNotStart, Process

ORM: Final = "FastAPI + SQLAlchemy"
AZURITE: Final = "Azurite (disk)"
NGINX: Final = "nginx (files, no MD5)"
# The development account that Azurite documents for everybody.
AZURITE_ACCOUNT: Final = "devstoreaccount1"
_AZURITE_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_HOW: Final = "bash {tools}/setup.sh installs it below {peers} (PERF_DIR); STUDIOLO_PERF_TOOLS names the harness's folder"


@dataclass(slots=True)
class Peers:
    """Those that run, by name, and why the others do not."""

    running: dict[str, tuple[Process, str]] = field(default_factory=dict[str, tuple[Process, str]])
    absent: list[str] = field(default_factory=list[str])

    def start(self, name: str, begin: Callable[[], tuple[Process, str]]) -> None:
        """Start one and keep its process and address, or the reason why it is not there."""
        try:
            self.running[name] = begin()
        except (DidNotStart, FileNotFoundError) as error:
            self.absent.append(f"{name} is left out: {error}")

    def stop(self) -> None:
        """End all."""
        for process, _ in self.running.values():
            process.stop()


def orm_service() -> tuple[Process, str]:
    """The harness's control plane of FastAPI and the SQLAlchemy ORM on SQLite: PUT, GET and list with a role check."""
    command = machine.PEERS / "v-ours" / "bin" / "uvicorn"
    app = machine.TOOLS / "apps" / "arm_floor.py"
    _need(command.exists() and app.exists())
    port = machine.free_port()
    arguments = [
        "arm_floor:app",
        "--port",
        str(port),
        "--no-access-log",
        "--log-level",
        "warning",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    ]
    env = {**os.environ, "KIND": "orm", "DB": str(machine.work() / "orm.db")}
    return _up(Process(ORM, [str(command), "--app-dir", str(app.parent), *arguments], _listens(port), env=env), port)


def azurite() -> tuple[Process, str]:
    """Azurite's blob service on disk."""
    program = machine.PEERS / "n-azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    _need(program.exists() and shutil.which("node") is not None)
    port, place = machine.free_port(), machine.work() / "azurite"
    options = ["--silent", "--disableProductStyleUrl", "--skipApiVersionCheck", "--blobPort", str(port), "--location", str(place)]
    return _up(Process(AZURITE, ["node", str(program), *options], _listens(port)), port)


def nginx() -> tuple[Process, str]:
    """Run nginx as the limit: it sends files and takes them by DAV, computes no digest, seals nothing and asks nobody."""
    if shutil.which("nginx") is None:
        raise FileNotFoundError("install it with: apt-get install nginx-light")
    port, place = machine.free_port(), machine.work() / "nginx"
    for folder in ("www", "temporary"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    temporary = "".join(f"{kind}_temp_path {place}/temporary/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = place / "nginx.conf"
    configuration.write_text(
        f"{'user root; ' if machine.is_root() else ''}worker_processes 1; daemon off; pid {place}/pid; error_log {place}/errors;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 1000000; client_max_body_size 64m;\n"
        "  client_body_buffer_size 128k; sendfile on; tcp_nopush on;\n"
        f"  {temporary}\n"
        f"  server {{ listen 127.0.0.1:{port}; location / {{ root {place}/www; dav_methods PUT DELETE; create_full_put_path on; }} }} }}\n"
    )
    return _up(Process(NGINX, ["nginx", "-c", str(configuration)], _listens(port)), port)


def azurite_signature() -> str:
    """An account signature for Azurite, good for a day (the string to sign of version 2020-12-06)."""
    expires = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    version, services, resources, letters = "2020-12-06", "b", "sco", "rwdlac"
    text = f"{AZURITE_ACCOUNT}\n{letters}\n{services}\n{resources}\n\n{expires}\n\n\n{version}\n\n"
    signature = base64.b64encode(hmac.digest(base64.b64decode(_AZURITE_KEY), text.encode(), hashlib.sha256)).decode()
    return urlencode({"sv": version, "ss": services, "srt": resources, "sp": letters, "se": expires, "sig": signature})


def _need(is_there: bool) -> None:  # noqa: FBT001 - reads as an assertion
    if not is_there:
        raise FileNotFoundError(_HOW.format(tools=machine.TOOLS, peers=machine.PEERS))


def _up(process: Process, port: int) -> tuple[Process, str]:
    process.start()
    return process, f"http://127.0.0.1:{port}"


def _listens(port: int) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    return answers
