"""What applications sign with their certificates to prove themselves (RFC 7523, as clients of the public cloud write it)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, cast

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Stale
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store
from studiolo.kernel.store.sweeping import overdue
from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.clients import Client
from studiolo.rooms.authentication.domain.tokens import SKEW_SECONDS
from studiolo.rooms.authentication.ports import Certificate, Certificates

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SEEN: Final = "iam.client-assertions"
_LONGEST_ASSERTION: Final = 16_384
_LONGEST_LIFE: Final = 3600


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


class Assertions:
    """Checks assertions against the certificates of their applications."""

    def __init__(self, store: Store, certificates: Certificates) -> None:
        self._store = store
        self._certificates = certificates

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
                for each in await self._certificates.of(client.id, client.since)
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


def _verify(client: str, kept: Certificate, algorithm: str, signed: bytes, signature: bytes) -> None:
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
