import asyncio
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from studiolo.app import server
from studiolo.app.authority import client_context
from studiolo.app.home import Home
from studiolo.app.server import Door, listen
from studiolo.kernel.faults import Conflict, Invalid

PROGRAM = Path(__file__).with_name("small_studio.py")
ROOT = Path(__file__).parents[2]


@dataclass
class Running:
    """A small studio in a process of its own."""

    process: subprocess.Popen[str]
    home: Home
    port: int

    def get(self, path: str, host: str = "localhost", body: bytes | None = None) -> tuple[bytes, Message]:
        """The body and the headers of an answer; 200 is taken for granted."""
        with closing(HTTPSConnection(host, self.port, context=client_context(self.home.bundle), timeout=10)) as connection:
            connection.request("GET" if body is None else "PUT", path, body)
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read(), answer.headers

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)


def start(home: Path, *options: str) -> Running:
    command = [sys.executable, str(PROGRAM), str(home), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    running = Running(process, Home(home), 0)
    first = running.says()
    if first.startswith("ready "):
        running.port = int(first.split()[1])
    return running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = start(tmp_path_factory.mktemp("small") / "home")
    yield made
    made.end()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    made = start(tmp_path / "home", "off")
    yield made
    made.end()


def test_one_port_answers_over_tls_on_both_address_families(running: Running) -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        assert running.get("/", host)[0] == b"hello"


def test_answers_name_no_server_software_and_have_a_date(running: Running) -> None:
    _, headers = running.get("/")
    assert headers["server"] is None
    assert headers["date"]


def test_nothing_is_loaded_that_serving_does_not_need(running: Running) -> None:
    assert running.get("/modules")[0] == b""


def test_a_body_arrives_whole(running: Running) -> None:
    assert running.get("/length", body=b"x" * 3_000_000)[0] == b"3000000"


def raw(running: Running, *pieces: bytes, ends: bool = True) -> bytes:
    """What comes back for bytes sent as they are."""
    context = client_context(running.home.bundle)
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        answer = b""
        try:
            for piece in pieces:
                wrapped.sendall(piece)
            while ends and (more := wrapped.recv(65536)):
                answer += more
        except (ConnectionError, ssl.SSLError):
            pass
        return answer


HEAD = b"GET / HTTP/1.1\r\nhost: localhost\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + b"x: ", *([b"a" * 10_000] * 8)],
        [HEAD, *([b"x-header: " + b"a" * 1000 + b"\r\n"] * 80)],
        [b"GET /" + b"a" * 70_000],
    ],
    ids=["one endless header", "many headers", "an endless path"],
)
def test_an_endless_head_is_refused_with_a_code(running: Running, pieces: list[bytes]) -> None:
    answer = raw(running, *pieces)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"RequestHeaderFieldsTooLarge" in answer
    assert b"x-ms-request-id: " in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["no request", "another version", "a bad header", "two lengths", "a path that is not ASCII"],
)
def test_what_is_no_request_gets_the_error_shape(running: Running, request_: bytes) -> None:
    answer = raw(running, request_)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'{"error":{"code":"InvalidHttpRequest"' in answer


def test_a_head_of_usual_size_passes_in_any_pieces(running: Running) -> None:
    head = HEAD + b"connection: close\r\nx: " + b"a" * 30_000 + b"\r\n\r\n"
    pieces = [head[n : n + 777] for n in range(0, len(head), 777)]
    assert raw(running, *pieces).endswith(b"hello")


