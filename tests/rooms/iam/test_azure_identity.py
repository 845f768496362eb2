"""The unchanged azure-identity, over TLS, as `azure-wire.md` measured it."""

from __future__ import annotations

from collections.abc import Generator

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, DefaultAzureCredential

from tests.rooms.iam.listener import Listener, listening


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
        studio.iam.tenant,
        studio.beginning.cli_client_id,
        studio.beginning.cli_secret or "",
        authority=listener.url,
        disable_instance_discovery=True,
    ) as credential:
        claims = jwt.decode(credential.get_token(f"{listener.url}/.default").token, options={"verify_signature": False})
    assert (claims["tid"], claims["ver"]) == (studio.iam.tenant, "2.0")


@pytest.mark.parametrize("tenant", ["adfs", "{tenant}"])
def test_a_wrong_secret_says_so(listener: Listener, tenant: str) -> None:
    with (
        ClientSecretCredential(
            tenant.format(tenant=listener.studio.iam.tenant),
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
