"""The unchanged azure-identity, over TLS: each of its credentials does here what it does in the public cloud."""

from __future__ import annotations

import threading
import warnings
import webbrowser
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    AuthorizationCodeCredential,
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    DeviceCodeCredential,
    InteractiveBrowserCredential,
    OnBehalfOfCredential,
    UsernamePasswordCredential,
)
from cryptography.hazmat.primitives import serialization

from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
from tests.rooms.authentication.listener import Listener, listening
from tests.support.browser import Form, forms_in
from tests.support.certificate import certificate, key_of, pem
from tests.support.oauth import registered
from tests.support.studio import guid

T = TypeVar("T")


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Generator[Listener]:
    with listening(tmp_path_factory.mktemp("listener")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _environment(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(listener.authority))
    monkeypatch.setenv("SSL_CERT_FILE", str(listener.authority))
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", listener.url)
    monkeypatch.setenv("AZURE_TENANT_ID", "adfs")
    monkeypatch.setenv("AZURE_CLIENT_ID", listener.studio.beginning.cli_client_id)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", listener.studio.beginning.cli_secret or "")


def audience(token: str) -> str:
    return jwt.decode(token, options={"verify_signature": False})["aud"]


def test_default_credentials_work_without_an_argument(listener: Listener) -> None:
    with DefaultAzureCredential() as credential:
        token = credential.get_token(f"{listener.url}/.default")
    assert audience(token.token) == listener.url


@pytest.mark.parametrize("resource", ["https://storage.azure.com", "https://cognitiveservices.azure.com", "https://ml.azure.localhost"])
def test_each_resource_gets_a_token_of_its_own(resource: str) -> None:
    with DefaultAzureCredential() as credential:
        assert audience(credential.get_token(f"{resource}/.default").token) == resource


def test_a_tenant_id_works_without_instance_discovery(listener: Listener) -> None:
    studio = listener.studio
    with ClientSecretCredential(
        studio.tenant,
        studio.beginning.cli_client_id,
        studio.beginning.cli_secret or "",
        authority=listener.url,
        disable_instance_discovery=True,
    ) as credential:
        claims = jwt.decode(credential.get_token(f"{listener.url}/.default").token, options={"verify_signature": False})
    assert (claims["tid"], claims["ver"]) == (studio.tenant, "2.0")


@pytest.mark.parametrize("tenant", ["adfs", "{tenant}"])
def test_a_wrong_secret_says_so(listener: Listener, tenant: str) -> None:
    with (
        ClientSecretCredential(
            tenant.format(tenant=listener.studio.tenant),
            listener.studio.beginning.cli_client_id,
            "wrong",
            authority=listener.url,
            disable_instance_discovery=True,
        ) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        credential.get_token(f"{listener.url}/.default")


def test_the_public_clouds_control_plane_gets_no_token() -> None:
    with DefaultAzureCredential() as credential, pytest.raises(ClientAuthenticationError, match="AADSTS500011"):
        credential.get_token("https://management.azure.com/.default")


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Visitor:
    """A person's browser on the wire, without JavaScript."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._http = requests.Session()
        self._http.verify = str(listener.authority)

    def sign_in(self, oid: str) -> None:
        code = self._listener.run(self._listener.studio.sessions.new_code(oid))
        self.submit(forms_in(self._http.get(f"{self._listener.url}/signin?code={code}", timeout=20).text)[0], follow=False)

    def open(self, address: str) -> str:
        return self._http.get(address, timeout=20).text

    def submit(self, form: Form, *, follow: bool = True, **fields: str) -> requests.Response:
        address = form.action if "://" in form.action else self._listener.url + form.action
        origin = {"origin": self._listener.url}
        return self._http.post(address, {**form.fields, **fields}, headers=origin, allow_redirects=follow, timeout=20)

    def approve(self, address: str) -> requests.Response:
        """Open an authorization request, say yes, and let the answer through to the application."""
        answer = self.submit(forms_in(self.open(address))[0], choice="yes", follow=False)
        if answer.status_code != 200:
            return answer
        return self.submit(forms_in(answer.text)[0])


@pytest.fixture
def visitor(listener: Listener) -> Visitor:
    listener.run(listener.studio.user(1, userPrincipalName="ada@example.org"))
    found = Visitor(listener)
    found.sign_in(guid(1))
    return found


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


# Without an argument they name the tenant `organizations`, about which MSAL asks the public cloud unless it is told not to.
WITHOUT_REGISTRATION: list[dict[str, Any]] = [{"tenant_id": "adfs"}, {"disable_instance_discovery": True}]


@pytest.mark.parametrize("arguments", WITHOUT_REGISTRATION)
def test_a_device_code_signs_a_person_in_and_goes_on_silently(listener: Listener, visitor: Visitor, arguments: dict[str, Any]) -> None:
    asked: list[str] = []

    def prompt(address: str, code: str, _: object) -> None:
        asked.append(code)
        page = visitor.submit(forms_in(visitor.open(address))[0], code=code)
        visitor.submit(forms_in(page.text)[0], choice="yes")

    quiet: dict[str, Any] = arguments | {"disable_instance_discovery": True}
    with DeviceCodeCredential(prompt_callback=prompt, authority=listener.url, **quiet) as credential:
        first = claims_of(credential.get_token(f"{listener.url}/.default").token)
        storage = claims_of(credential.get_token("https://storage.azure.com/.default").token)
        credential.get_token(f"{listener.url}/.default")
    assert (first["oid"], first["idtyp"], first["scp"]) == (guid(1), "user", "user_impersonation")
    assert (storage["aud"], storage["oid"]) == ("https://storage.azure.com", guid(1))
    assert len(asked) == 1, "the second resource came by the refresh token"


def test_a_declined_device_code_is_an_error(listener: Listener, visitor: Visitor) -> None:
    def prompt(address: str, code: str, _: object) -> None:
        page = visitor.submit(forms_in(visitor.open(address))[0], code=code)
        visitor.submit(forms_in(page.text)[0], choice="no")

    with (
        DeviceCodeCredential(tenant_id="adfs", prompt_callback=prompt, authority=listener.url) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS65004"),
    ):
        credential.get_token(f"{listener.url}/.default")


@pytest.mark.parametrize("arguments", WITHOUT_REGISTRATION)
def test_the_browser_signs_a_person_in(
    listener: Listener, visitor: Visitor, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def browse(address: str, *_: object, **__: object) -> bool:
        threading.Thread(target=visitor.approve, args=(address,), daemon=True).start()
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    with InteractiveBrowserCredential(authority=listener.url, timeout=20, **arguments) as credential:
        claims = claims_of(credential.get_token(f"{listener.url}/.default").token)
        record = credential.authenticate(scopes=[f"{listener.url}/.default"])
    assert (claims["oid"], claims["scp"]) == (guid(1), "user_impersonation")
    assert (record.username, record.tenant_id) == ("ada@example.org", listener.studio.tenant)


def test_an_authorization_code_of_a_web_application(listener: Listener, visitor: Visitor) -> None:
    app = listener.run(registered(listener.studio, 60))
    query = app.query(code_challenge="", code_challenge_method="", scope=f"{listener.url}/.default openid offline_access")
    answer = visitor.approve(f"{listener.url}/adfs/oauth2/authorize?{query}")
    code = dict(pair.split("=") for pair in urlsplit(answer.headers["location"]).query.split("&"))["code"]
    with AuthorizationCodeCredential(
        "adfs", app.client_id, code, app.redirect, client_secret=app.secret, authority=listener.url
    ) as credential:
        claims = claims_of(credential.get_token(f"{listener.url}/.default").token)
    assert (claims["oid"], claims["azp"]) == (guid(1), app.client_id)


def test_a_service_acts_on_behalf_of_a_person(listener: Listener, visitor: Visitor) -> None:
    all_of: dict[str, Any] = {"delegatedResources": [listener.url]}
    app = listener.run(registered(listener.studio, 62, **all_of))

    def prompt(address: str, code: str, _: object) -> None:
        page = visitor.submit(forms_in(visitor.open(address))[0], code=code)
        visitor.submit(forms_in(page.text)[0], choice="yes")

    with DeviceCodeCredential(tenant_id="adfs", prompt_callback=prompt, authority=listener.url) as credential:
        assertion = credential.get_token(f"api://{app.client_id}/.default").token
    with OnBehalfOfCredential(
        "adfs", app.client_id, client_secret=app.secret, user_assertion=assertion, authority=listener.url
    ) as credential:
        claims = claims_of(credential.get_token(f"{listener.url}/.default").token)
    assert (claims["oid"], claims["appid"], claims["aud"]) == (guid(1), app.client_id, listener.url)
    with (
        OnBehalfOfCredential(
            "adfs", app.client_id, client_secret=app.secret, user_assertion=app_token(listener), authority=listener.url
        ) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS500131"),
    ):
        credential.get_token(f"{listener.url}/.default")


def app_token(listener: Listener) -> str:
    with DefaultAzureCredential() as credential:
        return credential.get_token(f"{listener.url}/.default").token


def test_a_password_is_never_given_to_a_program(listener: Listener) -> None:
    for tenant in ("adfs", listener.studio.tenant):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            credential = UsernamePasswordCredential(
                "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
                "ada@example.org",
                "violet engines hum",
                tenant_id=tenant,
                authority=listener.url,
                disable_instance_discovery=True,
            )
        with credential, pytest.raises(ClientAuthenticationError, match=r"never gets a person's password|more secure flow"):
            credential.get_token(f"{listener.url}/.default")


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tenant", ["adfs", "{tenant}"])
def test_a_certificate_signs_an_application_in(listener: Listener, tmp_path: Path, tenant: str) -> None:
    studio = listener.studio
    app = listener.run(registered(studio, 64))
    found, key = certificate(key_of("one")), key_of("one")
    file = tmp_path / "robot.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + pem(found).encode())
    credential = CertificateCredential(
        tenant.format(tenant=studio.tenant), app.client_id, str(file), authority=listener.url, disable_instance_discovery=True
    )
    with credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
            credential.get_token(f"{listener.url}/.default")
        path = f"/providers/Studiolo.Directory/applications/{app.client_id}"
        body = {"keyCredential": {"key": pem(found)}}
        listener.run(studio.control.act(PLATFORM, parse(path), "addKey", body, {}, "2024-01-01"))
        for resource in (listener.url, "https://storage.azure.com"):
            claims = claims_of(credential.get_token(f"{resource}/.default").token)
            proof = (claims.get("azp") or claims["appid"], claims.get("azpacr") or claims["appidacr"])  # of version 2 or 1
            assert (*proof, claims["aud"]) == (app.client_id, "2", resource)
