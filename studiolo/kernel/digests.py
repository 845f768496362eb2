"""How codes, sessions and other random secrets are kept and found: by their digest alone."""

from __future__ import annotations

import hashlib


def digest_of(secret: str) -> str:
    """SHA-256 in hexadecimal. Nothing slower is needed: the secrets are random, and the short ones are over within minutes."""
    return hashlib.sha256(secret.encode()).hexdigest()
