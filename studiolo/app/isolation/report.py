"""What a probe found, for auditors: what was tried, what was expected, what was seen; signed so that nobody edits it later."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

import msgspec

from studiolo.app.home import read_private, write_atomic
from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import JsonObject

_ALGORITHM: Final = "Ed25519"
_KEY_BYTES: Final = 32


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """One answer that should not have come."""

    route: str
    identity: str
    request: str
    expected: str
    status: int
    code: str
    leaked: list[str]


class Line(msgspec.Struct, rename="camel"):
    """What was tried on one route. `control` is the owner's answer to the same request; each attempt is counted once behind it."""

    route: str
    control: str = ""
    attempts: int = 0
    refused: int = 0
    # Lists and public pages that held nothing of the other project.
    answered: int = 0
    not_tried: int = 0
    leaks: int = 0
    bytes_received: int = 0


class NotTried(msgspec.Struct, rename="camel"):
    """Attempts that prove nothing, and why. `is_stated`: the reason was known before; else somebody should look."""

    route: str
    why: str
    is_stated: bool = True
    attempts: int = 0
    # Whose requests were not understood; nobody where nobody's count, for want of a control.
    identities: list[str] = []


class Report(msgspec.Struct, rename="camel"):
    """The whole of one probe."""

    studio: str
    version: str
    began: str
    ended: str
    hub: str
    attackers: list[str]
    canaries: list[str]
    served_routes: int
    served_types: int
    # Lines whose control succeeded.
    controls: int
    attempts: int
    refused: int
    bytes_received: int
    lines: list[Line]
    findings: list[Finding]
    not_tried: list[NotTried]
    # What would not go afterwards.
    left_behind: list[str] = []

    @property
    def holds(self) -> bool:
        """Whether nothing came through."""
        return not self.findings and not self.left_behind

    @property
    def is_whole(self) -> bool:
        """Whether everything was tried, but for what has a stated reason."""
        return all(each.is_stated for each in self.not_tried)


def signed_report(report: Report, key_file: Path) -> JsonObject:
    """The report with a signature by the studio's report key, which is made at the first use."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not key_file.exists():
        write_atomic(key_file, Ed25519PrivateKey.generate().private_bytes_raw())
    raw = read_private(key_file)
    if len(raw) != _KEY_BYTES:
        raise Invalid(f"'{key_file}' is no report key: move it away, and a new one is made.", code="InvalidReportKey")
    key = Ed25519PrivateKey.from_private_bytes(raw)
    public = key.public_key().public_bytes_raw()
    write_atomic(key_file.with_suffix(".pub"), base64.b64encode(public) + b"\n")
    told = msgspec.to_builtins(report)
    signature = {
        "algorithm": _ALGORITHM,
        "key": base64.b64encode(public).decode(),
        "value": base64.b64encode(key.sign(_signed(told))).decode(),
    }
    return {"report": told, "signature": signature}


def check_report(raw: bytes, trusted: bytes | None) -> tuple[Report, str]:
    """The report in a file whose signature holds, and the fingerprint of the key that made it.

    Args:
        raw: the file.
        trusted: the public key (base64) that must have signed it; None takes any, and the fingerprint is for people to compare.

    Raises:
        Invalid: it is no report, was changed, or somebody else's key signed it (code `ReportNotGenuine`).
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        whole = msgspec.json.decode(raw)
        told, signature = whole["report"], whole["signature"]
        public = base64.b64decode(signature["key"], validate=True)
        if signature["algorithm"] != _ALGORITHM:
            raise _not_genuine("its signature is of another kind")
        Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature["value"], validate=True), _signed(told))
        report = msgspec.convert(told, Report)
    except InvalidSignature:
        raise _not_genuine("it was changed after it was signed") from None
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, ValueError):
        raise _not_genuine("it is no signed report") from None
    if trusted is not None and base64.b64decode(trusted) != public:
        raise _not_genuine("another key than this studio's signed it")
    return report, hashlib.sha256(public).hexdigest()


def _signed(told: JsonObject) -> bytes:
    """The bytes that a signature is over: the same for the same report, however its file is laid out."""
    return b"studiolo isolation report\n" + msgspec.json.encode(told, order="sorted")


def _not_genuine(why: str) -> Invalid:
    return Invalid(f"The report is not genuine: {why}.", code="ReportNotGenuine")
