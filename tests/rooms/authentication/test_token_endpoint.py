import base64
from datetime import timedelta

import jwt
import pytest

from studiolo.kernel import clock
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
from tests.support.asgi import call
from tests.support.studio import HERE, ORIGIN, READER, Studio, basic, guid

pytestmark = pytest.mark.anyio

APPLICATIONS = "/providers/Studiolo.Directory/applications"
ASSERTION = {
    "client_assertion": "x",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "client_secret": "",
}


async def claims(studio: Studio, token: str) -> dict[str, object]:
    """What a token says to a verifier that is not ours, with the key from the published set."""
    keys = (await call(studio.front, "GET", f"/{studio.tenant}/discovery/v2.0/keys")).json()["keys"]
    header = jwt.get_unverified_header(token)
    key = next(jwt.PyJWK(k) for k in keys if k["kid"] == header["kid"])
    return jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False})


@pytest.mark.parametrize("tenant", ["adfs", "{tenant}"])
async def test_a_client_with_a_secret_gets_a_token_for_the_resource_that_it_names(studio: Studio, tenant: str) -> None:
    path = f"/{tenant.format(tenant=studio.tenant)}/oauth2/v2.0/token"
    reply = await studio.token_reply(path, scope="https://ml.azure.localhost/.default")
    shown = reply.json()
    said = await claims(studio, shown["access_token"])
    acting = await studio.principal(str(said["oid"]))
    assert (reply.status, shown["token_type"], reply.headers["cache-control"]) == (200, "Bearer", "no-store")
    assert set(shown) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert said["aud"] == "https://ml.azure.localhost"
    assert said["iss"] == f"{ORIGIN}/{studio.tenant}/v2.0"
    assert (said["tid"], said["ver"], said["idtyp"], said["azpacr"]) == (studio.tenant, "2.0", "app", "1")
    assert (said["azp"], said["sub"]) == (studio.beginning.cli_client_id, acting.oid)
    life = int(str(said["exp"])) - int(str(said["iat"]))
    assert 3600 <= life <= 5400
    assert abs(shown["expires_in"] - life) <= 1


async def test_version_one_names_the_resource_and_writes_numbers_as_texts(studio: Studio) -> None:
    reply = await studio.token_reply("/adfs/oauth2/token", scope="", resource="https://storage.azure.com/")
    shown = reply.json()
    said = await claims(studio, shown["access_token"])
    assert (said["aud"], said["ver"], said["appid"], said["appidacr"]) == (
        "https://storage.azure.com/",
        "1.0",
        studio.beginning.cli_client_id,
        "1",
    )
    assert said["iss"] == f"{ORIGIN}/{studio.tenant}/"
    assert shown["resource"] == "https://storage.azure.com/"
    assert all(isinstance(shown[name], str) for name in ("expires_in", "expires_on", "not_before"))
    assert int(shown["expires_on"]) == said["exp"]


async def test_version_one_takes_a_scope_as_msal_sends_it_to_adfs(studio: Studio) -> None:
    reply = await studio.token_reply("/adfs/oauth2/token", client_info="1")
    assert (await claims(studio, reply.json()["access_token"]))["aud"] == ORIGIN


async def test_a_secret_may_come_in_a_basic_header(studio: Studio) -> None:
    proof = basic(studio.beginning.cli_client_id, studio.beginning.cli_secret or "")
    fields = {"grant_type": "client_credentials", "scope": f"{ORIGIN}/.default"}
    assert (await studio.form("/adfs/oauth2/v2.0/token", fields, authorization=proof)).status == 200
    twice = await studio.form("/adfs/oauth2/v2.0/token", {**fields, "client_secret": "x"}, authorization=proof)
    assert (twice.status, twice.json()["error"]) == (400, "invalid_request")


REFUSALS: list[tuple[dict[str, str], int, str, int]] = [
    ({"grant_type": ""}, 400, "invalid_request", 900144),
    ({"grant_type": "authorization_code"}, 400, "invalid_request", 900144),
    ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, 400, "invalid_request", 900144),
    ({"grant_type": "refresh_token"}, 400, "invalid_request", 900144),
    ({"grant_type": "password", "username": "ada@example.org", "password": "x"}, 400, "unsupported_grant_type", 70003),
    ({"grant_type": "implicit"}, 400, "unsupported_grant_type", 70003),
    (ASSERTION, 401, "invalid_client", 700027),
    ({**ASSERTION, "client_assertion_type": "urn:other"}, 400, "invalid_request", 900144),
    ({**ASSERTION, "client_secret": "also"}, 400, "invalid_request", 900144),
    ({"client_id": ""}, 400, "invalid_request", 900144),
    ({"client_id": guid(77)}, 400, "unauthorized_client", 700016),
    ({"client_id": "../../etc"}, 400, "unauthorized_client", 700016),
    ({"client_secret": ""}, 401, "invalid_client", 7000216),
    ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
    ({"scope": ""}, 400, "invalid_request", 900144),
    ({"scope": f"{ORIGIN}/user_impersonation"}, 400, "invalid_scope", 1002012),
    ({"scope": f"{ORIGIN}/.default https://storage.azure.com/.default"}, 400, "invalid_scope", 1002012),
    ({"scope": "https://management.azure.com/.default"}, 400, "invalid_resource", 500011),
    ({"scope": "https://management.azure.com/.default"}, 400, "invalid_resource", 500011),
]


