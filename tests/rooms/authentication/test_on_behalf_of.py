"""A service that was called for a person calls the next one for that person, and gains nothing of its own by it."""

from typing import Any

import msgspec
import pytest

from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
from studiolo.kernel.store.port import Entry, PutEntry
from tests.support.asgi import Reply
from tests.support.browser import Browser, signed_in
from tests.support.oauth import App, command_line, registered, said
from tests.support.studio import HERE, ORIGIN, OWNER, READER, Studio, guid

pytestmark = pytest.mark.anyio

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


async def service(studio: Studio, **properties: Any) -> App:
    """A service that may use our resource manager for its users."""
    all_of: dict[str, Any] = {"delegatedResources": [ORIGIN], **properties}
    return await registered(studio, **all_of)


async def for_service(studio: Studio, middle: App, browser: Browser, scope: str = ".default") -> str:
    """A person's token for the service, from another application."""
    tokens = await command_line(studio).tokens(browser, scope=f"api://{middle.client_id}/{scope} openid")
    return tokens["access_token"]


async def asked(middle: App, assertion: str, **changes: str) -> Reply:
    fields = {"assertion": assertion, "requested_token_use": "on_behalf_of", "scope": f"{ORIGIN}/.default openid offline_access"}
    return await middle.ask(GRANT, **{**fields, **changes})


async def test_the_token_is_the_persons_and_judged_as_theirs(studio: Studio) -> None:
    browser, middle = await signed_in(studio), await service(studio)
    await studio.assign(700, guid(1), READER, HERE)
    assertion = await for_service(studio, middle, browser)
    assert said(assertion)["aud"] == middle.client_id
    assert (await studio.ask("GET", HERE, token=assertion)).status == 401, "a token for the service is none for us"
    tokens = (await asked(middle, assertion)).json()
    claims = said(tokens["access_token"])
    assert (claims["oid"], claims["azp"], claims["azpacr"], claims["scp"]) == (guid(1), middle.client_id, "1", "user_impersonation")
    assert (await studio.ask("GET", HERE, token=tokens["access_token"])).status == 200
    assert (await studio.ask("PUT", f"{HERE}/resourceGroups/x", {"location": "l"}, token=tokens["access_token"])).status == 403


async def test_what_the_service_itself_may_does_not_count(studio: Studio) -> None:
    browser, middle = await signed_in(studio), await service(studio)
    await studio.assign(700, guid(61), OWNER, HERE)
    tokens = (await asked(middle, await for_service(studio, middle, browser))).json()
    assert (await studio.ask("GET", HERE, token=tokens["access_token"])).status == 403


async def test_it_goes_on_by_refresh_and_ends_with_the_first_consent(studio: Studio) -> None:
    browser, middle = await signed_in(studio), await service(studio)
    await studio.assign(700, guid(1), READER, HERE)
    tokens = (await asked(middle, await for_service(studio, middle, browser))).json()
    again = (await middle.refresh(tokens["refresh_token"])).json()
    assert (await studio.ask("GET", HERE, token=again["access_token"])).status == 200
    await studio.control.act(PLATFORM, parse(f"/providers/Studiolo.Directory/users/{guid(1)}"), "revokeSignInSessions", {}, {}, "x")
    assert (await studio.ask("GET", HERE, token=again["access_token"])).status == 401
    assert (await middle.refresh(again["refresh_token"])).json()["error"] == "invalid_grant"


async def test_only_a_persons_token_for_this_very_service_counts(studio: Studio) -> None:
    browser, middle = await signed_in(studio), await service(studio)
    other = await registered(studio, 80, delegatedResources=[ORIGIN])
    good = await for_service(studio, middle, browser)
    for_us = (await command_line(studio).tokens(browser))["access_token"]
    tokens = await command_line(studio).tokens(browser, scope=f"api://{middle.client_id}/.default openid")
    own = (await other.ask("client_credentials", scope=f"api://{middle.client_id}/.default")).json()["access_token"]
    assert said(own)["aud"] == middle.client_id
    wrong = {
        "for another service": await for_service(studio, other, browser),
        "for the studio": for_us,
        "an ID token": tokens["id_token"],
        "an application's own": own,
        "changed": good[:-4] + "AAAA",
        "none": "x",
    }
    for name, assertion in wrong.items():
        reply = await asked(middle, assertion)
        assert (reply.status, reply.json()["error"], reply.json()["error_codes"]) == (400, "invalid_grant", [500131]), name
    assert (await asked(other, good)).json()["error_codes"] == [500131]
    assert (await asked(middle, good)).status == 200


