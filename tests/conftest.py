"""What every test may ask for: servers, and one event loop back end for tests that are coroutines."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.server"]

settings.register_profile("quick", max_examples=40, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run coroutine tests on the loop that the server runs on."""
    return "asyncio", {"use_uvloop": True}
