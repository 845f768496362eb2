"""A studio of one page, served by the real server: `python small_studio.py HOME [off]`. Says its port, and what happens."""

import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studiolo.app.authority import Authority
from studiolo.app.home import Home
from studiolo.app.server import Asgi, listen, serve
from studiolo.app.welcome import Welcome


def say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


async def never(seconds: float) -> None:
    """Work for a while."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """`/` says hello, `/length` how much body came, `/slow` answers after half a second, `/forever` never."""
    said = b"hello"
    if scope["path"] == "/length":
        length, more = 0, True
        while more:
            message = await receive()
            length, more = length + len(message.get("body", b"")), message.get("more_body", False)
        said = str(length).encode()
    elif scope["path"] == "/modules":
        said = " ".join(name for name in ("h11", "websockets", "rich", "aiohttp") if name in sys.modules).encode()
    elif scope["path"] in ("/slow", "/forever"):
        say(f"began {scope['path']}")
        await never(0.5 if scope["path"] == "/slow" else 3600)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(said)).encode())]})
    await send({"type": "http.response.body", "body": said})


class Small:
    """The application."""

    def __init__(self) -> None:
        self.asgi: Asgi = answer

    async def start(self) -> None:
        if "hang" in sys.argv:
            say("starting")
            await never(3600)

    async def stop(self) -> None:
        say("stopped")

    def welcome(self) -> Welcome:
        return Welcome(url="")


def main() -> None:
    home = Home(Path(sys.argv[1]))
    home.prepare()
    sockets = listen("127.0.0.1", 0)
    context = None
    if "off" not in sys.argv:
        authority = Authority(home)
        authority.ensure((), datetime.now(UTC))
        authority.write_bundle(None)
        context = authority.server_context()
    port = sockets[0].getsockname()[1]
    asyncio.run(serve(Small(), sockets, context, ready=lambda: say(f"ready {port}")))


if __name__ == "__main__":
    main()
