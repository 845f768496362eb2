"""Whether unchanged clients would find and trust this studio: asked before anybody relies on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from studiolo.app.authority import client_context
from studiolo.app.client.names import LocalNames
from studiolo.app.client.session import reaching
from studiolo.app.environment import METADATA_PATH
from studiolo.kernel.faults import NotOffered, Unavailable

_SECONDS = 10.0


async def check_metadata(url: str, bundle: Path) -> dict[str, str]:
    """Read the metadata page as clients do; gives the answer's headers, names in lower case.

    Raises:
        NotOffered: the studio runs on plain HTTP, which those clients do not speak (code `TlsRequired`).
        Unavailable: nothing answers, it is not trusted, or it is not this studio.
    """
    if not url.startswith("https:"):
        raise NotOffered(
            f"The studio at '{url}' runs with --tls off, and clients for the public cloud speak TLS only: start it without --tls off.",
            code="TlsRequired",
        )
    try:
        context = client_context(bundle)
    except OSError:
        raise Unavailable(f"'{bundle}' cannot be read: run `studiolo up` once, which makes it.", code="BundleMissing") from None
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    connector = aiohttp.TCPConnector(ssl=context, resolver=LocalNames())
    async with (
        reaching(url),
        aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
        http.get(url + METADATA_PATH, allow_redirects=False) as answer,
    ):
        raw = await answer.read()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        status = answer.status
    try:
        clouds: Any = msgspec.json.decode(raw) if status == 200 else None
        found = [cloud["resourceManager"] for cloud in clouds or ()]
    except (msgspec.DecodeError, TypeError, KeyError):
        found = []
    if f"{url}/" not in found:
        raise Unavailable(
            f"What answers at '{url}' is not this studio (status {status}): stop it, or start the studio on another port.",
            code="NotTheStudio",
        )
    return headers
