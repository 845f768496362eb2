"""Keys that sign tokens change; whoever verifies goes on."""

from datetime import timedelta

import jwt
import pytest

from studiolo.kernel import clock
from tests.support.asgi import call
from tests.support.browser import Browser
from tests.support.oauth import command_line
from tests.support.studio import HERE, Studio

pytestmark = pytest.mark.anyio

ROTATE = "/providers/Studiolo.Directory/rotateTokenKeys"


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def published(studio: Studio) -> list[str]:
    return [key["kid"] for key in (await call(studio.front, "GET", "/adfs/discovery/keys")).json()["keys"]]


async def owner_token(studio: Studio) -> str:
    browser = Browser(studio)
    await browser.sign_in(studio.beginning.owner)
    return str((await command_line(studio).tokens(browser))["access_token"])


async def test_after_a_rotation_new_tokens_bear_another_key_and_old_ones_go_on(studio: Studio) -> None:
    old, owner = await studio.token(), await owner_token(studio)
    reply = await studio.ask("POST", ROTATE, {}, token=owner)
    assert reply.status == 200, reply.body
    new = await studio.token()
    assert kid_of(new) == reply.json()["kid"] != kid_of(old)
    assert await published(studio) == [kid_of(new), kid_of(old)]
    for token in (old, new, owner):
        assert (await studio.ask("GET", HERE, token=token)).status == 200


async def test_an_old_key_leaves_the_set_when_its_last_token_has_ended(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    old = await studio.token()
    await studio.keys.rotate()
    assert len(await published(studio)) == 2
    later = clock.now() + timedelta(minutes=95)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert kid_of(old) not in await published(studio)


async def test_a_key_that_leaked_takes_its_tokens_along(studio: Studio) -> None:
    old, owner = await studio.token(), await owner_token(studio)
    assert (await studio.ask("GET", HERE, token=old)).status == 200
    assert (await studio.ask("POST", ROTATE, {"isOldVoid": True}, token=owner)).status == 200
    assert (await studio.ask("GET", HERE, token=old)).status == 401
    assert len(await published(studio)) == 1
    assert (await studio.ask("GET", HERE, token=await studio.token())).status == 200


async def test_a_key_is_replaced_by_age_and_published_before_it_signs(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    old = await studio.token()
    month = clock.now() + timedelta(days=30, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: month)
    first = await studio.token()
    keys = await published(studio)
    assert (kid_of(first), len(keys), keys[1]) == (kid_of(old), 2, kid_of(old)), "the new one is published and waits"
    soon = month + timedelta(minutes=11)
    monkeypatch.setattr(clock, "now", lambda: soon)
    second = await studio.token()
    assert kid_of(second) == keys[0]
    for token in (first, second):
        assert (await studio.ask("GET", HERE, token=token)).status == 200


async def test_rotation_needs_the_right_to_it(studio: Studio) -> None:
    assert (await studio.ask("POST", ROTATE, {})).status == 403
    assert (await call(studio.front, "POST", f"{ROTATE}?api-version=2024-01-01")).status == 401
    assert (await studio.ask("POST", ROTATE, {"isOldVoid": "yes"}, token=await owner_token(studio))).status == 400


async def test_another_server_on_the_same_store_finds_the_new_key(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    from studiolo.kernel.keys import KeyRing
    from studiolo.rooms.authentication.service.signing import SigningKeys

    neighbour = SigningKeys(studio.store, KeyRing(studio.store, b"k" * 32))
    await neighbour.published()
    await studio.keys.rotate()
    later = clock.now() + timedelta(minutes=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (await neighbour.read(await studio.token()))["ver"] == "2.0"
