"""The sign-in pages, without JavaScript: passwords, one-time codes, links, and what slows a guesser down."""

from __future__ import annotations

import re
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from pyotp.totp import TOTP

from studiolo.kernel import clock
from studiolo.kernel.faults import Forbidden
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM, Caller
from studiolo.kernel.store.port import Lines
from studiolo.rooms.authentication.service import passwords
from tests.support.asgi import Reply, call
from tests.support.browser import Browser, forms_of
from tests.support.studio import HERE, OWNER, READER, Studio, guid

pytestmark = pytest.mark.anyio

ADA = "ada@example.org"
PASSWORD = "violet engines hum softly"
USER = f"/providers/Studiolo.Directory/users/{guid(1)}"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
COOKIE = "__Host-studiolo-8443"


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with little work; the tests of its cost undo this."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "TIME_COST", 1)


async def act(studio: Studio, name: str, caller: Caller = PLATFORM) -> dict[str, Any]:
    return await studio.control.act(caller, parse(USER), name, {}, {}, "2024-01-01") or {}


async def link(studio: Studio) -> str:
    return str((await act(studio, "createPasswordLink"))["link"]).removeprefix("https://localhost:8443")


async def person(studio: Studio, **properties: Any) -> Browser:
    """Ada, who has set a password, in a browser that is not signed in."""
    await studio.user(1, userPrincipalName=ADA, **properties)
    browser = Browser(studio)
    await browser.open(await link(studio))
    await browser.submit(password=PASSWORD, again=PASSWORD)
    return Browser(studio)


async def sign_in(browser: Browser, password: str = PASSWORD, name: str = ADA, goal: str = "/account") -> Reply:
    await browser.open(f"/signin?next={goal}")
    return await browser.submit(name=name, password=password)


def is_in(browser: Browser) -> bool:
    return bool(browser.cookies.get(COOKIE))


async def test_a_sign_in_stands_on_the_record_and_a_wrong_password_does_not_look_like_one(studio: Studio) -> None:
    browser = await person(studio)
    before = await signed_in(studio)
    await sign_in(browser, "not this one, surely")
    assert await signed_in(studio) == before
    await sign_in(browser)
    assert await signed_in(studio) == [*before, guid(1)]


async def signed_in(studio: Studio) -> list[str]:
    """Who signed in, in order, as the record has it."""
    lines = await studio.store.lines(Lines(under=USER.lower(), limit=100))
    return [line.caller for line in lines if line.action == "Studiolo.Directory/users/signIn/action" and line.status == "Succeeded"]


# ── passwords ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_link_sets_a_password_once_and_the_password_signs_in(studio: Studio) -> None:
    await studio.user(1, userPrincipalName=ADA)
    browser, path = Browser(studio), await link(studio)
    page = await browser.open(path)
    assert ADA.encode() in page.body
    await browser.submit(password=PASSWORD, again=PASSWORD)
    assert is_in(browser)
    assert (await Browser(studio).open(path)).status == 403, "the link is spent"
    again = Browser(studio)
    page = await sign_in(again)
    assert is_in(again)
    assert b"Your account" in page.body


async def test_a_link_is_spent_by_use_not_by_a_look_or_a_mistake(studio: Studio) -> None:
    await studio.user(1, userPrincipalName=ADA)
    browser, path = Browser(studio), await link(studio)
    for _ in range(2):
        await browser.open(path)
    for password, again, told in (("short", "short", b"12 to 256"), (PASSWORD, PASSWORD + "x", b"not the same")):
        page = await browser.submit(password=password, again=again)
        assert (page.status, told in page.body) == (400, True)
    await browser.submit(password=PASSWORD, again=PASSWORD)
    assert is_in(browser)


