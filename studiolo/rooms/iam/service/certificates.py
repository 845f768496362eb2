"""Certificates of applications, and the assertions that they sign (RFC 7523, as clients of the public cloud write them)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Invalid, NotFound, Stale
from studiolo.kernel.resource import Invocation, JsonObject, Resource
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store
from studiolo.rooms.iam.domain import refusals
from studiolo.rooms.iam.domain.clients import Client
from studiolo.rooms.iam.domain.tokens import SKEW_SECONDS
from studiolo.rooms.iam.service.sweeping import overdue

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SPACE: Final = "iam.client-certificates"
_SEEN: Final = "iam.client-assertions"
_MOST: Final = 20
_LONGEST_NAME: Final = 120
_LEAST_BITS, _MOST_BITS = 2048, 8192
_LONGEST_ASSERTION: Final = 16_384
_LONGEST_LIFE: Final = 3600


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


class _Header(msgspec.Struct):
    alg: str
    x5t: str = ""
    x5t_s256: str = msgspec.field(default="", name="x5t#S256")


class _Claims(msgspec.Struct):
    """What is looked at. MSAL writes moments with fractions."""

    iss: str
    sub: str
    aud: str
    exp: float
    jti: str
    nbf: float = 0


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

    async def check(self, client: Client, assertion: str, addresses: Collection[str], purpose: str) -> None:
        """Raise unless the assertion proves the client, here, now, and for the first time for this purpose.

        Clients of the public cloud use one assertion for several requests, so it is remembered with what was asked for:
        the same request a second time is a replay.

        Raises:
            Unauthenticated: it proves nothing (code `invalid_client`).
        """
        header, claims, signed, signature = _read(client.id, assertion)
        kept = next(
            (
                each
                for each in await self.of(client.id, client.since)
                if (header.x5t_s256.rstrip("=") == each.sha256 if header.x5t_s256 else header.x5t.rstrip("=") == each.sha1)
            ),
            None,
        )
        if kept is None or not (header.x5t_s256 or header.x5t):
            raise refusals.wrong_assertion(client.id, "its certificate is not registered with the application")
        now = clock.now()
        if not kept.start_date_time <= clock.stamp(now) < kept.end_date_time:
            raise refusals.wrong_assertion(client.id, "its certificate is not valid now")
        _verify(client.id, kept, header.alg, signed, signature)
        _check_claims(client.id, claims, addresses, now.timestamp())
        await self._spend(client.id, claims, purpose)

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

    async def _spend(self, client: str, claims: _Claims, purpose: str) -> None:
        key = hashlib.sha256(f"{client}\0{claims.jti}\0{purpose}".encode()).hexdigest()
        until = str(int(claims.exp) + SKEW_SECONDS).encode()
        now = clock.epoch()
        over = await overdue(self._store, _SEEN, lambda entry: int(entry.doc) < now)
        try:
            await self._store.commit(
                PutEntry(_SEEN, Entry(key, clock.new_tag(), until), expect=ABSENT),
                *(DropEntry(_SEEN, entry.key) for entry in over),
            )
        except Stale:
            raise refusals.wrong_assertion(client, "it was used for this request before (replay)") from None


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


def _read(client: str, assertion: str) -> tuple[_Header, _Claims, bytes, bytes]:
    """The parts of an assertion. Padding is taken, since one of the public cloud's clients writes it."""
    head, dot, signature = assertion.rpartition(".")
    pieces = head.split(".")
    try:
        if not dot or len(pieces) != 2 or len(assertion) > _LONGEST_ASSERTION:
            raise ValueError(assertion[:0])
        header = msgspec.json.decode(_decoded(pieces[0]), type=_Header)
        claims = msgspec.json.decode(_decoded(pieces[1]), type=_Claims)
        return header, claims, head.encode("ascii"), _decoded(signature)
    except (ValueError, RecursionError):
        raise refusals.wrong_assertion(client, "it is no signed JSON Web Token with iss, sub, aud, exp and jti") from None


def _decoded(piece: str) -> bytes:
    text = piece.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(piece[:0]) from error


def _verify(client: str, kept: Kept, algorithm: str, signed: bytes, signature: bytes) -> None:
    """The key is the registered certificate's, and the two algorithms are the ones that RSA certificates sign with here."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    public = cast("RSAPublicKey", x509.load_der_x509_certificate(base64.b64decode(kept.certificate)).public_key())
    digest = hashes.SHA256()
    schemes = {"RS256": padding.PKCS1v15(), "PS256": padding.PSS(padding.MGF1(digest), digest.digest_size)}
    scheme = schemes.get(algorithm)
    if scheme is None:
        raise refusals.wrong_assertion(client, "its algorithm is neither RS256 nor PS256")
    try:
        public.verify(signature, signed, scheme, digest)
    except InvalidSignature:
        raise refusals.wrong_assertion(client, "its signature does not fit the certificate") from None


def _check_claims(client: str, claims: _Claims, addresses: Collection[str], now: float) -> None:
    why = ""
    if claims.iss.lower() != client or claims.sub.lower() != client:
        why = "its issuer and subject are not the client"
    elif claims.aud not in addresses:
        why = "its audience is not this token endpoint"
    elif now > claims.exp + SKEW_SECONDS:
        why = "it expired"
    elif claims.exp > now + _LONGEST_LIFE + SKEW_SECONDS:
        why = "it is to live longer than an hour"
    elif claims.nbf > now + SKEW_SECONDS:
        why = "it is not valid yet"
    elif not claims.jti or len(claims.jti) > 200:
        why = "it has no 'jti' by which a replay can be told"
    if why:
        raise refusals.wrong_assertion(client, why)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
