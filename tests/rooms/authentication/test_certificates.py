"""Applications that prove themselves with a certificate."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Invalid
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
from tests.support.asgi import Reply
from tests.support.browser import signed_in
from tests.support.certificate import certificate, key_of, pem
from tests.support.oauth import App, moment, registered, said
from tests.support.studio import ORIGIN, Studio, guid

pytestmark = pytest.mark.anyio

SHA1 = hashes.SHA1()  # noqa: S303 - how older clients name a certificate (RFC 7515, x5t)
KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
HERE = f"{ORIGIN}/adfs/oauth2/v2.0/token"


async def act(studio: Studio, app: App, name: str, body: dict[str, Any]) -> dict[str, Any]:
    path = f"/providers/Studiolo.Directory/applications/{app.client_id}"
    return await studio.control.act(PLATFORM, parse(path), name, body, {}, "2024-01-01") or {}


async def added(studio: Studio, app: App, key: Any, days: float = 30) -> x509.Certificate:
    found = certificate(key, days)
    await act(studio, app, "addKey", {"keyCredential": {"key": pem(found), "displayName": "a key"}})
    return found


def thumb(found: x509.Certificate, algorithm: hashes.HashAlgorithm) -> str:
    return base64.urlsafe_b64encode(found.fingerprint(algorithm)).decode()


def assertion(
    app: App, found: x509.Certificate, key: Any, algorithm: str = "PS256", header: dict[str, Any] | None = None, **claims: Any
) -> str:
    said_of = {"x5t#S256": thumb(found, hashes.SHA256())} if header is None else header
    now = moment()
    full = {"iss": app.client_id, "sub": app.client_id, "aud": HERE, "exp": now + 600, "nbf": now, "jti": clock.new_id(), **claims}
    return jwt.encode({k: v for k, v in full.items() if v is not None}, key, algorithm=algorithm, headers=said_of)


async def asked(app: App, text: str, **changes: str) -> Reply:
    fields = {"client_secret": "", "client_assertion": text, "client_assertion_type": KIND, "scope": f"{ORIGIN}/.default", **changes}
    return await app.ask("client_credentials", **fields)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
@pytest.mark.parametrize("digest", ["x5t", "x5t#S256"])
async def test_a_registered_certificate_proves_its_application(studio: Studio, algorithm: str, digest: str) -> None:
    app = await registered(studio)
    found = await added(studio, app, key_of("one"))
    named = thumb(found, SHA1 if digest == "x5t" else hashes.SHA256())
    for spelled in (named, named.rstrip("=")):
        reply = await asked(app, assertion(app, found, key_of("one"), algorithm, {digest: spelled}))
        assert reply.status == 200, reply.body
        assert said(reply.json()["access_token"])["azpacr"] == "2"


async def test_several_at_once_and_a_removed_one_no_more(studio: Studio) -> None:
    app = await registered(studio)
    first, second = await added(studio, app, key_of("one")), await added(studio, app, key_of("two"))
    for found, name in ((first, "one"), (second, "two")):
        assert (await asked(app, assertion(app, found, key_of(name)))).status == 200
    path = f"/providers/Studiolo.Directory/applications/{app.client_id}"
    shown = (await studio.ask("GET", path, token=await owner_token(studio))).json()["properties"]["keyCredentials"]
    assert [each["displayName"] for each in shown] == ["a key", "a key"]
    first_id = next(each["keyId"] for each in shown if each["customKeyIdentifier"] == thumb(first, SHA1).rstrip("="))
    await act(studio, app, "removeKey", {"keyId": first_id})
    assert (await asked(app, assertion(app, first, key_of("one")))).status == 401
    assert (await asked(app, assertion(app, second, key_of("two")))).status == 200


async def owner_token(studio: Studio) -> str:
    from tests.support.browser import Browser
    from tests.support.oauth import command_line

    browser = Browser(studio)
    await browser.sign_in(studio.beginning.owner)
    return str((await command_line(studio).tokens(browser))["access_token"])


async def test_nothing_else_is_believed(studio: Studio) -> None:
    app, other = await registered(studio), await registered(studio, 80)
    found = await added(studio, app, key_of("one"))
    stranger, now = certificate(key_of("two")), moment()
    curve = ec.generate_private_key(ec.SECP256R1())
    public = pem(found)

    def made(**claims: Any) -> str:
        return assertion(app, found, key_of("one"), **claims)

    true = made()
    head, body, _ = true.split(".")
    wrong = {
        "another key under our thumbprint": assertion(app, found, key_of("two")),
        "an unregistered certificate": assertion(app, stranger, key_of("two")),
        "its chain instead of a thumbprint": assertion(app, found, key_of("two"), header={"x5c": [public]}),
        "no thumbprint": assertion(app, found, key_of("one"), header={}),
        "an empty thumbprint": assertion(app, found, key_of("one"), header={"x5t": "", "x5t#S256": ""}),
        "RS512": assertion(app, found, key_of("one"), "RS512"),
        "ES256": assertion(app, found, curve, "ES256"),
        "HS256 with the certificate": hs256(head, body, public.encode()),
        "unsigned": ".".join([b64({"alg": "none", "x5t#S256": thumb(found, hashes.SHA256())}), body, ""]),
        "another audience": made(aud="https://login.microsoftonline.com/adfs/oauth2/v2.0/token"),
        "no audience": made(aud=None),
        "a list of audiences": made(aud=[HERE]),
        "another issuer": made(iss=other.client_id),
        "another subject": made(sub=other.client_id),
        "expired": made(exp=now - 61),
        "no end": made(exp=None),
        "an end far away": made(exp=now + 3600 * 5),
        "not yet": made(nbf=now + 300),
        "no id": made(jti=None),
        "an empty id": made(jti=""),
        "a changed claim": f"{head}.{b64({'iss': app.client_id})}.{true.rsplit('.', 1)[1]}",
        "two parts": f"{head}.{body}",
        "nothing": "x",
    }
    for name, text in wrong.items():
        reply = await asked(app, text)
        assert (reply.status, reply.json()["error"]) == (401, "invalid_client"), name
    assert (await asked(other, true)).status == 401, "another application's assertion"
    assert (await asked(app, true)).status == 200


def b64(part: dict[str, Any]) -> str:
    import msgspec

    return base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=")


def hs256(head: str, body: str, secret: bytes) -> str:
    import hmac

    import msgspec

    header = {**msgspec.json.decode(base64.urlsafe_b64decode(head + "==")), "alg": "HS256"}
    signed = f"{b64(header)}.{body}"
    mark = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


async def test_a_request_that_is_sent_again_is_a_replay_but_another_one_is_not(studio: Studio) -> None:
    app = await registered(studio)
    found = await added(studio, app, key_of("one"))
    text = assertion(app, found, key_of("one"))
    assert (await asked(app, text)).status == 200
    replayed = await asked(app, text)
    assert (replayed.status, replayed.json()["error_codes"]) == (401, [700027])
    assert "replay" in replayed.json()["error_description"]
    assert (await asked(app, text, scope="https://storage.azure.com/.default")).status == 200, "MSAL uses one for several"


async def test_a_certificate_ends_by_itself(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    app = await registered(studio)
    found = await added(studio, app, key_of("one"), days=1)
    later = clock.now() + timedelta(days=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    reply = await asked(app, assertion(app, found, key_of("one")))
    assert (reply.status, "not valid now" in reply.json()["error_description"]) == (401, True)


async def test_only_certificates_that_can_prove_something_are_registered(studio: Studio) -> None:
    app = await registered(studio)
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused
    curve = ec.generate_private_key(ec.SECP256R1())
    wrong = ["", "x", 5, None, pem(certificate(weak)), pem(certificate(curve)), pem(certificate(key_of("one"), days=-0.5))]
    for key in wrong:
        with pytest.raises(Invalid):
            await act(studio, app, "addKey", {"keyCredential": {"key": key}})
    found = await added(studio, app, key_of("one"))
    with pytest.raises(Conflict):
        await act(studio, app, "addKey", {"keyCredential": {"key": pem(found)}})


async def test_an_application_of_the_same_id_does_not_inherit_it(studio: Studio) -> None:
    app = await registered(studio)
    found = await added(studio, app, key_of("one"))
    await studio.control.delete(PLATFORM, parse(f"/providers/Studiolo.Directory/applications/{app.client_id}"))
    await registered(studio)
    assert (await asked(app, assertion(app, found, key_of("one")))).status == 401


async def test_a_web_application_redeems_codes_with_it(studio: Studio) -> None:
    browser, app = await signed_in(studio), await registered(studio)
    found = await added(studio, app, key_of("one"))
    proof = {"client_secret": "", "client_assertion": assertion(app, found, key_of("one")), "client_assertion_type": KIND}
    reply = await app.redeem(await app.code(browser), **proof)
    assert reply.status == 200
    assert said(reply.json()["access_token"])["oid"] == guid(1)
