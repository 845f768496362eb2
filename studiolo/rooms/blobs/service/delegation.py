"""User delegation keys and the signatures that the platform makes with them.

A key is a function of the account's secret, of its principal (not of a later one with the same id) and of what it says
(for whom, from when to when), so none is stored; it is void when the account's secret is renewed, the principal's keys
are revoked or the principal is removed, and worth what its principal may do.
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import Caller
from studiolo.rooms.blobs.domain import sas
from studiolo.rooms.blobs.domain.blob import Account
from studiolo.rooms.blobs.domain.times import iso_moment, iso_second
from studiolo.rooms.blobs.service.accounts import Accounts

_GRACE = timedelta(minutes=5)
_ORDER: Final = "racwdxyltfmei"


class DelegationKey(msgspec.Struct, frozen=True):
    """A key as its holder gets it; moments as text, because they are signed as text."""

    oid: str
    tenant: str
    starts: str
    expires: str
    version: str
    value: str
    delegated_tenant: str = ""


class Recipient(NamedTuple):
    """Whom a signature is given to, which holds no longer than they may get one; `mark` is what `ports.Recipients` knows them by."""

    oid: str
    mark: str


class Delegation:
    """Makes user delegation keys."""

    def __init__(self, accounts: Accounts, *, is_https_only: bool = True) -> None:
        """`is_https_only`: signatures of the platform's own are void over plain HTTP."""
        self._accounts = accounts
        self._is_https_only = is_https_only

    async def issue(
        self, account: Account, caller: Caller, starts: str, expires: str, version: str, delegated_tenant: str = ""
    ) -> DelegationKey:
        """A key for the caller.

        Raises:
            Invalid: the moments are malformed, in the past, the wrong way round or more than 7 days apart
                (code `InvalidXmlNodeValue`).
        """
        first, last = iso_moment(starts) if starts else clock.now(), iso_moment(expires)
        if first is None or last is None:
            raise Invalid("Start and Expiry must be ISO 8601 times.", code="InvalidXmlNodeValue", target="KeyInfo")
        now = clock.now()
        if last <= now or last <= first:
            raise Invalid("Expiry must lie in the future and behind Start.", code="InvalidXmlNodeValue", target="Expiry")
        if last - min(first, now) > sas.MAX_KEY_LIFE:
            raise Invalid("A user delegation key lives for at most 7 days from now.", code="InvalidXmlNodeValue", target="Expiry")
        key = DelegationKey(caller.oid, caller.tenant, iso_second(first), iso_second(last), version, "", delegated_tenant)
        return msgspec.structs.replace(key, value=await self._value(account, key, caller.since))

    async def key_of(self, account: Account, signed: sas.Sas, since: str) -> str:
        """The key that a user delegation signature claims to be made with; `since` is that of its principal now."""
        get = signed.get
        key = DelegationKey(get("skoid"), get("sktid"), get("skt"), get("ske"), get("skv"), "", get("skdutid"))
        return await self._value(account, key, since)

    async def sign(
        self, account: Account, container: str, letters: str, caller: Caller, expires: datetime, *, to: Recipient | None = None
    ) -> str:
        """A signature for one container as a query string, worth what the caller may do when it is used, as long as `to` may hold it.

        It ends at `expires`, and in no case more than 7 days from now.
        """
        now = clock.now()
        end = min(expires, now + sas.MAX_KEY_LIFE - 2 * _GRACE)
        key = await self.issue(account, caller, iso_second(now - _GRACE), iso_second(end), sas.ISSUED_VERSION)
        fields = {
            "sv": sas.ISSUED_VERSION,
            "st": key.starts,
            "se": key.expires,
            "sr": "c",
            "sp": "".join(letter for letter in _ORDER if letter in letters),
            "skoid": key.oid,
            "sktid": key.tenant,
            "skt": key.starts,
            "ske": key.expires,
            "sks": "b",
            "skv": key.version,
        }
        if to is not None:
            fields |= {"saoid": to.oid, "scid": to.mark}
        if self._is_https_only:
            fields["spr"] = "https"
        unsigned = sas.read(fields)
        fields["sig"] = sas.signature(key.value, sas.text_to_sign(unsigned, account.name, container, "", {}, fields))
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items() if value)

    async def _value(self, account: Account, key: DelegationKey, since: str) -> str:
        secrets = await self._accounts.secrets(account)
        principal = (str(secrets.revoked.get(key.oid, 0)), key.oid, since, key.tenant)
        text = "\n".join(("user delegation key", *principal, key.starts, key.expires, key.version, key.delegated_tenant))
        return base64.b64encode(hmac.digest(base64.b64decode(secrets.delegation), text.encode(), "sha256")).decode()
