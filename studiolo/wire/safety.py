"""What every answer tells browsers: take nothing for what it is not, show it in no frame, run nothing, keep nothing."""

from __future__ import annotations

from typing import Final

_POWERS: Final = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "midi", "payment", "usb")

# On every answer.
SAFETY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", ", ".join(f"{power}=()" for power in _POWERS).encode()),
)
# Where the answer does not say it by itself. A page names what it needs; data, whatever its type says, needs nothing.
USUAL_SAFETY: Final = (
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