async def test_refusals_have_the_shape_and_the_number_that_clients_know(studio: Studio) -> None:
    for change, status, error, number in REFUSALS:
        reply = await studio.token_reply(**change)
        shown = reply.json()
        assert (reply.status, shown["error"], shown["error_codes"]) == (status, error, [number]), change
        assert shown["error_description"].startswith(f"AADSTS{number}: ")
        assert set(shown) == {"error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id"}
        assert (studio.beginning.cli_secret or "x") not in shown["error_description"]


async def test_another_tenant_is_not_found(studio: Studio) -> None:
    for path in ("/common/oauth2/v2.0/token", "/common/oauth2/token"):
        assert (await studio.token_reply(path)).json()["error_codes"] == [90002]
    assert (await call(studio.front, "GET", f"/{guid(5)}/v2.0/.well-known/openid-configuration")).status == 404


UNREADABLE = [b"\xff\xfe", b"grant_type=client_credentials&grant_type=x", b"&".join([b"a%d=1" % n for n in range(99)]), b"%zz="]


async def test_a_form_that_cannot_be_read_is_refused(studio: Studio) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for body in UNREADABLE:
        reply = await call(studio.front, "POST", "/adfs/oauth2/v2.0/token", body=body, headers=kind)
        assert (reply.status, reply.json()["error"]) == (400, "invalid_request"), body


async def test_json_and_too_long_bodies_are_refused(studio: Studio) -> None:
    assert (await call(studio.front, "POST", "/adfs/oauth2/v2.0/token", body={"grant_type": "client_credentials"})).status == 400
    assert (await studio.token_reply(scope="x" * 70_000)).status == 413


async def test_discovery_names_addresses_of_the_host_that_was_asked_and_one_issuer(studio: Studio) -> None:
    pages = [
        (await call(studio.front, "GET", f"/{studio.tenant}/v2.0/.well-known/openid-configuration", host=host)).json()
        for host in ("localhost:8443", "127.0.0.1:8443")
    ]
    assert [page["token_endpoint"] for page in pages] == [
        f"https://{host}/{studio.tenant}/oauth2/v2.0/token" for host in ("localhost:8443", "127.0.0.1:8443")
    ]
    assert {page["issuer"] for page in pages} == {f"{ORIGIN}/{studio.tenant}/v2.0"}
    old = (await call(studio.front, "GET", "/adfs/.well-known/openid-configuration")).json()
    assert (old["token_endpoint"], old["jwks_uri"]) == (f"{ORIGIN}/adfs/oauth2/token", f"{ORIGIN}/adfs/discovery/keys")


async def test_the_key_set_holds_no_private_part(studio: Studio) -> None:
    for path in ("/adfs/discovery/keys", f"/{studio.tenant}/discovery/v2.0/keys"):
        for key in (await call(studio.front, "GET", path)).json()["keys"]:
            assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
            assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)
            assert len(base64.urlsafe_b64decode(key["n"] + "==")) >= 256


async def test_instance_discovery_points_back_here(studio: Studio) -> None:
    shown = (await call(studio.front, "GET", f"/common/discovery/instance?authorization_endpoint={ORIGIN}/x&api-version=1.0")).json()
    assert shown["tenant_discovery_endpoint"].startswith(f"{ORIGIN}/{studio.tenant}/v2.0/")


# ── applications and their secrets ───────────────────────────────────────────────────────────────────────────────


async def application(studio: Studio) -> str:
    """An application with a service principal; its secrets are up to the test."""
    await studio.put(f"{APPLICATIONS}/{guid(50)}", {"displayName": "robot"})
    await studio.put(f"/providers/Studiolo.Directory/servicePrincipals/{guid(51)}", {"displayName": "robot", "appId": guid(50)})
    await studio.assign(
        900, studio.beginning.owner, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "/providers/Studiolo.Directory/applications/" + guid(50)
    )
    return guid(50)


