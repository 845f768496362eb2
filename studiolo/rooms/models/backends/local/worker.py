"""The worker process: loads one model behind a sandbox and answers what comes over its standard input, a socket.

One request is worked on at a time. It ends when its server does: the kernel tells it, and so does the socket.
"""

from __future__ import annotations

import gc
import os
import socket
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from studiolo.kernel.faults import Fault
from studiolo.rooms.models.backends.local import sandbox, weights
from studiolo.rooms.models.backends.local.frames import (
    MAX_FRAME_BYTES,
    Begin,
    Cancel,
    Delta,
    Embed,
    Ended,
    Failed,
    Order,
    Report,
    Started,
    Vectors,
    Write,
    decode_order,
    frame,
)
from studiolo.rooms.models.domain import gguf, prompts, safetensors

_MEMORY_BYTES: Final = 4 << 30
"""Address space on top of the weights: what a context, the buffers and the interpreter need, several times over."""
_SYSTEM_LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
_MACHINE_FACTS: Final = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/dev/null", "/dev/urandom", "/etc/localtime")

Serve = Callable[[Write | Embed], Report]


class _Channel:
    """Frames over the socket; orders are read by their own thread, so that a cancellation is seen during the work."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._orders: SimpleQueue[Write | Embed] = SimpleQueue()
        self._cancelled: set[int] = set()
        self.now = 0

    def receive(self) -> Order:
        size = int.from_bytes(self._read(4), "big")
        if size > MAX_FRAME_BYTES:
            os._exit(1)
        return decode_order(self._read(size))

    def send(self, report: Report) -> None:
        self._link.sendall(frame(report))

    def listen(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> Write | Embed:
        order = self._orders.get()
        self.now = order.id
        self._cancelled = {late for late in self._cancelled if late >= order.id}
        return order

    def is_cancelled(self) -> bool:
        return self.now in self._cancelled

    def finish(self, report: Report) -> None:
        self._cancelled.discard(self.now)
        self.send(report)

    def _listen(self) -> None:
        while True:
            order = self.receive()
            if isinstance(order, Cancel):
                self._cancelled.add(order.id)
            elif not isinstance(order, Begin):
                self._orders.put(order)

    def _read(self, size: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < size:
            piece = self._link.recv(size - len(pieces))
            if not piece:
                # The server is gone. Nothing is kept here that would want a tidy end.
                os._exit(0)
            pieces += piece
        return bytes(pieces)


def main() -> None:
    """Load what the first frame names, then serve until the server goes away."""
    with socket.socket(fileno=os.dup(0)) as link:
        channel = _Channel(link)
        begin = channel.receive()
        if not isinstance(begin, Begin):
            return
        sandbox.die_with_parent(begin.parent)
        os.nice(2)  # the server's loop goes first
        try:
            started, serve = _OPENERS[begin.kind](begin, channel)
        except Fault as fault:
            channel.send(Failed(0, fault.code, fault.message, fault.target))
            return
        except (OSError, RuntimeError, MemoryError, ImportError) as error:
            channel.send(Failed(0, "ModelNotLoaded", f"The model could not be loaded: {error}"))
            return
        sandbox.refuse_servers()
        sandbox.die_with_parent(begin.parent)  # again: a change of credentials may make the kernel forget it
        gc.freeze()
        channel.listen()
        channel.send(started)
        while True:
            channel.finish(serve(channel.next()))


def _open_chat(begin: Begin, channel: _Channel) -> tuple[Started, Serve]:
    began = time.monotonic()
    cache = Path(begin.cache)
    path = Path(begin.weights) if begin.weights else weights.ensure_chat_weights(cache)
    header = weights.look(path, gguf.read_gguf)
    spelling = prompts.chat_format(header)
    trained = header.number(f"{header.text('general.architecture')}.context_length")
    context = min(begin.context_tokens, trained) if trained else begin.context_tokens
    held = _confine(path, cache)
    from studiolo.rooms.models.backends.local.chat import ChatEngine

    engine = ChatEngine(path, spelling, sockets=cache / "run", context_tokens=context, threads=begin.threads)

    def serve(order: Write | Embed) -> Report:
        if not isinstance(order, Write):
            return Failed(order.id, "OperationNotSupported", "This model writes texts; it makes no embeddings.", "model")
        outcome = engine.write(order.ask, lambda text: channel.send(Delta(order.id, text)), channel.is_cancelled)
        return _numbered(order.id, outcome) if isinstance(outcome, Failed) else Ended(order.id, outcome)

    name = header.text("general.name") if begin.weights else weights.CHAT_MODEL
    return _started(name, held, began, context), serve


def _open_embeddings(begin: Begin, channel: _Channel) -> tuple[Started, Serve]:
    began = time.monotonic()
    folder = weights.embeddings_folder()
    weights.look(folder / "model.safetensors", safetensors.read_safetensors)
    held = _confine(folder, Path(begin.cache))
    from studiolo.rooms.models.backends.local.embeddings import MAX_INPUT_TOKENS, EmbeddingEngine

    engine = EmbeddingEngine(folder)

    def serve(order: Write | Embed) -> Report:
        if not isinstance(order, Embed):
            return Failed(order.id, "OperationNotSupported", "This model makes embeddings; it writes no texts.", "model")
        outcome = engine.embed(order.texts, channel.is_cancelled, lambda: channel.send(Delta(order.id, "")))
        if outcome is None:
            return Failed(order.id, "Cancelled", "The caller went away.")
        return _numbered(order.id, outcome) if isinstance(outcome, Failed) else Vectors(order.id, outcome)

    return _started(weights.EMBEDDINGS_MODEL, held, began, MAX_INPUT_TOKENS), serve


def _confine(model: Path, cache: Path) -> sandbox.Confinement:
    sockets = cache / "run"
    sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
    places = sysconfig.get_paths()
    libraries = {Path(places[kind]).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    libraries.add(Path(__file__).resolve().parents[4])  # this package, wherever it is installed
    size = model.stat().st_size if model.is_file() else sum(found.stat().st_size for found in model.iterdir() if found.is_file())
    read = [model, *libraries, *map(Path, (*_SYSTEM_LIBRARIES, *_MACHINE_FACTS))]
    return sandbox.confine(read=read, sockets=sockets, memory_bytes=_MEMORY_BYTES + 2 * size)


def _started(model: str, held: sandbox.Confinement, began: float, context: int) -> Started:
    return Started(model, held.applied, held.missing, time.monotonic() - began, context)


def _numbered(number: int, failed: Failed) -> Failed:
    return Failed(number, failed.code, failed.message, failed.target)


_OPENERS: Final = {"chat": _open_chat, "embeddings": _open_embeddings}

if __name__ == "__main__":
    main()
