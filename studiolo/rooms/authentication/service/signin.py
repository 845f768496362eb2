"""Signing in with a password and, where it is asked for, a one-time code.

Whoever guesses is slowed down: by account and address together, by address, and by account. The last of these spares a
browser that has signed in to the account before, so that nobody can lock its person out. Unknown people are treated as
known ones are, in time and in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.digests import digest_of
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Conflict, Forbidden, Stale
from studiolo.kernel.principals import USERS, Principal, by_address, principal_id, principal_of
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store
from studiolo.kernel.store.sweeping import overdue
from studiolo.rooms.authentication.domain.policies import SIGN_IN_POLICIES
from studiolo.rooms.authentication.ports import People, Sealer
from studiolo.rooms.authentication.service.credentials import Credentials
from studiolo.rooms.authentication.service.sessions import SET_PASSWORD, Sessions
from studiolo.rooms.authentication.service.signouts import SignOuts
from studiolo.rooms.authentication.service.stamps import Stamps
from studiolo.rooms.authentication.service.throttle import Pauses, too_many_tries

_SPACE: Final = "iam.sign-in-steps"
_OWNER: Final = "iam/sign-in-steps"
_LIFE: Final = timedelta(minutes=10)
_MOST_TRIES: Final = 5
_KNOWN: Final = "known browser"
_LONGEST_NAME: Final = 256

Kind = Literal["code", "enrol"]


class _Step(msgspec.Struct, frozen=True):
    """A person who has proved their password, and has one thing left to do."""

    oid: str
    since: str
    at: str
    until: str
    kind: Kind
    secret: bytes = b""
    tries: int = 0


_step = msgspec.json.Decoder(_Step)


@dataclass(frozen=True, slots=True)
class Next:
    """What comes of a step: a session, or a further step with its ticket. `secret` and `uri` are a new generator's."""

    person: Principal
    session: str = ""
    ticket: str = ""
    kind: Kind = "code"
    secret: str = ""
    uri: str = ""
    recovery: tuple[str, ...] = ()


