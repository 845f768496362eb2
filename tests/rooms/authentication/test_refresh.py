"""Refresh tokens rotate; an old one that comes back ends everything that its consent gave."""

from datetime import timedelta

import pytest

from studiolo.kernel import clock
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
from tests.support.browser import forms_of, signed_in
from tests.support.oauth import POWERSHELL, App, command_line, registered, said
from tests.support.studio import HERE, ORIGIN, READER, Studio, guid

pytestmark = pytest.mark.anyio

USER = f"/providers/Studiolo.Directory/users/{guid(1)}"


def turn_clock(monkeypatch: pytest.MonkeyPatch, **span: float) -> None:
    later = clock.now() + timedelta(**span)
    monkeypatch.setattr(clock, "now", lambda: later)


async def begun(studio: Studio) -> tuple[App, dict[str, str]]:
    browser, app = await signed_in(studio), command_line(studio)
    await studio.assign(700, guid(1), READER, HERE)
    return app, await app.tokens(browser)


async def test_each_use_gives_the_next_one(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    app, tokens = await begun(studio)
    seen = {tokens["refresh_token"]}
    for _ in range(3):
        turn_clock(monkeypatch, minutes=5)
        tokens = (await app.refresh(tokens["refresh_token"])).json()
        assert tokens["refresh_token"] not in seen
        assert (await studio.ask("GET", HERE, token=tokens["access_token"])).status == 200
        seen.add(tokens["refresh_token"])


async def test_an_old_one_ends_the_whole_consent(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    app, first = await begun(studio)
    second = (await app.refresh(first["refresh_token"])).json()
    turn_clock(monkeypatch, minutes=1)
    stolen = await app.refresh(first["refresh_token"])
    assert (stolen.status, stolen.json()["error"], stolen.json()["error_codes"]) == (400, "invalid_grant", [50089])
    assert (await app.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    for token in (first["access_token"], second["access_token"]):
        assert (await studio.ask("GET", HERE, token=token)).status == 401


async def test_another_sign_in_of_the_same_person_goes_on(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    app, first = await begun(studio)
    other = await app.tokens(await signed_in(studio))
    await app.refresh(first["refresh_token"])
    turn_clock(monkeypatch, minutes=1)
    await app.refresh(first["refresh_token"])
    assert (await app.refresh(other["refresh_token"])).status == 200
    assert (await studio.ask("GET", HERE, token=other["access_token"])).status == 200


async def test_an_answer_that_was_lost_is_given_again_for_half_a_minute(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    app, first = await begun(studio)
    lost = (await app.refresh(first["refresh_token"])).json()
    again = (await app.refresh(first["refresh_token"])).json()
    assert again["refresh_token"] == lost["refresh_token"], "two that ask at once go on together"
    turn_clock(monkeypatch, seconds=20)
    assert (await app.refresh(again["refresh_token"])).status == 200
    turn_clock(monkeypatch, seconds=11)
    assert (await app.refresh(first["refresh_token"])).json()["error_codes"] == [50089], "two turns back is no lost answer"


async def test_a_forged_one_ends_nothing(studio: Studio) -> None:
    app, tokens = await begun(studio)
    true = tokens["refresh_token"]
    head, mark = true.rsplit(".", 1)
    family, turn = head.rsplit(".", 1)
    forged = [
        f"{head}.{'A' if mark[0] != 'A' else 'B'}{mark[1:]}",
        f"{family}.{int(turn) + 1}.{mark}",
        f"{family}.0.{mark}",
        f"{family}.{turn}",
        f"{head}.",
        "x",
        "." * 4,
        f"{family}.{turn}.{mark}.",
        f"{family}.²." + mark,
        true.upper(),
    ]
    for text in forged:
        reply = await app.refresh(text)
        assert (reply.status, reply.json()["error"]) == (400, "invalid_grant"), text
    assert (await app.refresh(true)).status == 200


async def test_it_is_its_own_clients_alone(studio: Studio) -> None:
    app, tokens = await begun(studio)
    assert (await App(studio, POWERSHELL, "").refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await app.refresh(tokens["refresh_token"])).status == 200


async def test_a_web_application_proves_itself_each_time(studio: Studio) -> None:
    app = await registered(studio)
    tokens = await app.tokens(await signed_in(studio))
    assert (await app.refresh(tokens["refresh_token"], client_secret="")).json()["error"] == "invalid_client"
    assert (await app.refresh(tokens["refresh_token"])).status == 200


async def test_the_command_line_gets_tokens_for_every_service_a_registered_application_for_its_own(studio: Studio) -> None:
    app, tokens = await begun(studio)
    storage = {"scope": "https://storage.azure.com/.default openid"}
    answer = (await app.refresh(tokens["refresh_token"], **storage)).json()
    assert said(answer["access_token"])["aud"] == "https://storage.azure.com"
    web = await registered(studio)
    theirs = await web.tokens(await signed_in(studio))
    refused = (await web.refresh(theirs["refresh_token"], **storage)).json()
    assert (refused["error"], refused["error_codes"]) == ("invalid_grant", [65001])


async def test_without_offline_access_there_is_none(studio: Studio) -> None:
    tokens = await command_line(studio).tokens(await signed_in(studio), scope=f"{ORIGIN}/.default openid")
    assert "refresh_token" not in tokens
    assert "id_token" in tokens
    tokens = await command_line(studio).tokens(await signed_in(studio), scope=f"{ORIGIN}/.default")
    assert "id_token" not in tokens


async def test_it_opens_nothing_by_itself(studio: Studio) -> None:
    _, tokens = await begun(studio)
    assert (await studio.ask("GET", HERE, token=tokens["refresh_token"])).status == 401


@pytest.mark.parametrize("days", [30.1, 89])
async def test_it_ends_when_it_is_not_used_and_at_last_in_any_case(studio: Studio, monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    app, tokens = await begun(studio)
    token = tokens["refresh_token"]
    if days < 80:
        turn_clock(monkeypatch, days=days)
        assert (await app.refresh(token)).json()["error"] == "invalid_grant"
        return
    for _ in range(3):
        turn_clock(monkeypatch, days=29)
        token = (await app.refresh(token)).json()["refresh_token"]
    turn_clock(monkeypatch, days=4)
    assert (await app.refresh(token)).json()["error"] == "invalid_grant"


async def test_it_lies_nowhere_in_the_store(studio: Studio) -> None:
    _, tokens = await begun(studio)
    kept = str([entry for space in ("iam.consents", "iam.stamp-key") for entry in await studio.store.entries(space)])
    assert tokens["refresh_token"].rsplit(".", 1)[1] not in kept


# ── what ends it from outside ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["sign-out", "disabling", "removal", "application", "taken back"])
async def test_it_ends_at_once_with_the_access_token(studio: Studio, how: str) -> None:
    browser, app = await signed_in(studio), await registered(studio)
    await studio.assign(700, guid(1), READER, HERE)
    tokens = await app.tokens(browser)
    assert (await studio.ask("GET", HERE, token=tokens["access_token"])).status == 200
    match how:
        case "sign-out":
            await studio.control.act(PLATFORM, parse(USER), "revokeSignInSessions", {}, {}, "2024-01-01")
        case "disabling":
            off = {"displayName": "user-1", "userPrincipalName": "user1@example.org", "accountEnabled": False}
            await studio.put(USER, off)
            await studio.put(USER, {**off, "accountEnabled": True})
        case "removal":
            await studio.control.delete(PLATFORM, parse(USER))
        case "application":
            path = f"/providers/Studiolo.Directory/applications/{app.client_id}"
            await studio.control.act(PLATFORM, parse(path), "revokeTokens", {}, {}, "2024-01-01")
        case _:
            await browser.open("/account")
            number = next(n for n, form in enumerate(forms_of(browser.page)) if "client" in form.fields)
            await browser.submit(number)
    assert (await studio.ask("GET", HERE, token=tokens["access_token"])).status == 401
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_whoever_signs_in_after_a_sign_out_everywhere_is_in_at_once(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    await studio.assign(700, guid(1), READER, HERE)
    old = await app.tokens(browser)
    await studio.control.act(PLATFORM, parse(USER), "revokeSignInSessions", {}, {}, "2024-01-01")
    assert b"Password" in (await browser.open("/account")).body, "the session is over, too"
    await browser.sign_in(guid(1))
    new = await app.tokens(browser)
    assert (await studio.ask("GET", HERE, token=new["access_token"])).status == 200
    assert (await studio.ask("GET", HERE, token=old["access_token"])).status == 401
    assert (await app.refresh(new["refresh_token"])).status == 200
