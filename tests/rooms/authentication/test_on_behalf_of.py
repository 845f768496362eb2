"""A service that was called for a person calls the next one for that person, and gains nothing of its own by it."""

from typing import Any

import pytest

from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
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
