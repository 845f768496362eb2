"""Microsoft Graph as tools for roles use it, by plain HTTP: reads, filters, writes, and who may not."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.asgi import Reply, call
from tests.support.browser import Browser
from tests.support.studio import GROUP, OWNER, READER, Studio, guid

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def administrator(studio: Studio) -> None:
    """The command line's application may write the directory in these tests."""
    acting = await studio.principals.service_principal(studio.beginning.cli_client_id)
    assert acting is not None
    await studio.assign(900, acting.oid, OWNER, "/")


async def ask(studio: Studio, method: str, path: str, body: bytes | dict[str, Any] = b"", *, token: str = "") -> Reply:
    proof = token or await studio.token(scope="https://graph.microsoft.com/.default")
    return await call(studio.front, method, f"/v1.0/{path}", body=body, headers={"authorization": f"Bearer {proof}"})


async def names(studio: Studio, collection: str, text: str) -> list[str]:
    """The names that a filter finds."""
    reply = await ask(studio, "GET", f"{collection}?$filter={quote(text)}")
    assert reply.status == 200, reply.body
    return sorted(each["displayName"] for each in reply.json()["value"])


async def bystander(studio: Studio) -> str:
    """The token of an application that may do nothing in the directory."""
    made = (await ask(studio, "POST", "applications", {"displayName": "bystander"})).json()
    principal = await ask(studio, "POST", "servicePrincipals", {"appId": made["appId"], "displayName": "bystander"})
    assert principal.status == 201, principal.body
    secret = (await ask(studio, "POST", f"applications/{made['id']}/addPassword", {"passwordCredential": {"displayName": "s"}})).json()
    return await studio.token(client_id=made["appId"], client_secret=secret["secretText"], scope="https://graph.microsoft.com/.default")


# ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_user_is_found_by_id_and_by_principal_name(studio: Studio) -> None:
    await studio.user(1, userPrincipalName="ada@example.org", mail="ada.l@example.org")
    for key in (guid(1), "ada@example.org", "ADA@example.org"):
        reply = await ask(studio, "GET", f"users/{key}")
        assert reply.status == 200, reply.body
        shown = reply.json()
        assert (shown["id"], shown["userPrincipalName"], shown["accountEnabled"]) == (guid(1), "ada@example.org", True)
        assert shown["@odata.context"] == "https://localhost:8443/v1.0/$metadata#users/$entity"


async def test_filters_of_role_tools_find_principals(studio: Studio) -> None:
    await studio.user(1, userPrincipalName="ada@example.org", mail="a@example.org")
    await studio.user(2, userPrincipalName="bob@example.org")
    assert await names(studio, "users", "userPrincipalName eq 'ada@example.org' or mail eq 'ada@example.org'") == ["user-1"]
    assert await names(studio, "users", "mail eq 'A@EXAMPLE.ORG'") == ["user-1"]
    assert await names(studio, "users", "startswith(displayName,'USER-')") == ["user-1", "user-2"]
    assert await names(studio, "users", f"id in ('{guid(1)}', '{guid(2)}', '{guid(3)}')") == ["user-1", "user-2"]
    assert await names(studio, "users", "displayName eq 'user-1' and accountEnabled eq false") == []
    assert await names(studio, "users", "displayName eq 'it''s or nobody'") == []
    client = studio.beginning.cli_client_id
    found = await names(studio, "servicePrincipals", f"servicePrincipalNames/any(c:c eq '{client}')")
    assert found == await names(studio, "servicePrincipals", f"appId eq '{client}'")
    assert len(found) == 1
    assert (await ask(studio, "GET", f"servicePrincipals(appId='{client}')")).json()["appId"] == client


@pytest.mark.parametrize(
    "text",
    ["displayName", "secret eq 'x'", "contains(displayName,'a')", "displayName eq 'a' xor mail eq 'b'", "(mail eq 'b')", "not mail eq 'b'"],
)
async def test_another_filter_is_told_what_filters_may_hold(studio: Studio, text: str) -> None:
    reply = await ask(studio, "GET", f"users?$filter={quote(text)}")
    assert (reply.status, reply.code) == (400, "Request_UnsupportedQuery")
    assert "startswith" in reply.json()["error"]["message"]


