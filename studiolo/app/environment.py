"""What an unchanged client needs in its environment so that it finds us, trusts us and signs in.

One spelling serves `studiolo env`, the file in the home and our own command line: the variables' names.
The source of each name is the client that reads it: azure-ai-ml and azure-identity (`ARM_…`, `AZURE_…`),
requests and OpenSSL (`…_BUNDLE`, `SSL_CERT_FILE`), openai (`OPENAI_…`, `AZURE_OPENAI_…`); ours begin otherwise.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from studiolo.kernel.faults import Invalid, NotFound

TENANT = "adfs"  # the tenant name for which MSAL does not ask the public cloud about our authority
METADATA_PATH = "/metadata/endpoints?api-version=2019-05-01"
OPENAI_API_VERSION = "2024-10-21"

_ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
# Which variable fills which field; `read` needs all of them.
_FIELDS = {
    "STUDIOLO_URL": "url",
    "AZURE_TENANT_ID": "tenant",
    "AZURE_CLIENT_ID": "client_id",
    "AZURE_CLIENT_SECRET": "client_secret",
    "AZURE_SUBSCRIPTION_ID": "subscription",
    "AZURE_RESOURCE_GROUP": "resource_group",
    "AZUREML_HUB": "hub",
    "AZUREML_PROJECT": "project",
    "OPENAI_API_KEY": "model_key",
}


class ClientEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the studio is and who signs in. `model_key` is a project's key for model calls."""

    url: str
    client_id: str
    client_secret: str
    subscription: str
    resource_group: str
    hub: str
    project: str
    model_key: str
    tenant: str = TENANT

    def variables(self) -> dict[str, str]:
        """The variables that are the same wherever the home lies."""
        return {
            "STUDIOLO_URL": self.url,
            "ARM_CLOUD_METADATA_URL": self.url + METADATA_PATH,
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_TENANT_ID": self.tenant,
            "AZURE_CLIENT_ID": self.client_id,
            "AZURE_CLIENT_SECRET": self.client_secret,
            "AZURE_SUBSCRIPTION_ID": self.subscription,
            "AZURE_RESOURCE_GROUP": self.resource_group,
            "AZUREML_HUB": self.hub,
            "AZUREML_PROJECT": self.project,
            "OPENAI_BASE_URL": f"{self.url}/openai/v1",
            "OPENAI_API_KEY": self.model_key,
            "AZURE_OPENAI_ENDPOINT": self.url,
            "AZURE_OPENAI_API_KEY": self.model_key,
            "OPENAI_API_VERSION": OPENAI_API_VERSION,
        }

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> ClientEnvironment:
        """The environment that these variables describe.

        Raises:
            NotFound: a variable is missing or empty (code `EnvironmentIncomplete`).
            Invalid: the address is none (code `InvalidStudioUrl`).
        """
        missing = [name for name in _FIELDS if not variables.get(name)]
        if missing:
            raise NotFound(f'The environment lacks {", ".join(missing)}: run `eval "$(studiolo env)"` again.', code="EnvironmentIncomplete")
        if not _ADDRESS.fullmatch(variables["STUDIOLO_URL"]):
            raise Invalid(f"STUDIOLO_URL is '{variables['STUDIOLO_URL']}', which is not https://HOST:PORT.", code="InvalidStudioUrl")
        return cls(**{field: variables[name] for name, field in _FIELDS.items()})


def shell_lines(environment: ClientEnvironment, bundle: Path, inherited: Mapping[str, str]) -> list[str]:
    """Lines for a shell: the exports, and what inherited variables would otherwise spoil.

    A cloud's name left by azure-ai-ml wins over the metadata page, and a proxy would be asked for `localhost`:
    both are set right, and only where they stand in the way.
    """
    values = {**environment.variables(), "SSL_CERT_FILE": str(bundle), "REQUESTS_CA_BUNDLE": str(bundle)}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    if "AZUREML_CURRENT_CLOUD" in inherited:
        lines.append("unset AZUREML_CURRENT_CLOUD")
    return lines + _past_proxies(environment.url, inherited)


def _past_proxies(url: str, inherited: Mapping[str, str]) -> list[str]:
    if not any(inherited.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return []
    host = urlsplit(url).hostname or "localhost"
    wanted = list(dict.fromkeys([host, "localhost", ".localhost", "127.0.0.1", "::1"]))
    lines: list[str] = []
    for name in ("NO_PROXY", "no_proxy"):
        present = [part.strip() for part in (inherited.get("no_proxy") or inherited.get("NO_PROXY") or "").split(",") if part.strip()]
        if "*" in present:
            continue
        missing = [part for part in wanted if part not in present]
        if missing or not inherited.get(name):
            lines.append(f"export {name}={shlex.quote(','.join(present + missing))}")
    return lines
