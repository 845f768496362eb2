"""Sign-in at our own pages and token endpoint: tokens, forms, requests of applications, proofs, and the head of any request."""

# Readers are often private to what they belong to.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from studiolo.kernel.faults import Fault
from studiolo.rooms.authentication.domain import clients, passwords, tokens
from studiolo.rooms.authentication.domain.audiences import audiences_of
from studiolo.rooms.authentication.domain.scopes import wanted_of
from studiolo.rooms.authentication.service import assertions, credentials, signing
from studiolo.rooms.authentication.service import clients as applications
from studiolo.rooms.authentication.service.grants import authorization_code
from studiolo.rooms.authentication.service.mint import Mint
from studiolo.rooms.authentication.wire import authenticator, authorize, forms, signin
from studiolo.rooms.authentication.wire import tokens as endpoint
from studiolo.rooms.directory.service import certificates, secrets
from studiolo.wire import entrance, http, rates
from tests.fuzz.readers.raw import call, each, finished, head, plain, query, text

ORIGIN = "https://studio.test"
TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "33333333-3333-3333-3333-333333333333"
ISSUER = tokens.Issuer("https://studiolo.test", TENANT)
APPLICATION = clients.Client(CLIENT, "Notes", redirects=("https://notes.test/back?a=b",), native_redirects=("http://localhost/here",))
NOW = 1_700_000_000.0
AT = datetime(2026, 11, 29, tzinfo=UTC)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def token(raw: bytes) -> None:
    header, claims = signing._parts(text(raw))  # before any key is looked for
    tokens.check_header(header)
    tokens.check_claims(claims, ISSUER, NOW)


def form(raw: bytes) -> None:
    """The first line is the `Authorization` header, the second the body's type, the rest the body: a page's form, or a client's."""
    header, _, rest = raw.partition(b"\n")
    kind, _, body = rest.partition(b"\n")
    given = {"content-type": kind.decode("latin-1"), **({"authorization": header.decode("latin-1")} if header else {})}
    asked = call(method="POST", headers=given, body=body)
    fields = [dict[str, str]()]
    with suppress(Fault):
        fields.append(finished(forms.Forms.fields(asked)))
    with suppress(Fault):
        fields.append(finished(endpoint._form(asked)))
    for found in fields:
        assert all(type(value) is str for pair in found.items() for value in pair)
        each(
            [
                lambda found=found: wanted_of(found),
                lambda found=found: signin._code(found),
                lambda found=found: signin.chosen_password(found),
                lambda found=found: applications._purpose(found),
                lambda: authenticator._bearer(given.get("authorization", "")),
            ]
        )


def arrival(raw: bytes) -> None:
    """Somebody comes to a page: the first line is the query, the second the `Cookie` header. They are sent on to pages of ours alone."""
    asked, _, cookies = raw.partition(b"\n")
    came = call(asked.decode("latin-1"), headers={"cookie": cookies.decode("latin-1")})
    session = authenticator.session_of(came)
    assert session is None or session in came.headers["cookie"]
    authenticator.cookie_of(came, "__Host-studiolo-federation-443")
    for wanted in (came.query().get("next", "/"), came.raw_query):
        found = forms.onward(wanted)
        assert urlsplit(urljoin(f"{ORIGIN}/signin", found)).netloc == "studio.test"
        assert found.isascii()
        assert found.isprintable()
    sent = dict(forms.to_sign_in(came).headers)["location"]
    assert sent.startswith("/signin?next=%2F")


def authorization(raw: bytes) -> None:
    """What an application asks for in the address of the page, and how it is answered."""
    asked = query(raw)
    redirect = asked.get("redirect_uri", APPLICATION.redirects[0])
    if not APPLICATION.takes_answers_at(redirect):
        return
    known = audiences_of([ORIGIN])
    nobody = cast("Any", None)  # keys, clients, people and revocations are asked for nothing here
    codes = authorization_code.AuthorizationCode(nobody, nobody, nobody, nobody, Mint(nobody, nobody, nobody, nobody, ISSUER, known))
    told = {"code": "c"}
    if known.knows(asked.get("resource", "")) or "resource" not in asked:
        with suppress(AttributeError):  # a scope of something that is registered: there is nobody to ask for it
            try:
                found = finished(codes.asked(APPLICATION, redirect, asked))
                told["state"] = found.state or ""
                authorization_code._check_verifier(found.challenge, asked.get("code_verifier", ""))
            except Fault as fault:
                told = authorization_code.answer_of(fault)
    for is_posted in (False, True):
        answer = authorize._sent(redirect, told, asked.get("state"), APPLICATION.name, is_posted=is_posted)
        place = dict(answer.headers).get("location", redirect)
        assert place.isascii()
        assert place.isprintable()
        assert urlsplit(place).netloc == urlsplit(redirect).netloc


def redirect_uris(raw: bytes) -> None:
    """The first line is what is registered, the second where an answer is wanted."""
    registered, _, wanted = plain(raw).partition("\n")
    clients.checked_client(
        {"web": {"redirectUris": [registered]}} if registered.startswith("https") else {"publicClient": {"redirectUris": [registered]}}
    )
    client = clients.Client(CLIENT, "Notes", redirects=(registered,), native_redirects=(registered,))
    if client.takes_answers_at(wanted):
        assert urlsplit(wanted).hostname == urlsplit(registered).hostname
        clients.origin_of(wanted)


def assertion(raw: bytes) -> None:
    """An assertion that a client proves itself with."""
    _, claims, _, _ = assertions._read(CLIENT, plain(raw))
    assertions._check_claims(CLIENT, claims, {f"{ORIGIN}/token"}, NOW)


def certificate(raw: bytes) -> None:
    """A certificate that is registered: PEM, or DER in base64."""
    found = certificates._registered(plain(raw), "name", "2026-01-01T00:00:00.000000Z")
    assert found.start_date_time <= found.end_date_time


def password(raw: bytes) -> None:
    """Lines: a wished password, who wishes it, a one-time code, when a secret is to end."""
    wished, name, code, end, *_ = [*plain(raw).split("\n"), "", "", "", ""]
    assert passwords.prepared(passwords.prepared(wished)) == passwords.prepared(wished)
    assert credentials._step_of(SECRET, code, 0) is None or len(code) == 6
    each([lambda: passwords.check_password(wished, name), lambda: secrets._end(end, AT)])


def request_head(raw: bytes) -> None:
    """The first line is verb and path, the others are header fields."""
    first, _, rest = raw.partition(b"\n")
    method, _, path = first.decode("latin-1").partition(" ")
    given = head(rest)
    place = entrance.place_of(given.get("host", ""), "https")
    assert place is None or place[0]
    rates.network_of(given.get("x-address", ""))
    rates.project_of(path)
    each(
        [
            lambda: entrance.check_framing(method, "1.1", given),
            lambda: entrance.check_page(method, (ORIGIN,), given),
            lambda: entrance.check_path(path),
            lambda: http._decode(path),
        ]
    )
