"""A customer's key in a vault: `https://{vault}/keys/{name}/{version}`, asked to wrap and unwrap by the Key Vault protocol.

The one place from which the studio speaks to vaults: HTTPS alone, to the host that was named and no other (no redirects,
no proxies), on port 443, and to an address of this machine or its networks only where the operator allows that host.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import re
import ssl
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from studiolo.kernel.faults import Fault, Forbidden, Invalid
from studiolo.rooms.keys.backends.files import revoked, unreachable

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

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

    def __init__(
        self, allowed: Collection[str] = (), tokens: Mapping[str, str] | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        """`allowed` are hosts (`vault.example:8443`) whose addresses may be private, and whose port may be another than 443.

        `tokens` are bearer tokens by host, each sent to its host alone; `context` says which certificates are trusted.
        """
        self._allowed = frozenset(name.lower() for name in allowed)
        self._tokens = tokens or {}
        self._context = context

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
        is_named = place.netloc in self._allowed
        if (port != 443 or _is_address(host)) and not is_named:
            raise _invalid(address)
        return place

    async def _ask(self, address: str, place: _Place, verb: str, value: bytes) -> Answer:
        import aiohttp

        body = {"alg": _ALGORITHM, "value": base64.urlsafe_b64encode(value).decode().rstrip("=")}
        token = self._tokens.get(place.netloc)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            async with (
                self._session(place) as session,
                session.post(
                    f"https://{place.netloc}{place.path}/{verb}",
                    params={"api-version": _API_VERSION},
                    json=body,
                    headers=headers,
                    allow_redirects=False,
                ) as response,
            ):
                if response.status in _REFUSALS:
                    raise revoked(address)
                if response.status != 200:
                    raise unreachable(address, f"status {response.status}")
                return msgspec.json.decode(await _whole(address, response.content), type=Answer)
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError) as error:
            raise unreachable(address, type(error).__name__) from None
        except msgspec.DecodeError:
            raise unreachable(address, "it answers no key") from None

    def _session(self, place: _Place) -> aiohttp.ClientSession:
        """A connection of its own for each question: questions are rare, and nothing lingers."""
        import aiohttp

        connector = aiohttp.TCPConnector(
            resolver=_resolver(is_free=place.netloc in self._allowed),
            ssl=self._context or ssl.create_default_context(),
            use_dns_cache=False,
            force_close=True,
        )
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=_SECONDS), trust_env=False)


async def _whole(address: str, content: aiohttp.StreamReader) -> bytes:
    """All that was answered, which may come in pieces."""
    found = bytearray()
    async for piece in content.iter_any():
        found += piece
        if len(found) > _MOST_BYTES:
            raise unreachable(address, "it answers too much")
    return bytes(found)


_TARGET = "properties.encryption.keyVaultProperties.keyIdentifier"


def _resolver(*, is_free: bool) -> AbstractResolver:
    """Names to addresses; addresses that are not public are left out, whoever owns the name."""
    from aiohttp.abc import AbstractResolver, ResolveResult
    from aiohttp.resolver import ThreadedResolver

    class Public(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            found = await ThreadedResolver().resolve(host, port, family)
            kept = [one for one in found if is_free or ipaddress.ip_address(one["host"].partition("%")[0]).is_global]
            if not kept:
                msg = "its address is not public"
                raise OSError(msg)
            return kept

        async def close(self) -> None:
            await asyncio.sleep(0)

    return Public()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.rpartition(".")[2].isdigit()  # spellings that only some readers take for addresses
    return True


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
