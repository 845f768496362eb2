"""Answers that are not to be believed, and providers that misbehave: nobody comes in, and everybody is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc import jwk, jws

from studiolo.app.outbound import GuardedOutbound, is_public
from studiolo.kernel import clock
from studiolo.kernel.faults import Unavailable
from studiolo.rooms.authentication.service import openid
from tests.rooms.authentication.federated import BINDING, PATH, Lab, is_in, opened_lab
from tests.support.asgi import Reply
from tests.support.browser import Browser
from tests.support.provider import Answer, Provider, back, provider_in

pytestmark = pytest.mark.anyio
NOW = time.time
OTHER = PATH.replace("/lab", "/other")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async for found in opened_lab(tmp_path):
        yield found


async def refused(lab: Lab, **claims: Any) -> bytes:
    """Nobody comes in with these claims, and no user is made; the page that tells."""
    browser, page = await lab.sign_in(**claims)
    assert not is_in(browser)
    assert page.status in (403, 503), page.body
    assert await lab.users() == {}
    return page.body


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def by_hmac(claims: dict[str, Any], key: bytes) -> str:
    """A token that is signed with what everybody knows."""
    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims)}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def forged(  # noqa: PLR0911 - one return for each kind
    kind: str, provider: Provider, claims: dict[str, Any]
) -> str:
    """A token of this kind of forger."""
    stranger = jwk.RSAKey.generate_key(2048, {"kid": "one"})
    good = provider.signed({"kid": "one"}, claims)
    head, body, signature = good.split(".")
    if kind == "none":
        return f"{part({'alg': 'none', 'kid': 'one'})}.{body}."
    if kind == "none with the signature":
        return f"{part({'alg': 'None', 'kid': 'one'})}.{body}.{signature}"
    if kind == "no signature":
        return f"{head}.{body}."
    if kind == "HS256 with the public key":
        return by_hmac(claims, provider.rsa.as_pem(private=False))
    if kind == "HS256 with our secret":
        return by_hmac(claims, provider.clients["studio"].encode())
    if kind == "another's key":
        return jws.serialize_compact({"alg": "RS256", "kid": "one"}, json.dumps(claims), stranger)
    if kind == "a key in the header":
        header = {"alg": "RS256", "jwk": stranger.as_dict(private=False)}
        return jws.serialize_compact(header, json.dumps(claims), stranger)
    if kind == "other claims":
        return f"{head}.{part({**claims, 'sub': 'root'})}.{signature}"
    if kind == "a critical extension":
        return f"{part({'alg': 'RS256', 'kid': 'one', 'crit': ['exp'], 'exp': 1})}.{body}.{signature}"
    if kind == "the wrong kind of key":
        return f"{part({'alg': 'ES256', 'kid': 'one'})}.{body}.{signature}"
    return {"empty": "", "dots": "..", "long": "a" * 200_000, "encrypted": f"{good}.x.y", "no JSON": f"{part(b'x')}.{body}.{signature}"}[
        kind
    ]


FORGERS = (
    *("none", "none with the signature", "no signature", "HS256 with the public key", "HS256 with our secret", "another's key"),
    *("a key in the header", "other claims", "a critical extension", "the wrong kind of key"),
    *("empty", "dots", "long", "encrypted", "no JSON"),
)


@pytest.mark.parametrize("kind", FORGERS)
async def test_a_forged_token_is_not_believed(lab: Lab, kind: str) -> None:
    lab.provider.sign = lambda _, claims: forged(kind, lab.provider, claims)
    assert b"not believed" in await refused(lab)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"aud": ["studio", "another"]},
        {"aud": ["studio", "another"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": ""},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 300},
        {"exp": None},
        {"exp": "soon"},
        {"exp": timedelta(hours=-1)},
        {"iat": None},
        {"iat": timedelta(hours=1)},
        {"iat": timedelta(hours=-1)},
        {"nbf": timedelta(hours=1)},
    ],
    ids=str,
)
async def test_a_token_for_somebody_or_something_else_is_not_believed(lab: Lab, claims: dict[str, Any]) -> None:
    said = {name: int(NOW() + value.total_seconds()) if isinstance(value, timedelta) else value for name, value in claims.items()}
    assert b"not believed" in await refused(lab, **said)


async def test_a_token_for_us_among_others_says_so(lab: Lab) -> None:
    browser, _ = await lab.sign_in(aud=["studio", "another"], azp="studio")
    assert is_in(browser)


# ── the way there and back ───────────────────────────────────────────────────────────────────────────────────────


async def come(browser: Browser, path: str) -> Reply:
    return await browser.send("GET", path, sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="document")


async def test_an_answer_works_once_and_in_the_browser_that_asked(lab: Lab) -> None:
    browser, stranger = Browser(lab.studio), Browser(lab.studio)
    address = await lab.leave(browser)
    await lab.leave(stranger)
    answer = lab.provider.sign_in(address)
    for other in (stranger, Browser(lab.studio)):
        page = await lab.arrive(other, address, answer)
        assert (page.status, is_in(other)) == (403, False)
        assert b"Begin again" in page.body
    bound = browser.cookies[BINDING]
    assert (await lab.arrive(browser, address, answer)).status == 200
    assert is_in(browser)
    again = Browser(lab.studio)
    again.cookies[BINDING] = bound
    page = await lab.arrive(again, address, lab.provider.sign_in(address))
    assert (page.status, is_in(again)) == (403, False)


@pytest.mark.parametrize("answer", [{}, {"state": "x"}, {"code": "x"}, {"code": "x", "state": ""}, {"code": "x", "state": "x" * 5000}])
async def test_an_answer_that_nobody_asked_for_is_none(lab: Lab, answer: dict[str, str]) -> None:
    browser = Browser(lab.studio)
    address = await lab.leave(browser)
    assert (await lab.arrive(browser, address, answer)).status == 403
    assert not is_in(browser)


async def test_a_sign_in_lasts_ten_minutes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(lab.studio)
    address = await lab.leave(browser)
    later = clock.now() + timedelta(minutes=10, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (await lab.arrive(browser, address, lab.provider.sign_in(address))).status == 403


async def test_a_refusal_elsewhere_is_told_in_our_words(lab: Lab) -> None:
    browser = Browser(lab.studio)
    address = await lab.leave(browser)
    state = lab.provider.sign_in(address)["state"]
    told = {"error": "access_denied", "error_description": "<script>call 0900</script>", "state": state}
    page = await lab.arrive(browser, address, told)
    assert page.status == 403
    assert b"did not sign you in" in page.body
    assert b"0900" not in page.body


async def test_one_provider_does_not_answer_for_another(lab: Lab) -> None:
    await lab.configure(OTHER, displayName="Other", clientId="elsewhere")
    lab.provider.clients["elsewhere"] = ""
    browser = Browser(lab.studio)
    address = await lab.leave(browser, name="other")
    page = await come(browser, back("/signin/from/lab", lab.provider.sign_in(address)))
    assert (page.status, is_in(browser)) == (403, False)


@pytest.mark.parametrize(
    ("told", "is_advertised", "is_good"), [("own", True, True), ("own", False, True), ("", True, False), ("other", False, False)]
)
async def test_an_answer_names_its_issuer_where_its_provider_does(lab: Lab, told: str, is_advertised: bool, is_good: bool) -> None:
    lab.provider.advertises["authorization_response_iss_parameter_supported"] = is_advertised
    browser = Browser(lab.studio)
    address = await lab.leave(browser)
    named = {"own": {"iss": lab.provider.issuer}, "other": {"iss": "https://elsewhere.example"}, "": dict[str, str]()}[told]
    page = await lab.arrive(browser, address, {**lab.provider.sign_in(address), **named})
    assert (page.status == 200, is_in(browser)) == (is_good, is_good)


async def test_a_code_of_another_sign_in_buys_nothing(lab: Lab) -> None:
    victim, thief = Browser(lab.studio), Browser(lab.studio)
    stolen = lab.provider.sign_in(await lab.leave(victim))["code"]
    address = await lab.leave(thief)
    page = await lab.arrive(thief, address, {**lab.provider.sign_in(address), "code": stolen})
    assert (page.status, is_in(thief)) == (403, False)


async def test_it_goes_on_to_our_own_pages_alone(lab: Lab) -> None:
    for goal in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
        browser = Browser(lab.studio)
        address = (await browser.send("GET", f"/signin/with/lab?next={goal}", sec_fetch_site="same-origin")).headers["location"]
        page = await lab.arrive(browser, address, lab.provider.sign_in(address))
        assert b'content="0;url=/"' in page.body


async def test_another_sites_page_begins_nothing(lab: Lab) -> None:
    browser = Browser(lab.studio)
    page = await come(browser, "/signin/with/lab?next=/account")
    assert (page.status, browser.cookies) == (200, {})
    assert b'href="/signin/with/lab?next=%2Faccount"' in page.body
    assert lab.provider.asked == []


async def test_whoever_guesses_is_slowed_down(lab: Lab) -> None:
    browser = Browser(lab.studio)
    statuses = [(await come(browser, "/signin/from/lab?code=x&state=x")).status for _ in range(25)]
    assert statuses[:20] == [403] * 20
    assert statuses[-1] == 429
    page = await browser.send("GET", "/signin/with/lab", sec_fetch_site="same-origin")
    assert (page.status, "retry-after" in page.headers) == (429, True)


async def test_beginning_without_end_is_slowed_down(lab: Lab) -> None:
    browser = Browser(lab.studio)
    statuses = [(await browser.send("GET", "/signin/with/lab", sec_fetch_site="same-origin")).status for _ in range(32)]
    assert (statuses[:30], statuses[30:]) == ([303] * 30, [429] * 2)


# ── providers that misbehave ─────────────────────────────────────────────────────────────────────────────────────


def answering(status: int, body: bytes, **headers: str) -> Answer:
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


def redirect(to: str) -> Answer:
    return answering(302, b"", location=to)


@pytest.mark.parametrize("place", ["/.well-known/openid-configuration", "/keys"])
@pytest.mark.parametrize(
    "answer",
    [
        answering(503, b"{}"),
        answering(404, b"{}"),
        answering(200, b"<html>"),
        answering(200, b"[]"),
        answering(200, b"{}"),
        answering(200, b'"' + b"x" * (300 << 10) + b'"'),
        answering(200, b"\x1f\x8b" + b"\0" * 100, content_encoding="gzip"),
        redirect("https://169.254.169.254/latest/meta-data"),
    ],
    ids=["503", "404", "no JSON", "a list", "nothing", "too long", "squeezed", "a redirect"],
)
async def test_a_provider_that_does_not_answer_as_it_must_is_told_of(
    lab: Lab, place: str, answer: tuple[int, bytes, dict[str, str]]
) -> None:
    lab.provider.answers[place] = answer
    page = await Browser(lab.studio).send("GET", "/signin/with/lab", sec_fetch_site="same-origin")
    assert page.status == 503
    assert b"This sign-in did not work" in page.body
    assert lab.provider.asked.count(place) == 1
    again = await Browser(lab.studio).send("GET", "/signin/with/lab", sec_fetch_site="same-origin")
    assert (again.status, lab.provider.asked.count(place)) == (503, 1), "one that does not answer is left alone for a while"


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"token_endpoint": "https://127.0.0.1:1/token"},
        {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "https://[::ffff:10.0.0.1]/keys"},
        {"jwks_uri": "https://localhost:1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://login.example/authorize"},
        {"authorization_endpoint": None},
    ],
    ids=str,
)
async def test_a_description_that_leads_elsewhere_is_not_followed(lab: Lab, said: dict[str, Any]) -> None:
    lab.provider.advertises |= said
    page = await Browser(lab.studio).send("GET", "/signin/with/lab", sec_fetch_site="same-origin")
    assert (page.status, "location" in page.headers) == (503, False)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (answering(400, b'{"error":"invalid_grant"}'), 403),
        (answering(401, b'{"error":"invalid_client"}'), 503),
        (answering(500, b""), 503),
        (answering(200, b"{}"), 503),
        (answering(200, b'{"id_token":7}'), 503),
        (redirect("https://127.0.0.1:1/"), 503),
        (answering(200, b'{"id_token":"' + b"x" * (300 << 10) + b'"}'), 503),
    ],
    ids=["the code is not taken", "we are not known", "it is broken", "no token", "no text", "a redirect", "too long"],
)
async def test_a_token_endpoint_that_fails_is_told_of(lab: Lab, answer: Answer, status: int) -> None:
    lab.provider.answers["/token"] = answer
    browser, page = await lab.sign_in()
    assert (page.status, is_in(browser)) == (status, False)
    assert lab.provider.clients["studio"].encode() not in page.body


async def test_a_silent_provider_holds_nobody_for_long_and_many_share_one_question(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openid, "_SECONDS", 0.3)
    lab.provider.is_silent = True
    browsers = [Browser(lab.studio) for _ in range(8)]
    pages = await asyncio.gather(*(each.send("GET", "/signin/with/lab", sec_fetch_site="same-origin") for each in browsers))
    assert {page.status for page in pages} == {503}
    lab.provider.stop()
    assert (await Browser(lab.studio).send("GET", "/signin")).status == 200, "the other ways in are open"


async def test_keys_that_are_too_short_or_for_something_else_do_not_count(lab: Lab) -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is weak is what is tested
    numbers = short.public_key().public_numbers()
    weak = {"kty": "RSA", "kid": "short", "n": part(numbers.n.to_bytes(128, "big")), "e": part(numbers.e.to_bytes(3, "big"))}
    endless = {**weak, "kid": "one", "n": "A" * 100_000}
    keys = [weak, endless, {**lab.provider.rsa.as_dict(private=False), "use": "enc"}, {"kty": "oct", "k": "eA", "kid": "one"}, {}]
    lab.provider.answers["/keys"] = (200, json.dumps({"keys": keys}).encode(), {})
    await refused(lab)

    def signed(_: dict[str, Any], claims: dict[str, Any]) -> str:
        text = f"{part({'alg': 'RS256', 'kid': 'short'})}.{part(claims)}"
        return f"{text}.{part(short.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    lab.provider.sign = signed
    await refused(lab)


# ── the way out ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:{port}/",
        "https://localhost/",
        "https://127.0.0.1:{port}/",
        "https://2130706433:{port}/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://127.0.0.%31/",
        "https://127.0.0.1./",
        "https://localhost./",
        "https://user@localhost:{port}/",
        "https://localhost:{port}/\\@elsewhere.example/",
        "https://localhost:{port}/#x",
        "https://localhost:{port}x/",
        "ftp://localhost:{port}/",
        "https:///x",
        "https://\u24d4xample.com/",
        "",
    ],
)
async def test_what_the_operator_has_not_allowed_is_not_asked(tmp_path: Path, address: str) -> None:
    with provider_in(tmp_path) as provider:
        port = provider.host.partition(":")[2]
        outbound = GuardedOutbound([provider.host], provider.context())
        assert outbound.may_reach(f"https://localhost:{port}/")
        with pytest.raises(Unavailable):
            await outbound.ask("GET", address.format(port=port), headers={}, seconds=2, most_bytes=1000)
        assert provider.asked == []


async def test_plain_http_is_for_this_machine_and_by_name() -> None:
    outbound = GuardedOutbound(["http://localhost:8080", "http://keycloak.internal:8080", "keycloak.internal:8443"])
    assert outbound.may_reach("http://localhost:8080/realms/x")
    assert outbound.may_reach("https://keycloak.internal:8443/realms/x")
    for other in ("http://localhost:8081/", "http://127.0.0.1:8080/", "http://keycloak.internal:8080/", "https://localhost:8080/"):
        assert not outbound.may_reach(other)


@pytest.mark.parametrize(
    ("address", "is_theirs"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
    ],
)
def test_addresses_that_stand_for_private_ones_are_private(address: str, is_theirs: bool) -> None:
    assert is_public(address) is is_theirs
