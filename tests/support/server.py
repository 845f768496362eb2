"""Real servers for tests: `studiolo up` as a process of its own, on a free port, with a folder of its own.

Ask for `server` (without a model) or `model_server` (with the local model) where a test can share; one of each
serves all tests of a worker. Ask for `start_server` where a test kills, restarts or fills a server of its own.
"""

import errno
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / ".venv" / "bin" / "studiolo"
READY = re.compile(r"Studiolo is ready at (https?://\S+)")
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
ANSWER_SECONDS = 60.0
EXPORT = re.compile(r"^export ([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
FOREIGN = re.compile(r"^(STUDIOLO_|AZURE|ARM_|OPENAI_|MLFLOW_|SSL_CERT_|REQUESTS_CA_|CURL_CA_)")


class DidNotStart(AssertionError):
    """The server ended, or said nothing of being ready, before its deadline."""


def clean_environment(home: Path) -> dict[str, str]:
    """Return the tests' environment without what would point a client or a server elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    return kept | {"HOME": str(home), "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """Return a port that is free on IPv4 loopback and, where the machine has it, on IPv6."""
    while True:
        with socket.socket() as four:
            four.bind(("127.0.0.1", 0))
            port: int = four.getsockname()[1]
            try:
                with socket.socket(socket.AF_INET6) as six:
                    six.bind(("::1", port))
            except OSError as refused:
                if refused.errno == errno.EADDRINUSE:
                    continue
            return port


class Output:
    """What a process has said so far; drained all the time, so that it never blocks on a full pipe."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._drain, name=f"output of {process.pid}", daemon=True).start()

    def _drain(self) -> None:
        stream = self._process.stdout
        if stream is not None:
            with stream:
                for line in stream:
                    with self._changed:
                        self._lines.append(line.rstrip("\n"))
                        self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def text(self) -> str:
        """Everything said so far."""
        with self._changed:
            return "\n".join(self._lines)

    def wait_for(self, pattern: re.Pattern[str], seconds: float) -> re.Match[str]:
        """Return the first match in any line; raise DidNotStart when the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        read = 0
        with self._changed:
            while True:
                for line in self._lines[read:]:
                    if found := pattern.search(line):
                        return found
                read = len(self._lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"was silent for {seconds:.0f} s"
                    said = "\n".join(self._lines[-60:])
                    message = f"studiolo {why} before a line matched {pattern.pattern!r}; it said:\n{said}"
                    raise DidNotStart(message)
                self._changed.wait(left)


@dataclass
class Server:
    """One `studiolo up` and the folder that it serves; the folder and the port outlive the process."""

    home: Path
    model: bool = False
    options: Sequence[str] = ()
    program: Sequence[str] = (str(COMMAND),)
    port: int = field(default_factory=free_port)
    url: str = ""
    variables: dict[str, str] = field(default_factory=dict[str, str])
    ready_seconds: float = 0.0
    # The owner's session, once somebody has opened the one-time link: all who use this server share it.
    owner_cookie: str = ""
    _process: subprocess.Popen[str] | None = None
    _output: Output | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start the process; with `wait`, return when it has said that it is ready."""
        if self._process is not None and self._process.poll() is None:
            message = "this server is running"
            raise AssertionError(message)
        command = [*self.program, "up", "--home", str(self.home), "--port", str(self.port)]
        command += [] if self.model else ["--no-model"]
        began = time.monotonic()
        self._process = subprocess.Popen(
            [*command, *self.options],
            env=clean_environment(self.home.parent) | self.variables,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._output = Output(self._process)
        if wait:
            self.wait_until_ready()
            self.ready_seconds = time.monotonic() - began

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Read what the server says until it is ready; keep the address that it names."""
        try:
            self.url = self.wait_for(READY, seconds).group(1).rstrip("/.")
        except DidNotStart:
            self.end()
            raise

    def wait_for(self, pattern: re.Pattern[str], seconds: float = READY_SECONDS) -> re.Match[str]:
        """Return the first match in what the running process has said or will say."""
        if self._output is None:
            message = "this server was never started"
            raise DidNotStart(message)
        return self._output.wait_for(pattern, seconds)

    @property
    def output(self) -> str:
        """What the latest process has said so far, both streams."""
        return self._output.text if self._output else ""

    @property
    def pid(self) -> int:
        """The latest process's number."""
        if self._process is None:
            message = "this server was never started"
            raise AssertionError(message)
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int:
        """Ask the server to stop (SIGTERM) and return its exit status."""
        return self._signal(signal.SIGTERM)

    def kill(self) -> int:
        """End the server where it stands (SIGKILL), as a crash would; its workers are left to notice."""
        return self._signal(signal.SIGKILL)

    def restart(self) -> None:
        """Start again on the same folder and port, stopping first if it is running."""
        if self.is_running:
            self.stop()
        self.start()

    def end(self) -> None:
        """Leave nothing behind: end the process and whatever it started."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)

    def _signal(self, number: signal.Signals) -> int:
        if self._process is None:
            message = "this server was never started"
            raise AssertionError(message)
        self._process.send_signal(number)
        return self._process.wait(STOP_SECONDS)

    @cached_property
    def env(self) -> dict[str, str]:
        """What `studiolo env` exports for unchanged clients, by name."""
        said = self.run("env", "--home", str(self.home), clean=True).stdout
        found = [EXPORT.match(line) for line in said.splitlines()]
        return {match[1]: "".join(shlex.split(match[2])) for match in found if match}

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts this server's own authority."""
        return ssl.create_default_context(cafile=self.env["SSL_CERT_FILE"])

    @property
    def client_environment(self) -> dict[str, str]:
        """A whole environment for a client's process: the tests' own, cleaned, and what `studiolo env` exports."""
        return clean_environment(self.home.parent) | self.env

    def run(self, *arguments: str, clean: bool = False, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command line as a person would after `eval "$(studiolo env)"`; `clean` leaves that out."""
        done = subprocess.run(
            [str(COMMAND), *arguments],
            env=clean_environment(self.home.parent) if clean else self.client_environment,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            message = f"studiolo {shlex.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            raise AssertionError(message)
        return done

    def is_healthy(self) -> bool:
        """Whether `GET /healthz` answers 200 now."""
        context = self.tls if self.url.startswith("https:") else None
        try:
            with urlopen(f"{self.url}/healthz", context=context, timeout=ANSWER_SECONDS) as answer:
                return answer.status == 200
        except HTTPError as refused:
            refused.close()
            return False
        except URLError:
            return False


StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server without a model, shared by all tests of this worker: make your own hub, leave the rest alone."""
    yield from _serving(Server(tmp_path_factory.mktemp("studio") / "home"))


@pytest.fixture(scope="session")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with the local model, shared by all tests of this worker; mark its tests `model`."""
    if find_spec("xllamacpp") is None:
        pytest.skip("the model extra is not installed")
    yield from _serving(Server(tmp_path_factory.mktemp("studio") / "home", model=True))


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers of this test's own: `start_server(model=False, options=["--tls", "off"], wait=True)`."""
    started: list[Server] = []

    def start(*, model: bool = False, options: Sequence[str] = (), home: Path | None = None, wait: bool = True, **variables: str) -> Server:
        place = home or tmp_path / f"studio-{len(started)}" / "home"
        made = Server(place, model=model, options=options, variables=variables)
        made.home.parent.mkdir(parents=True, exist_ok=True)
        started.append(made)
        made.start(wait=wait)
        return made

    yield start
    for made in started:
        made.end()


def _serving(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
        if server.is_running:
            server.stop()
    finally:
        server.end()
