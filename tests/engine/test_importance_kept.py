"""The importance of parameters that a running engine keeps in the store."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from stored_study import FILE, finished, store
from workshop import until

from tuitune.core.search.importance import Importance
from tuitune.engine import monitors
from tuitune.ipc.process_tree import children
from tuitune.store.reader import Reader
from tuitune.store.rows import StudyRow


@pytest.fixture
def journal(tmp_path):
    made = store(tmp_path)
    yield made
    made.close()


def finish(journal, study, count: int) -> None:
    """Let so many trials be finished, in the store and in the engine's memory."""
    rows = [finished(number) for number in range(count)]
    journal.write([], rows, StudyRow())
    study.state.trials = [SimpleNamespace(state="COMPLETE") for _ in rows]


async def stored(journal, finished: int) -> Importance:
    await until(lambda: (found := journal.importance()) and found.finished >= finished)
    return journal.importance()


def run(scenario, journal, tmp_path) -> None:
    study = SimpleNamespace(state=SimpleNamespace(trials=[]))

    async def main():
        watch = asyncio.create_task(monitors.watch_importance(study, journal, tmp_path, 0.01))
        try:
            async with asyncio.timeout(60):
                await scenario(study)
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

    asyncio.run(main())


def test_it_is_computed_when_enough_trials_have_finished_and_readers_see_it(journal, tmp_path):
    async def scenario(study):
        finish(journal, study, 20)
        assert (await stored(journal, 20)).parameters[0].name == "lr"
        finish(journal, study, 21)  # a tenth more is what it takes
        finish(journal, study, 22)
        assert (await stored(journal, 22)).configurations == 22

    run(scenario, journal, tmp_path)
    reader = Reader.open(tmp_path / "study.db")
    assert reader.importance() == journal.importance()
    assert reader.importance().r2 > 0.5
    reader.close()


def test_the_next_engine_goes_on_from_what_is_stored(journal, tmp_path):
    async def scenario(study):
        finish(journal, study, 20)
        await asyncio.sleep(0.1)

    kept = Importance(20, why="kept")
    journal.keep_importance(kept)
    run(scenario, journal, tmp_path)
    assert journal.importance() == kept


def test_a_process_that_fails_leaves_its_traceback_and_is_not_started_over_and_over(
    journal, tmp_path
):
    log = tmp_path / "engine.log"

    async def scenario(study):
        (tmp_path / "study.toml").write_text("[nonsense")
        finish(journal, study, 20)
        await until(lambda: log.exists() and "StudyFileError: " in log.read_text())
        (tmp_path / "study.toml").write_text(FILE)
        finish(journal, study, 22)
        await stored(journal, 22)

    run(scenario, journal, tmp_path)
    assert log.read_text().count("Traceback") == 1


def test_a_study_that_ends_meanwhile_takes_the_process_with_it(journal, tmp_path):
    before = children(os.getpid())
    begun = []

    async def scenario(study):
        finish(journal, study, 20)
        begun.extend(await until(lambda: children(os.getpid()) - before))

    run(scenario, journal, tmp_path)
    assert children(os.getpid()) <= before
    assert not [pid for pid in begun if Path(f"/proc/{pid}").exists()]
