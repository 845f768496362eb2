"""Certificates of applications: several at a time, each with the end that it names itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Invalid, NotFound
from studiolo.kernel.resource import Invocation, JsonObject, Resource
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store

_SPACE: Final = "iam.client-certificates"
_MOST: Final = 20
_LONGEST_NAME: Final = 120
_LEAST_BITS, _MOST_BITS = 2048, 8192


class Kept(msgspec.Struct, rename="camel", frozen=True):
    """A registered certificate. `since` is the birth of its application, so that a later one of the same id does not inherit it."""

    key_id: str
    certificate: str
    sha1: str
    sha256: str
    display_name: str
    start_date_time: str
    end_date_time: str
    since: str

    def public(self) -> JsonObject:
        """What everybody who may read the application sees."""
        return {
            "keyId": self.key_id,
            "customKeyIdentifier": self.sha1,
            "displayName": self.display_name,
            "startDateTime": self.start_date_time,
            "endDateTime": self.end_date_time,
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
        }


_kept = msgspec.json.Decoder(Kept)


class Certificates:
    """The certificates of all applications. `require_giver` refuses a caller who may not give out proofs of an application."""

    def __init__(self, store: Store, require_giver: Callable[[Invocation], Awaitable[None]]) -> None:
        self._store = store
        self._require_giver = require_giver

    async def of(self, app_id: str, since: str) -> Sequence[Kept]:
        """The certificates of the application that was born at `since`."""
        entries = await self._store.entries(_SPACE, prefix=f"{app_id.lower()}/")
        return [kept for kept in (_kept.decode(entry.doc) for entry in entries) if kept.since == since]

    async def drop_all(self, app_id: str) -> None:
        """Forget every certificate of an application; safe to repeat."""
        entries = await self._store.entries(_SPACE, prefix=f"{app_id.lower()}/")
        if entries:
            await self._store.commit(*(DropEntry(_SPACE, entry.key) for entry in entries))

    # ── the application's actions ────────────────────────────────────────────────────────────────────────────────

    async def add(self, call: Invocation) -> JsonObject:
        """POST addKey: register a certificate (`keyCredential.key`: PEM, or DER in base64).

        Raises:
            Forbidden: the caller may not assign to the application what it holds: its certificate is worth all of that.
            Invalid: it is no certificate with an RSA key of 2048 bits or more, or it has ended.
            Conflict: the application has it already, or has 20 of them.
        """
        await self._require_giver(call)
        credential: Any = call.body.get("keyCredential") or {}
        if not isinstance(credential, dict):
            raise Invalid("'keyCredential' must be an object.", target="keyCredential")
        credential = cast("JsonObject", credential)
        name = credential.get("displayName") or ""
        if not isinstance(name, str) or len(name) > _LONGEST_NAME:
            raise Invalid(f"'displayName' is a text of at most {_LONGEST_NAME} characters.", target="keyCredential.displayName")
        kept = _registered(credential.get("key"), name, call.resource.system.created_at)
        present = await self.of(call.resource.name, kept.since)
        if len(present) >= _MOST:
            raise Conflict(f"An application has at most {_MOST} certificates; remove one.", code="TooManyAppCertificates")
        if any(each.sha256 == kept.sha256 for each in present):
            raise Conflict("The application has this certificate already.", code="CertificateExists")
        entry = Entry(f"{call.resource.name.lower()}/{kept.key_id}", clock.new_tag(), msgspec.json.encode(kept))
        await self._store.commit(PutEntry(_SPACE, entry, expect=ABSENT))
        return kept.public()

    async def remove(self, call: Invocation) -> None:
        """POST removeKey: forget one certificate, named by `keyId`, at once.

        Raises:
            NotFound: the application has no such certificate.
        """
        key = f"{call.resource.name.lower()}/{str(call.body.get('keyId', '')).lower()}"
        if await self._store.entry(_SPACE, key) is None:
            raise NotFound(f"The application has no certificate with the keyId '{call.body.get('keyId', '')}'.", target="keyId")
        await self._store.commit(DropEntry(_SPACE, key))

    async def view(self, application: Resource) -> list[JsonObject]:
        """The certificates' public part."""
        return [kept.public() for kept in await self.of(application.name, application.system.created_at)]


def _registered(given: object, name: str, since: str) -> Kept:
    """A certificate as it is kept."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding

    text = given if isinstance(given, str) else ""
    try:
        raw = text.encode("ascii")
        found = x509.load_pem_x509_certificate(raw) if "-----BEGIN" in text else x509.load_der_x509_certificate(base64.b64decode(raw))
        public = found.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise Invalid("'key' must be an X.509 certificate: PEM, or DER in base64.", target="keyCredential.key") from None
    if not isinstance(public, RSAPublicKey) or not _LEAST_BITS <= public.key_size <= _MOST_BITS:
        raise Invalid(f"The certificate must hold an RSA key of {_LEAST_BITS} to {_MOST_BITS} bits.", target="keyCredential.key")
    start, end = clock.stamp(found.not_valid_before_utc), clock.stamp(found.not_valid_after_utc)
    if end <= clock.stamp(clock.now()):
        raise Invalid(f"The certificate ended at {end}.", target="keyCredential.key")
    der = found.public_bytes(Encoding.DER)
    # SHA-1 names the certificate as older clients do (RFC 7515, `x5t`); nothing rests on its strength.
    sha1 = _b64(hashlib.sha1(der, usedforsecurity=False).digest())
    return Kept(clock.new_id(), base64.b64encode(der).decode(), sha1, _b64(hashlib.sha256(der).digest()), name, start, end, since)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
