"""Faults in the shape that OpenAI's clients read: `{"error": {message, type, param, code}}`."""

from __future__ import annotations

from typing import Final

import msgspec

from studiolo.kernel import faults
from studiolo.kernel.faults import Fault
from studiolo.wire.http import Answer, Call
from studiolo.wire.render import status_of

# What the caller cannot mend by asking again, whatever the status would make a client believe.
_LASTING: Final = frozenset({"ModelsAreOff", "ModelNotInstalled"})


def render(fault: Fault, call: Call) -> Answer:
    """The answer that tells a fault."""
    status = _status(fault)
    headers = [("content-type", "application/json"), ("x-request-id", call.request_id)]
    if fault.retry_after_seconds is not None:
        headers.append(("retry-after", str(max(1, round(fault.retry_after_seconds)))))
        headers.append(("retry-after-ms", str(max(1, round(fault.retry_after_seconds * 1000)))))
    if fault.code in _LASTING:
        headers.append(("x-should-retry", "false"))
    if isinstance(fault, faults.Unauthenticated):
        headers.append(("www-authenticate", "Bearer"))
    return Answer(status, encoded(fault), headers)


def encoded(fault: Fault) -> bytes:
    """The body that tells a fault."""
    status = _status(fault)
    kind = "server_error" if status >= 500 else "requests" if status == 429 else "invalid_request_error"
    return msgspec.json.encode({"error": {"message": fault.message, "type": kind, "param": fault.target, "code": fault.code}})


def _status(fault: Fault) -> int:
    """As the public cloud's model endpoints have it, which is not always as its resource manager has it."""
    if isinstance(fault, faults.Forbidden):
        return 401
    if isinstance(fault, faults.NotOffered):
        return 503 if fault.code in _LASTING else 400
    return status_of(fault)
