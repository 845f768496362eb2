"""Signing in by a provider elsewhere: a real one on loopback, whose people, groups and word are mapped onto ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwk

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid
from studiolo.kernel.ids import collection, parse
from studiolo.kernel.resource import PLATFORM
from tests.rooms.authentication.federated import PATH, Lab, is_in, opened_lab
from tests.support.browser import Browser
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, guid

pytestmark = pytest.mark.anyio
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
ACCESS_ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
USERS = "/providers/Studiolo.Directory/users"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async for found in opened_lab(tmp_path):
        yield found


def linked(lab: Lab, subject: str = "ada") -> dict[str, Any]:
    return {"identities": [{"signInType": "federated", "issuer": lab.provider.issuer, "issuerAssignedId": subject}]}


# ── who comes in ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_person_signs_in_by_the_link_and_is_the_same_person_the_next_time(lab: Lab) -> None:
    browser, page = await lab.sign_in()
    assert (page.status, is_in(browser)) == (200, True)
    assert b'content="0;url=/account"' in page.body
    account = await browser.send("GET", "/account", sec_fetch_site="same-origin")
    assert b"Ada (The lab)" in account.body
    first = await lab.users()
    assert {name: found["creationType"] for name, found in first.items()} == {"ada": "federated"}
    assert is_in((await lab.sign_in(name="Ada Lovelace"))[0])
    assert await lab.users() == first
    assert is_in((await lab.sign_in(sub="bob", name="Bob"))[0])
    assert set(await lab.users()) == {"ada", "bob"}


async def test_nobody_new_comes_in_unless_the_provider_is_told_to_let_them(lab: Lab) -> None:
    await lab.configure(admitsNewUsers=False)
    await lab.give_secret()
    browser, page = await lab.sign_in()
    assert (page.status, is_in(browser)) == (403, False)
    assert b"does not yet" in page.body
    assert await lab.users() == {}
    await lab.studio.user(1, userPrincipalName="ada@example.org", **linked(lab))
    browser, page = await lab.sign_in()
    assert (page.status, is_in(browser)) == (200, True)
    assert [found["oid"] for found in (await lab.users()).values()] == [guid(1)]


async def test_a_mail_address_proves_nothing(lab: Lab) -> None:
    await lab.studio.user(1, userPrincipalName="ada@example.org", mail="ada@example.org")
    told = dict.fromkeys(("email", "preferred_username", "upn", "name"), "ada@example.org")
    browser, _ = await lab.sign_in(None, sub="mallory", email_verified=True, **told)
    assert is_in(browser)
    found = (await lab.users())["mallory"]
    assert found["oid"] != guid(1)
    assert not {"mail", "userPrincipalName"} & set(found)
    assert (await lab.studio.principals.who("ada@example.org")).oid == guid(1)


async def test_a_person_who_is_switched_off_stays_out(lab: Lab) -> None:
    await lab.studio.user(1, accountEnabled=False, **linked(lab))
    browser, page = await lab.sign_in()
    assert (page.status, is_in(browser)) == (403, False)
    assert b"switched off" in page.body


async def test_who_came_from_elsewhere_has_no_password_here(lab: Lab) -> None:
    browser, _ = await lab.sign_in()
    oid = (await lab.users())["ada"]["oid"]
    user = parse(f"{USERS}/{oid}")
    with pytest.raises(Conflict) as refused:
        await lab.studio.control.act(PLATFORM, user, "createPasswordLink", {}, {})
    assert refused.value.code == "NoLocalPassword"
    page = await browser.send("GET", "/account", sec_fetch_site="same-origin")
    assert b'name="password"' not in page.body
    mark = page.body.decode().partition('name="mark" value="')[2].partition('"')[0]
    fields = {"mark": mark, "password": "violet engines hum softly", "again": "violet engines hum softly"}
    assert (await browser.send("POST", "/account/password", fields)).status == 409
    assert await lab.studio.control.act(PLATFORM, user, "resetCredentials", {}, {}) == {}
    assert (await browser.send("GET", "/account", sec_fetch_site="same-origin")).body != page.body, "signed out everywhere"
    assert is_in((await lab.sign_in())[0])


async def test_one_time_codes_that_are_asked_of_a_person_are_asked_here_too(lab: Lab) -> None:
    await lab.studio.user(1, perUserMfaState="enforced", **linked(lab))
    browser, page = await lab.sign_in()
    assert not is_in(browser)
    assert b"Set up one-time codes" in page.body


async def test_without_a_secret_the_proof_key_is_all(lab: Lab) -> None:
    lab.provider.clients["studio"] = ""
    await lab.studio.control.act(PLATFORM, parse(PATH), "setClientSecret", {"clientSecret": ""}, {})
    assert is_in((await lab.sign_in())[0])


async def test_a_key_of_another_kind_and_a_replaced_one_are_believed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.provider.sign = lambda _, claims: lab.provider.signed({"kid": "two", "alg": "ES256"}, claims)
    assert is_in((await lab.sign_in())[0])
    lab.provider.rsa = jwk.RSAKey.import_key(rsa.generate_private_key(65537, 2048), {"kid": "three", "use": "sig"})
    lab.provider.sign = lambda _, claims: lab.provider.signed({"kid": "three"}, claims)
    assert not is_in((await lab.sign_in())[0]), "the keys were read a moment ago, and are not read again at everybody's word"
    now = clock.monotonic
    monkeypatch.setattr(clock, "monotonic", lambda: now() + 10)
    assert is_in((await lab.sign_in())[0])


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def grouped(lab: Lab, **properties: Any) -> tuple[str, str, str]:
    """Readers and writers, which are mapped, and a group that is not."""
    readers, writers, others = [await lab.studio.group(number) for number in (20, 21, 22)]
    mappings = [{"value": "lab/readers", "groupId": readers}, {"value": "lab/writers", "groupId": writers}]
    await lab.configure(groupMappings=mappings, groupsClaim="roles", **properties)
    return readers, writers, others


async def test_mapped_groups_follow_each_sign_in_and_no_other_group_does(lab: Lab) -> None:
    readers, writers, others = await grouped(lab)
    await lab.sign_in(roles=["lab/readers", "lab/nobody knows", "lab/Writers"])
    oid = (await lab.users())["ada"]["oid"]
    await lab.studio.group(22, oid, (await lab.studio.user(1)).oid)
    await lab.studio.put(f"/providers/Studiolo.Directory/groups/{writers}", {"displayName": "group-21", "members": []})
    assert [await lab.members(group) for group in (readers, writers, others)] == [[oid], [], [oid, guid(1)]]
    await lab.sign_in(roles="lab/writers")
    assert [await lab.members(group) for group in (readers, writers, others)] == [[], [oid], [oid, guid(1)]]
    await lab.sign_in()
    assert [await lab.members(group) for group in (readers, writers, others)] == [[], [], [oid, guid(1)]]


async def test_what_a_mapped_group_holds_opens_and_shuts_with_the_sign_in(lab: Lab) -> None:
    readers, _, _ = await grouped(lab)
    await lab.studio.assign(0xB1, readers, READER, GROUP)
    thing = f"{GROUP}/providers/Test.Rooms/things/none?api-version=2022-04-01"
    for roles, status in ((["lab/readers"], 404), ([], 403), (["lab/readers"], 404)):
        browser, _ = await lab.sign_in(roles=roles)
        assert (await browser.send("GET", thing, sec_fetch_site="same-origin")).status == status


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"_claim_names": {"roles": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example/x"}}}, "too many"),
        ({"hasgroups": True}, "too many"),
        ({"roles": {"lab/readers": True}}, "no list"),
        ({"roles": ["lab/readers", 7]}, "no list"),
    ],
)
async def test_groups_that_cannot_be_known_are_told_and_never_read_as_none(lab: Lab, claims: dict[str, Any], code: str) -> None:
    readers, _, _ = await grouped(lab)
    await lab.sign_in(roles=["lab/readers"])
    before = await lab.members(readers)
    browser, page = await lab.sign_in(**claims)
    assert (page.status, is_in(browser)) == (403, False)
    assert code.encode() in page.body
    assert await lab.members(readers) == before != []


async def test_the_last_owner_stays_whatever_a_provider_says(lab: Lab) -> None:
    owners, _, _ = await grouped(lab)
    mine = await lab.studio.assign(0xB2, owners, OWNER, "/")
    await lab.sign_in(roles=["lab/readers"])
    listed = await lab.studio.control.list(PLATFORM, collection("/providers/Microsoft.Authorization/roleAssignments"), {})
    for id_ in (parse(msgspec.json.decode(doc)["id"]) for doc in listed.docs):
        if id_.key != mine.key:
            await lab.studio.control.delete(PLATFORM, id_)
    browser, page = await lab.sign_in(roles=[])
    assert (page.status, is_in(browser)) == (200, True)
    assert await lab.members(owners) == [(await lab.users())["ada"]["oid"]]


async def test_a_group_that_is_gone_keeps_nobody_out(lab: Lab) -> None:
    readers, _, _ = await grouped(lab)
    await lab.studio.control.delete(PLATFORM, parse(f"/providers/Studiolo.Directory/groups/{readers}"))
    assert is_in((await lab.sign_in(roles=["lab/readers", "lab/writers"]))[0])


# ── who may configure ────────────────────────────────────────────────────────────────────────────────────────────


async def test_only_who_could_add_members_to_a_group_maps_it(lab: Lab) -> None:
    group = await lab.studio.group(20)
    await lab.studio.assign(0xB1, group, OWNER, HERE)
    administrator = await lab.studio.robot(30, CONTRIBUTOR, "/")
    await lab.studio.assign(0xB2, administrator.oid, ACCESS_ADMINISTRATOR, PATH)
    wanted = {**lab.properties, "groupMappings": [{"value": "x", "groupId": group}]}
    refused = await administrator.ask("PUT", PATH, wanted)
    assert (refused.status, refused.code) == (403, "MembershipBeyondDelegation")
    plain = {**wanted, "groupMappings": [{"value": "x", "groupId": await lab.studio.group(21)}]}
    assert (await administrator.ask("PUT", PATH, plain)).status == 200
    await lab.configure(groupMappings=wanted["groupMappings"])
    assert (await administrator.ask("PUT", PATH, {**wanted, "displayName": "Another name"})).status == 200
    moved = await administrator.ask("PUT", PATH, {**wanted, "clientId": "mine"})
    assert (moved.status, moved.code) == (403, "MembershipBeyondDelegation")


async def test_another_value_for_a_mapped_group_brings_others_in_and_so_is_looked_at(lab: Lab) -> None:
    group = await lab.studio.group(20)
    await lab.studio.assign(0xB1, group, OWNER, HERE)
    administrator = await lab.studio.robot(30, CONTRIBUTOR, "/")
    await lab.studio.assign(0xB2, administrator.oid, ACCESS_ADMINISTRATOR, PATH)
    await lab.configure(groupMappings=[{"value": "owners", "groupId": group}])
    wider = {**lab.properties, "groupMappings": [{"value": "owners", "groupId": group}, {"value": "everybody", "groupId": group}]}
    refused = await administrator.ask("PUT", PATH, wider)
    assert (refused.status, refused.code) == (403, "MembershipBeyondDelegation")


@pytest.mark.parametrize("how", ["principals", "excludePrincipals"])
async def test_a_group_of_a_deny_assignment_is_mapped_by_who_could_remove_it_alone(lab: Lab, how: str) -> None:
    inner, ada = await lab.studio.group(20), await lab.studio.user(1)
    group = await lab.studio.group(21, inner)
    deny = {"denyAssignmentName": "no", "permissions": [{"actions": ["Test.Rooms/things/read"]}], "principals": [{"id": ada.oid}]}
    await lab.studio.put(f"{GROUP}/{AUTHORIZATION}/denyAssignments/{guid(500)}", {**deny, how: [{"id": group}]})
    administrator = await lab.studio.robot(30, CONTRIBUTOR, "/")
    await lab.studio.assign(0xB2, administrator.oid, ACCESS_ADMINISTRATOR, PATH)
    wanted = {**lab.properties, "groupMappings": [{"value": "x", "groupId": inner}]}
    refused = await administrator.ask("PUT", PATH, wanted)
    assert (refused.status, refused.code) == (403, "MembershipUndoesDenial")
    await lab.studio.assign(0xB3, administrator.oid, ACCESS_ADMINISTRATOR, GROUP)
    assert (await administrator.ask("PUT", PATH, wanted)).status == 200
    # The provider's word, once it is heard, moves people in and out.
    assert is_in((await lab.sign_in(groups=["x"]))[0])
    assert len(await lab.members(inner)) == 1
    assert is_in((await lab.sign_in(groups=[]))[0])
    assert await lab.members(inner) == []


async def test_nobody_unlinks_a_denied_person_to_have_them_made_anew(lab: Lab) -> None:
    ada = await lab.studio.user(1, **linked(lab))
    group = await lab.studio.group(20, ada.oid)
    deny = {"denyAssignmentName": "no", "permissions": [{"actions": ["Test.Rooms/things/read"]}], "principals": [{"id": group}]}
    await lab.studio.put(f"{GROUP}/{AUTHORIZATION}/denyAssignments/{guid(500)}", deny)
    owner = await lab.studio.robot(30, OWNER, f"{USERS}/{ada.oid}")
    refused = await owner.ask("PATCH", f"{USERS}/{ada.oid}", {"identities": []})
    assert (refused.status, refused.code) == (403, "MembershipUndoesDenial")


async def test_only_who_could_give_what_a_person_holds_links_them_to_an_identity(lab: Lab) -> None:
    owner = await lab.studio.user(1)
    await lab.studio.assign(0xB1, owner.oid, OWNER, HERE)
    administrator = await lab.studio.robot(30, CONTRIBUTOR, "/")
    for number, status in ((1, 403), (2, 200)):
        await lab.studio.user(number)
        place = f"{USERS}/{guid(number)}"
        await lab.studio.assign(0xB5 + number, administrator.oid, ACCESS_ADMINISTRATOR, place)
        reply = await administrator.ask("PATCH", place, linked(lab, f"person-{number}"))
        assert reply.status == status, reply.body


async def test_an_identity_is_one_persons(lab: Lab) -> None:
    await lab.studio.user(1, **linked(lab))
    with pytest.raises(Conflict) as refused:
        await lab.studio.user(2, **linked(lab))
    assert refused.value.code == "IdentityLinked"
    for wrong in ([{"issuer": "x"}], [{**linked(lab)["identities"][0], "signInType": "emailAddress"}], [{"issuerAssignedId": "x"}]):
        with pytest.raises(Invalid):
            await lab.studio.user(3, identities=wrong)


async def test_nobody_says_of_a_user_that_a_provider_vouched_for_them(lab: Lab) -> None:
    administrator = await lab.studio.robot(30, OWNER, "/")
    for method, path in (("PUT", f"{USERS}/{guid(1)}"), ("PATCH", f"{USERS}/{guid(1)}")):
        reply = await administrator.ask(method, path, {"displayName": "x", "creationType": "federated"})
        assert reply.status in (200, 201), reply.body
        assert "creationType" not in reply.json()["properties"]


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"issuer": "https://127.0.0.1:1/x"}, "IssuerNotAllowed"),
        ({"issuer": "https://localhost:1/x"}, "IssuerNotAllowed"),
        ({"issuer": "https://[::1]/x"}, "IssuerNotAllowed"),
        ({"issuer": "https://169.254.169.254/x"}, "IssuerNotAllowed"),
        ({"issuer": "https://2130706433/"}, "IssuerNotAllowed"),
        ({"issuer": "http://login.example/x"}, "IssuerNotAllowed"),
        ({"issuer": "https://user:word@login.example/"}, "InvalidIssuer"),
        ({"issuer": "https://login.example/?x=1"}, "InvalidIssuer"),
        ({"issuer": "file:///etc/passwd"}, "InvalidIssuer"),
        ({"issuer": ""}, "MissingProperty"),
        ({"clientId": None}, "MissingProperty"),
        ({"clientSecret": "word"}, "NotWritable"),
        ({"scopes": ["profile"]}, "InvalidRequestContent"),
        ({"scopes": ["openid", "two words"]}, "InvalidRequestContent"),
        ({"groupMappings": [{"value": "x", "groupId": guid(77)}]}, "InvalidGroupMapping"),
        ({"groupMappings": [{"value": "x"}]}, "InvalidGroupMapping"),
        ({"groupMappings": [{"value": 7, "groupId": guid(77)}]}, "InvalidGroupMapping"),
    ],
)
async def test_a_provider_that_cannot_be_is_refused(lab: Lab, properties: dict[str, Any], code: str) -> None:
    with pytest.raises(Fault) as refused:
        await lab.configure(**properties)
    assert (type(refused.value), refused.value.code) == (Invalid, code)


async def test_the_secret_is_told_to_nobody_and_goes_with_its_issuer(lab: Lab, tmp_path: Path) -> None:
    secret = lab.provider.clients["studio"]
    found = await lab.read()
    assert (found["hasClientSecret"], found["redirectUri"]) == (True, "https://localhost:8443/signin/from/lab")
    assert secret not in str(found)
    assert secret.encode() not in await asyncio.to_thread(lambda: b"".join(file.read_bytes() for file in tmp_path.glob("studiolo.db*")))
    assert (await lab.configure(displayName="Another"))["hasClientSecret"]
    assert not (await lab.configure(clientId="other"))["hasClientSecret"]
    await lab.configure()
    await lab.studio.control.delete(PLATFORM, parse(PATH))
    assert not (await lab.configure())["hasClientSecret"], "a later provider of the name inherits nothing"


async def test_a_stranger_configures_nothing(lab: Lab) -> None:
    stranger = await lab.studio.robot(30)
    assert (await stranger.ask("GET", PATH)).status == 403
    assert (await stranger.ask("PUT", PATH, lab.properties)).status == 403
    assert (await stranger.ask("POST", f"{PATH}/setClientSecret", None)).status == 403
    with pytest.raises(Forbidden):
        await lab.studio.control.act(await lab.studio.user(5), parse(PATH), "setClientSecret", {"clientSecret": "x"}, {})


async def test_a_removed_provider_lets_nobody_in(lab: Lab) -> None:
    browser = Browser(lab.studio)
    address = await lab.leave(browser)
    await lab.studio.control.delete(PLATFORM, parse(PATH))
    page = await lab.arrive(browser, address, lab.provider.sign_in(address))
    assert (page.status, is_in(browser)) == (404, False)
    assert b"/signin/with/" not in (await browser.open("/signin")).body
