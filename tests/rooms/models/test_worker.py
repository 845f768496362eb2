"""The model's process: queues, cancellation, death and new starts."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from studiolo.kernel.faults import NotOffered, TooMany, Unavailable
from studiolo.rooms.models.backends.local.models import LocalModels
from studiolo.rooms.models.domain.inference import End, Generation, Sampling

pytestmark = pytest.mark.model
CHAT, EMBEDDINGS = "gemma-3-270m", "all-minilm-l6-v2"
SECONDS = 30.0


def long_text(tokens: int = 6000) -> Generation:
    """A text that ends only at its limit, a minute or more from now."""
    return Generation(sampling=Sampling(max_tokens=tokens, seed=1, stop=("\u2603",)), prompt="A very long story, and every detail of it:")


async def write(models: LocalModels, ask: Generation) -> End:
    ends: list[End] = []
    async with asyncio.timeout(SECONDS), aclosing(models.write(CHAT, ask, ends.append)) as pieces:
        async for _ in pieces:
            pass
    return ends[0]


def pid_of(models: LocalModels) -> int:
    pid = models.health()[0].pid
    assert pid is not None
    return pid


def about(pid: int | None, what: str) -> str:
    """What the kernel says of a process."""
    return Path(f"/proc/{pid}/{what}").read_text()


def sockets_of(pid: int) -> set[str]:
    """The inode numbers of a process's sockets."""
    names = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {name[8:-1] for name in names if name.startswith("socket:[")}


def wait_for_end(pid: int) -> None:
    """Return when the process has ended; fail at the deadline."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], SECONDS)[0], f"process {pid} goes on"
    finally:
        os.close(handle)


@pytest.fixture(scope="module")
async def models(model_cache: Path) -> AsyncIterator[LocalModels]:
    found = LocalModels(model_cache, context_tokens=8192, queue_limit=1)
    await found.warm()
    yield found
    await found.close()


async def test_a_caller_beyond_the_queue_is_told_when_to_come_back_and_a_leaver_frees_the_model(models: LocalModels) -> None:
    ends: list[End] = []
    writing = models.write(CHAT, long_text(), ends.append)
    await anext(writing)
    waiting = asyncio.create_task(write(models, long_text(2)))
    await asyncio.wait([waiting], timeout=0.05)
    with pytest.raises(TooMany) as refused:
        await write(models, long_text(2))
    assert refused.value.retry_after_seconds is not None
    assert refused.value.retry_after_seconds >= 1
    await writing.aclose()
    assert (await waiting).completion_tokens == 2
    assert len(ends) == 1
    assert ends[0].completion_tokens < 6000


async def test_a_leaver_frees_the_model_while_its_prompt_is_still_being_read(models: LocalModels) -> None:
    ends: list[End] = []
    long_prompt = Generation(sampling=Sampling(max_tokens=10), prompt="the cat sat on the mat " * 1100)
    writing = models.write(CHAT, long_prompt, ends.append)
    assert [await anext(writing), await anext(writing)] == ["", ""]
    await writing.aclose()
    assert (await write(models, long_text(2))).completion_tokens == 2
    assert 0 < ends[0].prompt_tokens < 6000
    assert ends[0].completion_tokens == 0


async def test_a_call_in_flight_is_told_of_the_death_and_the_next_call_works(models: LocalModels) -> None:
    first_pid = pid_of(models)
    writing = models.write(CHAT, long_text(), lambda _: None)
    await anext(writing)
    os.kill(first_pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match=r"ended during this call\. It was ended by signal 9"):
        async for _ in writing:
            pass
    assert (await write(models, long_text(2))).completion_tokens == 2
    assert pid_of(models) != first_pid


async def test_a_worker_killed_between_calls_is_not_noticed(models: LocalModels) -> None:
    pid = pid_of(models)
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)
    assert (await write(models, long_text(2))).completion_tokens == 2


async def test_closing_ends_the_processes(model_cache: Path) -> None:
    models = LocalModels(model_cache)
    await models.warm()
    pid = pid_of(models)
    await models.close()
    wait_for_end(pid)
    with pytest.raises(Unavailable, match="stopping"):
        await write(models, long_text(2))


@pytest.mark.skipif(sys.platform != "linux", reason="walls of the Linux kernel")
async def test_the_running_worker_says_which_walls_hold_it(models: LocalModels) -> None:
    chat, vectors = models.health()
    assert chat.is_running
    assert not vectors.is_running
    status = about(chat.pid, "status")
    assert ("no new privileges" in chat.applied) == ("NoNewPrivs:\t1" in status)
    assert ("seccomp" in chat.applied) == ("Seccomp:\t2" in status)
    assert {wall.split(" (")[0].split(":")[0] for wall in (*chat.applied, *chat.missing)} >= {
        "landlock",
        "seccomp",
        "network namespace",
        "limits",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel about sockets")
async def test_the_worker_listens_on_nothing(models: LocalModels, model_cache: Path) -> None:
    own = sockets_of(pid_of(models))
    assert own, "the channel to its server"
    for family, column, state in (("tcp", 9, "0A"), ("tcp6", 9, "0A"), ("unix", 6, "00010000")):
        lines = [line.split() for line in about(pid_of(models), f"net/{family}").splitlines()[1:]]
        assert not own & {line[column] for line in lines if line[3] == state}
    assert list((model_cache / "run").iterdir()) == []


async def test_a_worker_ends_when_its_server_is_killed(model_cache: Path) -> None:
    program = (
        "import asyncio, os, pathlib, signal, sys\n"
        "from studiolo.rooms.models.backends.local.models import LocalModels\n"
        "async def main():\n"
        "    models = LocalModels(pathlib.Path(sys.argv[1]))\n"
        "    await models.warm()\n"
        "    print(models.health()[0].pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, str(model_cache)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    wait_for_end(int(done.stdout))


async def test_hostile_weights_are_refused_quickly_by_the_worker_and_hurt_nobody(model_cache: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.gguf"
    hostile.write_bytes((b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 41)[:49])
    models = LocalModels(model_cache, weights=hostile)
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match="not a GGUF model") as refused:
            await write(models, long_text(2))
    assert refused.value.code == "InvalidModelFile"
    await models.close()


async def test_repeated_failures_are_met_by_a_pause(model_cache: Path, tmp_path: Path) -> None:
    models = LocalModels(model_cache, weights=tmp_path / "absent.gguf")
    for _ in range(2):
        with pytest.raises(Unavailable, match="could not be loaded"):
            await write(models, long_text(2))
    with pytest.raises(Unavailable, match="failed and is started again in") as refused:
        await write(models, long_text(2))
    assert refused.value.retry_after_seconds is not None
    await models.close()


async def test_changed_weights_in_the_cache_are_replaced_by_the_published_ones(models: LocalModels, model_cache: Path) -> None:
    assert (await write(models, long_text(1))).completion_tokens == 1
    assert (model_cache / "gemma-3-270m-q4_k_m.gguf").stat().st_size == 253_113_024


async def test_a_model_that_is_not_here_is_refused(models: LocalModels) -> None:
    with pytest.raises(NotOffered) as refused:
        await models.embed("gpt-4o", ["Hello"])
    assert refused.value.code == "ModelNotInstalled"
