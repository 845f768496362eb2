"""No models: the studio was started without any, and says so to whoever calls one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from studiolo.kernel.faults import NotOffered
from studiolo.rooms.models.domain.inference import Embedded, End, Generation
from studiolo.rooms.models.ports import Health


class NoModels:
    """Every call is refused with what to do about it (port `Models`)."""

    async def write(self, model: str, ask: Generation, ended: Callable[[End], None]) -> AsyncGenerator[str]:
        """Raises NotOffered (code `ModelsAreOff`)."""
        raise _off(model)
        yield ""  # what makes this a generator

    async def embed(self, model: str, texts: Sequence[str]) -> Embedded:
        """Raises NotOffered (code `ModelsAreOff`)."""
        raise _off(model)

    async def warm(self) -> None:
        """There is nothing to load."""

    def health(self) -> list[Health]:
        """No model runs."""
        return []

    async def close(self) -> None:
        """There is nothing to end."""


def _off(model: str) -> NotOffered:
    return NotOffered(
        f"The model '{model}' does not run: this studio was started with --no-model. Start it without --no-model "
        "(and with the extra 'model' installed) to get answers.",
        code="ModelsAreOff",
    )