async def test_a_service_may_use_only_what_its_administrator_listed(studio: Studio) -> None:
    browser, middle = await signed_in(studio), await service(studio, delegatedResources=["https://storage.azure.com"])
    assertion = await for_service(studio, middle, browser)
    refused = (await asked(middle, assertion)).json()
    assert (refused["error"], refused["error_codes"]) == ("invalid_grant", [65001])
    assert (await asked(middle, assertion, scope="https://storage.azure.com/.default")).status == 200


async def test_the_service_proves_itself(studio: Studio) -> None:
    browser, middle = await signed_in(studio), await service(studio)
    assertion = await for_service(studio, middle, browser)
    for secret, number in (("", 7000218), ("wrong", 7000215)):
        assert (await asked(middle, assertion, client_secret=secret)).json()["error_codes"] == [number]
    assert (await asked(middle, assertion, requested_token_use="")).json()["error"] == "invalid_request"
    assert (await asked(middle, assertion, requested_token_use="exchange")).json()["error"] == "invalid_request"


async def test_a_service_offers_its_own_scopes_and_no_others(studio: Studio) -> None:
    offered = {"oauth2PermissionScopes": [{"value": "read"}, {"value": "write"}]}
    browser, middle = await signed_in(studio), await service(studio, api=offered)
    one = await for_service(studio, middle, browser, "read")
    both = await for_service(studio, middle, browser)
    assert (said(one)["scp"], said(both)["scp"]) == ("read", "read write")
    page = await browser.open(f"/adfs/oauth2/v2.0/authorize?{command_line(studio).query(scope=f'api://{middle.client_id}/delete')}")
    assert "error=invalid_scope" in page.headers["location"]
    assert (await asked(middle, one)).status == 200


# ── what the person agreed to ────────────────────────────────────────────────────────────────────────────────────────

STORAGE = "https://storage.azure.com"


async def widened(studio: Studio, middle: App, *resources: str) -> None:
    """The service's own owner lists other resources."""
    path = f"/providers/Studiolo.Directory/applications/{middle.client_id}"
    owner = await studio.robot(40, OWNER, path)
    assert (await owner.ask("PATCH", path, {"delegatedResources": list(resources)})).status == 200


async def test_a_service_that_lists_more_later_gets_it_by_a_new_consent_alone(studio: Studio) -> None:
    browser, middle = await signed_in(studio), await service(studio, delegatedResources=[STORAGE])
    command = command_line(studio)
    scope = f"api://{middle.client_id}/.default openid offline_access"
    before = await command.tokens(browser, scope=scope)
    await widened(studio, middle, STORAGE, ORIGIN)
    renewed = (await command.refresh(before["refresh_token"])).json()
    for assertion in (before["access_token"], renewed["access_token"]):
        refused = (await asked(middle, assertion)).json()
        assert (refused["error"], refused["error_codes"], refused["suberror"]) == ("invalid_grant", [65001], "consent_required")
        assert (await asked(middle, assertion, scope=f"{STORAGE}/.default")).status == 200
    again = await command.tokens(browser, scope=scope)
    assert (await asked(middle, again["access_token"])).status == 200
    assert (await asked(middle, (await command.refresh(again["refresh_token"])).json()["access_token"])).status == 200


async def test_what_is_taken_off_the_list_is_given_no_longer(studio: Studio) -> None:
    browser, middle = await signed_in(studio), await service(studio)
    assertion = await for_service(studio, middle, browser)
    await widened(studio, middle, STORAGE)
    assert (await asked(middle, assertion)).json()["error_codes"] == [65001]


