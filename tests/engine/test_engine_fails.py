"""A mistake in the engine itself: the run ends in words, and the study goes on from what is stored."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from workshop import Workshop, wait_until

from tuitune.store.reader import Reader
from tuitune.store.rows import EngineRow

CODE = """
import time

def train(trial):
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    for step in range(start, 6):
        time.sleep(0.02)
        trial.report(step=step + 1, loss=trial.config["x"],
                     save=lambda folder: (folder / "step").write_text(str(step + 1)))
"""
MORE = """
checkpoint_every = "0s"
[pruning]
resource = "step"
max = 6
"""
# A mistake in one part of the engine, put there before it is begun and met in the middle of a run.
IN_COMMIT = """
from tuitune.store.journal import Journal as Part
name, met = "write", lambda facts, *_: any(getattr(f, "step", 0) == 4 for f in facts)
"""
IN_FOLD = """
from tuitune.core.study import Study as Part
name, met = "react", lambda fact: getattr(fact, "step", 0) == 4
"""
IN_ACT = """
from tuitune.engine.trial_folders import TrialFolders as Part
name, met = "prepare", lambda trial, _: trial == 1
"""
IN_DEADLINE = """
from tuitune.core.study import Study as Part
name, met = "react", lambda fact: type(fact).__name__ == "DeadlinePassed"
"""
IN_SEARCH = """
from tuitune.core.search.random_search import RandomSearcher as Part
name, met = "propose", lambda number, _: number == 2
"""
IN_TASK = """
from tuitune.engine.proposing import Proposing as Part
name, met = "_propose", lambda number, *_: number == 1
"""
PLANT = """
import sys
if {{"run", "engine"}} & set(sys.orig_argv) or any(w.endswith(".toml") for w in sys.orig_argv):
    {part}
    before = getattr(Part, name)
    def failing(self, *given):
        if met(*given):
            raise TypeError("a mistake of ours")
        return before(self, *given)
    setattr(Part, name, failing)
"""
SAMPLED = """
[space.y]
sample = "study_train.py:draw"
"""


def planted(workshop: Workshop, part: str) -> dict[str, str]:
    text = PLANT.format(part=part.strip().replace("\n", "\n    "))
    workshop.write("plant/sitecustomize.py", text)
    return {**workshop.environment, "PYTHONPATH": str(workshop.path / "plant")}


def engine_row(workshop: Workshop) -> EngineRow | None:
    reader = Reader.open(workshop.folder() / "study.db")
    try:
        return reader.engine()
    finally:
        reader.close()


@pytest.mark.parametrize(
    ("part", "more"),
    [
        (IN_COMMIT, MORE),
        (IN_FOLD, MORE),
        (IN_ACT, MORE),
        (IN_DEADLINE, 'timeout = "0.5s"\n' + MORE),
        (IN_SEARCH, MORE),
        (IN_TASK, MORE + SAMPLED),
    ],
    ids=["commit", "fold", "act", "deadline", "search", "task"],
)
def test_a_mistake_in_the_engine_ends_the_run_in_words(workshop: Workshop, part: str, more: str):
    code = CODE + "\ndef draw(rng, config):\n    return rng.random()\n"
    if part == IN_DEADLINE:  # each trial reports in good time, and is too slow after that
        code = code.replace("sleep(0.02)", "sleep(0.02 if step < 2 else 0.3)")
    file = workshop.study(code, more)
    done = workshop.run(file, "--no-ui", env=planted(workshop, part))
    assert done.returncode == 1, done.stdout + done.stderr
    log = workshop.folder() / "engine.log"
    words = (
        f"the engine failed: TypeError: a mistake of ours; its traceback is in {log}; "
        f"the same command goes on from what is stored"
    )
    assert done.stderr.splitlines()[-1] == words
    assert "Traceback" not in done.stdout + done.stderr
    assert "Traceback" in log.read_text()
    assert workshop.left_over() == []
    row = engine_row(workshop)
    assert row is not None
    assert (row.phase, row.words) == ("failed", words)
    assert workshop.show()["state"] == "interrupted"
    again = workshop.run(file, "--no-ui")
    assert again.returncode in (0, 1), again.stderr  # 1: those with a timeout all fail
    assert workshop.show()["state"] == "finished"


def test_who_follows_a_run_hears_that_its_engine_failed(workshop: Workshop):
    gate = workshop.path / "gate"
    code = CODE.replace(
        "time.sleep(0.02)",
        f"import os\n        while not os.path.exists({str(gate)!r}): time.sleep(0.01)",
    )
    file = workshop.study(code, MORE)
    first = workshop.start(file, "--no-ui", env=planted(workshop, IN_COMMIT))
    wait_until((workshop.folder() / "trials" / "0000").exists, "the first trial")
    follower = workshop.start(file, "--no-ui")
    assert follower.stdout is not None
    wait_until(lambda: "following it" in follower.stdout.readline(), "the follower")
    gate.touch()
    assert first.wait(timeout=60) == 1
    assert follower.wait(timeout=60) == 1
    assert "the engine failed: TypeError: a mistake of ours" in follower.stdout.read()


def test_an_engine_without_a_terminal_says_that_it_failed(workshop: Workshop):
    file = workshop.study(CODE, MORE)
    begin = str(Path(__file__).with_name("begin.py"))
    done = workshop.call([sys.executable, begin, str(file)], env=planted(workshop, IN_COMMIT))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: workshop.engine() is None, "the engine's end")
    row = engine_row(workshop)
    assert row is not None
    assert row.broke_down
    assert workshop.left_over() == []
