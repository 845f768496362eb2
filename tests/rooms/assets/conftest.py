from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rooms.assets.bench import Bench, open_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A project with the assets room."""
    opened = await open_bench(tmp_path)
    yield opened
    await opened.kernel.close()
