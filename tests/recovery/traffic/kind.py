"""What every kind of traffic is: something that callers do, and what they may rely on after a crash."""

from __future__ import annotations

from random import Random

from tests.recovery.hand import Hand


class Traffic:
    """One kind of traffic, driven by one thread.

    `prepare` runs once, undisturbed. `act` is one piece of work and raises `Cut` where the server dies under it. `check`
    runs after the restart and asserts what a caller may rely on; it leaves the traffic ready to go on.
    """

    def __init__(self, hand: Hand, chance: Random) -> None:
        self.hand = hand
        self.chance = chance

    def prepare(self) -> None:
        """Make what the traffic stands on."""

    def act(self) -> None:
        """Do one thing."""
        raise NotImplementedError

    def check(self) -> None:
        """Assert that what was acknowledged is there, and that nothing is half done."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of connections."""
        self.hand.close()
