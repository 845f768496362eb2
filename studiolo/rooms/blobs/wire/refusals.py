"""Refusals as the Blob protocol writes them: a code in a header, the same and a message in XML."""

from __future__ import annotations

from email.utils import formatdate

from studiolo.kernel import faults
from studiolo.kernel.faults import Fault
from studiolo.rooms.blobs.domain.conditions import NotModified
from studiolo.rooms.blobs.domain.sealing import Damaged
from studiolo.rooms.blobs.schema.texts import fault_body
from studiolo.rooms.blobs.wire.headers import VERSION, version_of
from studiolo.rooms.blobs.wire.visits import NOT_PERMITTED
from studiolo.wire.http import Answer, Call
from studiolo.wire.render import fault_headers, status_of

AUDIENCE = "https://storage.azure.com"
# What the kernel and the wire call it, and what Blob clients know it as.
_OF_THE_GATE = ("AuthorizationFailed", "DenyAssignmentAuthorizationFailed")
_CODES = {
    **dict.fromkeys(_OF_THE_GATE, "AuthorizationPermissionMismatch"),
    "InvalidAuthenticationToken": "InvalidAuthenticationInfo",
    "InvalidAuthenticationTokenTenant": "InvalidAuthenticationInfo",
    "ExpiredAuthenticationToken": "InvalidAuthenticationInfo",
    "AuthenticationRequired": "NoAuthenticationInformation",
    "RequestEntityTooLarge": "RequestBodyTooLarge",
    "MethodNotAllowed": "UnsupportedHttpVerb",
    "InternalServerError": "InternalError",
    "StoreUnavailable": "ServerBusy",
    "ServiceUnavailable": "ServerBusy",
    "TooManyRequests": "ServerBusy",
    "Conflict": "ResourceAlreadyExists",
}
_STATUS = {"MissingContentLengthHeader": 411, "ServerBusy": 503}


class Refusals:
    """Renders faults; knows where callers without a credential get one."""

    def __init__(self, login_url: str) -> None:
        """`login_url` is the token service's address."""
        # Clients take the tenant from the first segment of this path.
        self._challenge = f"Bearer authorization_uri={login_url}/adfs/oauth2/authorize resource_id={AUDIENCE}"

    def render(self, fault: Fault, call: Call) -> Answer:
        """The answer of a fault."""
        code = _CODES.get(fault.code, fault.code)
        if isinstance(fault, faults.Unauthenticated) and "authorization" not in call.headers:
            code = "NoAuthenticationInformation"
        headers = [(name, value) for name, value in fault_headers(fault, call) if name not in ("x-ms-error-code", "www-authenticate")]
        headers += [("x-ms-error-code", code), ("x-ms-version", version_of(call) if "x-ms-version" in call.headers else VERSION)]
        if isinstance(fault, NotModified):
            return Answer(304, b"", headers)
        if isinstance(fault, faults.Unauthenticated):
            headers.append(("www-authenticate", self._challenge))
        if isinstance(fault, faults.Unsatisfiable) and "size" in fault.info:
            headers.append(("content-range", f"bytes */{fault.info['size']}"))
        status = 500 if isinstance(fault, Damaged) else _STATUS.get(code) or status_of(fault)
        # What the gate says names the account's scope, which only those may learn who see the account.
        said = NOT_PERMITTED if fault.code in _OF_THE_GATE else fault.message
        message = f"{said}\nRequestId:{call.request_id}\nTime:{formatdate(usegmt=True)}"
        headers.append(("content-type", "application/xml"))
        return Answer(status, b"" if call.method == "HEAD" else fault_body(code, message), headers)
