"""A person says yes in a browser, the application gets a code, the code buys tokens once."""

import base64
from datetime import timedelta

import jwt
import pytest

from studiolo.kernel import clock
from tests.support.asgi import call
from tests.support.browser import Browser, forms_of, signed_in, told_to_client
from tests.support.oauth import CLI, POWERSHELL, VERIFIER, WEB, App, command_line, registered, said
from tests.support.studio import GROUP, HERE, ORIGIN, READER, Studio, guid

pytestmark = pytest.mark.anyio

AUTHORIZE = "/adfs/oauth2/v2.0/authorize"


async def test_a_command_line_that_nobody_registered_acts_as_the_person(studio: Studio) -> None:
    browser = await signed_in(studio)
    await studio.assign(700, guid(1), READER, HERE)
    tokens = await command_line(studio).tokens(browser)
    claims = said(tokens["access_token"])
    assert (claims["idtyp"], claims["oid"], claims["scp"], claims["azp"], claims["azpacr"]) == (
        "user",
        guid(1),
        "user_impersonation",
        CLI,
        "0",
    )
    assert (await studio.ask("GET", HERE, token=tokens["access_token"])).status == 200
    body = {"location": "local"}
    assert (await studio.ask("PUT", f"{GROUP}x", body, token=tokens["access_token"])).status == 403, "the person may only read"


async def test_the_id_token_says_who_signed_in_to_this_application_with_this_nonce(studio: Studio) -> None:
    browser = await signed_in(studio)
    tokens = await command_line(studio).tokens(browser)
    keys = (await call(studio.front, "GET", "/adfs/discovery/v2.0/keys")).json()["keys"]
    header = jwt.get_unverified_header(tokens["id_token"])
    key = next(jwt.PyJWK(each) for each in keys if each["kid"] == header["kid"])
    claims = jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience=CLI, issuer=f"{ORIGIN}/{studio.tenant}/v2.0")
    assert (claims["nonce"], claims["preferred_username"], claims["name"]) == ("a nonce", "user1@example.org", "user-1")
    assert (claims["oid"], claims["tid"]) == (guid(1), studio.tenant)
    assert (await studio.ask("GET", HERE, token=tokens["id_token"])).status == 401, "an ID token opens nothing"


async def test_each_application_knows_a_person_by_another_subject(studio: Studio) -> None:
    browser = await signed_in(studio)
    one = said((await command_line(studio).tokens(browser))["id_token"])
    other = said((await App(studio, POWERSHELL, "http://localhost:1").tokens(browser))["id_token"])
    assert one["oid"] == other["oid"]
    assert one["sub"] != other["sub"]


@pytest.mark.parametrize("tenant", ["adfs", "common", "organizations", "{tenant}"])
async def test_every_name_of_the_tenant_leads_to_the_same_question(studio: Studio, tenant: str) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    tenant = tenant.format(tenant=studio.tenant)
    await browser.open(f"/{tenant}/oauth2/v2.0/authorize?{app.query()}")
    code = told_to_client(await browser.submit(choice="yes"))["code"]
    assert (await app.redeem(code, path=f"/{tenant}/oauth2/v2.0/token")).status == 200


