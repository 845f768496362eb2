"""What the tests of walls share: one composed studio in this process, with two projects and everybody who might want in."""

from collections.abc import AsyncIterator

import pytest

from tests.walls.house import House, opened


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """The studio of this module's tests."""
    async with opened(tmp_path_factory.mktemp("walls")) as found:
        yield found