@pytest.mark.parametrize("option", ["$search=%22a%22", "$expand=memberOf", "$count=true", "$orderby=mail"])
async def test_an_option_that_is_not_offered_says_so(studio: Studio, option: str) -> None:
    reply = await ask(studio, "GET", f"users?{option}")
    assert (reply.status, reply.code) == (501, "NotOffered")


@pytest.mark.parametrize("filter_text", ["", "&$filter=startswith(displayName,'user')"])
async def test_lists_page_through_everybody_once(studio: Studio, filter_text: str) -> None:
    for number in range(1, 8):
        await studio.user(number)
    path, seen = f"users?$top=3&$select=displayName{filter_text}", list[str]()
    while path:
        page = (await ask(studio, "GET", path)).json()
        assert len(page["value"]) <= 3
        assert all(set(each) == {"displayName"} for each in page["value"])
        seen += [each["displayName"] for each in page["value"]]
        path = page.get("@odata.nextLink", "").removeprefix("https://localhost:8443/v1.0/")
    assert {f"user-{number}" for number in range(1, 8)} <= set(seen)
    assert len(seen) == len(set(seen))


async def test_names_of_principals_come_for_many_ids_at_once(studio: Studio) -> None:
    await studio.user(1)
    await studio.group(10)
    body = {
        "ids": [guid(1), guid(10), guid(99), "no id"],
        "types": ["user", "group", "servicePrincipal", "directoryObjectPartnerReference"],
    }
    found = (await ask(studio, "POST", "directoryObjects/getByIds", body)).json()["value"]
    assert [(each["@odata.type"], each["displayName"]) for each in found] == [
        ("#microsoft.graph.user", "user-1"),
        ("#microsoft.graph.group", "group-10"),
    ]


async def test_everybody_may_ask_who_they_are(studio: Studio) -> None:
    reply = await ask(studio, "GET", "me", token=await bystander(studio))
    assert (reply.status, reply.json()["displayName"]) == (200, "bystander")


# ── writes ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_user_is_made_changed_and_removed(studio: Studio) -> None:
    made = await ask(studio, "POST", "users", {"displayName": "Eve", "userPrincipalName": "eve@example.org", "mailNickname": "eve"})
    assert made.status == 201, made.body
    oid = made.json()["id"]
    assert made.headers["location"].endswith(oid)
    assert (await ask(studio, "PATCH", f"users/{oid}", {"accountEnabled": False})).status == 204
    shown = (await ask(studio, "GET", f"users/{oid}")).json()
    assert (shown["accountEnabled"], shown["displayName"]) == (False, "Eve")
    assert (await ask(studio, "DELETE", "users/eve@example.org")).status == 204
    assert (await ask(studio, "GET", f"users/{oid}")).code == "Request_ResourceNotFound"
    assert (await ask(studio, "DELETE", f"users/{oid}")).status == 404
    assert (await ask(studio, "PATCH", f"users/{oid}", {"displayName": "x"})).status == 404


async def test_what_the_directory_does_not_keep_is_refused_and_nothing_is_made(studio: Studio) -> None:
    reply = await ask(studio, "POST", "groups", {"displayName": "mail", "mailEnabled": True})
    assert (reply.status, reply.code) == (501, "NotOffered")
    assert await names(studio, "groups", "displayName eq 'mail'") == []


async def test_a_membership_made_by_graph_gives_and_takes_rights_at_once(studio: Studio) -> None:
    ada = await studio.user(1)
    group = (await ask(studio, "POST", "groups", {"displayName": "readers", "securityEnabled": True, "mailEnabled": False})).json()["id"]
    await studio.assign(100, group, READER, GROUP)
    reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{ada.oid}"}
    assert not await studio.gate.may(ada, "Test.Rooms/things/read", f"{GROUP}/providers/Test.Rooms/things/box")
    assert (await ask(studio, "POST", f"groups/{group}/members/$ref", reference)).status == 204
    assert await studio.gate.may(ada, "Test.Rooms/things/read", f"{GROUP}/providers/Test.Rooms/things/box")
    assert (await ask(studio, "POST", f"groups/{group}/members/$ref", reference)).code == "Request_BadRequest"
    assert [each["id"] for each in (await ask(studio, "GET", f"groups/{group}/members")).json()["value"]] == [ada.oid]
    assert [each["id"] for each in (await ask(studio, "GET", f"users/{ada.oid}/memberOf")).json()["value"]] == [group]
    assert (await ask(studio, "DELETE", f"groups/{group}/members/{ada.oid}/$ref")).status == 204
    assert not await studio.gate.may(ada, "Test.Rooms/things/read", f"{GROUP}/providers/Test.Rooms/things/box")
    assert (await ask(studio, "DELETE", f"groups/{group}/members/{ada.oid}/$ref")).status == 404


