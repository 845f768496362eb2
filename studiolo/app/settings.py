"""What one run of Studiolo was told: the only reader of the environment.

Everything else takes a `Settings` value, or one of its fields, as an argument.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from studiolo.kernel.faults import Invalid, NotOffered
from studiolo.wire.rates import DEFAULT_RATES, Rate

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - spelled here so that it can be told apart from loopback
DEFAULT_PORT = 8443


def surroundings() -> Mapping[str, str]:
    """The variables that the process was started with, as they are now."""
    return dict(os.environ)


def default_home() -> Path:
    """Where a studio keeps everything unless it is told otherwise: `~/.studiolo`."""
    return Path("~/.studiolo").expanduser()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One run's settings. `port` is the port that is really listened on by the time that the application is composed."""

    home: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    database: str | None = None
    blobs: str | None = None
    has_model: bool = True
    has_tls: bool = True
    # How often who may call, where that is not as usual.
    rates: Mapping[str, Rate] = field(default_factory=dict[str, Rate])
    # Hosts in networks of one's own that customers' keys may lie at, and that people may sign in by.
    vaults: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK_NAMES

    @property
    def names(self) -> tuple[str, ...]:
        """The host names and addresses, beyond loopback's, that people reach the server by."""
        if self.is_loopback:
            return ()
        if self.host in ANY_ADDRESS:
            own = socket.gethostname().lower()
            return () if own in LOOPBACK_NAMES else (own,)
        return (self.host.lower(),)

    @property
    def url(self) -> str:
        """The address of the studio, without a trailing slash."""
        scheme, usual = ("https", 443) if self.has_tls else ("http", 80)
        host = "localhost" if self.is_loopback or self.host in ANY_ADDRESS else self.host.lower()
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}" + ("" if self.port == usual else f":{self.port}")

    def database_file(self, default: Path) -> Path:
        """The SQLite file that `database` names, or `default`.

        Raises:
            NotOffered: another kind of database is named.
            Invalid: the URL names no file (code `InvalidDatabaseUrl`).
        """
        if self.database is None:
            return default
        return _local_path(self.database, "sqlite", "--database", "sqlite:////var/lib/studiolo/studiolo.db", "InvalidDatabaseUrl")

    def blobs_folder(self, default: Path) -> Path:
        """The local folder that `blobs` names, or `default`.

        Raises:
            NotOffered: another kind of store is named.
            Invalid: the URL names no folder (code `InvalidBlobsUrl`).
        """
        if self.blobs is None:
            return default
        return _local_path(self.blobs, "file", "--blobs", "file:///var/lib/studiolo/blobs", "InvalidBlobsUrl")

    def checked(self) -> Settings:
        """The same settings, if they fit together.

        Raises:
            NotOffered: a back end is named that this version does not have.
            Invalid: a value is out of range, or plain HTTP would leave this machine (code `TlsRequired`).
        """
        if not 0 <= self.port <= 65535:
            raise Invalid(f"--port {self.port} is no port: it must lie between 0 and 65535.", code="InvalidPort", target="port")
        if not self.host or self.host != self.host.strip() or any(mark in self.host for mark in "/@[]*"):
            raise Invalid(f"--host '{self.host}' is neither a host name nor an address.", code="InvalidHost", target="host")
        if not self.has_tls and not self.is_loopback:
            raise Invalid(
                f"--tls off is for this machine alone, and --host {self.host} can be reached from others: "
                "leave --tls off out, or leave --host out and put a TLS proxy in front.",
                code="TlsRequired",
                target="tls",
            )
        self.database_file(self.home)
        self.blobs_folder(self.home)
        return self


def read_rates(texts: Iterable[str]) -> dict[str, Rate]:
    """Rates as they are told: `sign-in=5` a second, or `principal=500/2000` with 2,000 at once.

    Raises:
        Invalid: a text is no rate (code `InvalidRate`).
    """
    found: dict[str, Rate] = {}
    for text in texts:
        name, _, numbers = text.partition("=")
        per_second, _, burst = numbers.partition("/")
        try:
            rate = Rate(float(per_second), float(burst or max(1.0, 10 * float(per_second))))
        except ValueError:
            rate = Rate(0, 0)
        if name not in DEFAULT_RATES or not 0 < rate.per_second < 1e9 or not 1 <= rate.burst < 1e9:
            raise Invalid(
                f"--rate {text} is no rate: name one of {', '.join(DEFAULT_RATES)}, and calls a second, such as --rate sign-in=5, "
                "or with the calls that may come at once, such as --rate principal=500/2000.",
                code="InvalidRate",
                target="rate",
            )
        found[name] = rate
    return found


def is_address(name: str) -> bool:
    """Whether the name is an IP address rather than a host name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _local_path(text: str, scheme: str, option: str, example: str, code: str) -> Path:
    """The path in a `scheme:///path` URL. A fault names the scheme alone: the rest may hold a password."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise Invalid(f"{option} is not a URL; a right one is {example}.", code=code, target=option.removeprefix("--")) from None
    if parts.scheme != scheme:
        raise NotOffered(
            f"{option} with '{parts.scheme or 'no'}' URLs is not offered yet: leave {option} out, or name a local place such as {example}.",
            target=option.removeprefix("--"),
        )
    path = unquote(parts.path)
    # SQLAlchemy's spelling: three slashes before a relative path, four before an absolute one.
    path = path[1:] if scheme == "sqlite" else path
    if parts.netloc or not path.startswith("/"):
        raise Invalid(f"{option} must name an absolute path, such as {example}.", code=code, target=option.removeprefix("--"))
    return Path(path)
