"""Project keys: `stu_`, 256 bits, and a checksum that tells a mistyped key from a foreign one without a look-up.

Alphabet and shape follow the published reasons of https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/:
a prefix that scanners find, no character that ends a double-click, a CRC-32 at the end.
"""

from __future__ import annotations

import hmac
import zlib
from typing import Final, Literal

from studiolo.kernel.faults import Invalid

PREFIX: Final = "stu_"
Slot = Literal["primary", "secondary"]
SLOTS: Final[tuple[Slot, Slot]] = ("primary", "secondary")

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_CHARACTERS = 43  # 62 ** 43 > 2 ** 256
_SUM_CHARACTERS = 6
_LENGTH = len(PREFIX) + _BODY_CHARACTERS + _SUM_CHARACTERS


def key_text(account_key: bytes, slot: Slot, salt: bytes) -> str:
    """The key of one slot. Whoever lacks `account_key`, which no store holds in clear, cannot make it again."""
    body = _spell(
        int.from_bytes(hmac.digest(account_key, b"studiolo project key\0" + slot.encode() + b"\0" + salt, "sha256"), "big"),
        _BODY_CHARACTERS,
    )
    return f"{PREFIX}{body}{_checksum(body)}"


def is_well_formed(text: str) -> bool:
    """Whether this can be a project key at all."""
    return len(text) == _LENGTH and text.startswith(PREFIX) and text[-_SUM_CHARACTERS:] == _checksum(text[len(PREFIX) : -_SUM_CHARACTERS])


def slot_of(key_name: object) -> Slot:
    """The slot that `Key1` or `Key2` names.

    Raises:
        Invalid: it is neither (code `InvalidKeyName`).
    """
    match str(key_name).lower():
        case "key1":
            return "primary"
        case "key2":
            return "secondary"
        case _:
            raise Invalid("'keyName' must be 'Key1' or 'Key2'.", code="InvalidKeyName", target="keyName")


def _checksum(body: str) -> str:
    return _spell(zlib.crc32(body.encode()), _SUM_CHARACTERS)


def _spell(number: int, width: int) -> str:
    characters = ""
    for _ in range(width):
        number, rest = divmod(number, len(_ALPHABET))
        characters = _ALPHABET[rest] + characters
    return characters