async def test_members_added_at_the_same_moment_are_all_kept(studio: Studio) -> None:
    people = [await studio.user(number) for number in range(1, 7)]
    group = await studio.group(10)
    added = [ask(studio, "POST", f"groups/{group}/members/$ref", {"@odata.id": f"x/{person.oid}"}) for person in people]
    statuses = [reply.status for reply in await asyncio.gather(*added)]
    kept = {each["id"] for each in (await ask(studio, "GET", f"groups/{group}/members")).json()["value"]}
    assert kept == {person.oid for person, status in zip(people, statuses, strict=True) if status == 204}
    assert statuses == [204] * 6


async def test_groups_of_groups_are_told_through_all_nesting(studio: Studio) -> None:
    ada = await studio.user(1)
    for number, member in ((10, ada.oid), (11, guid(10)), (12, guid(11))):
        await studio.group(number, member)
    await studio.group(10, ada.oid, guid(12))  # a circle

    async def ids(path: str) -> set[str]:
        return {each["id"] for each in (await ask(studio, "GET", path)).json()["value"]}

    assert await ids(f"groups/{guid(12)}/transitiveMembers") == {guid(11), guid(10), ada.oid, guid(12)}
    assert await ids(f"users/{ada.oid}/memberOf") == {guid(10)}
    assert await ids(f"users/{ada.oid}/transitiveMemberOf") == {guid(10), guid(11), guid(12)}


async def test_an_applications_secret_is_shown_once_and_can_be_removed(studio: Studio) -> None:
    app = (await ask(studio, "POST", "applications", {"displayName": "robot"})).json()
    await ask(studio, "POST", "servicePrincipals", {"appId": app["appId"]})
    made = (await ask(studio, "POST", f"applications/{app['id']}/addPassword", {"passwordCredential": {"displayName": "one"}})).json()
    shown = await ask(studio, "GET", f"applications(appId='{app['appId']}')")
    assert [each["keyId"] for each in shown.json()["passwordCredentials"]] == [made["keyId"]]
    assert made["secretText"].encode() not in shown.body
    assert (await ask(studio, "POST", f"applications/{app['id']}/removePassword", {"keyId": made["keyId"]})).status == 204
    assert (await ask(studio, "GET", f"applications/{app['id']}")).json()["passwordCredentials"] == []


# ── who may not ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_service_principal_without_a_name_is_called_like_its_application(studio: Studio) -> None:
    made = (await ask(studio, "POST", "applications", {"displayName": "robot"})).json()
    principal = await ask(studio, "POST", "servicePrincipals", {"appId": made["appId"]})
    assert (principal.status, principal.json()["displayName"]) == (201, "robot"), principal.body
    absent = await ask(studio, "POST", "servicePrincipals", {"appId": guid(404)})
    assert (absent.status, absent.json()["error"]["innerError"]["code"]) == (400, "ApplicationNotFound")