async def as_owner(studio: Studio, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, object]:
    session = await studio.sessions.redeem(await studio.sessions.new_code(studio.beginning.owner))
    headers = {"cookie": f"__Host-studiolo-8443={session}", "origin": ORIGIN}
    reply = await call(studio.front, method, f"{path}?api-version=2024-01-01", body=body or {}, headers=headers)
    assert reply.status < 300, reply.body
    return reply.json() if reply.body else {}


async def test_an_application_has_several_secrets_and_each_ends_by_itself(studio: Studio) -> None:
    client = await application(studio)
    first = await as_owner(studio, "POST", f"{APPLICATIONS}/{client}/addPassword", {"passwordCredential": {"displayName": "one"}})
    second = await as_owner(studio, "POST", f"{APPLICATIONS}/{client}/addPassword")
    for made in (first, second):
        assert (await studio.token_reply(client_id=client, client_secret=str(made["secretText"]))).status == 200
    await as_owner(studio, "POST", f"{APPLICATIONS}/{client}/removePassword", {"keyId": first["keyId"]})
    assert (await studio.token_reply(client_id=client, client_secret=str(first["secretText"]))).status == 401
    assert (await studio.token_reply(client_id=client, client_secret=str(second["secretText"]))).status == 200


async def test_a_read_shows_secrets_by_hint_alone(studio: Studio) -> None:
    client = await application(studio)
    made = await as_owner(studio, "POST", f"{APPLICATIONS}/{client}/addPassword")
    shown = str(await as_owner(studio, "GET", f"{APPLICATIONS}/{client}"))
    assert str(made["keyId"]) in shown
    assert str(made["secretText"]) not in shown


async def test_an_expired_secret_says_so(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await application(studio)
    end = clock.stamp(clock.now() + timedelta(hours=1))
    made = await as_owner(studio, "POST", f"{APPLICATIONS}/{client}/addPassword", {"passwordCredential": {"endDateTime": end}})
    later = clock.now() + timedelta(hours=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    reply = await studio.token_reply(client_id=client, client_secret=str(made["secretText"]))
    assert (reply.status, reply.json()["error_codes"]) == (401, [7000222])


async def test_secrets_of_an_application_do_not_come_back_with_its_id(studio: Studio) -> None:
    client = await application(studio)
    made = await as_owner(studio, "POST", f"{APPLICATIONS}/{client}/addPassword")
    await as_owner(studio, "DELETE", f"{APPLICATIONS}/{client}")
    assert (await studio.token_reply(client_id=client, client_secret=str(made["secretText"]))).json()["error_codes"] == [700016]
    await application(studio)
    assert (await studio.token_reply(client_id=client, client_secret=str(made["secretText"]))).json()["error_codes"] == [7000215]


async def test_a_switched_off_application_gets_no_token(studio: Studio) -> None:
    client = await application(studio)
    made = await as_owner(studio, "POST", f"{APPLICATIONS}/{client}/addPassword")
    off = {"displayName": "robot", "appId": client, "accountEnabled": False}
    await studio.put(f"/providers/Studiolo.Directory/servicePrincipals/{guid(51)}", off)
    assert (await studio.token_reply(client_id=client, client_secret=str(made["secretText"]))).json()["error_codes"] == [7000112]


@pytest.mark.parametrize("end", ["yesterday", "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", 5, "2027-01-01T00:00:00"])
async def test_a_secret_cannot_end_in_the_past_or_never(studio: Studio, end: object) -> None:
    client = await application(studio)
    session = await studio.sessions.redeem(await studio.sessions.new_code(studio.beginning.owner))
    reply = await call(
        studio.front,
        "POST",
        f"{APPLICATIONS}/{client}/addPassword?api-version=2024-01-01",
        body={"passwordCredential": {"endDateTime": end}},
        headers={"cookie": f"__Host-studiolo-8443={session}", "origin": ORIGIN},
    )
    assert reply.code == "InvalidRequestContent"


@pytest.mark.parametrize("kind", ["applications", "servicePrincipals"])
async def test_what_was_given_between_two_revocations_of_one_second_is_void(studio: Studio, kind: str) -> None:
    robot, client = await studio.robot(1, READER, HERE), guid(0xA001)
    application = parse(f"/providers/Studiolo.Directory/applications/{client}")
    secret = await studio.control.act(PLATFORM, application, "addPassword", {}, {})
    assert secret is not None
    target = parse(f"/providers/Studiolo.Directory/{kind}/{client if kind == 'applications' else robot.oid}")
    token = robot.token
    for _ in range(3):
        assert (await studio.ask("GET", HERE, token=token)).status == 200
        await studio.control.act(PLATFORM, target, "revokeTokens", {}, {})
        assert (await studio.ask("GET", HERE, token=token)).status == 401
        token = await studio.token(client_id=client, client_secret=secret["secretText"])
