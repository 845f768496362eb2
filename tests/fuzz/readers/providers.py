"""What hosts elsewhere answer: providers of sign-in (discovery, keys, tokens, claims), vaults of customers."""

# Readers are often private to what they belong to.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import base64
import functools
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from studiolo.app.outbound import GuardedOutbound, _netloc, _parts, is_public
from studiolo.kernel.faults import Fault
from studiolo.kernel.outbound import Reply
from studiolo.rooms.authentication.domain.federation import Provider, check_issuer, metadata_of, vouched_by
from studiolo.rooms.authentication.service.openid import OpenIdClient
from studiolo.rooms.keys.backends.vaults import VaultKeys
from tests.fuzz.readers.raw import each, finished, plain

ISSUER = "https://lab.test"
PROVIDER = Provider("lab", "2026-01-01T00:00:00.000000Z", "The lab", ISSUER, "studio", ("openid",), "groups", {"a": ("b", "c")}, True)
DISCOVERY = msgspec.json.encode(
    {"issuer": ISSUER, **{name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}}
)
NONCE = "nonce"
NOW = 1_700_000_000.0
KEY = "https://vault.test/keys/one/1"


class Elsewhere:
    """The way out, to a host that answers what a stranger wrote: discovery with an address of each kind, the rest with these bytes."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self._body = body
        self._status = status
        self.may_reach = GuardedOutbound().may_reach

    async def ask(
        self, method: str, address: str, *, headers: Mapping[str, str], body: bytes = b"", seconds: float, most_bytes: int
    ) -> Reply:
        assert all(value.isascii() and value.isprintable() for value in headers.values())
        assert self.may_reach(address)
        assert body or method == "GET"
        assert seconds
        is_discovery = address.endswith("/openid-configuration")
        return Reply(200, DISCOVERY) if is_discovery else Reply(self._status, self._body[:most_bytes])


def discovery(raw: bytes) -> None:
    """A provider's description of itself; and any address, as the way out reads it."""
    address = plain(raw)
    if (parts := _parts(address)) is not None:
        assert _netloc(parts).isascii()
        GuardedOutbound(["https://vault.test:8443", "http://localhost:8080"]).may_reach(address)
    with suppress(ValueError):
        is_public(address)
    found = metadata_of(raw, ISSUER)
    with suppress(Fault):
        check_issuer(address, PROVIDER, found)
    for place in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
        assert not GuardedOutbound().may_reach(place) or (place.isascii() and place.isprintable())


def key_set(raw: bytes) -> None:
    """The first line is a token, the rest the key set of the provider that is said to have signed it."""
    written, _, keys = raw.partition(b"\n")
    claims = finished(OpenIdClient(Elsewhere(keys)).claims(PROVIDER, plain(written)))
    assert isinstance(claims, dict)
    vouched_by(claims, PROVIDER, NONCE, NOW)


def id_token(raw: bytes) -> None:
    """The first line is a token's header, the rest its claims; a provider signs whatever these are."""
    header, _, claims = raw.partition(b"\n")
    key, keys = _signer()
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, claims))
    token = b".".join((signed, base64.urlsafe_b64encode(key.sign(signed)).rstrip(b"="))).decode()
    found = finished(OpenIdClient(Elsewhere(keys)).claims(PROVIDER, token))
    vouched = vouched_by(found, PROVIDER, NONCE, NOW)
    assert vouched.subject
    assert vouched.groups <= PROVIDER.mapped
    assert vouched.shown_name.isprintable()


def exchange(raw: bytes) -> None:
    """The first line is a status, the rest what the token endpoint answers to a code; and what a vault answers to a key."""
    first, _, body = raw.partition(b"\n")
    status = int(first) if len(first) == 3 and first.isdigit() else 200
    bought = OpenIdClient(Elsewhere(body, status)).bought(PROVIDER, "secret", "code", f"{ISSUER}/back", "verifier")
    vault = VaultKeys(Elsewhere(body, status))
    each(
        [
            lambda: asyncio.run(bought),
            lambda: finished(vault.wrap(KEY, b"secret")),
            lambda: finished(vault.unwrap(KEY, KEY.encode() + b"\0secret")),
            lambda: finished(vault.wrap(plain(body), b"secret")),
            lambda: finished(vault.unwrap(KEY, body)),
        ]
    )


@functools.cache
def _signer() -> tuple[Any, bytes]:
    """A key of the provider's, and the key set that has it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(b"of a provider that signs it all.")
    x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")
    return key, msgspec.json.encode({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]})
