"""A model in a process of its own: the same answers, whatever becomes of the process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from workshop import wait_until

from tuitune.core.search.proposal import History, Past, identity
from tuitune.core.search.registry import make_model
from tuitune.core.space import Choice, FloatRange, SearchSpace
from tuitune.core.spec import SearchSpec
from tuitune.ipc.process_tree import sweep, tagged
from tuitune.model_process import Brief, ModelError, ModelProcess, Timeouts

SPACE = SearchSpace((FloatRange("lr", 1e-4, 1.0, log=True), Choice("o", ("a", "b"))))
SEARCH = SearchSpec("tpe", seed=3)


def history(count: int, first: int = 0) -> History:
    searcher = make_model(SPACE, SEARCH, "min", ())
    configs = [searcher.sobol.planned(n).config for n in range(count)]
    pasts = [Past(n, c, ((1, c["lr"]),), "ended") for n, c in enumerate(configs)]
    return History(tuple(pasts[first:]))


def tried(past: History) -> set[str]:
    return {identity(SPACE, p.config) for p in past.past}


class Notes(list):
    __call__ = list.append


def process(
    folder: Path, notes: Notes | None = None, timeouts: Timeouts | None = None
) -> ModelProcess:
    notes = Notes() if notes is None else notes
    return ModelProcess(Brief(SPACE, SEARCH, "min", (), ()), folder, notes, timeouts)


def in_life(work, timeouts=None):
    """Run with a model's process, which ends with it."""

    def test(tmp_path):
        async def life():
            notes = Notes()
            oracle = process(tmp_path, notes, timeouts)
            try:
                await work(oracle, tmp_path, notes)
            finally:
                await oracle.close()

        asyncio.run(life())
        assert not tagged(str(tmp_path))

    test.__doc__ = work.__doc__
    return test


async def ask(oracle: ModelProcess, trial: int, past: History):
    return await oracle.propose(trial, past, tried(past))


def here(trial: int, past: History):
    return make_model(SPACE, SEARCH, "min", ()).propose(trial, past, tried(past))


async def _answers(oracle, folder, notes):
    """Told only what is new, it answers as a model that is told all at once."""
    whole = history(40)
    for count in (20, 21, 40):
        past = History(whole.past[:count])
        assert await ask(oracle, count, past) == here(count, past)
    changed = Past(3, whole.past[3].config, ((1, 1e9),), "failed")
    past = History((*whole.past[:3], changed, *whole.past[5:]))  # and number 4 is gone
    assert await ask(oracle, 41, past) == here(41, past)
    assert not notes


test_it_answers_as_the_model_does = in_life(_answers)


async def _crashes(oracle, folder, notes):
    past = history(30)
    first = await ask(oracle, 30, past)
    sweep(str(folder))
    assert await ask(oracle, 30, past) == first
    assert "ended (SIGKILL); it is started again" in notes[0]
    sweep(str(folder))
    with pytest.raises(ModelError, match=r"ended twice \(SIGKILL\)"):
        await ask(oracle, 30, past)
    with pytest.raises(ModelError, match="ended twice"):
        await ask(oracle, 31, past)
    assert len(notes) == 2
    assert not tagged(str(folder))


test_a_crash_is_made_good_once = in_life(_crashes)


async def _in_a_thought(oracle, folder, notes):
    past = history(30)
    first = await ask(oracle, 30, past)
    (pid,) = tagged(str(folder))
    os.kill(pid, signal.SIGSTOP)
    asked = asyncio.create_task(ask(oracle, 30, past))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    assert await asked == first


test_one_that_dies_in_a_thought_is_asked_again = in_life(_in_a_thought)


async def _hangs(oracle, folder, notes):
    past = history(30)
    await ask(oracle, 30, past)
    (pid,) = tagged(str(folder))
    os.kill(pid, signal.SIGSTOP)
    assert (await ask(oracle, 31, past)) == here(31, past)
    assert "no answer in 0.2 s" in notes[0]


test_one_that_hangs_is_ended_and_another_asked = in_life(_hangs, Timeouts(answer=0.2))


async def _closed(oracle, folder, notes):
    past = history(30)
    await ask(oracle, 30, past)
    (pid,) = tagged(str(folder))
    os.kill(pid, signal.SIGSTOP)
    asked = asyncio.create_task(ask(oracle, 30, past))
    await asyncio.sleep(0)
    await oracle.close()
    with pytest.raises(ModelError, match="it was closed"):
        await asked
    assert not notes


test_closed_in_a_thought_it_is_not_started_again = in_life(_closed)


def read(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


async def _threads(oracle, folder, notes):
    await oracle.warm()
    await ask(oracle, 30, history(30))
    (pid,) = tagged(str(folder))
    assert "Threads:\t1\n" in read(pid, "status")
    assert "OPENBLAS_NUM_THREADS=1" in read(pid, "environ").split("\0")


test_it_has_one_thread = in_life(_threads)


async def _broken(oracle, folder, notes):
    for trial in (30, 31):
        with pytest.raises(ModelError, match="ImportError: numpy is broken here"):
            await ask(oracle, trial, history(30))
    assert "numpy is broken here" in (folder / "engine.log").read_text()


def test_a_library_that_can_not_be_loaded_is_told(tmp_path, monkeypatch):
    broken = tmp_path / "lib" / "numpy"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text('raise ImportError("numpy is broken here")')
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'lib'}:{os.environ.get('PYTHONPATH', '')}")
    in_life(_broken)(tmp_path)


ENGINE = """
import asyncio, sys, time
from pathlib import Path
sys.path[:0] = ["tests", "tests/model_process"]
from test_model_process import ask, history, process

async def main():
    oracle = process(Path(sys.argv[1]))
    await ask(oracle, 30, history(30))
    print("answered", flush=True)
    time.sleep(60)

asyncio.run(main())
"""


def test_it_dies_with_its_engine(tmp_path):
    engine = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(ENGINE), tmp_path],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert engine.stdout is not None
    with engine:
        assert engine.stdout.readline() == b"answered\n"
        assert tagged(str(tmp_path))
        engine.kill()
    wait_until(lambda: not tagged(str(tmp_path)), "its end")
