"""What a confined process cannot do; each thing is first shown to work without the walls."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="walls of the Linux kernel")

PROGRAM = """
import json, mmap, os, pathlib, resource, socket, subprocess, sys, threading
from studiolo.rooms.models.backends.local import sandbox
mode, allowed, forbidden, sockets, unix, port = sys.argv[1:]
told = []
if mode == "confined":
    held = sandbox.confine(read=[pathlib.Path(allowed)], sockets=pathlib.Path(sockets), memory_bytes=1 << 30)
    told = [*held.applied, *held.missing]

def tried(work):
    try:
        work()
    except (OSError, subprocess.SubprocessError, MemoryError) as error:
        return type(error).__name__
    return "done"

def connect(family, address):
    with socket.socket(family) as s:
        s.connect(address)

def send(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(b"hello", address)

def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

def thread():
    worker = threading.Thread(target=lambda: None)
    worker.start()
    worker.join()

answers = {
    "read what is allowed": tried(lambda: open(allowed).close()),
    "read what is not": tried(lambda: open(forbidden).close()),
    "write": tried(lambda: open(forbidden, "a").close()),
    "make a file": tried(lambda: open(forbidden + ".new", "w").close()),
    "run a program": tried(lambda: os.posix_spawn("/bin/true", ["true"], {})),
    "fork": tried(fork),
    "start a thread": tried(thread),
    "connect over TCP": tried(lambda: connect(socket.AF_INET, ("127.0.0.1", int(port)))),
    "connect to a local socket": tried(lambda: connect(socket.AF_UNIX, unix)),
    "send to a local socket": tried(lambda: send(unix + ".datagram")),
    "signal another process": tried(lambda: os.kill(os.getppid(), 0)),
    "take a lot of memory": tried(lambda: mmap.mmap(-1, 2 << 30).close()),
}
print(json.dumps({"told": told, "answers": answers}))
"""


def run(mode: str, tmp_path: Path, unix: str, port: int) -> dict[str, dict[str, str]]:
    allowed, forbidden, sockets = tmp_path / "allowed", tmp_path / "forbidden", tmp_path / "run"
    allowed.write_text("a")
    forbidden.write_text("b")
    sockets.mkdir(exist_ok=True)
    arguments = [sys.executable, "-c", PROGRAM, mode, str(allowed), str(forbidden), str(sockets), unix, str(port)]
    done = subprocess.run(arguments, capture_output=True, check=True, text=True)
    return json.loads(done.stdout)


def test_the_walls_hold_back_everything_but_reading_and_computing(tmp_path: Path) -> None:
    unix = str(tmp_path / "s")
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as local, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        local.bind(unix)
        local.listen()
        datagrams.bind(unix + ".datagram")
        free = run("free", tmp_path, unix, tcp.getsockname()[1])
        confined = run("confined", tmp_path, unix, tcp.getsockname()[1])
    assert set(free["answers"].values()) == {"done"}, "each of these must work without walls, or the test shows nothing"
    told = " ".join(confined["told"])
    if "landlock (" not in told or "seccomp:" in told:
        pytest.skip(f"this kernel lacks a wall: {told}")
    answers = confined["answers"]
    assert {name for name, answer in answers.items() if answer == "done"} == {"read what is allowed", "start a thread"}
