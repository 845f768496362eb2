"""Faults: every refusal that a caller may see, raised deep and rendered once.

A fault says what was wrong, where, and what to do. Only `studiolo.wire.render` knows status numbers.

    Fault
    ├── Invalid            the request is malformed or breaks a rule
    ├── Unauthenticated    nobody we know is calling
    ├── Forbidden          the caller is known and may not
    ├── NotFound           there is no such thing, or the caller may not know
    ├── NotAllowed         the verb is not offered on this thing
    ├── Conflict           the state of the thing does not permit this
    ├── Stale              a precondition (ETag) does not hold
    ├── TooLarge           a body or a field is over its limit
    ├── TooSlow            the client kept us waiting for its request
    ├── Unsatisfiable      a byte range lies outside the thing
    ├── TooMany            a rate or a queue is full; try again later
    ├── NotOffered         a feature of the original that this version does not have
    └── Unavailable        a part that we need does not answer; try again later
"""

from __future__ import annotations

from typing import Any, ClassVar


class Fault(Exception):
    """A refusal with a stable code.

    `message` is for people, `code` for programs, `target` names the part of the request at fault,
    `details` holds further faults, `retry_after_seconds` says when another try makes sense. One that `is_refusal` tells a
    caller that they may not, or that they did not prove what they had to, and stands in the record.
    """

    default_code: ClassVar[str] = "InternalServerError"
    is_refusal: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        target: str | None = None,
        details: tuple[Fault, ...] = (),
        retry_after_seconds: float | None = None,
        info: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.target = target
        self.details = details
        self.retry_after_seconds = retry_after_seconds
        self.info = info or {}
        # For refusals: what the gate decided (`record.Decision`, where it was asked), and the id under which the record has it.
        self.decision: Any = None
        self.decision_id = ""


class Invalid(Fault):
    """The request is malformed or breaks a rule; nothing was changed."""

    default_code = "InvalidRequestContent"


class Unauthenticated(Fault):
    """No valid credential came with the request."""

    default_code = "InvalidAuthenticationToken"
    is_refusal = True


class Forbidden(Fault):
    """The caller is known and the engine said no."""

    default_code = "AuthorizationFailed"
    is_refusal = True


class Denied(Forbidden):
    """A deny assignment stands against it, whatever was granted."""

    default_code = "DenyAssignmentAuthorizationFailed"


class NotFound(Fault):
    """There is no such thing."""

    default_code = "ResourceNotFound"

    @classmethod
    def withheld(cls, message: str, *, code: str, refused: Fault | None = None) -> NotFound:
        """What is answered alike, also on the record, whether a thing is absent (`refused` is None) or closed to the caller."""
        fault = cls(message, code=code)
        fault.is_refusal = True
        fault.decision = refused.decision if refused is not None else None
        return fault


class NotAllowed(Fault):
    """The verb is not offered on this thing."""

    default_code = "MethodNotAllowed"


class Conflict(Fault):
    """The present state of the thing does not permit the change."""

    default_code = "Conflict"


class Stale(Fault):
    """A precondition does not hold: somebody else changed the thing, or it exists already."""

    default_code = "PreconditionFailed"


class TooLarge(Fault):
    """A body or a field is over its limit."""

    default_code = "RequestEntityTooLarge"


class TooSlow(Fault):
    """The client kept us waiting for the rest of its request."""

    default_code = "RequestTimeout"


class Unsatisfiable(Fault):
    """A byte range lies outside the thing."""

    default_code = "InvalidRange"


class TooMany(Fault):
    """A rate or a queue is full."""

    default_code = "TooManyRequests"


class NotOffered(Fault):
    """A feature of the original that this version does not have; the parity table lists it."""

    default_code = "NotOffered"


class Unavailable(Fault):
    """A part that the work needs does not answer."""

    default_code = "ServiceUnavailable"
