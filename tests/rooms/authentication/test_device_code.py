"""A program without a browser shows a code; a person types it in elsewhere and decides."""

from datetime import timedelta

import pytest

from studiolo.kernel import clock
from tests.support.asgi import Reply, call
from tests.support.browser import Browser, signed_in
from tests.support.oauth import POWERSHELL, App, command_line, registered, said
from tests.support.studio import HERE, ORIGIN, READER, Studio, guid

pytestmark = pytest.mark.anyio

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
PATH = "/organizations/oauth2/v2.0/devicecode"


async def started(app: App, **changes: str) -> dict[str, str]:
    fields = {"client_id": app.client_id, "scope": f"{ORIGIN}/.default openid profile offline_access", **changes}
    reply = await app.studio.form(PATH, {name: value for name, value in fields.items() if value})
    assert reply.status == 200, reply.body
    return reply.json()


async def polled(app: App, codes: dict[str, str], **changes: str) -> Reply:
    return await app.ask(GRANT, **{"device_code": codes["device_code"], **changes})


async def decided(browser: Browser, code: str, choice: str) -> Reply:
    await browser.open("/device")
    page = await browser.submit(code=code)
    assert page.status == 200, page.body
    return await browser.submit(choice=choice)


async def test_a_program_waits_is_told_yes_once_and_acts_as_the_person(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    await studio.assign(700, guid(1), READER, HERE)
    codes = await started(app)
    assert codes["verification_uri"] == f"{ORIGIN}/device"
    assert codes["user_code"] in codes["message"]
    assert (await polled(app, codes)).json()["error"] == "authorization_pending"
    assert b"user1@example.org" in (await decided(browser, codes["user_code"], "yes")).body
    tokens = (await polled(app, codes)).json()
    assert said(tokens["access_token"])["oid"] == guid(1)
    assert said(tokens["id_token"])["aud"] == app.client_id
    assert (await studio.ask("GET", HERE, token=tokens["access_token"])).status == 200
    assert (await app.refresh(tokens["refresh_token"])).status == 200
    assert (await polled(app, codes)).json()["error"] == "bad_verification_code"


async def test_a_no_is_told_once(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    codes = await started(app)
    await decided(browser, codes["user_code"], "no")
    assert (await polled(app, codes)).json()["error"] == "authorization_declined"
    assert (await polled(app, codes)).json()["error"] == "bad_verification_code"


async def test_a_program_that_asks_too_often_is_slowed_down(studio: Studio) -> None:
    app = command_line(studio)
    codes = await started(app)
    assert [(await polled(app, codes)).json()["error"] for _ in range(3)] == ["authorization_pending", "slow_down", "slow_down"]
    other = await started(app)
    assert (await polled(app, other)).json()["error"] == "authorization_pending", "each program has a pace of its own"


async def test_a_code_ends(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    app = command_line(studio)
    codes = await started(app)
    later = clock.now() + timedelta(minutes=15, seconds=1)
    browser = await signed_in(studio)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (await polled(app, codes)).json()["error"] == "expired_token"
    await browser.open("/device")
    assert (await browser.submit(code=codes["user_code"])).status == 404


async def test_the_long_code_is_the_programs_alone(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    codes = await started(app)
    await decided(browser, codes["user_code"], "yes")
    for reply in (
        await polled(app, codes, client_id=POWERSHELL),
        await polled(app, codes, device_code="x" * 43),
        await polled(app, codes, device_code=codes["user_code"]),
    ):
        assert (reply.status, reply.json()["error"]) == (400, "bad_verification_code")
    assert (await polled(app, codes)).status == 200


async def test_the_page_says_who_asks_for_what_from_where(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    codes = await started(app)
    await browser.open("/device")
    code = codes["user_code"].lower()
    page = (await browser.submit(code=f" {code[:4]}-{code[4:]} ")).body
    for told in (b"Azure CLI", app.client_id.encode(), b"127.0.0.1", ORIGIN.encode(), b"user1@example.org"):
        assert told in page


async def test_nobody_decides_without_signing_in_or_for_another_sites_page(studio: Studio) -> None:
    app = command_line(studio)
    codes = await started(app)
    fields = {"code": codes["user_code"], "choice": "yes"}
    stranger = Browser(studio)
    assert b"Password" in (await stranger.send("POST", "/device", fields)).body
    browser = await signed_in(studio)
    assert (await browser.send("POST", "/device", fields)).status == 403
    assert (await browser.send("POST", "/device", fields, sec_fetch_site="cross-site", origin="https://evil.example")).status == 403
    assert (await polled(app, codes)).json()["error"] == "authorization_pending"


async def test_guessing_codes_is_slowed_down(studio: Studio) -> None:
    browser = await signed_in(studio)
    await browser.open("/device")
    first = browser.page
    statuses: list[int] = []
    for _ in range(12):
        browser.page = first
        statuses.append((await browser.submit(code="BCDFGHJKL")).status)
    assert statuses[0] == 404
    assert statuses[-1] == 429


async def test_codes_are_handed_out_at_a_pace(studio: Studio) -> None:
    fields = {"client_id": command_line(studio).client_id, "scope": f"{ORIGIN}/.default"}
    statuses = [(await studio.form(PATH, fields)).status for _ in range(31)]
    assert (set(statuses[:30]), statuses[30]) == ({200}, 429)


async def test_a_web_application_gets_no_code_for_a_program(studio: Studio) -> None:
    app = await registered(studio)
    reply = await studio.form(PATH, {"client_id": app.client_id, "scope": f"{ORIGIN}/.default"})
    assert (reply.status, reply.json()["error"]) == (401, "invalid_client")
    public = await registered(studio, 70, is_public=True)
    assert (await started(public))["user_code"]


async def test_a_program_that_names_nothing_we_have_gets_no_code(studio: Studio) -> None:
    for fields in (
        {"client_id": guid(99), "scope": f"{ORIGIN}/.default"},
        {"client_id": command_line(studio).client_id, "scope": "x/.default"},
    ):
        assert (await studio.form(PATH, fields)).status == 400


async def test_codes_lie_nowhere_in_clear(studio: Studio) -> None:
    codes = await started(command_line(studio))
    kept = str([e for space in ("iam.device-codes", "iam.device-short-codes") for e in await studio.store.entries(space)])
    assert codes["device_code"] not in kept
    assert codes["user_code"] not in kept


async def test_discovery_names_the_page(studio: Studio) -> None:
    page = (await call(studio.front, "GET", "/adfs/.well-known/openid-configuration")).json()
    assert page["device_authorization_endpoint"] == f"{ORIGIN}/adfs/oauth2/devicecode"
    assert GRANT in page["grant_types_supported"]
