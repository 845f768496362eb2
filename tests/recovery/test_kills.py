"""`kill -9` at random moments of real traffic: what was acknowledged is there, and nothing is half done."""

import gc
import sys

import pytest

from tests.recovery.campaign import Campaign
from tests.support.server import StartServer

SEED = 20261125
# The standard library forgets a socket whose peer is gone between its connect and its handshake.
pytestmark = [pytest.mark.recovery, pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_kills_lose_nothing(start_server: StartServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(start_server, 50, capsys)


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
def test_a_thousand_kills_lose_nothing(start_server: StartServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(start_server, 1000, capsys)


def run(start_server: StartServer, kills: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Kill so often, and say what it came to."""
    campaign = Campaign(start_server(), SEED)
    try:
        figures = campaign.run(kills)
    finally:
        campaign.close()
        gc.collect()
    assert figures.kills >= kills
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")
