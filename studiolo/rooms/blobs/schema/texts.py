"""The XML bodies of the Blob protocol, read and written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape

from studiolo.kernel.faults import Invalid
from studiolo.rooms.blobs.domain.blob import Blob, Container, Piece
from studiolo.rooms.blobs.domain.times import http_date

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

HEAD: Final = '<?xml version="1.0" encoding="utf-8"?>'
_NOT_XML = re.compile("[\ufffe\uffff]")
_PLAIN = re.compile("[^&<>\ufffe\uffff]*")
_BLOCK_KINDS: Final = ("Committed", "Uncommitted", "Latest")


class Line(NamedTuple):
    """A line of a list of blobs: a blob with its ETag, a name that has only staged blocks, or a folder."""

    name: str
    etag: str = ""
    blob: Blob | None = None
    is_folder: bool = False


class Shown(NamedTuple):
    """What a list shows of each blob besides its properties."""

    metadata: bool = False
    tags: bool = False


def fault_body(code: str, message: str) -> bytes:
    """The body of a refusal."""
    return f"{HEAD}<Error><Code>{_text(code)}</Code><Message>{_text(message)}</Message></Error>".encode()


def blob_list(head: str, asked: Sequence[tuple[str, str]], lines: Sequence[Line], next_marker: str, shown: Shown) -> bytes:
    """`EnumerationResults` of a container; `head` is its opening tag, `asked` the parameters that are told back."""
    parts = [HEAD, head, *(f"<{name}>{_text(value)}</{name}>" for name, value in asked if value), "<Blobs>"]
    for name, etag, blob, is_folder in lines:
        if blob is not None:
            parts.append(_blob(name, etag, blob, shown))
        elif is_folder:
            parts.append(f"<BlobPrefix>{_name(name)}</BlobPrefix>")
        else:
            parts.append(
                f"<Blob>{_name(name)}<Properties><Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
            )
    parts.append(f"</Blobs><NextMarker>{_text(next_marker)}</NextMarker></EnumerationResults>")
    return "".join(parts).encode()


def _blob(name: str, etag: str, blob: Blob, shown: Shown) -> str:
    content = blob.content
    optional = "".join(
        f"<{tag}>{_text(value)}</{tag}>"
        for tag, value in (
            ("Content-Encoding", content.encoding),
            ("Content-Language", content.language),
            ("Content-MD5", content.md5),
            ("Content-Disposition", content.disposition),
            ("Cache-Control", content.cache),
        )
        if value
    )
    if blob.copied is not None:
        optional += (
            f"<CopyId>{blob.copied.id}</CopyId><CopySource>{_text(blob.copied.source)}</CopySource><CopyStatus>success</CopyStatus>"
            f"<CopyProgress>{blob.size}/{blob.size}</CopyProgress><CopyCompletionTime>{http_date(blob.copied.at)}</CopyCompletionTime>"
        )
    if blob.tags:
        optional += f"<TagCount>{len(blob.tags)}</TagCount>"
    inferred = "" if blob.tier else "<AccessTierInferred>true</AccessTierInferred>"
    more = _metadata(blob.metadata) if shown.metadata else ""
    if shown.tags and blob.tags:
        more += _tag_set(blob.tags)
    return (
        f"<Blob>{_name(name)}<Properties><Creation-Time>{http_date(blob.created)}</Creation-Time>"
        f"<Last-Modified>{http_date(blob.modified)}</Last-Modified><Etag>{etag}</Etag><Content-Length>{blob.size}</Content-Length>"
        f"<Content-Type>{_text(content.type)}</Content-Type>{optional}<BlobType>BlockBlob</BlobType>"
        f"<AccessTier>{blob.tier or 'Hot'}</AccessTier>{inferred}<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        f"<ServerEncrypted>true</ServerEncrypted></Properties>{more}</Blob>"
    )


def container_list(
    head: str, asked: Sequence[tuple[str, str]], containers: Sequence[tuple[str, Container]], next_marker: str, *, with_metadata: bool
) -> bytes:
    """`EnumerationResults` of an account."""
    parts = [HEAD, head, *(f"<{name}>{_text(value)}</{name}>" for name, value in asked if value), "<Containers>"]
    parts += [
        f"<Container><Name>{name}</Name><Properties><Last-Modified>{http_date(container.modified)}</Last-Modified>"
        f'<Etag>"{container.etag}"</Etag><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>'
        "<DefaultEncryptionScope>$account-encryption-key</DefaultEncryptionScope>"
        "<DenyEncryptionScopeOverride>false</DenyEncryptionScopeOverride><HasImmutabilityPolicy>false</HasImmutabilityPolicy>"
        f"<HasLegalHold>false</HasLegalHold></Properties>{_metadata(container.metadata) if with_metadata else ''}</Container>"
        for name, container in containers
    ]
    parts.append(f"</Containers><NextMarker>{_text(next_marker)}</NextMarker></EnumerationResults>")
    return "".join(parts).encode()


def block_list(committed: Sequence[Piece] | None, staged: Sequence[Piece] | None) -> bytes:
    """`BlockList`; None leaves a half out."""
    parts = [HEAD, "<BlockList>"]
    for tag, pieces in (("CommittedBlocks", committed), ("UncommittedBlocks", staged)):
        if pieces is not None:
            blocks = "".join(f"<Block><Name>{piece.block}</Name><Size>{piece.size}</Size></Block>" for piece in pieces)
            parts.append(f"<{tag}>{blocks}</{tag}>")
    parts.append("</BlockList>")
    return "".join(parts).encode()


def tags_body(tags: Mapping[str, str]) -> bytes:
    """`Tags` of a blob."""
    return (HEAD + _tag_set(tags)).encode()


def delegation_key(fields: Sequence[tuple[str, str]]) -> bytes:
    """`UserDelegationKey`."""
    inner = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in fields if value)
    return f"{HEAD}<UserDelegationKey>{inner}</UserDelegationKey>".encode()


def service_properties() -> bytes:
    """`StorageServiceProperties`: analytics, metrics and retention are off."""
    retention = "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
    metrics = f"<Version>1.0</Version><Enabled>false</Enabled>{retention}"
    return (
        f"{HEAD}<StorageServiceProperties><Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write>{retention}"
        f"</Logging><HourMetrics>{metrics}</HourMetrics><MinuteMetrics>{metrics}</MinuteMetrics><Cors />"
        "<DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy><StaticWebsite><Enabled>false</Enabled></StaticWebsite>"
        "</StorageServiceProperties>"
    ).encode()


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_block_list(raw: bytes) -> Iterator[tuple[str, str]]:
    """The lines of a `BlockList`: where to look for a block, and its id.

    Raises:
        Invalid: the body is no such list (code `InvalidXmlDocument`).
    """
    root = _root(raw, "BlockList")
    for child in root:
        if child.tag not in _BLOCK_KINDS:
            raise _malformed(f"'{child.tag[:50]}' is not a kind of block")
        yield child.tag, (child.text or "").strip()


def read_tags(raw: bytes) -> dict[str, str]:
    """The tags in a `Tags` body.

    Raises:
        Invalid: the body is no such set (code `InvalidXmlDocument`), or has too many or too long tags (`InvalidTag`).
    """
    found: dict[str, str] = {}
    for tag in _root(raw, "Tags").iter("Tag"):
        name = tag.findtext("Key") or ""
        if name in found:
            raise _malformed(f"the tag '{name[:50]}' stands twice")
        found[name] = tag.findtext("Value") or ""
    return found


def read_key_info(raw: bytes) -> tuple[str, str, str]:
    """Start, expiry and delegated tenant in a `KeyInfo` body; absent ones are empty."""
    root = _root(raw, "KeyInfo")
    return root.findtext("Start") or "", root.findtext("Expiry") or "", root.findtext("DelegatedUserTid") or ""


def _root(raw: bytes, tag: str) -> Element:
    # Entities and external documents need a declaration; no client sends one.
    if b"<!" in raw:
        raise _malformed("declarations are not allowed in it")
    from xml.etree import ElementTree as ET

    try:
        root = ET.fromstring(raw)  # noqa: S314 - without declarations there are no entities
    except (ET.ParseError, ValueError, LookupError) as error:
        raise _malformed(str(error)[:200]) from None
    if root.tag != tag:
        raise _malformed(f"its root is '{root.tag[:50]}', not '{tag}'")
    return root


def _malformed(why: str) -> Invalid:
    return Invalid(f"The request body is not the XML that is expected here: {why}.", code="InvalidXmlDocument")


# ── pieces of text ───────────────────────────────────────────────────────────────────────────────────────────────────


def _metadata(metadata: Mapping[str, str]) -> str:
    return (
        "<Metadata>" + "".join(f"<{name}>{_text(value)}</{name}>" for name, value in metadata.items()) + "</Metadata>"
        if metadata
        else "<Metadata />"
    )


def _tag_set(tags: Mapping[str, str]) -> str:
    inner = "".join(f"<Tag><Key>{_text(name)}</Key><Value>{_text(value)}</Value></Tag>" for name, value in tags.items())
    return f"<Tags><TagSet>{inner}</TagSet></Tags>"


def _name(name: str) -> str:
    """A name; one that XML cannot hold is percent-encoded and says so."""
    if _PLAIN.fullmatch(name):
        return f"<Name>{name}</Name>"
    return f'<Name Encoded="true">{quote(name)}</Name>' if _NOT_XML.search(name) else f"<Name>{escape(name)}</Name>"


def _text(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else escape(_NOT_XML.sub("", value))
