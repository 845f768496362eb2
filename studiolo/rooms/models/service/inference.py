"""Asking models: the right kind of deployment, the exact usage, answers that keep to their schema."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import msgspec

from studiolo.kernel.faults import Invalid, Unavailable
from studiolo.rooms.models.domain.accounts import Ability
from studiolo.rooms.models.domain.inference import Embedded, End, Generation
from studiolo.rooms.models.ports import Models, Usage, Used
from studiolo.rooms.models.service.deployments import Deployment
from studiolo.rooms.models.service.door import Visit


class Writing:
    """A text on its way. `end` is there when `pieces` has run out."""

    def __init__(self, pieces: AsyncGenerator[str]) -> None:
        self.pieces = pieces
        self._end: End | None = None

    def finish(self, end: End) -> None:
        """Note how the text ended."""
        self._end = end

    @property
    def end(self) -> End:
        """How the text ended. Raises Unavailable if it has not."""
        if self._end is None:
            raise Unavailable("The model's answer broke off.", code="ModelError")
        return self._end


class Inference:
    """The use cases of model calls."""

    def __init__(self, models: Models, usage: Usage) -> None:
        self._models = models
        self._usage = usage

    def write(self, visit: Visit, deployment: Deployment, action: str, ask: Generation, request_id: str) -> Writing:
        """Begin a text; its usage is recorded when it ends, also if nobody reads it any more.

        Raises:
            Invalid: the deployment holds a model of another kind (code `OperationNotSupported`).
        """
        _expect(deployment, "chat", action)

        def ended(end: End) -> None:
            writing.finish(end)
            self._record(visit, deployment, action, end.prompt_tokens, end.completion_tokens, request_id)

        writing = Writing(self._models.write(deployment.model.name, ask, ended))
        return writing

    async def embed(self, visit: Visit, deployment: Deployment, action: str, texts: Sequence[str], request_id: str) -> Embedded:
        """The texts' vectors. Raises as `write` does, and what the model raises."""
        _expect(deployment, "embeddings", action)
        found = await self._models.embed(deployment.model.name, texts)
        self._record(visit, deployment, action, found.prompt_tokens, 0, request_id)
        return found

    def _record(self, visit: Visit, deployment: Deployment, action: str, prompt: int, completion: int, request_id: str) -> None:
        self._usage.record(
            Used(visit.project, deployment.name, deployment.model.name, visit.caller, action, prompt, completion, request_id)
        )


def check_kept(ask: Generation, end: End, text: str) -> None:
    """Raise Unavailable if a finished answer is not the JSON that was asked for (code `ModelError`)."""
    if ask.schema is None or end.reason != "stop":
        return
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Unavailable(
            "The model did not keep to the JSON form that was asked for; nothing of its answer is used.", code="ModelError"
        ) from None


def _expect(deployment: Deployment, ability: Ability, action: str) -> None:
    if deployment.model.ability != ability:
        operation = action.split("/deployments/", 1)[-1].removesuffix("/action")
        raise Invalid(
            f"The {operation} operation does not work with the model '{deployment.model.name}' of the deployment '{deployment.name}'. "
            "Choose another deployment.",
            code="OperationNotSupported",
            target="model",
        )
