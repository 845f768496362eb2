"""What every answer tells browsers: take nothing for what it is not, show it in no frame, run nothing, keep nothing."""

from __future__ import annotations

from typing import Final

_POWERS: Final = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "midi", "payment", "usb")

# On every answer.
SAFETY: Final = (
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", ", ".join(f"{power}=()" for power in _POWERS)),
)
# Where the answer does not say it by itself. A page names what it needs; data, whatever its type says, needs nothing.
USUAL_SAFETY: Final = (
    ("content-security-policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)
