import subprocess
from pathlib import Path

import msgspec
import pytest

from studiolo.app.environment import ClientEnvironment, shell_lines
from studiolo.kernel.faults import NotFound

AWKWARD = 'a\'b "c" $HOME `id` \\ ü\n!'
ENVIRONMENT = ClientEnvironment(
    url="https://localhost:8443",
    client_id="app",
    client_secret=AWKWARD,
    subscription="sub",
    resource_group="studiolo",
    hub="home",
    project="first-project",
    model_key="key",
)
BUNDLE = Path("/srv/it's here/bundle.pem")
PROMISED = [
    "STUDIOLO_URL",
    "ARM_CLOUD_METADATA_URL",
    "AZURE_AUTHORITY_HOST",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "AZUREML_HUB",
    "AZUREML_PROJECT",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_KEY",
    "OPENAI_API_VERSION",
]


def in_a_shell(lines: list[str], inherited: dict[str, str]) -> dict[str, str]:
    """What a POSIX shell exports after it has evaluated the lines."""
    script = 'eval "$1"; env -0'
    done = subprocess.run(["/bin/sh", "-c", script, "sh", "\n".join(lines)], env=inherited, capture_output=True, check=True)
    return dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)


def test_a_shell_exports_every_promised_variable_with_its_exact_value() -> None:
    seen = in_a_shell(shell_lines(ENVIRONMENT, BUNDLE, {}), {"PATH": "/usr/bin:/bin"})
    assert [name for name in PROMISED if name not in seen] == []
    assert seen["AZURE_CLIENT_SECRET"] == AWKWARD
    assert seen["SSL_CERT_FILE"] == seen["REQUESTS_CA_BUNDLE"] == str(BUNDLE)
    assert seen["AZURE_TENANT_ID"] == "adfs"


def test_the_metadata_address_contains_the_resource_manager_address_as_the_sdk_demands() -> None:
    values = ENVIRONMENT.variables()
    assert values["STUDIOLO_URL"] + "/" in values["ARM_CLOUD_METADATA_URL"]
    assert values["AZURE_AUTHORITY_HOST"] == values["STUDIOLO_URL"]


def test_variables_and_environment_say_the_same() -> None:
    assert ClientEnvironment.read(ENVIRONMENT.variables()) == ENVIRONMENT


@pytest.mark.parametrize("name", ["STUDIOLO_URL", "AZURE_CLIENT_SECRET", "OPENAI_API_KEY"])
def test_half_an_environment_is_refused_by_name(name: str) -> None:
    for value in ({}, {name: ""}):
        values = {key: text for key, text in ENVIRONMENT.variables().items() if key != name} | value
        with pytest.raises(NotFound) as refused:
            ClientEnvironment.read(values)
        assert name in refused.value.message


def test_the_name_of_another_cloud_is_taken_out_of_the_way() -> None:
    assert all(line.startswith("export ") for line in shell_lines(ENVIRONMENT, BUNDLE, {}))
    inherited = {"PATH": "/usr/bin:/bin", "AZUREML_CURRENT_CLOUD": "AzureCloud"}
    assert "AZUREML_CURRENT_CLOUD" not in in_a_shell(shell_lines(ENVIRONMENT, BUNDLE, inherited), inherited)


def test_a_proxy_is_not_asked_for_localhost() -> None:
    inherited = {"PATH": "/usr/bin:/bin", "HTTPS_PROXY": "http://proxy:3128", "no_proxy": "intranet"}
    seen = in_a_shell(shell_lines(ENVIRONMENT, BUNDLE, inherited), inherited)
    for name in ("NO_PROXY", "no_proxy"):
        assert seen[name].split(",") == ["intranet", "localhost", ".localhost", "127.0.0.1", "::1"]
    assert shell_lines(ENVIRONMENT, BUNDLE, seen) == shell_lines(ENVIRONMENT, BUNDLE, {})


def test_every_variable_can_be_changed_alone() -> None:
    changed = msgspec.structs.replace(ENVIRONMENT, hub="other")
    assert changed.variables()["AZUREML_HUB"] == "other"
