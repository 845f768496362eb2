"""Signing in with the unchanged azure-identity, tokens that prove nothing, and rights that hold from the next call on."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.parity.studio import ASSIGNMENTS, DIRECTORY, ROLES, Person, Studio, account_of, unique

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers"
STORAGE = "https://storage.azure.com"
Claims = dict[str, Any]


def claims_in(token: str) -> Claims:
    return _part(token.split(".")[1])


def _part(text: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _text(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_environment_alone_signs_in(signed_in: Studio) -> None:
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential()
    for resource in (signed_in.url, STORAGE, f"https://ml.azure.localhost:{signed_in.server.port}", "https://vault.azure.net"):
        token = credential.get_token(f"{resource}/.default").token
        assert claims_in(token)["aud"].rstrip("/") == resource
    assert signed_in.arm("GET", signed_in.group, token=credential.get_token(f"{signed_in.url}/.default").token).status == 200


def test_the_tenants_own_id_works_as_well_as_its_alias(signed_in: Studio) -> None:
    from azure.identity import ClientSecretCredential

    tenant = claims_in(signed_in.token(signed_in.owner))["tid"]
    assert uuid.UUID(tenant)
    owner = signed_in.owner
    credential = ClientSecretCredential(tenant, owner.client_id, owner.secret, authority=signed_in.url, disable_instance_discovery=True)
    token = credential.get_token(f"{signed_in.url}/.default").token
    found = claims_in(token)
    assert (found["tid"], found["ver"], found["azp"]) == (tenant, "2.0", owner.client_id)
    assert signed_in.arm("GET", signed_in.group, token=token).status == 200


def test_tokens_are_signed_with_a_published_key_and_live_about_an_hour(studio: Studio) -> None:
    token = studio.token(studio.owner)
    head, body, signature = token.split(".")
    pages = studio.send("GET", "/adfs/.well-known/openid-configuration").json()
    keys = {key["kid"]: key for key in studio.send("GET", pages["jwks_uri"].removeprefix(studio.url)).json()["keys"]}
    key = keys[_part(head)["kid"]]
    assert not {"d", "p", "q"} & set(key)
    modulus, exponent = (int.from_bytes(base64.urlsafe_b64decode(key[part] + "==")) for part in ("n", "e"))
    given = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    rsa.RSAPublicNumbers(exponent, modulus).public_key().verify(given, f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    found = claims_in(token)
    assert found["iss"] == pages["issuer"]
    assert 3600 <= found["exp"] - found["iat"] <= 5400


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client_secret": "wrong"}, "AADSTS7000215"),
        ({"client_id": str(uuid.uuid4())}, "AADSTS700016"),
        ({"tenant_id": str(uuid.uuid4()), "disable_instance_discovery": True}, "AADSTS90002"),
    ],
)
def test_the_client_says_why_nobody_was_signed_in(signed_in: Studio, change: dict[str, Any], code: str) -> None:
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ClientSecretCredential

    owner = signed_in.owner
    asked = {"tenant_id": "adfs", "client_id": owner.client_id, "client_secret": owner.secret, "authority": signed_in.url, **change}
    with pytest.raises((ClientAuthenticationError, ValueError)) as refused:
        ClientSecretCredential(**asked).get_token(f"{signed_in.url}/.default")
    if "tenant_id" not in change:  # for an unknown tenant MSAL words the refusal itself
        assert code in str(refused.value)
    assert owner.secret not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "https://management.azure.com/.default"}, 400, "invalid_resource"),
        ({"scope": "openid"}, 400, "invalid_scope"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_secret": "x" * 10_000}, 401, "invalid_client"),
        ({}, 400, "invalid_request"),
    ],
)
def test_bad_token_requests_are_refused_in_the_token_endpoints_shape(
    studio: Studio, fields: dict[str, str], status: int, error: str
) -> None:
    asked = {"scope": f"{studio.url}/.default", **fields} if fields else {}
    secret = asked.pop("client_secret", studio.owner.secret)
    refused = studio.ask_token(studio.owner.client_id, secret, **asked)
    told = refused.json()
    assert (refused.status, told["error"]) == (status, error)
    assert told["error_description"].startswith("AADSTS")
    assert refused.headers["cache-control"] == "no-store"
    assert studio.owner.secret not in refused.body.decode()


def test_a_removed_secret_signs_nobody_in(studio: Studio) -> None:
    person = studio.person()
    scope = f"{studio.url}/.default"
    assert studio.ask_token(person.client_id, person.secret, scope=scope).status == 200
    kept = studio.directory("GET", f"/applications/{person.client_id}").json()["properties"]["passwordCredentials"]
    assert person.secret not in str(kept)
    removed = studio.directory("POST", f"/applications/{person.client_id}/removePassword", {"keyId": kept[0]["keyId"]})
    assert removed.status in (200, 204)
    assert studio.ask_token(person.client_id, person.secret, scope=scope).status == 401


# ── tokens that prove nothing ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def own_key(studio: Studio) -> rsa.RSAPrivateKey:
    """The server's own signing key, which no caller has: it shows that a good signature alone is not enough."""
    from studiolo.app.home import Home
    from studiolo.kernel.keys import KeyRing
    from studiolo.kernel.store.sqlite import SqliteStore

    studio.token(studio.owner)  # the first token makes the key

    async def read() -> bytes:
        home = Home(studio.server.home)
        store = SqliteStore(home.database)
        try:
            entry = await store.entry("iam.signing-keys", "newest")
            assert entry is not None
            return await KeyRing(store, home.master_key()).open("iam/signing-keys", base64.b64decode(json.loads(entry.doc)["sealed"]))
        finally:
            await store.close()

    key = serialization.load_pem_private_key(asyncio.run(read()), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _signed(key: rsa.RSAPrivateKey, header: dict[str, Any], claims: Claims) -> str:
    signed = f"{_text(header)}.{_text(claims)}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _flipped(token: str) -> str:
    """One bit of the signature changed."""
    head, body, signature = token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[7] ^= 1
    return f"{head}.{body}.{base64.urlsafe_b64encode(bytes(raw)).decode().rstrip('=')}"


Forged = Callable[[str, rsa.RSAPrivateKey, rsa.RSAPrivateKey], str]


def _by_own_key(**changes: Any) -> Forged:
    def made(token: str, own: rsa.RSAPrivateKey, _: rsa.RSAPrivateKey) -> str:
        return _signed(own, _part(token.split(".", maxsplit=1)[0]), claims_in(token) | changes)

    return made


FORGED: dict[str, tuple[Forged, str]] = {
    "expired": (_by_own_key(iat=1_600_000_000, nbf=1_600_000_000, exp=1_600_003_600), "ExpiredAuthenticationToken"),
    "of another issuer": (_by_own_key(iss="https://login.microsoftonline.com/x/v2.0"), "InvalidAuthenticationToken"),
    "of another tenant": (_by_own_key(tid=str(uuid.uuid4())), "InvalidAuthenticationTokenTenant"),
    "of nobody": (
        _by_own_key(oid="11111111-1111-1111-1111-111111111111", sub="11111111-1111-1111-1111-111111111111"),
        "InvalidAuthenticationToken",
    ),
    "for the public cloud": (_by_own_key(aud="https://management.azure.com/"), "InvalidAuthenticationTokenAudience"),
    "not valid yet": (_by_own_key(nbf=4_000_000_000), "InvalidAuthenticationToken"),
    "of a stranger's key": (
        lambda token, _, other: _signed(other, _part(token.split(".")[0]), claims_in(token)),
        "InvalidAuthenticationToken",
    ),
    "of a key in its own header": (
        lambda token, _, other: _signed(
            other,
            _part(token.split(".")[0]) | {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
            claims_in(token),
        ),
        "InvalidAuthenticationToken",
    ),
    "unsigned": (lambda token, _, __: f"{_text({'alg': 'none', 'typ': 'JWT'})}.{token.split('.')[1]}.", "InvalidAuthenticationToken"),
    "changed by one bit": (lambda token, _, __: _flipped(token), "InvalidAuthenticationToken"),
    "cut short": (lambda token, _, __: token[:-20], "InvalidAuthenticationToken"),
    "no token at all": (lambda _, __, ___: "gibberish", "InvalidAuthenticationToken"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_token_that_is_not_good_is_refused_with_a_challenge(studio: Studio, own_key: rsa.RSAPrivateKey, case: str) -> None:
    forge, code = FORGED[case]
    token = forge(studio.token(studio.owner), own_key, rsa.generate_private_key(65537, 2048))
    path = studio.workspace(unique("forged"))
    for method, body in (("GET", None), ("PUT", {"location": "local", "kind": "Hub", "properties": {}})):
        refused = studio.arm(method, path, body, token=token)
        assert (refused.status, refused.code) == (401, code)
        assert refused.headers["www-authenticate"].startswith("Bearer ")
        assert studio.url in refused.headers["www-authenticate"]
        assert token not in refused.body.decode()
    assert studio.arm("GET", path).status == 404


def test_the_same_signature_over_true_claims_is_taken(studio: Studio, own_key: rsa.RSAPrivateKey) -> None:
    true = studio.token(studio.owner)
    assert studio.arm("GET", studio.group, token=_by_own_key(uti="again")(true, own_key, own_key)).status == 200


def test_no_credential_is_a_401_that_says_where_to_sign_in(studio: Studio) -> None:
    tenant = claims_in(studio.token(studio.owner))["tid"]
    refused = studio.send("GET", f"{studio.group}?api-version=2024-01-01")
    assert (refused.status, refused.code) == (401, "AuthenticationFailed")
    assert f'authorization_uri="{studio.url}/{tenant}"' in refused.headers["www-authenticate"]
    for header in ("Basic dXNlcjpwYXNz", "Bearer", "Bearer a b"):
        again = studio.send("GET", f"{studio.group}?api-version=2024-01-01", headers={"authorization": header})
        assert again.status == 401


def test_a_token_opens_the_surface_that_it_was_made_for(studio: Studio) -> None:
    home = studio.arm("GET", studio.workspace("home")).json()
    person = studio.person()
    studio.grant(person.oid, "Storage Blob Data Reader", home["properties"]["storageAccount"])
    studio.grant(person.oid, "Reader", home["id"])
    storage, arm = studio.token(person, STORAGE), studio.token(person)
    assert studio.arm("GET", home["id"], token=arm).status == 200
    refused = studio.arm("GET", home["id"], token=storage)
    assert (refused.status, refused.code) == (401, "InvalidAuthenticationTokenAudience")
    host = f"{account_of(home)}.blob.core.localhost"
    for token, status in ((storage, 200), (studio.token(person, "https://vault.azure.net"), 401)):
        headers = {"authorization": f"Bearer {token}", "x-ms-version": "2025-11-05"}
        assert studio.send("GET", "/?comp=list", headers=headers, host=host).status == status


def test_a_session_serves_our_own_pages_only(studio: Studio) -> None:
    path = f"{DIRECTORY}/users?api-version=2024-01-01"
    cookie = studio.cookie
    assert studio.send("GET", path, headers={"cookie": cookie}).status == 200
    new = f"{DIRECTORY}/groups/{uuid.uuid4()}?api-version=2024-01-01"
    body = json.dumps({"properties": {"displayName": "x"}}).encode()
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site", "origin": studio.url}, {}):
        refused = studio.send("PUT", new, body, {"cookie": cookie, "content-type": "application/json", **headers})
        assert (refused.status, refused.code) == (403, "CrossSiteRequest"), headers
    assert studio.send("GET", new, headers={"cookie": cookie}).status == 404
    assert studio.send("GET", path, headers={"cookie": cookie[:-3] + "xyz"}).status == 401


def test_the_sign_in_link_works_once(studio: Studio) -> None:
    again = studio.redeem()
    assert again.status in (400, 401, 403)
    assert "set-cookie" not in again.headers


# ── rights ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def hub(studio: Studio) -> dict[str, Any]:
    """A hub whose rights these tests give and take."""
    return studio.hub(unique("rights"))


def _sees(studio: Studio, person: Person, path: str) -> bool:
    reply = studio.arm("GET", path, by=person)
    if reply.status != 200:
        assert (reply.status, reply.code) == (403, "AuthorizationFailed")
    return reply.status == 200


def test_a_role_holds_at_the_next_call_and_its_end_too(studio: Studio, hub: dict[str, Any]) -> None:
    person = studio.person()
    for _ in range(3):
        assert not _sees(studio, person, hub["id"])
        given = studio.grant(person.oid, "Reader", hub["id"])
        assert _sees(studio, person, hub["id"])
        assert studio.arm("GET", given, by=person).json()["properties"]["principalId"] == person.oid
        assert studio.arm("DELETE", given).status == 200
        assert studio.arm("DELETE", given).status == 204
    assert not _sees(studio, person, hub["id"])


def test_a_role_reaches_down_and_never_up_or_aside(studio: Studio, hub: dict[str, Any]) -> None:
    person = studio.person()
    studio.grant(person.oid, "Reader", hub["id"])
    assert _sees(studio, person, f"{hub['id']}/datastores") or studio.arm("GET", f"{hub['id']}/datastores", by=person).status == 404
    assert not _sees(studio, person, studio.group)
    assert not _sees(studio, person, studio.workspace(hub["name"] + "0"))
    assert not _sees(studio, person, studio.workspace(hub["name"][:-1]))
    assert _sees(studio, person, hub["id"].upper().replace("/SUBSCRIPTIONS", "/subscriptions"))


def test_a_groups_members_have_its_roles_while_they_are_members(studio: Studio, hub: dict[str, Any]) -> None:
    person = studio.person()
    inner = studio.group_of(person)
    outer = str(uuid.uuid4())
    body: dict[str, Any] = {"properties": {"displayName": unique("outer"), "members": [inner]}}
    assert studio.directory("PUT", f"/groups/{outer}", body).status == 201
    studio.grant(outer, "Reader", hub["id"], kind="Group")
    assert _sees(studio, person, hub["id"])
    body["properties"]["members"] = []
    assert studio.directory("PUT", f"/groups/{outer}", body).status == 200
    assert not _sees(studio, person, hub["id"])


def test_who_is_switched_off_or_removed_is_nobody_at_once(studio: Studio, hub: dict[str, Any]) -> None:
    person = studio.person()
    studio.grant(person.oid, "Reader", hub["id"])
    assert _sees(studio, person, hub["id"])
    shown = studio.directory("GET", f"/servicePrincipals/{person.oid}").json()["properties"]
    off = {"properties": {"displayName": shown["displayName"], "appId": person.client_id, "accountEnabled": False}}
    assert studio.directory("PUT", f"/servicePrincipals/{person.oid}", off).status == 200
    assert studio.arm("GET", hub["id"], by=person).status == 401
    assert studio.ask_token(person.client_id, person.secret, scope=f"{studio.url}/.default").status == 400
    off["properties"]["accountEnabled"] = True
    assert studio.directory("PUT", f"/servicePrincipals/{person.oid}", off).status == 200
    assert studio.arm("GET", hub["id"], by=person).status == 401  # what was given out before stays void
    fresh = studio.ask_token(person.client_id, person.secret, scope=f"{studio.url}/.default").json()["access_token"]
    proof = {"authorization": f"Bearer {fresh}"}
    assert studio.send("GET", f"{hub['id']}?api-version=2024-10-01", None, proof).status == 200
    assert studio.directory("DELETE", f"/servicePrincipals/{person.oid}").status == 200
    assert studio.send("GET", f"{hub['id']}?api-version=2024-10-01", None, proof).status == 401
    left = studio.arm("GET", f"{hub['id']}{ASSIGNMENTS}", query={"$filter": f"principalId eq '{person.oid}'"}).json()["value"]
    assert left == []


def test_everybody_may_ask_for_their_own_permissions(studio: Studio, hub: dict[str, Any]) -> None:
    person = studio.person()
    path = f"{hub['id']}/providers/Microsoft.Authorization/permissions"
    studio.grant(person.oid, "Reader", hub["id"])
    mine = studio.arm("GET", path, by=person)
    assert mine.status == 200
    assert [(block["actions"], block["notActions"], block["dataActions"]) for block in mine.json()["value"]] == [(["*/read"], [], [])]
    owners = studio.arm("GET", path).json()["value"]
    assert any("*" in block["actions"] for block in owners)
    condition = f"(@Resource[{BLOBS}:name] StringEquals 'notes')"
    studio.grant(person.oid, "Storage Blob Data Reader", hub["id"], condition=condition)
    blocks = studio.arm("GET", path, by=person).json()["value"]
    assert [block["condition"] for block in blocks if block.get("dataActions")] == [condition]


def test_a_custom_role_grants_what_it_says_and_follows_its_changes(studio: Studio, hub: dict[str, Any]) -> None:
    person = studio.person()
    tag = "Microsoft.MachineLearningServices/workspaces"
    role = studio.custom_role(f"{tag}/read")
    given = studio.grant(person.oid, role, hub["id"])
    assert _sees(studio, person, hub["id"])
    shown = studio.arm("GET", role).json()
    assert shown["properties"]["type"] == "CustomRole"
    shown["properties"]["permissions"] = [{"actions": ["Microsoft.Storage/*/read"], "notActions": []}]
    changed = studio.arm("PUT", role, {"properties": shown["properties"]})
    assert changed.status in (200, 201), changed.body
    assert not _sees(studio, person, hub["id"])
    held = studio.arm("DELETE", role)
    assert (held.status, held.code) == (409, "RoleDefinitionHasAssignments")
    assert studio.arm("DELETE", given).status == 200
    assert studio.arm("DELETE", role).status == 200
    assert studio.arm("GET", role).status == 404


def test_what_a_role_subtracts_it_does_not_grant(studio: Studio, hub: dict[str, Any]) -> None:
    person = studio.person()
    body = {
        "roleName": unique("minus"),
        "assignableScopes": [studio.group],
        "permissions": [{"actions": ["Microsoft.MachineLearningServices/*"], "notActions": ["Microsoft.MachineLearningServices/*/read"]}],
    }
    made = studio.arm("PUT", f"{studio.group}{ROLES}/{uuid.uuid4()}", {"properties": body})
    assert made.status == 201
    studio.grant(person.oid, made.json()["id"], hub["id"])
    assert not _sees(studio, person, hub["id"])
    assert studio.may(person.oid, "Microsoft.MachineLearningServices/workspaces/write", hub["id"])


ROLE_FAULTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "an action with two stars": ({"permissions": [{"actions": ["Microsoft.*/workspaces/*"]}]}, 400, "InvalidActionOrNotAction"),
    "no name": ({"roleName": ""}, 400, "InvalidRoleDefinitionName"),
    "a built-in role's name": ({"roleName": "Reader"}, 409, "RoleDefinitionWithSameNameExists"),
    "no scope": ({"assignableScopes": []}, 400, "InvalidRoleDefinitionScope"),
    "the root as scope": ({"assignableScopes": ["/"]}, 400, "InvalidRoleDefinitionScope"),
    "no permissions": ({"permissions": []}, 400, ""),
    "a text as actions": ({"permissions": [{"actions": "*"}]}, 400, "InvalidRequestContent"),
}


@pytest.mark.parametrize("case", ROLE_FAULTS)
def test_a_role_that_breaks_a_rule_is_refused(studio: Studio, case: str) -> None:
    change, status, code = ROLE_FAULTS[case]
    body = {"roleName": unique("role"), "assignableScopes": [studio.group], "permissions": [{"actions": ["*/read"]}], **change}
    path = f"{studio.group}{ROLES}/{uuid.uuid4()}"
    refused = studio.arm("PUT", path, {"properties": body})
    assert refused.status == status, refused.body
    assert refused.code == code or not code
    assert studio.arm("GET", path).status == 404


def test_built_in_roles_can_neither_be_changed_nor_removed(studio: Studio) -> None:
    reader = studio.role("Reader")
    body = studio.arm("GET", reader).json()["properties"] | {"permissions": [{"actions": ["*"]}]}
    assert studio.arm("PUT", reader, {"properties": body}).status in (400, 403, 409)
    assert studio.arm("DELETE", reader).status in (204, 400, 403, 409)
    assert studio.arm("GET", reader).json()["properties"]["permissions"][0]["actions"] == ["*/read"]


NOBODY = "22222222-2222-2222-2222-222222222222"
ASSIGNMENT_FAULTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "no principal": ({"principalId": None}, 400, "InvalidPrincipalId"),
    "another type of principal": ({"principalType": "User"}, 400, "UnmatchedPrincipalType"),
    "an unknown role": (
        {"roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{NOBODY}"},
        404,
        "RoleDefinitionDoesNotExist",
    ),
    "no role": ({"roleDefinitionId": None}, 400, "InvalidRoleDefinitionId"),
    "a condition that is none": ({"condition": "true", "conditionVersion": "2.0"}, 400, "InvalidCondition"),
    "a condition that mixes and with or": (
        {
            "condition": "@Resource[a:b] StringEquals 'a' AND @Resource[a:b] StringEquals 'b' OR @Resource[a:b] StringEquals 'c'",
            "conditionVersion": "2.0",
        },
        400,
        "InvalidCondition",
    ),
    "the old version of conditions": (
        {"condition": f"@Resource[{BLOBS}:name] StringEquals 'a'", "conditionVersion": "1.0"},
        400,
        "InvalidConditionVersion",
    ),
    "a number as condition": ({"condition": 1, "conditionVersion": "2.0"}, 400, "InvalidRequestContent"),
}


@pytest.mark.parametrize("case", ASSIGNMENT_FAULTS)
def test_an_assignment_that_breaks_a_rule_is_refused(studio: Studio, hub: dict[str, Any], case: str) -> None:
    change, status, code = ASSIGNMENT_FAULTS[case]
    person = studio.person()
    body = {"roleDefinitionId": studio.role("Storage Blob Data Reader"), "principalId": person.oid, "principalType": "ServicePrincipal"}
    path = f"{hub['id']}{ASSIGNMENTS}/{uuid.uuid4()}"
    refused = studio.arm("PUT", path, {"properties": {**body, **change}})
    assert (refused.status, refused.code) == (status, code)
    assert studio.arm("GET", path).status == 404
    assert not studio.may(person.oid, f"{BLOBS}/blobs/read", hub["id"], data=True)


def test_one_principal_meets_a_role_at_a_scope_once(studio: Studio, hub: dict[str, Any]) -> None:
    person, other = studio.person(), studio.person()
    given = studio.grant(person.oid, "Reader", hub["id"])
    properties = studio.arm("GET", given).json()["properties"]
    kept = {name: properties[name] for name in ("roleDefinitionId", "principalId", "principalType")}
    again = studio.arm("PUT", f"{hub['id']}{ASSIGNMENTS}/{uuid.uuid4()}", {"properties": kept})
    assert (again.status, again.code) == (409, "RoleAssignmentExists")
    assert studio.arm("PUT", given, {"properties": kept}).status in (200, 201)
    turned = studio.arm("PUT", given, {"properties": kept | {"principalId": other.oid}})
    assert (turned.status, turned.code) == (409, "RoleAssignmentUpdateNotPermitted")
    assert not _sees(studio, other, hub["id"])
    named = studio.arm("PUT", f"{hub['id']}{ASSIGNMENTS}/not-a-guid", {"properties": kept | {"principalId": other.oid}})
    assert (named.status, named.code) == (400, "InvalidRoleAssignmentId")


def test_a_condition_narrows_a_role_to_one_container(studio: Studio, hub: dict[str, Any]) -> None:
    one, other = (studio.project(hub["id"])["properties"]["workspaceId"] for _ in range(2))
    person, account = studio.person(), hub["properties"]["storageAccount"]
    condition = f"@Resource[{BLOBS}:name] StringEquals '{one}-blobstore'"
    given = studio.grant(person.oid, "Storage Blob Data Contributor", account, condition=condition)
    name = account_of(hub)
    assert studio.blob("PUT", name, f"/{one}-blobstore/a", b"a", by=person).status == 201
    for container in (f"{one}-code", f"{other}-blobstore"):
        assert studio.blob("PUT", name, f"/{container}/a", b"a", by=person).status == 403
    wider = studio.arm("GET", given).json()["properties"]
    kept = {key: wider[key] for key in ("roleDefinitionId", "principalId", "principalType")}
    moved = condition.replace(f"{one}-blobstore", f"{one}-code")
    assert studio.arm("PUT", given, {"properties": {**kept, "condition": moved, "conditionVersion": "2.0"}}).status in (200, 201)
    assert studio.blob("GET", name, f"/{one}-blobstore/a", by=person).status == 403
    assert studio.blob("PUT", name, f"/{one}-code/a", b"a", by=person).status == 201


def test_whoever_may_give_one_role_gives_no_other(studio: Studio, hub: dict[str, Any]) -> None:
    manager, guest = studio.person("manager"), studio.person()
    reader, owner = (studio.role(name).rpartition("/")[2] for name in ("Reader", "Owner"))
    names = "Microsoft.Authorization/roleAssignments"
    condition = (
        f"((!(ActionMatches{{'{names}/write'}})) OR (@Request[{names}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{reader}}}))"
        f" AND ((!(ActionMatches{{'{names}/delete'}})) OR (@Resource[{names}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{reader}}}))"
    )
    studio.grant(manager.oid, "Role Based Access Control Administrator", hub["id"], condition=condition)

    def give(role: str, to: Person) -> int:
        properties = {"roleDefinitionId": studio.role(role), "principalId": to.oid, "principalType": "ServicePrincipal"}
        return studio.arm("PUT", f"{hub['id']}{ASSIGNMENTS}/{uuid.uuid4()}", {"properties": properties}, by=manager).status

    assert give("Reader", guest) == 201
    assert give("Owner", guest) == 403
    assert give("Owner", manager) == 403
    assert give("Role Based Access Control Administrator", manager) == 403
    assert not studio.may(guest.oid, "Microsoft.MachineLearningServices/workspaces/write", hub["id"])
    owned = studio.grant(guest.oid, "Contributor", hub["id"])
    assert studio.arm("DELETE", owned, by=manager).status == 403
    assert owner


@pytest.mark.parametrize("role", ["Reader", "Contributor", "Azure AI Developer", "Azure AI Administrator"])
def test_roles_that_do_not_manage_access_cannot_give_themselves_more(studio: Studio, hub: dict[str, Any], role: str) -> None:
    person = studio.person()
    studio.grant(person.oid, role, studio.group)
    owner = studio.role("Owner")
    for path, body in (
        (
            f"{hub['id']}{ASSIGNMENTS}/{uuid.uuid4()}",
            {"roleDefinitionId": owner, "principalId": person.oid, "principalType": "ServicePrincipal"},
        ),
        (
            f"{studio.group}{ROLES}/{uuid.uuid4()}",
            {"roleName": unique("mine"), "assignableScopes": [studio.group], "permissions": [{"actions": ["*"]}]},
        ),
        (f"{DIRECTORY}/groups/{uuid.uuid4()}", {"displayName": "mine", "members": [person.oid]}),
        (f"{DIRECTORY}/servicePrincipals/{person.oid}", {"displayName": "mine", "appId": person.client_id}),
    ):
        refused = studio.arm("PUT", path, {"properties": body}, by=person)
        assert (refused.status, refused.code) == (403, "AuthorizationFailed"), path
    minted = studio.arm("POST", f"{DIRECTORY}/applications/{studio.owner.client_id}/addPassword", {}, by=person)
    assert (minted.status, minted.code) == (403, "AuthorizationFailed")


def test_explain_tells_the_role_and_the_condition_that_decide(studio: Studio, hub: dict[str, Any]) -> None:
    person = studio.person()
    given = studio.grant(person.oid, "Storage Blob Data Reader", hub["id"], condition=f"@Resource[{BLOBS}:name] StringEquals 'notes'")
    path = f"{hub['id']}/providers/Studiolo.Access/explain"
    question = {"who": person.oid, "action": f"{BLOBS}/blobs/read", "plane": "data"}
    for container, allowed in (("notes", True), ("secrets", False)):
        told = studio.arm("POST", path, {**question, "resource": {f"{BLOBS}:name": container}}).json()
        assert told["allowed"] is allowed
        row = next(row for row in told["roleAssignments"] if row["id"].lower() == given.lower())
        assert row["role"] == "Storage Blob Data Reader"
        assert row["blocks"][0]["conditions"][0]["value"] == str(allowed)
    refused = studio.arm("POST", path, question, by=person)
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")
