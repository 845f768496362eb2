"""What a started studio says: its address, a one-time link to sign in, and snippets that work as they stand."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CLIENTS = "azure-ai-ml, azure-identity, azure-storage-blob, openai"
READY = "Studiolo is ready at "

_HUBS = """{python} - <<'PY'
import os
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential
ml = MLClient(DefaultAzureCredential(), os.environ["AZURE_SUBSCRIPTION_ID"], os.environ["AZURE_RESOURCE_GROUP"])
print([workspace.name for workspace in ml.workspaces.list()])
PY"""
_CHAT = """{python} - <<'PY'
from openai import OpenAI
answer = OpenAI().chat.completions.create(model="{deployment}", messages=[{{"role": "user", "content": "Hello"}}])
print(answer.choices[0].message.content)
PY"""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What to tell a person.

    `deployment` names a chat deployment that answers now (None: there is no model here); `sign_in_link` works once
    and only for a while (None: nothing to open in a browser); `notes` are lines about what is not as it should be.
    """

    url: str
    sign_in_link: str | None = None
    deployment: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Commands:
    """How this very installation is called in a shell."""

    studiolo: str
    python: str

    @classmethod
    def of(cls, executable: Path, program: Path, search_path: str) -> Commands:
        """The shortest spelling that runs this installation from any folder.

        Args:
            executable: the running interpreter.
            program: the running script, such as `/x/.venv/bin/studiolo`.
            search_path: the shell's `PATH`; a bare name is used only where it finds the same file.
        """
        return cls(_spelled(program, search_path), _spelled(executable, search_path))


def _spelled(file: Path, search_path: str) -> str:
    for folder in search_path.split(":"):
        candidate = Path(folder) / file.name
        if folder and candidate.exists():
            # The file that the shell would take decides; symbolic links are not followed, since a virtual environment is one.
            return file.name if candidate == file else shlex.quote(str(file))
    return shlex.quote(str(file))


def lines(welcome: Welcome, commands: Commands, home: Path | None, *, has_tls: bool, has_clients: bool) -> Sequence[str]:
    """The lines that `studiolo up` prints when it is ready.

    Args:
        welcome: what the application says.
        commands: how to call this installation.
        home: the home's folder where it is not the usual one.
        has_tls: whether unchanged clients can use this studio, which they cannot without TLS.
        has_clients: whether our own interpreter has the public cloud's clients installed.
    """
    told = [f"{READY}{welcome.url}"]
    if welcome.sign_in_link:
        told.append(f"Sign in once, in a browser: {welcome.sign_in_link}")
    told += list(welcome.notes)
    place = f" --home {shlex.quote(str(home))}" if home else ""
    tries = ["hub list", *([f"model chat -d {shlex.quote(welcome.deployment)} Hello"] if welcome.deployment else [])]
    if not has_tls:
        told += ["Clients written for the public cloud need TLS: leave --tls off out to use them.", "", "In another shell:", ""]
        return [*told, *(f"{commands.studiolo} {one}{place}" for one in tries), "", "Ctrl-C stops the studio."]
    snippets = [f'eval "$({commands.studiolo} env{place})"', *(f"{commands.studiolo} {one}" for one in tries)]
    told += ["", "In another shell:", "", *snippets, ""]
    if not has_clients:
        return [*told, f"Code written for the public cloud works there too ({CLIENTS}).", "Ctrl-C stops the studio."]
    code = [_HUBS.format(python=commands.python)]
    if welcome.deployment:
        code.append(_CHAT.format(python=commands.python, deployment=welcome.deployment))
    return [*told, "and there, with code written for the public cloud:", "", *code, "", "Ctrl-C stops the studio."]