async def test_version_one_takes_a_resource_and_answers_version_one(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    await browser.open(f"/adfs/oauth2/authorize?{app.query(scope='', resource='https://storage.azure.com')}")
    code = told_to_client(await browser.submit(choice="yes"))["code"]
    claims = said((await app.redeem(code, path="/adfs/oauth2/token")).json()["access_token"])
    assert (claims["ver"], claims["aud"], claims["appid"], claims["scp"]) == ("1.0", "https://storage.azure.com", CLI, "user_impersonation")


async def test_the_answer_carries_the_state_in_the_address_or_in_a_form(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    await browser.open(f"{AUTHORIZE}?{app.query()}")
    reply = await browser.submit(choice="yes")
    assert reply.headers["location"].startswith("http://localhost:8400?code=")
    assert told_to_client(reply)["state"] == "a state"
    await browser.open(f"{AUTHORIZE}?{app.query(response_mode='form_post')}")
    reply = await browser.submit(choice="yes")
    form = forms_of(reply)[0]
    assert (form.action, form.fields["state"]) == ("http://localhost:8400", "a state")
    assert "form-action 'self' http://localhost:8400;" in reply.headers["content-security-policy"]
    assert b"<script" not in reply.body
    assert (await app.redeem(form.fields["code"])).status == 200


async def test_a_no_is_told_and_gives_nothing(studio: Studio) -> None:
    browser = await signed_in(studio)
    await browser.open(f"{AUTHORIZE}?{command_line(studio).query()}")
    told = told_to_client(await browser.submit(choice="no"))
    assert (told["error"], told["state"], "code" in told) == ("access_denied", "a state", False)


async def test_nobody_signed_in_is_asked_to_and_comes_back(studio: Studio) -> None:
    person = await studio.user(1, userPrincipalName="ada@example.org")
    browser, app = Browser(studio), command_line(studio)
    page = await browser.open(f"{AUTHORIZE}?{app.query()}")
    assert b"Password" in page.body
    goal = forms_of(page)[0].fields["next"]
    await browser.sign_in(person.oid)
    assert goal.startswith(AUTHORIZE)
    assert b"Azure CLI" in (await browser.open(goal)).body


async def test_a_visit_from_another_site_goes_through_a_page_of_ours_so_that_the_session_comes_along(studio: Studio) -> None:
    browser = Browser(studio)
    address = f"{AUTHORIZE}?{command_line(studio).query()}"
    page = await browser.send("GET", address, sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="document")
    assert page.status == 200
    assert b'http-equiv="refresh"' in page.body


async def test_without_a_person_prompt_none_says_that_one_is_needed(studio: Studio) -> None:
    query = command_line(studio).query(prompt="none")
    told = told_to_client(await Browser(studio).open(f"{AUTHORIZE}?{query}"))
    assert told["error"] == "login_required"
    told = told_to_client(await (await signed_in(studio)).open(f"{AUTHORIZE}?{query}"))
    assert told["error"] == "interaction_required"


# ── where answers may go ─────────────────────────────────────────────────────────────────────────────────────────


ELSEWHERE = [
    "https://evil.example",
    "http://localhost.evil.example:8400",
    "http://localhost:8400@evil.example",
    "http://localhost:8400/other",
    "http://127.0.0.2:8400",
    "https://localhost:8400",
    "http://localhost:99999",
    "http://localhost:8400#fragment",
    "http://localhost:8400?x=1",
    "HTTP://LOCALHOST:8400",
    "urn:ietf:wg:oauth:2.0:oob",
    "javascript:alert(1)",
    "",
]


@pytest.mark.parametrize("redirect", ELSEWHERE)
async def test_a_command_line_is_answered_on_its_own_loopback_alone(studio: Studio, redirect: str) -> None:
    browser = await signed_in(studio)
    page = await browser.open(f"{AUTHORIZE}?{command_line(studio).query(redirect_uri=redirect)}")
    assert page.status == 400
    assert "location" not in page.headers


@pytest.mark.parametrize("redirect", ["http://localhost", "http://localhost:1", "http://localhost:65535/", "http://127.0.0.1:8400"])
async def test_the_port_of_loopback_is_the_programs_own(studio: Studio, redirect: str) -> None:
    browser = await signed_in(studio)
    tokens = await App(studio, CLI, redirect).tokens(browser)
    assert tokens["access_token"]


@pytest.mark.parametrize(
    "redirect", [WEB + "/", WEB + "?x=1", WEB.upper(), "https://app.example.org", "https://app.example.org/signed-in/../x"]
)
async def test_a_web_application_is_answered_at_the_registered_address_letter_by_letter(studio: Studio, redirect: str) -> None:
    browser, app = await signed_in(studio), await registered(studio)
    assert (await browser.open(f"{AUTHORIZE}?{app.query(redirect_uri=redirect)}")).status == 400
    assert (await app.tokens(browser))["access_token"]


async def test_an_unknown_application_is_sent_nowhere(studio: Studio) -> None:
    browser = await signed_in(studio)
    page = await browser.open(f"{AUTHORIZE}?{command_line(studio).query(client_id=guid(99))}")
    assert (page.status, "location" in page.headers) == (400, False)


WRONG = [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"code_challenge": ""}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": ""}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"scope": "https://management.azure.com/.default"}, "invalid_resource"),
    ({"scope": f"{ORIGIN}/everything"}, "invalid_scope"),
    ({"scope": f"{ORIGIN}/.default https://storage.azure.com/.default"}, "invalid_scope"),
]


@pytest.mark.parametrize(("change", "error"), WRONG)
async def test_what_is_wrong_with_a_request_is_told_to_its_application(studio: Studio, change: dict[str, str], error: str) -> None:
    reply = await (await signed_in(studio)).open(f"{AUTHORIZE}?{command_line(studio).query(**change)}")
    told = told_to_client(reply)
    assert (told["error"], told["state"]) == (error, "a state")


# ── the code ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": ""},
        {"code_verifier": VERIFIER + "x"},
        {"code_verifier": "short"},
        {"redirect_uri": "http://localhost:8401"},
        {"client_id": POWERSHELL},
    ],
)
async def test_a_code_is_good_for_its_client_address_and_proof_key_alone(studio: Studio, change: dict[str, str]) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    code = await app.code(browser)
    reply = await app.redeem(code, **change)
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")
    assert (await app.redeem(code)).status == 200, "a wrong try spends nothing"


