from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rooms.templates.bench import Bench, open_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """The templates room on a real kernel."""
    opened = await open_bench(tmp_path)
    yield opened
    await opened.close()
