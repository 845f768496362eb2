"""How names of the trade compare: without ASCII case, and with nothing else folded."""

from __future__ import annotations

_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def folded(text: str) -> str:
    """The text with the 26 ASCII capitals made small.

    Only those: `str.lower` turns KELVIN SIGN into k, and a name that merely looks like another must not become it.
    """
    return text.lower() if text.isascii() else text.translate(_LOWER)