async def test_the_page_names_what_the_service_may_use_and_a_yes_is_to_that_alone(studio: Studio) -> None:
    browser, middle = await signed_in(studio), await service(studio, delegatedResources=[STORAGE, "api://<b>"])
    path = f"/adfs/oauth2/v2.0/authorize?{command_line(studio).query(scope=f'api://{middle.client_id}/.default')}"
    page = (await browser.open(path)).body.decode()
    assert f"<dt>api://{middle.client_id} may then</dt><dd>do everything that you may do at {STORAGE}, api://&lt;b&gt;</dd>" in page
    await widened(studio, middle, STORAGE, ORIGIN)
    late = await browser.submit(choice="yes")
    assert late.status == 403
    assert "location" not in late.headers
    assert ORIGIN in (await browser.open(path)).body.decode()


async def test_a_device_code_is_bound_to_what_its_page_named(studio: Studio) -> None:
    browser, middle, command = await signed_in(studio), await service(studio, delegatedResources=[STORAGE]), command_line(studio)
    fields = {"client_id": command.client_id, "scope": f"api://{middle.client_id}/.default offline_access"}
    codes = (await studio.form("/organizations/oauth2/v2.0/devicecode", fields)).json()
    await widened(studio, middle, STORAGE, ORIGIN)
    await browser.open("/device")
    page = (await browser.submit(code=codes["user_code"])).body.decode()
    assert f"do everything that you may do at {STORAGE}</dd>" in page
    assert (await browser.submit(choice="yes")).status == 200
    tokens = (await command.ask("urn:ietf:params:oauth:grant-type:device_code", device_code=codes["device_code"])).json()
    assert (await asked(middle, tokens["access_token"])).json()["error_codes"] == [65001]
    assert (await asked(middle, tokens["access_token"], scope=f"{STORAGE}/.default")).status == 200
    assert f"through it {STORAGE}" in (await browser.open("/account")).body.decode()


async def test_a_chain_of_services_goes_as_far_as_the_page_named(studio: Studio) -> None:
    last = await service(studio, number=80)
    browser, first = await signed_in(studio), await service(studio, delegatedResources=[f"api://{last.client_id}"])
    await studio.assign(700, guid(1), READER, HERE)
    assertion = await for_service(studio, first, browser)
    inner = (await asked(first, assertion, scope=f"api://{last.client_id}/.default openid")).json()["access_token"]
    outer = (await asked(last, inner)).json()["access_token"]
    assert (await studio.ask("GET", HERE, token=outer)).status == 200
    await widened(studio, last, ORIGIN, STORAGE)
    assert (await asked(last, inner, scope=f"{STORAGE}/.default")).json()["error_codes"] == [65001]


async def test_what_the_page_named_for_one_service_is_not_for_the_next(studio: Studio) -> None:
    last = await service(studio, number=80, delegatedResources=[])
    browser, first = await signed_in(studio), await service(studio, delegatedResources=[f"api://{last.client_id}", ORIGIN])
    inner = (await asked(first, await for_service(studio, first, browser), scope=f"api://{last.client_id}/.default")).json()["access_token"]
    await widened(studio, last, ORIGIN)
    assert (await asked(last, inner)).json()["error_codes"] == [65001]


async def test_a_token_that_was_asked_for_with_another_services_consent_carries_none_of_this_ones(studio: Studio) -> None:
    browser, middle, command = await signed_in(studio), await service(studio), command_line(studio)
    tokens = await command.tokens(browser)
    other = (await command.refresh(tokens["refresh_token"], scope=f"api://{middle.client_id}/.default")).json()
    assert (await asked(middle, other["access_token"])).json()["error_codes"] == [65001]
    bought = await command.redeem(await command.code(browser), scope=f"api://{middle.client_id}/.default")
    assert (await asked(middle, bought.json()["access_token"])).json()["error_codes"] == [65001]


async def test_a_consent_that_an_older_release_kept_names_nothing(studio: Studio) -> None:
    browser, middle, command = await signed_in(studio), await service(studio), command_line(studio)
    tokens = await command.tokens(browser, scope=f"api://{middle.client_id}/.default openid offline_access")
    for entry in await studio.store.entries("iam.consents"):
        doc = msgspec.json.decode(entry.doc)
        del doc["downstream"]
        await studio.store.commit(PutEntry("iam.consents", Entry(entry.key, "older", msgspec.json.encode(doc))))
    renewed = (await command.refresh(tokens["refresh_token"])).json()
    assert (await asked(middle, renewed["access_token"])).json()["error_codes"] == [65001]