async def test_a_link_ends_after_a_day_and_a_sign_in_link_sets_no_password(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    await studio.user(1, userPrincipalName=ADA)
    path, other = await link(studio), await studio.sessions.new_code(guid(1))
    assert (await Browser(studio).open(f"/signin/password?code={other}")).status == 403
    assert (await studio.form("/signin", {"code": path.partition("=")[2]})).status == 403
    later = clock.now() + timedelta(hours=24, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (await Browser(studio).open(path)).status == 403


@pytest.mark.parametrize(
    "password",
    [
        "eleven char",
        "password1234",
        "Password123!",
        "P@ssw0rd2024!",
        "123456789012",
        "qwertyuiopas",
        "administrator",
        "aaaaaaaaaaaa",
        "abababababab",
        "Welcome2026!!",
        "ada@example.org",
        "example123456",
        "correct horse battery staple",
        "x" * 257,
    ],
)
async def test_passwords_that_are_tried_first_are_refused(studio: Studio, password: str) -> None:
    await studio.user(1, userPrincipalName=ADA)
    browser = Browser(studio)
    await browser.open(await link(studio))
    page = await browser.submit(password=password, again=password)
    assert (page.status, is_in(browser)) == (400, False)


@pytest.mark.parametrize("password", ["violet engines hum", "tr7!kQ-m2wZp", "длинный пароль для входа", "x" * 7 + "yzw 1"])
async def test_long_ones_of_any_letters_are_taken(studio: Studio, password: str) -> None:
    await studio.user(1, userPrincipalName=ADA)
    browser = Browser(studio)
    await browser.open(await link(studio))
    await browser.submit(password=password, again=password)
    assert is_in(browser)
    other = Browser(studio)
    await sign_in(other, password)
    assert is_in(other)


async def test_a_wrong_name_a_wrong_password_and_a_switched_off_person_are_told_the_same(studio: Studio) -> None:
    browser = await person(studio)
    await studio.user(2, userPrincipalName="bob@example.org")
    wrong = [await sign_in(browser, PASSWORD + "x"), await sign_in(browser, PASSWORD, "nobody@example.org")]
    wrong.append(await sign_in(browser, PASSWORD, "bob@example.org"))
    await studio.put(USER, {"displayName": "user-1", "userPrincipalName": ADA, "accountEnabled": False})
    wrong.append(await sign_in(browser))
    shown = {(reply.status, re.sub(rb'value="[^"]*"', b"", reply.body)) for reply in wrong}
    assert len(shown) == 1
    assert next(iter(shown))[0] == 403
    assert not is_in(browser)


async def test_names_are_compared_without_case_and_the_password_letter_by_letter(studio: Studio) -> None:
    browser = await person(studio)
    await sign_in(browser, name=f" {ADA.upper()} ")
    assert is_in(browser)
    other = Browser(studio)
    await sign_in(other, PASSWORD.upper())
    assert not is_in(other)


async def test_two_users_cannot_sign_in_by_one_name(studio: Studio) -> None:
    from studiolo.kernel.faults import Conflict

    await studio.user(1, userPrincipalName=ADA)
    with pytest.raises(Conflict):
        await studio.user(2, userPrincipalName=ADA.upper())


async def test_a_changed_password_signs_out_everywhere_else(studio: Studio) -> None:
    browser, other = await person(studio), Browser(studio)
    await sign_in(browser)
    await sign_in(other)
    await browser.open("/account")
    page = await browser.submit(0, old="wrong", password="new violet engines", again="new violet engines")
    assert page.status == 403
    await browser.submit(0, old=PASSWORD, password="new violet engines", again="new violet engines")
    assert b"Your account" in (await browser.open("/account")).body, "this browser goes on"
    assert b"Password" in (await other.open("/account")).body
    assert b"Your account" not in other.page.body
    assert (await sign_in(Browser(studio))).status == 403
    assert b"Your account" in (await sign_in(Browser(studio), "new violet engines")).body


async def test_a_reset_takes_everything_and_gives_a_link(studio: Studio) -> None:
    browser = await person(studio)
    await sign_in(browser)
    path = str((await act(studio, "resetCredentials"))["link"]).removeprefix("https://localhost:8443")
    assert b"Your account" not in (await browser.open("/account")).body
    assert (await sign_in(Browser(studio))).status == 403
    assert (await Browser(studio).open(path)).status == 200


async def test_a_link_is_only_made_by_who_may_give_roles_to_the_user(studio: Studio) -> None:
    await studio.user(1, userPrincipalName=ADA)
    bob = await studio.user(2)
    await studio.assign(701, bob.oid, CONTRIBUTOR, USER)
    for name in ("createPasswordLink", "resetCredentials"):
        with pytest.raises(Forbidden):
            await act(studio, name, bob)
    await act(studio, "revokeSignInSessions", bob)
    await studio.assign(702, bob.oid, OWNER, USER)
    assert (await act(studio, "createPasswordLink", bob))["link"]


async def test_a_password_lies_nowhere_and_its_hash_is_argon2id_with_the_promised_cost(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    await person(studio)
    kept = (await studio.store.entries("iam.credentials"))[0].doc.decode()
    assert PASSWORD not in kept
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in kept


@pytest.mark.slow
async def test_known_and_unknown_people_take_the_same_time(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    await person(studio)
    taken: dict[str, list[float]] = {ADA: [], "nobody@example.org": []}
    await tried(studio, ADA, "a wrong password", "10.0.3.1")
    for turn in range(5):
        for name, times in taken.items():
            began = clock.monotonic()
            assert await tried(studio, name, "a wrong password", f"10.0.4.{turn}") == 403
            times.append(clock.monotonic() - began)
    known, unknown = (median(times) for times in taken.values())
    assert 0.6 < known / unknown < 1.67


# ── who guesses ──────────────────────────────────────────────────────────────────────────────────────────────────


async def tried(studio: Studio, name: str, password: str, address: str, cookie: str = "") -> int:
    from urllib.parse import urlencode

    headers = {"content-type": "application/x-www-form-urlencoded", "origin": "https://localhost:8443", "cookie": cookie}
    body = urlencode({"name": name, "password": password}).encode()
    return (await call(studio.front, "POST", "/signin", body=body, headers=headers, client=address)).status


async def test_pauses_grow_for_who_guesses_and_for_nobody_else(studio: Studio) -> None:
    await person(studio)
    await studio.user(2, userPrincipalName="bob@example.org")
    statuses = [await tried(studio, ADA, "a wrong password", "10.0.0.1") for _ in range(8)]
    assert statuses[:5] == [403] * 5
    assert statuses[-1] == 429
    assert await tried(studio, ADA, PASSWORD, "10.0.0.1") == 429, "not even the right one"
    assert await tried(studio, ADA, PASSWORD, "10.0.0.2") == 303, "Ada herself is elsewhere"
    assert await tried(studio, "bob@example.org", "a wrong password", "10.0.0.1") == 403, "others at the same address"


async def test_unknown_people_are_slowed_down_alike(studio: Studio) -> None:
    statuses = [await tried(studio, "nobody@example.org", "a wrong password", "10.0.0.1") for _ in range(8)]
    assert (statuses[0], statuses[-1]) == (403, 429)


async def test_one_address_cannot_try_many_people(studio: Studio) -> None:
    statuses = [await tried(studio, f"u{n}@example.org", "a wrong password", "10.0.0.1") for n in range(25)]
    assert statuses[-1] == 429
    assert await tried(studio, "u1@example.org", "a wrong password", "10.0.0.2") == 403


async def test_many_addresses_do_not_lock_a_known_browser_out(studio: Studio) -> None:
    browser = await person(studio)
    await sign_in(browser)
    known = next(f"{name}={value}" for name, value in browser.cookies.items() if "known" in name)
    statuses = [await tried(studio, ADA, "a wrong password", f"10.0.1.{n}") for n in range(55)]
    assert statuses[-1] == 429
    assert await tried(studio, ADA, PASSWORD, "10.0.2.1") == 429
    assert await tried(studio, ADA, PASSWORD, "10.0.2.2", known) == 303
    forged = known[:-3] + "AAA"
    assert await tried(studio, ADA, PASSWORD, "10.0.2.3", forged) == 429


# ── one-time codes ───────────────────────────────────────────────────────────────────────────────────────────────


def secret_on(page: Reply) -> str:
    found = re.search(r"<dt>Secret</dt><dd><code>([A-Z2-7 ]+)</code>", page.body.decode())
    assert found, page.body
    return found[1].replace(" ", "")


def turn_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    later = clock.now() + timedelta(seconds=seconds)
    monkeypatch.setattr(clock, "now", lambda: later)


def present(secret: str, steps: int = 0) -> str:
    return TOTP(secret).at(int(clock.now().timestamp()) + 30 * steps)


async def enrolled(studio: Studio) -> tuple[Browser, str, list[str]]:
    """Ada with one-time codes, in a browser that is not signed in; the secret, the recovery codes."""
    browser = await person(studio)
    await sign_in(browser)
    await browser.open("/account")
    page = await browser.submit(1)
    secret = secret_on(page)
    page = await browser.submit(onetime=present(secret))
    codes = re.findall(r"<li>([a-z2-7]{8}-[a-z2-7]{8})</li>", page.body.decode())
    assert len(codes) == 10
    return Browser(studio), secret, codes


async def test_enrolment_shows_the_secret_once_and_counts_when_confirmed(studio: Studio) -> None:
    browser = await person(studio)
    await sign_in(browser)
    await browser.open("/account")
    page = await browser.submit(1)
    assert f"otpauth://totp/Studiolo:ada%40example.org?secret={secret_on(page)}" in page.body.decode().replace("&amp;", "&")
    assert is_in(Browser(studio)) is False
    other = Browser(studio)
    assert b"Your account" in (await sign_in(other)).body, "not confirmed, so not asked for"


async def test_a_code_is_asked_for_after_the_password_and_counts_once(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, secret, _ = await enrolled(studio)
    turn_clock(monkeypatch, 60)
    page = await sign_in(browser)
    assert b"one-time code" in page.body
    assert not is_in(browser)
    assert (await browser.submit(onetime="000000")).status == 403
    assert b"Your account" in (await browser.submit(onetime=present(secret))).body
    other = Browser(studio)
    await sign_in(other)
    assert (await other.submit(onetime=present(secret))).status == 403, "the same code again"
    turn_clock(monkeypatch, 30)
    assert b"Your account" in (await other.submit(onetime=present(secret))).body


async def test_a_clock_may_be_one_step_off_and_no_more(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, secret, _ = await enrolled(studio)
    turn_clock(monkeypatch, 300)
    await sign_in(browser)
    for steps in (-3, 3):
        assert (await browser.submit(onetime=present(secret, steps))).status == 403
    assert b"Your account" in (await browser.submit(onetime=present(secret, -1))).body


async def test_a_few_wrong_codes_end_the_step(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, secret, _ = await enrolled(studio)
    turn_clock(monkeypatch, 60)
    first = await sign_in(browser)
    for _ in range(5):
        browser.page = first
        assert (await browser.submit(onetime="123456")).status == 403
    browser.page = first
    assert (await browser.submit(onetime=present(secret))).status == 403
    assert not is_in(browser)


async def test_a_recovery_code_signs_in_once(studio: Studio) -> None:
    browser, _, codes = await enrolled(studio)
    await sign_in(browser)
    assert b"Your account" in (await browser.submit(onetime=codes[0].upper())).body
    other = Browser(studio)
    await sign_in(other)
    assert (await other.submit(onetime=codes[0])).status == 403
    assert b"Your account" in (await other.submit(onetime=codes[1])).body


async def test_secrets_and_recovery_codes_lie_nowhere_in_clear(studio: Studio) -> None:
    _, secret, codes = await enrolled(studio)
    kept = str([e for space in ("iam.credentials", "iam.sign-in-steps") for e in await studio.store.entries(space)])
    assert secret not in kept
    assert not any(code.replace("-", "") in kept for code in codes)


async def test_doing_without_codes_needs_a_present_one(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, secret, _ = await enrolled(studio)
    turn_clock(monkeypatch, 60)
    await sign_in(browser)
    await browser.submit(onetime=present(secret))
    await browser.open("/account")
    assert (await browser.submit(1, onetime="000000")).status == 403
    turn_clock(monkeypatch, 30)
    await browser.submit(1, onetime=present(secret))
    assert b"Your account" in (await sign_in(Browser(studio))).body


@pytest.mark.parametrize("how", ["user", "policy"])
async def test_whoever_must_have_codes_enrols_before_anything_else(studio: Studio, how: str) -> None:
    browser = await person(studio)
    if how == "user":
        await studio.put(USER, {"displayName": "user-1", "userPrincipalName": ADA, "perUserMfaState": "enforced"})
    else:
        await studio.put("/providers/Studiolo.Directory/signInPolicies/default", {"secondFactor": "required"})
    page = await sign_in(browser)
    assert not is_in(browser)
    page = await browser.submit(onetime=present(secret_on(page)))
    assert b"recovery codes" in page.body
    assert is_in(browser)


async def test_a_step_that_is_not_the_second_factors_signs_nobody_in(studio: Studio) -> None:
    browser, secret, _ = await enrolled(studio)
    page = await sign_in(browser)
    ticket = forms_of(page)[0].fields["ticket"]
    for fields in (
        {"ticket": ticket, "kind": "enrol", "onetime": present(secret)},
        {"ticket": "x" * 43, "kind": "code", "onetime": present(secret)},
        {"kind": "code", "onetime": present(secret)},
    ):
        reply = await browser.send("POST", "/signin/code", fields)
        assert (reply.status, is_in(browser)) == (403, False)


# ── the pages ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "goal",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/%5cevil", "javascript:alert(1)", "http:/x", "\t//evil.example", "x"],
)
async def test_signing_in_leads_nowhere_but_here(studio: Studio, goal: str) -> None:
    from urllib.parse import quote

    browser = await person(studio)
    await browser.open(f"/signin?next={quote(goal, safe='')}")
    form = forms_of(browser.page)[0]
    fields = {**form.fields, "name": ADA, "password": PASSWORD, "next": goal}
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": "https://localhost:8443"}
    from urllib.parse import urlencode

    reply = await call(studio.front, "POST", "/signin", body=urlencode(fields).encode(), headers=headers)
    assert reply.status == 303
    assert reply.headers["location"] in ("/", "/%5cevil")


async def test_every_page_has_the_strict_policy_and_no_script(studio: Studio) -> None:
    browser = await person(studio)
    pages = [await browser.open("/signin"), await sign_in(browser), await browser.open("/account"), await browser.open("/device")]
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert policy == (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert page.headers["x-frame-options"] == "DENY"
        assert not re.search(rb"<script|<style|style=|\son\w+=|javascript:", page.body)
        assert b'<html lang="en">' in page.body
        assert b"width=device-width" in page.body


async def test_every_field_has_a_label_and_problems_are_told_at_once(studio: Studio) -> None:
    browser = await person(studio)
    page = (await sign_in(browser, "a wrong password")).body.decode()
    fields = set(re.findall(r'<input id="(\w+)"', page))
    assert fields == {"name", "password"}
    assert fields <= set(re.findall(r'<label for="(\w+)"', page))
    assert 'role="alert"' in page
    assert 'autocomplete="current-password"' in page
    assert "a wrong password" not in page


async def test_cookies_are_for_this_host_alone_and_hidden_from_scripts(studio: Studio) -> None:
    browser = await person(studio)
    await browser.open("/signin")
    form = forms_of(browser.page)[0]
    reply = await studio.form("/signin", {**form.fields, "name": ADA, "password": PASSWORD}, origin="https://localhost:8443")
    assert len(reply.cookies) == 2
    for cookie in reply.cookies:
        assert re.fullmatch(r"__Host-studiolo-(known-)?8443=[\w-]{43}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=\d+", cookie)


async def test_another_sites_form_signs_nobody_in_or_out(studio: Studio) -> None:
    browser = await person(studio)
    await sign_in(browser)
    evil = {"origin": "https://evil.example", "sec_fetch_site": "cross-site"}
    for path, fields in (
        ("/signin", {"name": ADA, "password": PASSWORD}),
        ("/signout", {}),
        ("/account/password", {"old": PASSWORD, "password": "other violet engines", "again": "other violet engines"}),
        ("/account/signout", {}),
        ("/account/codes", {}),
    ):
        reply = await browser.send("POST", path, dict(fields), **evil)
        assert (reply.status, reply.cookies) == (403, ()), path
    for path in ("/account/password", "/account/signout", "/account/codes"):
        assert (await browser.send("POST", path, {"mark": "x"})).status == 403, "our own page, without its mark"
    assert b"Your account" in (await browser.open("/account")).body


async def test_signing_out_everywhere_ends_every_session(studio: Studio) -> None:
    browser, other = await person(studio), Browser(studio)
    await sign_in(browser)
    await sign_in(other)
    await browser.open("/account")
    number = next(n for n, form in enumerate(forms_of(browser.page)) if form.action == "/account/signout" and "client" not in form.fields)
    await browser.submit(number)
    for each in (browser, other):
        assert b"Your account" not in (await each.open("/account")).body


async def test_a_session_of_a_page_speaks_to_the_api_as_the_person(studio: Studio) -> None:
    browser = await person(studio)
    await sign_in(browser)
    await studio.assign(700, guid(1), READER, HERE)
    reply = await browser.send("GET", f"{HERE}?api-version=2022-04-01")
    assert reply.status == 200
