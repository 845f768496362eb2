"""Run by hubs.py as a client's process: a hub and a project by the unchanged SDK, and every request that it sent.

The environment is what `studiolo env` prints. The clock sits around the HTTP adapter of `requests`, on which the SDK
stands; the SDK itself is not touched. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


def main(hub_name: str, project_name: str) -> None:
    sent: list[dict[str, Any]] = []
    phase = ["before"]
    _listen(sent, phase)
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Hub, Project
    from azure.identity import DefaultAzureCredential

    ml: Any = MLClient(DefaultAzureCredential(), os.environ["AZURE_SUBSCRIPTION_ID"], os.environ["AZURE_RESOURCE_GROUP"])
    seconds: dict[str, float] = {}

    def timed(what: str, work: Callable[[], Any]) -> Any:
        phase[0] = what
        began = time.monotonic()
        made = work()
        seconds[what] = time.monotonic() - began
        return made

    hub = timed("hub", lambda: ml.workspaces.begin_create(Hub(name=hub_name, location="local")).result())
    timed("project", lambda: ml.workspaces.begin_create(Project(name=project_name, location="local", hub_id=hub.id)).result())
    print(json.dumps({"seconds": seconds, "sent": sent}))


def _listen(sent: list[dict[str, Any]], phase: list[str]) -> None:
    """Keep phase, method, address, duration and (of a deployment) the body of every request."""
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    original = HTTPAdapter.send

    def send(self: HTTPAdapter, request: PreparedRequest, *arguments: Any, **named: Any) -> Response:
        began = time.monotonic()
        response = original(self, request, *arguments, **named)
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        is_deployment = request.method == "PUT" and "/deployments/" in (request.url or "")
        sent.append(
            {
                "phase": phase[0],
                "method": request.method,
                "url": request.url,
                "status": response.status_code,
                "ms": (time.monotonic() - began) * 1000,
                "body": body if is_deployment else None,
            }
        )
        return response

    HTTPAdapter.send = send


if __name__ == "__main__":
    main(*sys.argv[1:])
