"""A process that dies between any two commits of any work: the next start finishes it as if nothing had been."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from studiolo.app.compose import compose
from tests.recovery import victim
from tests.recovery.works import WORKS

pytestmark = [pytest.mark.recovery, pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Hangman:
    """Gives orders to victims. `base` is a home in which everything stands that works begin from."""

    process: subprocess.Popen[str]
    base: Path
    places: dict[str, str]
    scratch: Path

    def order(self, **order: Any) -> Any:
        """What a victim answered; None if it died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({**order, "places": self.places}) + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        assert said, "the victim's parent ended; its standard error has the reason"
        return json.loads(said)

    def home(self) -> Path:
        """A fresh copy of the base."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        shutil.copytree(self.base, self.scratch)
        return self.scratch

    def after(self, work: str, deaths: int | None) -> tuple[int | None, dict[str, int]]:
        """How many commits a piece of work took, if it lived, and the world after the next start."""
        home = str(self.home())
        seen = self.order(home=home, work=work, deaths=deaths)
        found = self.order(home=home)
        assert found["troubles"] == [], f"{work}, dead after {deaths} commits"
        return seen, found["world"]


@pytest.fixture(scope="module")
def hangman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hangman]:
    folder = tmp_path_factory.mktemp("deaths")
    with subprocess.Popen([sys.executable, victim.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        made = Hangman(process, folder / "base", {}, folder / "home")
        made.places = made.order(home=str(made.base), work="prepare")
        yield made
        process.kill()


@pytest.mark.parametrize("work", WORKS)
def test_work_is_finished_or_was_never_begun(hangman: Hangman, work: str) -> None:
    commits, finished = hangman.after(work, None)
    assert commits is not None
    seen, untouched = hangman.after(work, 0)
    assert seen is None
    assert finished != untouched
    for death in range(1, commits + 1):
        _, found = hangman.after(work, death)
        lines = sorted({*found, *finished})
        different = [(line, found.get(line, 0), finished.get(line, 0)) for line in lines if found.get(line) != finished.get(line)]
        assert different == [], f"{work}, dead after {death} of {commits} commits: line, found, expected"


async def test_every_type_that_takes_steps_is_worked_on(tmp_path: Path) -> None:
    application = await compose(*victim.settings_of(str(tmp_path / "home")))
    wanted = {each.name for each in application.control.catalog if each.provision or each.retire or each.retire_first}
    await application.stop()
    assert wanted <= {work.type for work in WORKS.values()}
