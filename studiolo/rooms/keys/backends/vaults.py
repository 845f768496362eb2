"""A customer's key in a vault: `https://{vault}/keys/{name}/{version}`, asked to wrap and unwrap by the Key Vault protocol.

Vaults are asked by the studio's one way out (`kernel.outbound`), which says which hosts may be.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from studiolo.kernel.faults import Fault, Forbidden, Invalid, Unavailable
from studiolo.kernel.outbound import Outbound
from studiolo.rooms.keys.backends.files import revoked, unreachable

_ALGORITHM: Final = "RSA-OAEP-256"
_API_VERSION: Final = "7.4"
_SECONDS: Final = 2.0
_MOST_BYTES = 64 << 10
_PATH = re.compile(r"/keys/[A-Za-z0-9-]{1,127}(/[A-Za-z0-9]{1,64})?")
_REFUSALS: Final = frozenset({400, 401, 403, 404, 409, 410})


class Answer(msgspec.Struct):
    """What a vault answers to wrapkey and unwrapkey."""

    kid: str
    value: str


class _Place(NamedTuple):
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """The host, and the port if it is not the usual one."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


class VaultKeys:
    """See `kernel.keys.CustomerKeys`."""

    def __init__(self, outbound: Outbound, tokens: Mapping[str, str] | None = None) -> None:
        """Ask by `outbound`. `tokens` are bearer tokens by host, each sent to its host alone."""
        self._outbound = outbound
        self._tokens = tokens or {}

    async def wrap(self, address: str, secret: bytes) -> bytes:
        """See `CustomerKeys.wrap`. What comes back names the version that has wrapped."""
        place = self._place(address)
        try:
            answer = await self._ask(address, place, "wrapkey", secret)
        except Forbidden as refusal:
            raise Invalid(refusal.message, code="CustomerKeyInvalid", target=_TARGET) from None
        key = self._place(answer.kid)
        if key.netloc != place.netloc or not f"{key.path}/".startswith(f"{place.path}/"):
            raise Invalid(f"The vault wrapped with another key than '{address[:300]}'.", code="CustomerKeyInvalid", target=_TARGET)
        return answer.kid.encode() + b"\0" + _decoded(address, answer.value)

    async def unwrap(self, address: str, wrapped: bytes) -> bytes:
        """See `CustomerKeys.unwrap`."""
        kid, _, value = wrapped.partition(b"\0")
        try:
            place, asked = self._place(kid.decode()), self._place(address)
        except (Invalid, UnicodeDecodeError):
            raise revoked(address) from None
        if place.netloc != asked.netloc:
            raise revoked(address)
        return _decoded(address, (await self._ask(address, place, "unwrapkey", value)).value)

    def _place(self, address: str) -> _Place:
        try:
            parts = urlsplit(address)
            host, port = (parts.hostname or "").lower(), parts.port or 443
        except ValueError:
            raise _invalid(address) from None
        path = parts.path.rstrip("/")
        is_plain = parts.scheme == "https" and not parts.query and not parts.fragment and not parts.username and not parts.password
        if not is_plain or not host or not _PATH.fullmatch(path):
            raise _invalid(address)
        place = _Place(host, port, path)
        if not self._outbound.may_reach(f"https://{place.netloc}{path}"):
            raise _invalid(address)
        return place

    async def _ask(self, address: str, place: _Place, verb: str, value: bytes) -> Answer:
        body = {"alg": _ALGORITHM, "value": base64.urlsafe_b64encode(value).decode().rstrip("=")}
        token = self._tokens.get(place.netloc)
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        target = f"https://{place.netloc}{place.path}/{verb}?api-version={_API_VERSION}"
        try:
            status, raw = await self._outbound.ask(
                "POST", target, headers=headers, body=msgspec.json.encode(body), seconds=_SECONDS, most_bytes=_MOST_BYTES
            )
            if status in _REFUSALS:
                raise revoked(address)
            if status != 200:
                raise unreachable(address, f"status {status}")
            return msgspec.json.decode(raw, type=Answer)
        except Unavailable as fault:
            raise unreachable(address, fault.message) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise unreachable(address, "it answers no key") from None


_TARGET = "properties.encryption.keyVaultProperties.keyIdentifier"


def _decoded(address: str, text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise unreachable(address, "it answers no key") from None


def _invalid(address: str) -> Fault:
    return Invalid(
        f"'{address[:300]}' is no key that can be used: name one as https://VAULT/keys/NAME/VERSION, by a host name and on port 443, "
        "or as file:///PATH. Other ports and addresses of this machine must be allowed by the operator (`studiolo up --allow-vault "
        "HOST:PORT`).",
        code="CustomerKeyInvalid",
        target=_TARGET,
    )