def test_plain_http_on_the_tls_port_does_not_disturb_others(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain:
        plain.sendall(HEAD + b"\r\n")
        with suppress(ConnectionError):
            assert not plain.recv(100).startswith(b"HTTP/1.1 200")
    assert running.get("/")[0] == b"hello"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_after_the_request_in_progress(own: Running, number: int) -> None:
    with closing(HTTPConnection("127.0.0.1", own.port, timeout=10)) as connection:
        connection.request("GET", "/slow")
        assert own.says() == "began /slow"
        own.process.send_signal(number)
        assert connection.getresponse().read() == b"hello"
    assert own.says() == "stopped"
    assert own.process.wait(15) == 0


def test_an_idle_connection_does_not_keep_it_from_stopping(own: Running) -> None:
    with closing(HTTPConnection("127.0.0.1", own.port, timeout=10)) as connection:
        connection.request("GET", "/")
        connection.getresponse().read()
        began = time.monotonic()
        assert own.stop() == 0
        assert time.monotonic() - began < 3


def test_a_second_signal_does_not_wait_for_requests(own: Running) -> None:
    with closing(HTTPConnection("127.0.0.1", own.port, timeout=10)) as connection:
        connection.request("GET", "/forever")
        assert own.says() == "began /forever"
        own.process.send_signal(signal.SIGTERM)
        while not is_refused(own.port):
            pass
        assert own.stop() == 0
    assert own.says() == "stopped"


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return True
    return False


def test_a_signal_while_it_starts_puts_down_what_was_begun(tmp_path: Path) -> None:
    starting = start(tmp_path / "home", "off", "hang")
    assert starting.stop() == 0
    assert starting.says() == "stopped"
    starting.end()


class Silent(asyncio.Transport):
    """A connection whose client says nothing more."""

    aborted = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return None

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def write(self, data: object) -> None: ...

    def close(self) -> None:
        self.aborted = True


async def door(*pieces: bytes) -> tuple[Door, Silent]:
    from uvicorn.server import ServerState

    async def never(_scope: object, _receive: object, _send: object) -> None:
        await asyncio.Event().wait()

    config = server._config(never, None)  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - the limits are this module's own
    made, transport = Door(config, ServerState(), {}), Silent()
    made.connection_made(transport)
    for piece in pieces:
        made.data_received(piece)
    return made, transport


@pytest.mark.parametrize(
    ("pieces", "limit"),
    [
        ([], server.HEAD_SECONDS),
        ([b"GET / HTTP/1.1\r\nhost:"], server.HEAD_SECONDS),
        ([b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab"], server.BODY_SECONDS),
    ],
    ids=["no head", "half a head", "half a body"],
)
async def test_a_client_that_keeps_us_waiting_is_let_go(pieces: list[bytes], limit: float) -> None:
    made, transport = await door(*pieces)
    made.end_if_stalled(time.monotonic() + limit - 1)
    assert not transport.aborted
    made.end_if_stalled(time.monotonic() + limit + 1)
    assert transport.aborted


async def test_a_client_that_waits_for_us_is_not_let_go() -> None:
    made, transport = await door(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    made.end_if_stalled(time.monotonic() + 3600)
    assert not transport.aborted


def test_a_taken_port_is_told_with_a_free_one() -> None:
    taken = listen("localhost", 0)
    port = taken[0].getsockname()[1]
    try:
        with pytest.raises(Conflict) as refused:
            listen("127.0.0.1", port)
    finally:
        for opened in taken:
            opened.close()
    assert refused.value.code == "PortInUse"
    proposed = int(refused.value.message.rstrip(".").rsplit(" ", 1)[1])
    for opened in listen("127.0.0.1", proposed):
        opened.close()


def test_a_port_that_is_taken_on_ipv6_alone_is_taken() -> None:
    with socket.socket(socket.AF_INET6) as six:
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        six.bind(("::1", 0))
        six.listen()
        with pytest.raises(Conflict):
            listen("localhost", six.getsockname()[1])


def test_any_spelling_of_loopback_listens_on_both_families() -> None:
    for host in ("localhost", "127.0.0.1", "::1"):
        opened = listen(host, 0)
        assert {(one.family, one.getsockname()[0]) for one in opened} == {(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")}
        assert len({one.getsockname()[1] for one in opened}) == 1
        for one in opened:
            one.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    with pytest.raises(Invalid) as refused:
        listen(host, 0)
    assert refused.value.code == "InvalidHost"
