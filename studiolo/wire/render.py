"""Faults as answers: the only place that knows status numbers."""

from __future__ import annotations

import msgspec

from studiolo.kernel import faults
from studiolo.kernel.faults import Fault
from studiolo.kernel.operations.worker import describe
from studiolo.wire.http import Answer, Call

_STATUS: dict[type[Fault], int] = {
    faults.Invalid: 400,
    faults.Unauthenticated: 401,
    faults.Forbidden: 403,
    faults.NotFound: 404,
    faults.NotAllowed: 405,
    faults.TooSlow: 408,
    faults.Conflict: 409,
    faults.Stale: 412,
    faults.TooLarge: 413,
    faults.Unsatisfiable: 416,
    faults.TooMany: 429,
    faults.NotOffered: 501,
    faults.Unavailable: 503,
}


def status_of(fault: Fault) -> int:
    """The HTTP status of a fault; 500 for one of no particular kind."""
    for kind in type(fault).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500


def fault_headers(fault: Fault, call: Call) -> list[tuple[str, str]]:
    """Headers that go with a fault, whatever the shape of its body."""
    headers = [("x-ms-error-code", fault.code)] if fault.code.isascii() else []
    if isinstance(fault, faults.Unauthenticated):
        headers.append(
            ("www-authenticate", fault.info.get("challenge", f'Bearer authorization_uri="{call.origin}/adfs", error="invalid_token"'))
        )
    if fault.retry_after_seconds is not None:
        headers.append(("retry-after", f"{max(1, round(fault.retry_after_seconds))}"))
    return headers


def render_arm(fault: Fault, call: Call) -> Answer:
    """The resource manager's error shape: `{"error": {code, message, target, details, additionalInfo}}`."""
    shape = describe(fault)
    shape["additionalInfo"] = [item for item in shape["additionalInfo"] if item["type"] != "challenge"]
    if fault.decision_id:
        info = {"id": fault.decision_id, "explain": f"studiolo access explain {fault.decision_id}"}
        shape["additionalInfo"].append({"type": "Studiolo.Access/decisions", "info": info})
    return Answer(
        status_of(fault),
        msgspec.json.encode({"error": shape}),
        [("content-type", "application/json; charset=utf-8"), *fault_headers(fault, call)],
    )