async def test_an_application_is_made_with_the_addresses_that_the_command_line_sends(studio: Studio) -> None:
    """The bodies of `az ad app create --web-redirect-uris … --public-client-redirect-uris …` and of its update."""
    web = {"redirectUris": ["https://app.example/cb"], "implicitGrantSettings": {"enableIdTokenIssuance": False}, "homePageUrl": None}
    made = await ask(studio, "POST", "applications", {"displayName": "robot", "web": web, "isFallbackPublicClient": False})
    assert (made.status, made.json()["web"]) == (201, {"redirectUris": ["https://app.example/cb"]}), made.body
    path = f"applications/{made.json()['id']}"
    assert (await ask(studio, "PATCH", path, {"publicClient": {"redirectUris": ["http://localhost/cb"]}})).status == 204
    assert (await ask(studio, "PATCH", path, {"web": {"implicitGrantSettings": {"enableIdTokenIssuance": False}}})).status == 204
    shown = (await ask(studio, "GET", path)).json()
    assert (shown["web"]["redirectUris"], shown["publicClient"]["redirectUris"]) == (["https://app.example/cb"], ["http://localhost/cb"])
    kept = (await studio.ask("GET", f"/providers/Studiolo.Directory/applications/{made.json()['appId']}")).json()["properties"]
    assert kept["web"] == {"redirectUris": ["https://app.example/cb"]}
    for body, status, code in (
        ({"web": {"redirectUris": ["https://*.example/cb"]}}, 400, "InvalidRedirectUri"),
        ({"web": "https://app.example/cb"}, 400, "Request_BadRequest"),
        ({"web": {"implicitGrantSettings": {"enableIdTokenIssuance": True}}}, 501, "NotOffered"),
        ({"passwordCredentials": [{"displayName": "s"}]}, 501, "NotOffered"),
    ):
        refused = await ask(studio, "PATCH", path, body)
        assert (refused.status, refused.json()["error"]["innerError"]["code"]) == (status, code), refused.body
    assert "addPassword" in refused.json()["error"]["message"]
    assert (await ask(studio, "GET", path)).json() == shown


async def test_a_group_is_made_with_members(studio: Studio) -> None:
    ada, team = await studio.user(1), await studio.group(10)
    place = "https://graph.microsoft.com/v1.0/directoryObjects"
    named = {"displayName": "team", "mailEnabled": False, "mailNickname": "team", "securityEnabled": True}
    made = await ask(studio, "POST", "groups", {**named, "members@odata.bind": [f"{place}/{ada.oid}", f"{place}/{team}"]})
    assert made.status == 201, made.body
    members = (await ask(studio, "GET", f"groups/{made.json()['id']}/members")).json()["value"]
    assert {each["id"] for each in members} == {ada.oid, team}
    for bound in ([f"{place}/ada"], [f"{place}/{guid(404)}"], f"{place}/{ada.oid}", [5], [f"{place}/{ada.oid}"] * 21):
        assert (await ask(studio, "POST", "groups", {**named, "displayName": "other", "members@odata.bind": bound})).status == 400
    assert await names(studio, "groups", "displayName eq 'other'") == []


async def test_an_update_of_a_group_that_names_members_is_refused_and_changes_nothing(studio: Studio) -> None:
    ada, team = await studio.user(1), await studio.group(10)
    place = f"https://graph.microsoft.com/v1.0/directoryObjects/{ada.oid}"
    for name, value in (("members@odata.bind", [place]), ("members@odata.bind", []), ("members", [ada.oid]), ("members", [])):
        reply = await ask(studio, "PATCH", f"groups/{team}", {"displayName": "other", name: value})
        assert (reply.status, reply.code) == (400, "Request_BadRequest")
        assert "members/$ref" in reply.json()["error"]["message"]
    assert await names(studio, "groups", "displayName eq 'other'") == []
    assert (await ask(studio, "GET", f"groups/{team}/members")).json()["value"] == []


async def test_nobody_makes_a_group_with_members_for_whom_they_have_no_right(studio: Studio) -> None:
    token = await bystander(studio)
    reply = await ask(studio, "POST", "groups", {"displayName": "x", "members@odata.bind": [f"x/{guid(1)}"]}, token=token)
    assert reply.status == 403


async def test_who_has_no_right_learns_not_even_which_names_exist(studio: Studio) -> None:
    await studio.user(1, userPrincipalName="ada@example.org")
    token = await bystander(studio)
    for known, unknown in ((guid(1), guid(2)), ("ada@example.org", "bob@example.org")):
        there, absent = [await ask(studio, "GET", f"users/{key}", token=token) for key in (known, unknown)]
        assert there.status == absent.status == 403
        assert there.code == absent.code == "Authorization_RequestDenied"
        assert there.json()["error"]["message"].replace(known, "") == absent.json()["error"]["message"].replace(unknown, "")
    group = await studio.group(10)
    refused = [
        await ask(studio, "GET", "users", token=token),
        await ask(studio, "POST", "users", {"displayName": "x"}, token=token),
        await ask(studio, "POST", f"groups/{group}/members/$ref", {"@odata.id": guid(1)}, token=token),
        await ask(studio, "POST", "directoryObjects/getByIds", {"ids": [guid(1)]}, token=token),
        await ask(studio, "DELETE", f"groups/{group}", token=token),
    ]
    assert [reply.status for reply in refused] == [403] * len(refused)
    assert (await ask(studio, "GET", f"groups/{group}/members")).json()["value"] == []


