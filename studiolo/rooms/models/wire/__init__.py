"""The OpenAI and Azure OpenAI protocols: chat, completions, embeddings and lists of models.

`/openai/…` is the project of the key; `/projects/{workspace id or name}/openai/…` names it. Below that,
`deployments/{deployment}/…` is Azure's shape (with an api-version) and `v1/…` is OpenAI's (the deployment is the `model`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import msgspec

from studiolo.kernel.faults import Fault, Forbidden, Invalid
from studiolo.kernel.resource import JsonObject
from studiolo.rooms.models.domain.accounts import (
    CHAT_ACTION,
    COMPLETIONS_ACTION,
    DEPLOYMENTS_READ,
    EMBEDDINGS_ACTION,
    MODELS_READ,
    attributes_of,
)
from studiolo.rooms.models.domain.inference import Embedded
from studiolo.rooms.models.schema import chat, embeddings
from studiolo.rooms.models.service.deployments import Deployment, Deployments
from studiolo.rooms.models.service.door import Arrival, Door, Visit, refusal
from studiolo.rooms.models.service.inference import Inference
from studiolo.rooms.models.wire.errors import render
from studiolo.rooms.models.wire.readers import CLIENT_CLOSED_REQUEST, unless_gone
from studiolo.rooms.models.wire.texts import answer_text
from studiolo.wire.http import MAX_JSON_DEPTH, Answer, Call, Guard, Permit, Route, read_json_object

__all__ = ["PREFIXES", "ModelCalls", "render"]

PREFIXES: Final = ("openai", "projects")
_API_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?|preview|latest|v1")


class _Body(Protocol):
    """What a call sends: it may name the deployment as its model."""

    @property
    def model(self) -> str | None: ...


_Asked = TypeVar("_Asked", bound=_Body)


class ModelCalls:
    """The routes of model calls; `render` (of this module) tells their faults."""

    def __init__(self, door: Door, deployments: Deployments, inference: Inference) -> None:
        self._door = door
        self._deployments = deployments
        self._inference = inference

    def routes(self) -> list[Route]:
        """Every route with its action."""
        found: list[Route] = []
        for where in ("/openai", "/projects/{project}/openai"):
            for part, action, run, about in (
                ("chat/completions", CHAT_ACTION, self._chat, "A chat answer, whole or streamed."),
                ("completions", COMPLETIONS_ACTION, self._completion, "The continuation of a text, whole or streamed."),
                ("embeddings", EMBEDDINGS_ACTION, self._embed, "Vectors of texts."),
            ):
                found.append(Route("POST", f"{where}/v1/{part}", Guard((action,)), run, about=about))
                found.append(Route("POST", f"{where}/deployments/{{deployment}}/{part}", Guard((action,)), run, about=about))
            for place in ("v1/models", "models"):
                found.append(
                    Route("GET", f"{where}/{place}", Guard((MODELS_READ,)), self._models, about="The deployments, as a list of models.")
                )
                found.append(
                    Route("GET", f"{where}/{place}/{{model}}", Guard((MODELS_READ,)), self._model, about="One deployment, as a model.")
                )
            found.append(Route("GET", f"{where}/deployments", Guard((DEPLOYMENTS_READ,)), self._list, about="The deployments."))
            found.append(
                Route("GET", f"{where}/deployments/{{deployment}}", Guard((DEPLOYMENTS_READ,)), self._show, about="One deployment.")
            )
        return found

    async def _chat(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visit, deployment, asked = await self._asked(call, permit, params, CHAT_ACTION, chat.read_chat, chat.MAX_BODY_BYTES)
        return await self._write(call, visit, deployment, CHAT_ACTION, asked)

    async def _completion(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visit, deployment, asked = await self._asked(call, permit, params, COMPLETIONS_ACTION, chat.read_completion, chat.MAX_BODY_BYTES)
        return await self._write(call, visit, deployment, COMPLETIONS_ACTION, asked)

    async def _write(self, call: Call, visit: Visit, deployment: Deployment, action: str, asked: chat.Asked) -> Answer:
        writing = self._inference.write(visit, deployment, action, asked.generation, call.request_id)
        return await answer_text(call, asked, writing, deployment.model.name, is_chat=action == CHAT_ACTION)

    async def _embed(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        read, limit = embeddings.read_embeddings, embeddings.MAX_BODY_BYTES
        visit, deployment, asked = await self._asked(call, permit, params, EMBEDDINGS_ACTION, read, limit)
        work = self._inference.embed(visit, deployment, EMBEDDINGS_ACTION, asked.texts, call.request_id)
        found = await unless_gone(call, work)
        if found is None:
            return Answer(CLIENT_CLOSED_REQUEST)
        return _json(call, _vectors(found, deployment.model.name, is_base64=asked.is_base64))

    async def _models(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visit = await self._enter(call, permit, params, MODELS_READ)
        return _json(call, {"object": "list", "data": [_as_model(found) for found in await self._deployments.list(visit.account)]})

    async def _model(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visit = await self._enter(call, permit, params, MODELS_READ)
        return _json(call, _as_model(await self._deployments.get(visit.account, params["model"])))

    async def _list(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visit = await self._enter(call, permit, params, DEPLOYMENTS_READ)
        return _json(call, {"object": "list", "data": [_as_deployment(found) for found in await self._deployments.list(visit.account)]})

    async def _show(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visit = await self._enter(call, permit, params, DEPLOYMENTS_READ)
        return _json(call, _as_deployment(await self._deployments.get(visit.account, params["deployment"])))

    async def _enter(self, call: Call, permit: Permit, params: dict[str, str], action: str) -> Visit:
        """Who calls, and whether they may read what is here."""
        project = params.get("project")
        visit = await _decide(permit, await self._arrive(call, project), action, project, {})
        _check_version(call)
        return visit

    async def _arrive(self, call: Call, project: str | None) -> Arrival:
        """Who calls, and where to."""
        return await self._door.open(project, api_key=call.headers.get("api-key"), token=_bearer(call))

    async def _asked(
        self, call: Call, permit: Permit, params: dict[str, str], action: str, read: Callable[[bytes], _Asked], limit: int
    ) -> tuple[Visit, Deployment, _Asked]:
        """Who asks for what, of which deployment: that of the address, else the one that the body names as its model.

        The decision sees the deployment, so the body is read first, also for a project that is not there; what is wrong
        with it is told to those who may call.
        """
        project = params.get("project")
        arrival = await self._arrive(call, project)
        permit.charge(arrival.caller)
        asked: _Asked | Fault
        try:
            asked = read(await _body(call, limit))
        except Fault as fault:
            asked = fault
        name = params.get("deployment") or ("" if isinstance(asked, Fault) else asked.model or "")
        found = await self._deployments.find(arrival.visit.account, name) if arrival.visit else None
        shown = attributes_of(found.name, found.model.name) if found else attributes_of(name, None) if name else {}
        visit = await _decide(permit, arrival, action, project, shown)
        _check_version(call)
        if isinstance(asked, Fault):
            raise asked
        if not name:
            raise Invalid(
                "You must provide a model parameter: the name of a deployment, such as 'chat'.",
                code="missing_required_parameter",
                target="model",
            )
        return visit, found or await self._deployments.get(visit.account, name), asked


async def _decide(permit: Permit, arrival: Arrival, action: str, project: str | None, deployment: JsonObject) -> Visit:
    """The visit, if they may. A project that is not there is refused in the words of one that is closed, after the same steps."""
    permit.charge(arrival.caller)
    visit = arrival.visit
    if visit is None:
        raise refusal(action, project)
    try:
        await permit.require(visit.caller, action, visit.project.text, resource=deployment)
    except Forbidden as fault:
        raise refusal(action, project, fault) from None
    return visit


def _bearer(call: Call) -> str | None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _check_version(call: Call) -> None:
    """Azure's shape wants an api-version, and every well-formed one is taken; OpenAI's has none."""
    if "/openai/v1/" in call.raw_path.lower():
        return
    version = call.query().get("api-version")
    if version is None:
        raise Invalid(
            "The api-version query parameter (?api-version=) is required for all requests.",
            code="MissingApiVersionParameter",
            target="api-version",
        )
    if not _API_VERSION.fullmatch(version):
        raise Invalid(
            f"The api-version '{version[:40]}' is invalid: it must be like 2024-10-21.",
            code="InvalidApiVersionParameter",
            target="api-version",
        )


async def _body(call: Call, limit: int) -> bytes:
    raw = await call.body(limit)
    if raw.count(b"{") + raw.count(b"[") > MAX_JSON_DEPTH:
        read_json_object(raw)  # refuses what is nested too deeply
    return raw


def _json(call: Call, value: Any) -> Answer:
    return Answer(200, msgspec.json.encode(value), [("content-type", "application/json"), ("x-request-id", call.request_id)])


def _vectors(found: Embedded, model: str, *, is_base64: bool) -> dict[str, Any]:
    spelled: list[Any]
    if is_base64:
        spelled = [base64.b64encode(row).decode() for row in found.rows()]
    else:
        spelled = [memoryview(row).cast("f").tolist() for row in found.rows()]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(spelled)]
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": found.prompt_tokens, "total_tokens": found.prompt_tokens},
    }


def _as_model(found: Deployment) -> dict[str, Any]:
    return {"id": found.name, "object": "model", "created": found.created, "owned_by": found.model.format}


def _as_deployment(found: Deployment) -> dict[str, Any]:
    return {
        "id": found.name,
        "object": "deployment",
        "model": found.model.name,
        "status": "succeeded",
        "owner": found.model.format,
        "created_at": found.created,
        "updated_at": found.created,
        "scale_settings": {"scale_type": "standard"},
    }
