"""Which request the present work belongs to, and whose it is, so that the record can name both without every call passing them on."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final = ContextVar("studiolo_request_id", default="")
"""The id that the answer carries as `x-ms-request-id`; empty for the platform's own work."""

CALLER: Final = ContextVar("studiolo_caller", default="")
"""The object id of whoever the request's credential proves; empty while nobody is proven."""