class SignIn:
    """The steps of signing in."""

    def __init__(
        self, store: Store, people: People, sealer: Sealer, sessions: Sessions, credentials: Credentials, signouts: SignOuts, stamps: Stamps
    ) -> None:
        self._store = store
        self._people = people
        self._sealer = sealer
        self._sessions = sessions
        self._credentials = credentials
        self._signouts = signouts
        self._stamps = stamps
        self._by_pair = Pauses(free=5, longest_seconds=900)
        self._by_address = Pauses(free=20, longest_seconds=300)
        self._by_account = Pauses(free=50, longest_seconds=60)

    async def with_password(self, name: str, password: str, address: str, known: str) -> Next:
        """Prove a password. `known` is the mark of a browser that the person used before, if there is one.

        Raises:
            Forbidden: name and password do not go together (code `SignInFailed`).
            TooMany: there were too many tries; the fault says when the next one counts (code `SignInThrottled`).
        """
        name = name.strip().lower()[:_LONGEST_NAME]
        person = await self._named(name)
        is_known = person is not None and known != "" and await self._stamps.fits(_KNOWN, f"{person.oid}/{person.since}", known)
        counts = [(self._by_pair, f"{name}/{address}"), (self._by_address, address)]
        if not is_known:
            counts.append((self._by_account, name))
        pause = max(pauses.remaining(key) for pauses, key in counts)
        if pause > 0:
            raise too_many_tries(pause)
        # Counted before the slow comparison, so that many tries at once are many failures.
        for pauses, key in counts:
            pauses.failed(key)
        if not await self._credentials.fits(person, password) or person is None or not person.is_enabled:
            raise Forbidden("This name and this password do not go together.", code="SignInFailed")
        self._by_pair.succeeded(counts[0][1])
        for pauses, key in counts[1:]:  # others' failures stay: a success of one's own does not wash them off
            pauses.forgave(key)
        return await self._after_password(person)

    async def known_mark(self, person: Principal) -> str:
        """What a browser that has signed in keeps, so that others' failures do not slow it down."""
        return await self._stamps.stamp(_KNOWN, f"{person.oid}/{person.since}")

    async def new_session(self, person: Principal) -> str:
        """A session of a person who has just proved who they are."""
        return await self._sessions.begin(person)

    async def after_provider(self, person: Principal) -> Next:
        """What follows when a provider elsewhere has proved a person: a session, or the one-time code that is asked of them here."""
        if await self._credentials.has_generator(person):
            return Next(person, ticket=await self._ticket(person, "code"))
        return await self.enrol(person) if person.needs_second_factor else Next(person, session=await self._sessions.begin(person))

    async def with_link(self, code: str, password: str) -> Next:
        """Set a password by a one-time link. What was signed in before is signed out.

        Raises:
            Forbidden: the link is unknown, spent or too old (code `SignInCodeInvalid`).
            Invalid: the password is too easy; the link is not spent.
        """
        person = await self._sessions.of_code(code, SET_PASSWORD)
        check_has_passwords(person)
        await self._credentials.set_password(person, password)
        await self._sessions.spend(code, SET_PASSWORD)
        return await self._after_password(await self._signouts.everywhere(person.oid))

    async def change_password(self, person: Principal, old: str, new: str, address: str) -> Principal:
        """Change one's own password. What was signed in before is signed out. Raises as `with_password` and `with_link` do."""
        check_has_passwords(person)
        key = f"{person.oid}/{address}"
        if (pause := self._by_pair.remaining(key)) > 0:
            raise too_many_tries(pause)
        self._by_pair.failed(key)
        if await self._credentials.has_password(person) and not await self._credentials.fits(person, old):
            raise Forbidden("This is not your present password.", code="SignInFailed")
        self._by_pair.succeeded(key)
        await self._credentials.set_password(person, new)
        return await self._signouts.everywhere(person.oid)

    async def with_code(self, ticket: str, code: str) -> Next:
        """Prove the second factor: a one-time code, or a recovery code.

        Raises:
            Forbidden: the ticket is over (code `SignInStepOver`), or the code is wrong (code `SignInFailed`).
        """
        entry, _, person = await self._taken(ticket, "code")
        if not await self._credentials.spend_code(person, code):
            raise Forbidden("This code is not right, or was used before.", code="SignInFailed")
        await self._store.commit(DropEntry(_SPACE, entry.key))
        return Next(person, session=await self._sessions.begin(person))

    async def enrol(self, person: Principal) -> Next:
        """Begin to enrol a generator of one-time codes."""
        secret, uri = await self._credentials.new_generator(person)
        ticket = await self._ticket(person, "enrol", await self._sealer.seal(_OWNER, secret.encode(), person.oid.encode()))
        return Next(person, ticket=ticket, kind="enrol", secret=secret, uri=uri)

    async def confirm(self, ticket: str, code: str) -> Next:
        """Enrol the generator by its first code: a session, and the recovery codes. Raises as `with_code` does."""
        entry, step, person = await self._taken(ticket, "enrol")
        secret = (await self._sealer.open(_OWNER, step.secret, person.oid.encode())).decode()
        codes = await self._credentials.confirm_generator(person, secret, "".join(code.split()))
        if codes is None:
            raise Forbidden("This code is not right: compare the clocks of both devices.", code="SignInFailed")
        await self._store.commit(DropEntry(_SPACE, entry.key))
        return Next(person, session=await self._sessions.begin(person), recovery=tuple(codes))

    async def shown_again(self, ticket: str) -> Next:
        """The enrolment of a ticket, to show it once more after a wrong code. Raises Forbidden when it is over."""
        entry = await self._store.entry(_SPACE, digest_of(ticket))
        step = _step.decode(entry.doc) if entry is not None else None
        person = await self._people.principal(step.oid) if step is not None else None
        if step is None or person is None:
            raise _over()
        if step.kind == "code":
            return Next(person, ticket=ticket)
        from pyotp.totp import TOTP

        secret = (await self._sealer.open(_OWNER, step.secret, person.oid.encode())).decode()
        uri = TOTP(secret).provisioning_uri(name=person.name or person.oid, issuer_name="Studiolo")
        return Next(person, ticket=ticket, kind="enrol", secret=secret, uri=uri)

    async def _after_password(self, person: Principal) -> Next:
        if await self._credentials.has_generator(person):
            return Next(person, ticket=await self._ticket(person, "code"))
        if person.needs_second_factor or await self._is_second_factor_required():
            return await self.enrol(person)
        return Next(person, session=await self._sessions.begin(person))

    async def _is_second_factor_required(self) -> bool:
        row = await self._store.find(principal_id(SIGN_IN_POLICIES, "default").key)
        return row is not None and resource_of(row).properties.get("secondFactor") == "required"

    async def _named(self, name: str) -> Principal | None:
        """The one user who signs in by this name."""
        if not name:
            return None
        rows = (await self._store.by_facet(USERS.lower(), by_address(name), limit=2)).rows
        return principal_of(resource_of(rows[0])) if len(rows) == 1 else None

    async def _ticket(self, person: Principal, kind: Kind, secret: bytes = b"") -> str:
        now = clock.now()
        text = clock.new_token()
        step = _Step(person.oid, person.since, clock.stamp(now), clock.stamp(now + _LIFE), kind, secret)
        over = await overdue(self._store, _SPACE, lambda each: _step.decode(each.doc).until <= clock.stamp(now))
        await self._store.commit(
            PutEntry(_SPACE, Entry(digest_of(text), clock.new_tag(), msgspec.json.encode(step)), expect=ABSENT),
            *(DropEntry(_SPACE, each.key) for each in over),
        )
        return text

    async def _taken(self, ticket: str, kind: Kind) -> tuple[Entry, _Step, Principal]:
        """The step of a ticket, with one more try counted; a few tries are all that a ticket has."""
        key = digest_of(ticket)
        entry = await self._store.entry(_SPACE, key)
        step = _step.decode(entry.doc) if entry is not None else None
        if entry is None or step is None or step.kind != kind or step.until <= clock.stamp(clock.now()) or step.tries >= _MOST_TRIES:
            raise _over()
        person = await self._people.principal(step.oid)
        if person is None or not person.is_enabled or person.since != step.since or step.at < person.not_before:
            raise _over()
        counted = Entry(key, clock.new_tag(), msgspec.json.encode(msgspec.structs.replace(step, tries=step.tries + 1)))
        try:
            await self._store.commit(PutEntry(_SPACE, counted, expect=entry.etag))
        except Stale:
            raise _over() from None
        return counted, step, person


def check_has_passwords(person: Principal) -> None:
    """Raise Conflict for somebody who came from a provider elsewhere: a password here would outlive their account there."""
    if person.is_federated:
        raise Conflict("This account signs in by its provider alone, and has no password here.", code="NoLocalPassword")


def _over() -> Forbidden:
    return Forbidden("This took too long, or there were too many tries. Sign in again.", code="SignInStepOver")
