from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.rooms.blobs.studio import PROJECT, Client, Studio


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A running service, shared: make containers of your own."""
    opened = Studio(tmp_path_factory.mktemp("blobs"))
    yield opened
    opened.stop()


@pytest.fixture
def own_studio(tmp_path: Path) -> Iterator[Studio]:
    """A running service of this test's own."""
    opened = Studio(tmp_path)
    yield opened
    opened.stop()


@pytest.fixture
def container(studio: Studio) -> Client:
    """A fresh container of the project, as its owner sees it."""
    made = studio.container(f"{PROJECT}-{uuid4().hex[:8]}")
    made.create_container()
    return made
