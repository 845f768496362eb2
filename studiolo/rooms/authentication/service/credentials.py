"""What a person proves themselves with: a password, a generator of one-time codes, recovery codes for when it is lost."""

from __future__ import annotations

import base64
import hmac
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Stale
from studiolo.kernel.principals import Principal
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store
from studiolo.rooms.authentication.domain.passwords import check_password
from studiolo.rooms.authentication.ports import Sealer
from studiolo.rooms.authentication.service.passwords import Hasher
from studiolo.rooms.authentication.service.stamps import Stamps

_SPACE: Final = "iam.credentials"
_OWNER: Final = "iam/credentials"
_STEP_SECONDS: Final = 30
_RECOVERY_CODES: Final = 10
_RECOVERY_PURPOSE: Final = "recovery code"


class _Record(msgspec.Struct, frozen=True):
    """One person's. `since` is their birth, so that a later one of the same id inherits nothing.

    `generator` is the sealed secret of the one-time codes, `step` the last time step whose code was taken: a code counts
    once. `recovery` are marks, from which no code can be guessed.
    """

    since: str
    password: str | None = None
    generator: bytes = b""
    step: int = 0
    recovery: tuple[str, ...] = ()


_record = msgspec.json.Decoder(_Record)


class Credentials:
    """The credentials of all people of the tenant."""

    def __init__(self, store: Store, sealer: Sealer, stamps: Stamps, hasher: Hasher) -> None:
        self._store = store
        self._sealer = sealer
        self._stamps = stamps
        self._hasher = hasher

    async def has_password(self, person: Principal) -> bool:
        """Whether the person has set one."""
        return (await self._of(person))[0].password is not None

    async def has_generator(self, person: Principal) -> bool:
        """Whether the person has enrolled a generator of one-time codes."""
        return bool((await self._of(person))[0].generator)

    async def fits(self, person: Principal | None, password: str) -> bool:
        """Whether it is the person's password. For nobody, and for one without a password, the answer takes as long."""
        record = (await self._of(person))[0] if person is not None else None
        return await self._hasher.fits(record.password if record is not None else None, password)

    async def set_password(self, person: Principal, password: str) -> None:
        """Set a new password. Raises Invalid for one that is too easy (codes `PasswordLength`, `PasswordCommon`)."""
        check_password(password, person.name, person.shown_name)
        hashed = await self._hasher.hash(password)
        record, etag = await self._of(person)
        await self._write(person, msgspec.structs.replace(record, password=hashed), etag)

    async def new_generator(self, person: Principal) -> tuple[str, str]:
        """A secret for one-time codes: as text, and as the URI that authenticator programs read. It counts once confirmed."""
        from pyotp import random_base32
        from pyotp.totp import TOTP

        secret = random_base32()
        return secret, TOTP(secret).provisioning_uri(name=person.name or person.oid, issuer_name="Studiolo")

    async def confirm_generator(self, person: Principal, secret: str, code: str) -> list[str] | None:
        """Enrol the secret if the code is its present one; the recovery codes, which are shown once. None if it is not."""
        step = _step_of(secret, code, 0)
        if step is None:
            return None
        record, etag = await self._of(person)
        codes = [base64.b32encode(clock.new_secret(10)).decode().lower() for _ in range(_RECOVERY_CODES)]
        marks = tuple([await self._mark(person, each) for each in codes])
        sealed = await self._sealer.seal(_OWNER, secret.encode(), person.oid.encode())
        await self._write(person, msgspec.structs.replace(record, generator=sealed, step=step, recovery=marks), etag)
        return codes

    async def drop_generator(self, person: Principal) -> None:
        """Do without one-time codes."""
        record, etag = await self._of(person)
        await self._write(person, msgspec.structs.replace(record, generator=b"", step=0, recovery=()), etag)

    async def spend_code(self, person: Principal, code: str) -> bool:
        """Whether the code is the generator's present one, or a recovery code; either counts once."""
        record, etag = await self._of(person)
        if not record.generator:
            return False
        text = "".join(code.split()).replace("-", "").lower()
        secret = (await self._sealer.open(_OWNER, record.generator, person.oid.encode())).decode()
        step = _step_of(secret, text, record.step)
        if step is not None:
            changed = msgspec.structs.replace(record, step=step)
        else:
            mark = await self._mark(person, text)
            left = tuple(each for each in record.recovery if not hmac.compare_digest(each, mark))
            if len(left) == len(record.recovery):
                return False
            changed = msgspec.structs.replace(record, recovery=left)
        try:
            await self._put(person, changed, etag)
        except Stale:  # the same code came twice at this moment
            return False
        return True

    async def forget(self, oid: str) -> None:
        """Forget everything that a person proves themselves with; safe to repeat."""
        await self._store.commit(DropEntry(_SPACE, oid))

    async def _of(self, person: Principal) -> tuple[_Record, str]:
        entry = await self._store.entry(_SPACE, person.oid)
        record = _record.decode(entry.doc) if entry is not None else None
        if record is None or record.since != person.since:
            record = _Record(person.since)
        return record, entry.etag if entry is not None else ABSENT

    async def _put(self, person: Principal, record: _Record, expect: str) -> None:
        await self._store.commit(PutEntry(_SPACE, Entry(person.oid, clock.new_tag(), msgspec.json.encode(record)), expect=expect))

    async def _write(self, person: Principal, record: _Record, expect: str) -> None:
        try:
            await self._put(person, record, expect)
        except Stale:
            raise Conflict("The account was changed at the same moment. Try again.") from None

    async def _mark(self, person: Principal, code: str) -> str:
        return await self._stamps.stamp(_RECOVERY_PURPOSE, f"{person.oid}/{code}")


def _step_of(secret: str, code: str, last: int) -> int | None:
    """The time step of a code that fits now, or one step off for clocks that differ, and is newer than the last one taken."""
    from pyotp.totp import TOTP

    if len(code) != 6 or not code.isdecimal() or not code.isascii():
        return None
    generator, now = TOTP(secret), int(clock.now().timestamp()) // _STEP_SECONDS
    found = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(generator.generate_otp(step), code)]
    return next((step for step in found if step > last), None)