async def test_a_code_that_is_used_twice_takes_back_what_it_gave(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    await studio.assign(700, guid(1), READER, HERE)
    code = await app.code(browser)
    tokens = (await app.redeem(code)).json()
    assert (await studio.ask("GET", HERE, token=tokens["access_token"])).status == 200
    again = (await app.redeem(code)).json()
    assert (again["error"], again["error_codes"]) == ("invalid_grant", [54005])
    assert (await studio.ask("GET", HERE, token=tokens["access_token"])).status == 401
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_code_ends_after_minutes(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    code = await app.code(browser)
    later = clock.now() + timedelta(minutes=5, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (await app.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_web_application_proves_itself_and_cannot_be_bypassed(studio: Studio) -> None:
    browser, app = await signed_in(studio), await registered(studio)
    code = await app.code(browser)
    for secret, number in (("", 7000218), ("wrong", 7000215)):
        assert (await app.redeem(code, client_secret=secret)).json()["error_codes"] == [number]
    claims = said((await app.redeem(code)).json()["access_token"])
    assert (claims["azp"], claims["azpacr"]) == (app.client_id, "1")


async def test_a_proof_key_that_was_not_announced_is_refused(studio: Studio) -> None:
    browser, app = await signed_in(studio), await registered(studio)
    code = await app.code(browser, code_challenge="", code_challenge_method="")
    assert (await app.redeem(code)).json()["error_codes"] == [501481]
    assert (await app.redeem(code, code_verifier="")).status == 200


async def test_a_public_client_has_no_secret(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    assert (await app.redeem(await app.code(browser), client_secret="x")).json()["error_codes"] == [700025]


async def test_a_code_lies_nowhere_in_clear(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    code = await app.code(browser)
    entries = [entry for space in ("iam.authorization-codes", "iam.consents") for entry in await studio.store.entries(space)]
    assert entries
    assert code not in str(entries)


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_another_sites_page_cannot_say_yes(studio: Studio) -> None:
    browser, app = await signed_in(studio), command_line(studio)
    path = f"{AUTHORIZE}?{app.query()}"
    mark = forms_of(await browser.open(path))[0].fields["mark"]
    for fields, headers in (
        ({"choice": "yes"}, {}),
        ({"choice": "yes", "mark": "x" + mark[1:]}, {}),
        ({"choice": "yes", "mark": mark}, {"sec_fetch_site": "cross-site", "origin": "https://evil.example"}),
        ({"choice": "yes", "mark": mark}, {"sec_fetch_site": "same-site"}),
    ):
        reply = await browser.send("POST", path, fields, **headers)
        assert reply.status == 403
        assert "location" not in reply.headers


async def test_one_persons_form_is_not_anothers(studio: Studio) -> None:
    one, other, app = await signed_in(studio, 1), await signed_in(studio, 2), command_line(studio)
    path = f"{AUTHORIZE}?{app.query()}"
    mark = forms_of(await one.open(path))[0].fields["mark"]
    assert (await other.send("POST", path, {"choice": "yes", "mark": mark})).status == 403


async def test_a_hostile_name_is_shown_as_text(studio: Studio) -> None:
    browser = await signed_in(studio)
    app = await registered(studio, displayName='<script>alert("x")</script>')
    page = await browser.open(f"{AUTHORIZE}?{app.query(state='<b>', nonce='<b>')}")
    assert b"<script" not in page.body
    assert b"&lt;script&gt;" in page.body
    assert b"<b>" not in page.body


async def test_registration_refuses_addresses_that_lead_astray(studio: Studio) -> None:
    from studiolo.kernel.faults import Conflict, Invalid

    path = f"/providers/Studiolo.Directory/applications/{guid(60)}"
    for group, bad in (
        ("web", ["http://app.example.org/x", "https://*.example.org", "https://a@b.example/x", "https://app.example.org/#x", "app:/x"]),
        ("publicClient", ["https://app.example.org", "http://localhost:8400@evil.example", "http://10.0.0.1"]),
    ):
        for address in bad:
            with pytest.raises(Invalid):
                await studio.put(path, {"displayName": "x", group: {"redirectUris": [address]}})
    with pytest.raises(Conflict):
        await studio.put(f"/providers/Studiolo.Directory/applications/{CLI}", {"displayName": "x"})


async def test_the_owner_keeps_being_the_owner_through_an_application(studio: Studio) -> None:
    browser = Browser(studio)
    await browser.sign_in(studio.beginning.owner)
    token = (await command_line(studio).tokens(browser))["access_token"]
    assert (await studio.ask("GET", "/providers/Studiolo.Directory/users", token=token)).status == 200
    info = (await command_line(studio).redeem(await command_line(studio).code(browser))).json()["client_info"]
    assert studio.beginning.owner.encode() in base64.urlsafe_b64decode(info + "==")
