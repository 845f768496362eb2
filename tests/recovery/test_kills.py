"""`kill -9` at random moments of real traffic: what was acknowledged is there, and nothing is half done."""

import sys

import pytest

from tests.recovery.campaign import Campaign
from tests.support.server import StartServer

SEED = 20261125


@pytest.mark.recovery
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fifty_kills_lose_nothing(start_server: StartServer) -> None:
    run(start_server, 50)


@pytest.mark.recovery
@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_a_thousand_kills_lose_nothing(start_server: StartServer) -> None:
    run(start_server, 1000)


def run(start_server: StartServer, kills: int) -> None:
    campaign = Campaign(start_server(), SEED)
    try:
        figures = campaign.run(kills)
    finally:
        campaign.close()
    assert figures.kills >= kills
    sys.stdout.write(f"{figures}\n")
