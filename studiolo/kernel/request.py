"""Which request the present work belongs to, so that what is recorded can name it without every call passing it on."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final = ContextVar("studiolo_request_id", default="")
"""The id that the answer carries as `x-ms-request-id`; empty for the platform's own work."""
