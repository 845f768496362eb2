"""Headers: what they say about content, metadata, tags and checksums; and what answers say back."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import parse_qsl

from studiolo.kernel.faults import Invalid, NotOffered, TooLarge
from studiolo.rooms.blobs.domain.blob import DEFAULT_TYPE, MAX_METADATA_BYTES, Blob, Container, Content, Etagged
from studiolo.rooms.blobs.domain.times import http_date
from studiolo.rooms.blobs.service.blobs import Check, Facts
from studiolo.wire.http import Call

VERSION: Final = "2026-10-06"
_VERSION = re.compile(r"\d{4}-\d\d-\d\d")
_META = "x-ms-meta-"
_META_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAG_TEXT = re.compile(r"[A-Za-z0-9 +\-./:=_]*")
_MAX_DIGITS = 18
_MAX_TAGS, _MAX_TAG_NAME, _MAX_TAG_VALUE = 10, 128, 256
_TIERS = ("Hot", "Cool", "Cold")
_LEASES = [("x-ms-lease-status", "unlocked"), ("x-ms-lease-state", "available")]
Headers = list[tuple[str, str]]

# Headers that would change what the operation means, and that this service does not have.
_NOT_OFFERED = {
    "x-ms-encryption-key": "Encryption keys of the caller's own (x-ms-encryption-key) are not offered: every project has its own key.",
    "x-ms-encryption-scope": "Encryption scopes (x-ms-encryption-scope) are not offered.",
    "x-ms-structured-body": "Structured bodies (x-ms-structured-body) are not offered; send x-ms-content-crc64 or Content-MD5.",
    "x-ms-immutability-policy-until-date": "Immutability policies are not offered.",
    "x-ms-immutability-policy-mode": "Immutability policies are not offered.",
}


def version_of(call: Call) -> str:
    """The service version that the answer speaks: the caller's, or the newest.

    Only its form is looked at: every version that clients of the last years send is answered alike.
    """
    asked = call.headers.get("x-ms-version", VERSION)
    return asked if _VERSION.fullmatch(asked) else VERSION


def check_offered(call: Call) -> None:
    """Raise NotOffered if a header asks for something that is not there."""
    headers = call.headers
    if not _NOT_OFFERED.keys().isdisjoint(headers):
        name = next(name for name in _NOT_OFFERED if name in headers)
        raise NotOffered(_NOT_OFFERED[name], target=name)
    if headers.get("x-ms-legal-hold", "false").lower() == "true":
        raise NotOffered("Legal holds are not offered.", target="x-ms-legal-hold")


def length_of(call: Call, limit: int) -> int:
    """The announced length of the body.

    Raises:
        Invalid: it is missing (code `MissingContentLengthHeader`).
        TooLarge: it is over the limit.
    """
    text = call.headers.get("content-length", "")
    if not text.isascii() or not text.isdigit():
        raise Invalid("The Content-Length header is required here.", code="MissingContentLengthHeader", target="Content-Length")
    if len(text) > _MAX_DIGITS or int(text) > limit:
        raise TooLarge(f"The body has {text[:20]} bytes; at most {limit} are taken here.", code="RequestBodyTooLarge")
    return int(text)


def facts_of(call: Call, *, has_own_type: bool = True) -> Facts:
    """What the headers say about a blob that is written. `has_own_type`: the request's own Content-Type counts too."""
    headers = call.headers
    fallback = headers.get("content-type") if has_own_type else None
    content = content_of(call)
    if "x-ms-blob-content-type" not in headers and fallback:
        content = Content(
            type=fallback,
            md5=content.md5,
            encoding=content.encoding,
            language=content.language,
            disposition=content.disposition,
            cache=content.cache,
        )
    return Facts(content, metadata_of(call), tags_of(headers.get("x-ms-tags", "")), tier_of(headers.get("x-ms-access-tier", "")))


def content_of(call: Call) -> Content:
    """The content properties that `x-ms-blob-…` headers name; absent ones are empty."""
    get = call.headers.get
    md5 = get("x-ms-blob-content-md5", "")
    if md5:
        _raw(md5, 16, "x-ms-blob-content-md5", "InvalidMd5")
    return Content(
        type=get("x-ms-blob-content-type", DEFAULT_TYPE),
        md5=md5,
        encoding=get("x-ms-blob-content-encoding", ""),
        language=get("x-ms-blob-content-language", ""),
        disposition=get("x-ms-blob-content-disposition", ""),
        cache=get("x-ms-blob-cache-control", ""),
    )


def metadata_of(call: Call) -> dict[str, str]:
    """The `x-ms-meta-…` headers. Their names come in lower case: that is how HTTP servers hand them on.

    Raises:
        Invalid: a name is no identifier (code `InvalidMetadata`), or they are too long together (`MetadataTooLarge`).
    """
    found = {name[len(_META) :]: value for name, value in call.headers.items() if name.startswith(_META)}
    if not found:
        return {}
    for name, value in found.items():
        if not _META_NAME.fullmatch(name) or not value.isascii():
            raise Invalid(
                f"'{name[:50]}' is no name for metadata, or its value is not ASCII.", code="InvalidMetadata", target=_META + name[:50]
            )
    if sum(len(name) + len(value) for name, value in found.items()) > MAX_METADATA_BYTES:
        raise Invalid(f"Names and values of metadata may have {MAX_METADATA_BYTES} bytes together.", code="MetadataTooLarge")
    return found


