"""What the parity tests share: a studio whose owner is signed in, and an environment as `studiolo env` makes it."""

import os
from collections.abc import Iterator

import pytest

from tests.parity.studio import Studio, opened
from tests.support.server import Server, clean_environment


@pytest.fixture(scope="session")
def studio(server: Server) -> Iterator[Studio]:
    """The worker's running server, with its owner signed in."""
    with opened(server) as found:
        yield found


@pytest.fixture
def signed_in(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """The same, and this process's environment is what `eval "$(studiolo env)"` would leave."""
    take_environment(studio, monkeypatch)
    return studio


def take_environment(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process, for one test, the environment that a client of this studio needs, and nothing that points elsewhere."""
    kept = clean_environment(studio.server.home.parent)
    for name in set(os.environ) - set(kept):
        monkeypatch.delenv(name)
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
    for name, value in studio.env.items():
        monkeypatch.setenv(name, value)
