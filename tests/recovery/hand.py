"""A caller's hand on a server that may be killed at any moment, and what the caller remembers of what it was told."""

from __future__ import annotations

import http.client
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from tests.parity.studio import Reply, Studio
from tests.support.server import Server

T = TypeVar("T")
CREATING = frozenset({"Creating", "Updating", "Deleting", "Accepted", "Running"})


class Cut(Exception):
    """The server was gone before it had answered; whether it did what was asked is not known."""


def good(reply: Reply, *statuses: int) -> Reply:
    """The reply, whose status must be one of these."""
    assert reply.status in statuses, (reply.status, reply.body)
    return reply


class Hand(Studio):
    """A studio as one thread of traffic speaks with it, on connections of its own."""

    def __init__(self, server: Server, cookie: str) -> None:
        super().__init__(server)
        self.__dict__["cookie"] = cookie  # the link that opens a session opens one alone

    def send(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, host: str = "localhost"
    ) -> Reply:
        """One request; raises Cut if no whole answer came."""
        try:
            return super().send(method, target, body, headers, host=host)
        except (OSError, http.client.HTTPException) as gone:
            raise Cut(f"{method} {target}") from gone

    def settled(self, path: str) -> dict[str, Any] | None:
        """A resource once nothing works on it any more; None if it is not there."""
        state = ""
        ask = self.directory if path.startswith(("/users/", "/groups/")) else self.arm
        for _ in range(2000):
            reply = ask("GET", path)
            if reply.status == 404:
                return None
            assert reply.status == 200, reply.body
            found = reply.json()
            state = found["properties"].get("provisioningState")
            if state not in CREATING:
                return found
        raise AssertionError(f"{path} stays {state}")

    def values(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Everything in a collection, page by page."""
        reply = self.arm("GET", path, query=query)
        found: list[dict[str, Any]] = []
        while True:
            assert reply.status == 200, reply.body
            found += reply.json()["value"]
            following = reply.json().get("nextLink")
            if following is None:
                return found
            token = {"authorization": f"Bearer {self.token(self.owner)}"}
            reply = self.send("GET", following.removeprefix(self.url), None, token)


class Known(Generic[T]):
    """What a caller knows of one thing: what it was told last, and what may be in force because no answer came."""

    told: T
    tried: list[T]

    def __init__(self, told: T) -> None:
        self.told, self.tried = told, []

    @contextmanager
    def trying(self, value: T) -> Generator[None]:
        """Around a request that makes it so: the value counts as told once the answer is there."""
        self.tried.append(value)
        yield
        self.told, self.tried = value, []

    def is_(self, found: T) -> None:
        """Take what is found after a restart: what was told last, or something that was tried since."""
        assert found == self.told or found in self.tried, f"found {found!r}, was told {self.told!r}, had tried {self.tried!r}"
        self.told, self.tried = found, []
