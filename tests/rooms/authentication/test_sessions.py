"""One-time codes, and the sessions that they buy."""

import re
from datetime import timedelta

import pytest

from studiolo.kernel import clock
from studiolo.kernel.faults import Unauthenticated
from tests.support.asgi import call
from tests.support.studio import HERE, ORIGIN, Studio, guid

pytestmark = pytest.mark.anyio


async def cookie_of(studio: Studio) -> str:
    code = await studio.sessions.new_code(studio.beginning.owner)
    reply = await studio.form("/signin", {"code": code}, origin=ORIGIN, sec_fetch_site="same-origin")
    assert reply.status == 303
    return reply.headers["set-cookie"].partition(";")[0]


async def test_a_link_shows_a_button_and_only_the_button_spends_its_code(studio: Studio) -> None:
    code = await studio.sessions.new_code(studio.beginning.owner)
    for _ in range(3):
        page = await call(studio.front, "GET", f"/signin?code={code}")
        assert page.status == 200
        assert f'value="{code}"'.encode() in page.body
    reply = await studio.form("/signin", {"code": code}, origin=ORIGIN)
    assert (reply.status, reply.headers["location"]) == (303, "/")


async def test_a_code_works_once(studio: Studio) -> None:
    code = await studio.sessions.new_code(studio.beginning.owner)
    replies = [await studio.form("/signin", {"code": code}) for _ in range(3)]
    assert [reply.status for reply in replies] == [303, 403, 403]
    assert b"used already" in replies[1].body
    assert "set-cookie" not in replies[1].headers


async def test_codes_and_sessions_end_by_themselves(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    began = clock.now()
    late, early = await studio.sessions.new_code(studio.beginning.owner), await studio.sessions.new_code(studio.beginning.owner)
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(minutes=14))
    session = await studio.sessions.redeem(early)
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(minutes=16))
    assert (await studio.form("/signin", {"code": late})).status == 403
    assert (await studio.sessions.caller(session)).oid == studio.beginning.owner
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(hours=12, minutes=15))
    with pytest.raises(Unauthenticated):
        await studio.sessions.caller(session)


async def test_an_unknown_an_empty_and_a_huge_code_get_a_clear_page(studio: Studio) -> None:
    for code in ("nope", "", "x" * 3000):
        reply = await studio.form("/signin", {"code": code})
        assert reply.status in (400, 403)
        assert reply.headers["content-type"].startswith("text/html")


async def test_another_sites_form_cannot_spend_a_code(studio: Studio) -> None:
    code = await studio.sessions.new_code(studio.beginning.owner)
    foreign = await studio.form("/signin", {"code": code}, origin="https://evil.example", sec_fetch_site="cross-site")
    assert foreign.status == 403
    assert (await studio.form("/signin", {"code": code}, origin=ORIGIN)).status == 303


async def test_the_cookie_is_for_this_host_alone_and_hidden_from_scripts(studio: Studio) -> None:
    code = await studio.sessions.new_code(studio.beginning.owner)
    cookie = (await studio.form("/signin", {"code": code})).headers["set-cookie"]
    assert re.fullmatch(r"__Host-studiolo-8443=[A-Za-z0-9_-]{43}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200", cookie)


async def test_pages_have_a_policy_without_scripts_and_load_nothing(studio: Studio) -> None:
    page = await call(studio.front, "GET", '/signin?code="><script>alert(1)</script>')
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert b"<script" not in page.body
    assert page.headers["cache-control"] == "no-store"
    assert re.findall(rb"""(?:src|href)=["']?([^"' >]+)""", page.body) == [b"/page.css"]


async def test_a_session_reads_and_writes_from_our_own_pages(studio: Studio) -> None:
    cookie = await cookie_of(studio)
    path = f"{HERE}?api-version=2022-04-01"
    read = await call(studio.front, "GET", path, headers={"cookie": f"other=1; {cookie}"})
    write = await call(studio.front, "PUT", path, body={}, headers={"cookie": cookie, "origin": ORIGIN})
    assert (read.status, write.status) == (200, 200)


FOREIGN: list[dict[str, str]] = [
    {},
    {"origin": "null"},
    {"origin": "https://evil.example"},
    {"origin": "https://localhost:9999"},
    {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
    {"origin": ORIGIN, "sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
]


async def test_a_session_writes_nothing_for_other_pages(studio: Studio) -> None:
    cookie = await cookie_of(studio)
    for headers in FOREIGN:
        for method in ("PUT", "PATCH", "POST", "DELETE"):
            path = HERE if method != "POST" else f"{HERE}/providers/Studiolo.Access/explain"
            reply = await call(studio.front, method, f"{path}?api-version=2022-04-01", body={}, headers={"cookie": cookie, **headers})
            assert reply.code == "CrossSiteRequest", (method, headers)


async def test_sign_out_ends_the_session_at_once(studio: Studio) -> None:
    cookie = await cookie_of(studio)
    out = await studio.form("/signout", {}, cookie=cookie, sec_fetch_site="same-origin", origin="null")
    assert "Max-Age=0" in out.headers["set-cookie"]
    reply = await call(studio.front, "GET", f"{HERE}?api-version=2022-04-01", headers={"cookie": cookie})
    assert reply.code == "SessionExpired"


async def test_a_session_ends_with_its_person(studio: Studio) -> None:
    person = await studio.user(7)
    session = await studio.sessions.redeem(await studio.sessions.new_code(person.oid))
    assert (await studio.sessions.caller(session)).oid == person.oid
    await studio.put(f"/providers/Studiolo.Directory/users/{person.oid}", {"displayName": "user-7", "accountEnabled": False})
    with pytest.raises(Unauthenticated):
        await studio.sessions.caller(session)


async def test_nobody_unknown_gets_a_code(studio: Studio) -> None:
    with pytest.raises(Unauthenticated):
        await studio.sessions.new_code(guid(99))