def tags_of(text: str) -> dict[str, str]:
    """Tags in their header form, `a=b&c=d`.

    Raises:
        Invalid: as `check_tags`.
    """
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise Invalid("'x-ms-tags' must have the form 'name=value&name=value'.", code="InvalidHeaderValue", target="x-ms-tags") from None
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise Invalid("'x-ms-tags' names a tag twice.", code="InvalidHeaderValue", target="x-ms-tags")
    check_tags(tags)
    return tags


def check_tags(tags: dict[str, str]) -> None:
    """Raise Invalid (code `InvalidTag`, `TagsTooLarge`) unless a blob may carry these tags."""
    if len(tags) > _MAX_TAGS:
        raise Invalid(f"A blob can have {_MAX_TAGS} tags; these are {len(tags)}.", code="TagsTooLarge")
    for name, value in tags.items():
        if not 1 <= len(name) <= _MAX_TAG_NAME or len(value) > _MAX_TAG_VALUE or not _TAG_TEXT.fullmatch(name + value):
            raise Invalid(
                f"The tag '{name[:50]}' is not valid: names have 1 to {_MAX_TAG_NAME} and values up to {_MAX_TAG_VALUE} "
                "letters, digits, blanks and + - . / : = _",
                code="InvalidTag",
            )


def tier_of(text: str) -> str:
    """The access tier that a header names: kept and told back; all tiers are served alike.

    Raises:
        Invalid: there is no such tier.
        NotOffered: archive, whose blobs would have to be unreadable.
    """
    if not text or text in _TIERS:
        return text
    if text == "Archive":
        raise NotOffered("The archive tier is not offered; use Hot, Cool or Cold.", target="x-ms-access-tier")
    raise Invalid(f"'{text[:50]}' is no access tier: use {', '.join(_TIERS)}.", code="InvalidHeaderValue", target="x-ms-access-tier")


def check_of(call: Call, *, is_whole_blob: bool = False) -> Check:
    """The digests that the request's body must have."""
    md5, crc = raw_sum(call, "content-md5", 16), raw_sum(call, "x-ms-content-crc64", 8)
    if md5 and crc:
        raise Invalid("Content-MD5 and x-ms-content-crc64 exclude each other.", code="InvalidHeaderValue", target="x-ms-content-crc64")
    return Check(md5 or (raw_sum(call, "x-ms-blob-content-md5", 16) if is_whole_blob else b""), crc)


def raw_sum(call: Call, header: str, size: int) -> bytes:
    """The digest in a header; empty if it is not sent.

    Raises:
        Invalid: it is not the base64 of so many bytes (codes `InvalidMd5`, `InvalidCrc64`).
    """
    text = call.headers.get(header)
    return _raw(text, size, header, "InvalidMd5" if size == 16 else "InvalidCrc64") if text else b""


def _raw(text: str, size: int, header: str, code: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != size:
        raise Invalid(f"'{header}' must be the base64 of {size} bytes.", code=code, target=header)
    return raw


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def written(call: Call, found: Etagged, *more: tuple[str, str]) -> Headers:
    """The headers of an answer to a write."""
    return [
        ("etag", f'"{found.etag}"'),
        ("last-modified", http_date(found.blob.modified)),
        ("x-ms-version", version_of(call)),
        ("x-ms-request-server-encrypted", "true"),
        *more,
    ]


def of_container(call: Call, container: Container) -> Headers:
    """The headers that describe a container."""
    return [
        ("etag", f'"{container.etag}"'),
        ("last-modified", http_date(container.modified)),
        ("x-ms-version", version_of(call)),
        *((_META + name, value) for name, value in container.metadata.items()),
    ]


def of_blob(call: Call, found: Etagged, length: int, *, is_part: bool = False) -> Headers:
    """The headers that describe a blob; of a part, the whole's MD5 goes by another name."""
    blob = found.blob
    headers = [
        ("content-length", str(length)),
        ("content-type", blob.content.type),
        ("etag", f'"{found.etag}"'),
        ("last-modified", http_date(blob.modified)),
        ("accept-ranges", "bytes"),
        ("x-ms-version", version_of(call)),
        ("x-ms-blob-type", "BlockBlob"),
        ("x-ms-creation-time", http_date(blob.created)),
        ("x-ms-server-encrypted", "true"),
        *_LEASES,
    ]
    if blob.content.md5:
        headers.append(("x-ms-blob-content-md5" if is_part else "content-md5", blob.content.md5))
    for name, value in _content(blob.content):
        headers.append((name, value))
    headers += [(_META + name, value) for name, value in blob.metadata.items()]
    if blob.tags:
        headers.append(("x-ms-tag-count", str(len(blob.tags))))
    headers += _tier(blob) if call.method == "HEAD" else []
    return headers + _copied(blob)


def _content(content: Content) -> Headers:
    named = (
        ("content-encoding", content.encoding),
        ("content-language", content.language),
        ("content-disposition", content.disposition),
        ("cache-control", content.cache),
    )
    return [(name, value) for name, value in named if value]


def _tier(blob: Blob) -> Headers:
    return [("x-ms-access-tier", blob.tier)] if blob.tier else [("x-ms-access-tier", "Hot"), ("x-ms-access-tier-inferred", "true")]


def _copied(blob: Blob) -> Headers:
    if blob.copied is None:
        return []
    return [
        ("x-ms-copy-id", blob.copied.id),
        ("x-ms-copy-source", blob.copied.source),
        ("x-ms-copy-status", "success"),
        ("x-ms-copy-progress", f"{blob.size}/{blob.size}"),
        ("x-ms-copy-completion-time", http_date(blob.copied.at)),
    ]