async def test_nobody_gets_in_without_a_token_or_with_one_for_another_service(studio: Studio) -> None:
    assert (await call(studio.front, "GET", "/v1.0/users")).code == "InvalidAuthenticationToken"
    storage = await studio.token(scope="https://storage.azure.com/.default")
    assert (await ask(studio, "GET", "users", token=storage)).status == 401


# ── passwords ────────────────────────────────────────────────────────────────────────────────────────────────────

ADA = {"displayName": "Ada", "userPrincipalName": "ada@example.org", "accountEnabled": True, "mailNickname": "ada"}
GOOD, OTHER = "violet engines hum softly", "seven copper kettles boil"


async def signs_in(studio: Studio, password: str) -> bool:
    browser = Browser(studio)
    await browser.open("/signin?next=/account")
    await browser.submit(name="ada@example.org", password=password)
    return bool(browser.cookies.get("__Host-studiolo-8443"))


async def test_a_user_is_made_with_a_password_and_given_another(studio: Studio) -> None:
    made = await ask(studio, "POST", "users", {**ADA, "passwordProfile": {"password": GOOD, "forceChangePasswordNextSignIn": False}})
    assert made.status == 201, made.body
    assert GOOD.encode() not in made.body
    assert await signs_in(studio, GOOD)
    changed = await ask(studio, "PATCH", f"users/{made.json()['id']}", {"passwordProfile": {"password": OTHER}})
    assert changed.status == 204, changed.body
    assert (await signs_in(studio, GOOD), await signs_in(studio, OTHER)) == (False, True)


async def test_a_change_that_is_refused_leaves_the_password_as_it_was(studio: Studio) -> None:
    made = (await ask(studio, "POST", "users", {**ADA, "passwordProfile": {"password": GOOD}})).json()
    for wrong in ({"displayName": " "}, {"mail": "nowhere"}, {"userPrincipalName": 5}, {"jobTitle": "Countess"}):
        refused = await ask(studio, "PATCH", f"users/{made['id']}", {**wrong, "passwordProfile": {"password": OTHER}})
        assert refused.status in (400, 501), refused.body
    assert await signs_in(studio, GOOD)
    both = await ask(studio, "PATCH", f"users/{made['id']}", {"displayName": "Countess", "passwordProfile": {"password": OTHER}})
    assert both.status == 204
    assert (await ask(studio, "GET", f"users/{made['id']}")).json()["displayName"] == "Countess"
    assert await signs_in(studio, OTHER)


@pytest.mark.parametrize(
    ("profile", "code"),
    [
        ({"password": "short"}, "PasswordLength"),
        ({"password": "passwordpassword"}, "PasswordCommon"),
        ({"password": GOOD, "forceChangePasswordNextSignIn": True}, "NotOffered"),
        ({"password": 12}, "Request_BadRequest"),
        ("x", "Request_BadRequest"),
    ],
)
async def test_a_password_that_cannot_be_given_makes_no_user(studio: Studio, profile: object, code: str) -> None:
    made = await ask(studio, "POST", "users", {**ADA, "passwordProfile": profile})
    error = made.json()["error"]
    assert (made.status, error["innerError"].get("code", error["code"])) == (400 if code != "NotOffered" else 501, code), made.body
    assert await names(studio, "users", "userPrincipalName eq 'ada@example.org'") == []


async def test_nobody_takes_over_a_user_who_holds_more_by_a_password(studio: Studio) -> None:
    made = (await ask(studio, "POST", "users", {**ADA, "passwordProfile": {"password": GOOD}})).json()
    await studio.assign(1, made["id"], OWNER, "/")
    token = await bystander(studio)
    for body in ({"passwordProfile": {"password": OTHER}}, {"displayName": "x", "passwordProfile": {"password": OTHER}}):
        assert (await ask(studio, "PATCH", f"users/{made['id']}", body, token=token)).status == 403
    assert await signs_in(studio, GOOD)
