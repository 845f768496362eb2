"""Base64, data URIs, and the two hashes that make names: `guid` and `uniqueString`."""

from __future__ import annotations

import base64
import binascii
import hashlib
from urllib.parse import unquote_to_bytes

from studiolo.rooms.templates.domain.functions.arguments import Arguments, Function, table
from studiolo.rooms.templates.domain.functions.spelling import from_json, to_text
from studiolo.rooms.templates.domain.values import Json, Misuse

# The namespace that the public cloud publishes for `guid`: the answer is a name-based UUID (version 5, RFC 9562).
_NAMESPACE = bytes.fromhex("11fb06fb712d4ddd98c7e71bbd588830")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LOW = 0xFFFFFFFF


def named_guid(name: str) -> str:
    """The version 5 UUID of a name in the namespace of templates."""
    return _guid_from(hashlib.sha1(_NAMESPACE + name.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest())


def _guid_from(digest: bytes) -> str:
    raw = bytearray(digest[:16])
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def unique_string(name: str) -> str:
    """13 letters and digits that stand for a name: a 64-bit Murmur hash with two 32-bit lanes, in base 32."""
    value = _murmur(name.encode("utf-8", "surrogatepass"))
    return "".join(_ALPHABET[(value << 5 * place >> 59) & 31] for place in range(13))


def _turn(value: int, by: int) -> int:
    return (value << by | value >> (32 - by)) & _LOW


def _mix_low(part: int) -> int:
    return _turn(part * 0x239B961B & _LOW, 15) * 0xAB0E9789 & _LOW


def _mix_high(part: int) -> int:
    return _turn(part * 0xAB0E9789 & _LOW, 17) * 0x239B961B & _LOW


def _murmur(data: bytes) -> int:
    low = high = 0
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        low = (_turn(low ^ _mix_low(int.from_bytes(data[at : at + 4], "little")), 19) + high) & _LOW
        low = (low * 5 + 0x561CCD1B) & _LOW
        high = (_turn(high ^ _mix_high(int.from_bytes(data[at + 4 : at + 8], "little")), 13) + low) & _LOW
        high = (high * 5 + 0x0BCAA747) & _LOW
    low ^= _mix_low(int.from_bytes(data[whole : whole + 4], "little"))
    high ^= _mix_high(int.from_bytes(data[whole + 4 :], "little"))
    low ^= len(data)
    high ^= len(data)
    low = (low + high) & _LOW
    high = (high + low) & _LOW
    low, high = _settle(low), _settle(high)
    low = (low + high) & _LOW
    high = (high + low) & _LOW
    return high << 32 | low


def _settle(value: int) -> int:
    value = (value ^ value >> 16) * 0x85EBCA6B & _LOW
    value = (value ^ value >> 13) * 0xC2B2AE35 & _LOW
    return value ^ value >> 16


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Misuse("the text is not base64 of UTF-8 text.") from None


def _from_data_uri(args: Arguments) -> Json:
    head, comma, data = args.text(0).partition(",")
    if not comma or not head.lower().startswith("data:"):
        raise Misuse("the text is not a data URI.")
    if head.lower().endswith(";base64"):
        return _decoded(data)
    try:
        return unquote_to_bytes(data).decode()
    except UnicodeDecodeError:
        raise Misuse("the data URI does not hold UTF-8 text.") from None


def _base64(args: Arguments) -> Json:
    return base64.b64encode(args.text(0).encode("utf-8", "surrogatepass")).decode()


def _to_data_uri(args: Arguments) -> Json:
    data = base64.b64encode(to_text(args[0]).encode("utf-8", "surrogatepass")).decode()
    return f"data:text/plain;charset=utf8;base64,{data}"


ENCODINGS = table(
    Function("base64", 1, 1, _base64),
    Function("base64ToString", 1, 1, lambda args: _decoded(args.text(0))),
    Function("base64ToJson", 1, 1, lambda args: from_json(_decoded(args.text(0)))),
    Function("dataUri", 1, 1, _to_data_uri),
    Function("dataUriToString", 1, 1, _from_data_uri, effort=4),
    Function("guid", 1, None, lambda args: named_guid("-".join(args.texts()))),
    Function("uniqueString", 1, None, lambda args: unique_string("-".join(args.texts())), effort=60),
    Function("json", 1, 1, lambda args: from_json(args.text(0))),
)
