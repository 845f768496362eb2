"""The listening side: own sockets for IPv4 and IPv6, TLS, uvicorn with uvloop and httptools, and a clean end.

Limits that hold before the application sees a request: 64 KB for a request's head, 20 s for the head to arrive,
60 s between two pieces of a body, 60 s for a client to take more of an answer, and no more than our share of open
connections. Nothing is logged per request.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import resource
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, Final, Protocol, cast

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server

from studiolo.app.settings import ANY_ADDRESS, LOOPBACK_NAMES, is_address
from studiolo.app.welcome import Welcome
from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid
from studiolo.wire.reply import BEGIN, HEAD
from studiolo.wire.safety import SAFETY, USUAL_SAFETY

MAX_HEAD_BYTES: Final = 64 << 10
HEAD_SECONDS: Final = 20.0
BODY_SECONDS: Final = 60.0
TAKE_SECONDS: Final = 60.0
KEEP_ALIVE_SECONDS: Final = 75
GRACE_SECONDS: Final = 10
_FAREWELL_SECONDS: Final = 0.5
MAX_CONNECTIONS: Final = 8192
BACKLOG: Final = 2048
_RENEWAL_SECONDS: Final = 12 * 3600.0
_SPARE_FILES: Final = 1024
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class Application(Protocol):
    """A composed studio."""

    @property
    def asgi(self) -> Asgi:
        """What answers requests."""
        ...

    async def start(self) -> None:
        """Begin the work in the background; the first start makes the first hub and project."""
        ...

    async def stop(self) -> None:
        """Finish or put down the work in the background and let go of all files. Safe after a `start` that failed."""
        ...

    def welcome(self) -> Welcome:
        """What to tell a person once requests are answered."""
        ...


def listen(host: str, port: int) -> list[socket.socket]:
    """Take the port on every address that `host` stands for, and on loopback, for IPv4 and IPv6 alike.

    Port 0 picks one that is free on all of them. Who connects before the server is started waits for it.

    Raises:
        Conflict: the port is taken (code `PortInUse`).
        Forbidden: this user may not bind the port (code `PortNotPermitted`).
        Invalid: the host is not one of this machine's names or addresses (code `InvalidHost`).
    """
    attempts = 20 if port == 0 else 1
    for attempt in range(1, attempts + 1):
        opened: list[socket.socket] = []
        try:
            for family, address in _addresses(host):
                chosen = opened[0].getsockname()[1] if port == 0 and opened else port
                bound = _bind(family, address, chosen)
                if bound is not None:
                    opened.append(bound)
        except OSError as error:
            for one in opened:
                one.close()
            if error.errno == errno.EADDRINUSE and attempt < attempts:
                continue
            raise _cannot_listen(host, port, error) from None
        if opened:
            return opened
    raise Invalid(f"--host {host} has no address on this machine.", code="InvalidHost", target="host")


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    loopback = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    if host in LOOPBACK_NAMES:
        return loopback
    if host in ANY_ADDRESS:
        return [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]  # noqa: S104 - asked for with --host
    flags = socket.AI_NUMERICHOST if is_address(host) else 0
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags | socket.AI_PASSIVE)
    except OSError as error:
        raise Invalid(f"--host {host} cannot be resolved: {error.strerror}.", code="InvalidHost", target="host") from None
    own = [(family, str(address[0])) for family, _, _, _, address in found]
    return list(dict.fromkeys([*own, *loopback]))


def _bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket | None:
    """A bound socket; None where this machine has no such address family."""
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
        # Two sockets may be bound to one port as long as neither listens: only this makes the port ours.
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRNOTAVAIL and address == "::1":
            return None  # IPv6 is compiled in and switched off
        raise
    made.setblocking(False)
    return made


def _cannot_listen(host: str, port: int, error: OSError) -> Fault:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"Port {port} is taken by another program: `ss -ltnp 'sport = :{port}'` names it. "
            f"Stop that one, or choose another port: studiolo up --port {_free_port(port)}.",
            code="PortInUse",
            target="port",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return Forbidden(
            f"Port {port} is for privileged programs: choose one above 1023, such as --port 8443.", code="PortNotPermitted", target="port"
        )
    return Invalid(f"--host {host} cannot be listened on: {error.strerror}.", code="InvalidHost", target="host")


def _free_port(taken: int) -> int:
    for port in range(taken + 1, min(taken + 50, 65536)):
        try:
            for opened in listen("localhost", port):
                opened.close()
        except Fault:
            continue
        return port
    return 0


class Door(HttpToolsProtocol):
    """One connection, with limits on the head of a request and refusals in the shape that clients know."""

    # When the present wait began (monotonic): for the rest of a head, or for more of a body. 0: nothing is awaited.
    head_since: float = 0.0
    body_since: float = 0.0
    _head_bytes: int = 0
    _is_in_head: bool = False
    # How much of an answer its client has yet to take, and since when that has not changed.
    _unsent: int = 0
    _unsent_since: float = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:
        """The client has connected, and now has to send a head."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self.head_since = clock.monotonic()

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        self._is_in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._is_in_head = False
        self.head_since = 0.0
        if not self.url.startswith(b"/"):
            self._check_address()
        super().on_headers_complete()
        if any(name == b"upgrade" for name, _ in self.headers) and (cycle := self._present_cycle()) is not None:
            cycle.keep_alive = False  # whatever protocol follows, we would not read it
        extensions: dict[str, dict[object, object]] = {HEAD: {BEGIN: functools.partial(_begin, self.cycle)}}
        self.scope["extensions"] = extensions

    def _check_address(self) -> None:
        """A request may name its whole address (RFC 9112, 3.2.2), if that is the one that it was sent to.

        Raises:
            ValueError: the parser makes it a refusal.
        """
        hosts = [value for name, value in self.headers if name == b"host"]
        own = b"%s://%s/" % ((self.scheme or "").encode(), hosts[0] if len(hosts) == 1 else b"")
        if not self.url.lower().startswith(own.lower()) or b"#" in self.url:
            msg = "the request line names another address than the Host header"
            raise ValueError(msg)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and refuse a head that grows beyond its limit."""
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, "RequestHeaderFieldsTooLarge", f"The head of the request is larger than {MAX_HEAD_BYTES} bytes.")
            elif not self.head_since:
                self.head_since = clock.monotonic()
        elif (cycle := self._present_cycle()) is not None and cycle.more_body and not (cycle.response_complete and self.body_since):
            # What still comes of a body after its answer is let pass for a while, and then no longer.
            self.body_since = clock.monotonic()

    def on_body(self, body: bytes) -> None:
        """A piece of a body. If none waits, it is handed on as it is, where uvicorn would copy it twice."""
        cycle = self._present_cycle()
        if cycle is not None and not cycle.body:
            cycle.body, body = body, b""  # pyright: ignore[reportAttributeAccessIssue] - whatever can be added to, and made bytes
        elif cycle is not None and body and not isinstance(cycle.body, bytearray):  # pyright: ignore[reportUnnecessaryIsInstance] - see above
            cycle.body = bytearray(cycle.body)  # many small pieces are added at the cost of their own length
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read."""
        self._refuse(400, "InvalidHttpRequest", "What came is not an HTTP/1.1 request.")

    def shutdown(self) -> None:
        """Say goodbye. An idle client's TLS may never answer it, and must not hold up the end of the server."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def end_if_stalled(self, now: float) -> None:
        """Close the connection if its client keeps it waiting for longer than the limits allow."""
        if self.flow.write_paused:
            waiting = self.transport.get_write_buffer_size()
            if waiting != self._unsent:
                self._unsent, self._unsent_since = waiting, now
            elif now - self._unsent_since > TAKE_SECONDS:
                self.transport.abort()
            return
        self._unsent = 0
        if self.head_since and now - self.head_since > HEAD_SECONDS:
            self.transport.abort()
        elif (cycle := self._present_cycle()) is not None and cycle.more_body and not self.flow.read_paused:
            if self.body_since and now - self.body_since > BODY_SECONDS:
                self.transport.abort()
        else:
            self.body_since = 0.0

    def _present_cycle(self) -> RequestResponseCycle | None:
        return self.cycle  # None until the first head is whole, whatever its declaration says

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self.transport.is_closing():
            return
        if (cycle := self._present_cycle()) is not None and not cycle.response_complete:
            # An earlier request is being answered: bytes in the middle of its answer would be worse than an end.
            self.transport.abort()
            return
        body = msgspec.json.encode({"error": {"code": code, "message": message}})
        request_id = clock.new_id()
        safety = "".join(f"{name}: {value}\r\n" for name, value in (*SAFETY, *USUAL_SAFETY))
        head = (
            f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {len(body)}\r\n{safety}"
            f"x-ms-request-id: {request_id}\r\nx-ms-correlation-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def _begin(cycle: RequestResponseCycle, status: int, fields: bytes, length: int | None) -> None:
    """Send a head that is ready, in place of `http.response.start`; bodies follow as they always do."""
    if cycle.disconnected:
        return
    cycle.response_started, cycle.waiting_for_100_continue = True, False
    ends = b"\r\nconnection: close\r\n" in fields
    own = b"" if cycle.keep_alive or ends else b"connection: close\r\n"
    cycle.keep_alive = cycle.keep_alive and not ends
    if length is not None:
        cycle.expected_content_length, cycle.chunked_encoding = length, False
    elif cycle.scope["method"] != "HEAD":
        cycle.chunked_encoding = True
        own += b"transfer-encoding: chunked\r\n"
    usual = b"".join([b"%b: %b\r\n" % field for field in cycle.default_headers])
    cycle.transport.write(b"%b%b%b%b\r\n" % (STATUS_LINE[status], usual, fields, own))


class _Uvicorn(Server):
    """uvicorn's server, awake once a second instead of ten times, with signals left to `serve`."""

    def __init__(self, config: Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._leaving = asyncio.Event()
        self._ready = ready

    def leave(self) -> None:
        """End cleanly; asked a second time, at once."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._leaving.set()

    async def main_loop(self) -> None:
        """Wake once a second: for the date that answers carry, and for stalled clients."""
        await self.on_tick(0)
        self._ready()
        _keep_buffers()
        while not self.should_exit:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), 1.0)
            await self.on_tick(0)
            now = clock.monotonic()
            for door in list(cast("set[Door]", self.server_state.connections)):
                door.end_if_stalled(now)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals alone."""
        yield


async def serve(
    application: Application,
    sockets: Sequence[socket.socket],
    tls: ssl.SSLContext | None,
    *,
    ready: Callable[[], None],
    renew: Callable[[], None] | None = None,
) -> None:
    """Start the application, answer requests until SIGTERM or SIGINT, and stop it.

    A second signal ends the wait for requests in progress. What the application began is put down by its `stop`,
    whatever ended the server.

    Args:
        application: what answers.
        sockets: bound sockets, closed at the end.
        tls: the context for TLS, or None for plain HTTP.
        ready: called once requests are answered.
        renew: called twice a day, to renew the certificate when it is due.
    """
    _raise_file_limit()
    loop = asyncio.get_running_loop()
    server = _Uvicorn(_config(application.asgi, tls), ready)
    starting = asyncio.ensure_future(application.start())

    def leave() -> None:
        starting.cancel()
        server.leave()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    renewing = asyncio.ensure_future(_renewals(renew)) if renew is not None else None
    try:
        try:
            await starting
        except asyncio.CancelledError:
            if not server.should_exit:
                raise
            return
        await server.serve(sockets=list(sockets))
    finally:
        if renewing is not None:
            renewing.cancel()
        for opened in sockets:
            opened.close()
        await application.stop()


def _config(asgi: Asgi, tls: ssl.SSLContext | None) -> Config:
    config = Config(
        asgi,
        http=Door,
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level=logging.ERROR,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_context_factory=None if tls is None else lambda _config, _usual: tls,
    )
    config.load()
    return config


def _keep_buffers() -> None:
    """Let glibc keep the memory of large buffers for the next that wants one, in two heaps at most (mallopt(3)).

    Else every stretch of a blob is mapped, filled with zeros page by page, and unmapped again: a fifth of the work on large blobs.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # another C library, which has its own ways
        own = ctypes.CDLL(None)
        own.mallopt(_M_ARENA_MAX, 2)
        own.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        own.mallopt(_M_TRIM_THRESHOLD, 32 << 20)


async def _renewals(renew: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_RENEWAL_SECONDS)
        try:
            renew()
        except Fault as fault:
            logging.getLogger("studiolo").error("The certificate was not renewed: %s", fault.message)  # noqa: TRY400 - a fault explains itself


def _raise_file_limit() -> None:
    """Allow as many open files as connections need, as far as the system lets us."""
    wanted = MAX_CONNECTIONS + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < ceiling:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
