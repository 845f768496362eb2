"""The local models: one worker for texts, one for vectors, each started by the first call that needs it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

from studiolo.kernel.faults import NotOffered
from studiolo.rooms.models.backends.local.frames import Delta, Embed, Ended, Report, Vectors, Write
from studiolo.rooms.models.backends.local.process import Worker, begin_chat, begin_embeddings
from studiolo.rooms.models.backends.local.weights import CHAT_MODEL, EMBEDDINGS_MODEL, missing_packages
from studiolo.rooms.models.domain.inference import Embedded, End, Generation
from studiolo.rooms.models.ports import Health

_MOST_THREADS: Final = 8


class LocalModels:
    """Models on this machine (port `Models`).

    `cache` is a folder for what can be made again: the joined weights lie there. `weights` is a GGUF file of the Gemma
    family to be used in place of the packaged one.
    """

    def __init__(
        self, cache: Path, *, weights: Path | None = None, threads: int | None = None, context_tokens: int = 8192, queue_limit: int = 16
    ) -> None:
        # One core stays free: threads that compute together crawl as soon as one of them has to wait for its core.
        count = threads or max(1, min(_MOST_THREADS, (os.cpu_count() or 2) - 1))
        self._chat = Worker(begin_chat(cache, weights=weights, context_tokens=context_tokens, threads=count), queue_limit=queue_limit)
        self._embeddings = Worker(begin_embeddings(cache, threads=count), queue_limit=queue_limit)
        self._is_installed = False

    async def write(self, model: str, ask: Generation, ended: Callable[[End], None]) -> AsyncGenerator[str]:
        """See the port."""
        worker = self._worker(model)

        def over(last: Report) -> None:
            if isinstance(last, Ended):
                ended(last.end)

        async with aclosing(worker.ask(lambda number: Write(number, ask), over)) as reports:
            async for report in reports:
                if isinstance(report, Delta):
                    yield report.text

    async def embed(self, model: str, texts: Sequence[str]) -> Embedded:
        """See the port."""
        found = Embedded(b"", 0, 0)
        async with aclosing(self._worker(model).ask(lambda number: Embed(number, tuple(texts)), lambda _: None)) as reports:
            async for report in reports:
                if isinstance(report, Vectors):
                    found = report.embedded
        return found

    async def warm(self) -> None:
        """Load the chat model; vectors are asked for more rarely, and their model loads in a third of a second."""
        await self._worker(CHAT_MODEL).warm()

    def health(self) -> list[Health]:
        """See the port."""
        return [_health(CHAT_MODEL, self._chat), _health(EMBEDDINGS_MODEL, self._embeddings)]

    async def close(self) -> None:
        """See the port."""
        await self._chat.close()
        await self._embeddings.close()

    def _worker(self, model: str) -> Worker:
        if not self._is_installed:
            missing = missing_packages()
            if missing:
                raise NotOffered(
                    f"The local models are not installed (missing: {', '.join(missing)}). "
                    "Install studiolo with its extra 'model', then start again.",
                    code="ModelNotInstalled",
                )
            self._is_installed = True
        worker = {CHAT_MODEL: self._chat, EMBEDDINGS_MODEL: self._embeddings}.get(model)
        if worker is None:
            raise NotOffered(f"The model '{model}' does not run on this machine.", code="ModelNotInstalled", target="model")
        return worker


def _health(model: str, worker: Worker) -> Health:
    started = worker.started
    if started is None:
        return Health(model, is_running=False, pid=None, applied=(), missing=(), load_seconds=None)
    return Health(
        model, is_running=True, pid=worker.pid, applied=started.applied, missing=started.missing, load_seconds=started.load_seconds
    )
