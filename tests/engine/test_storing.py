"""`--storage`: what is refused, and a study that goes on without the storage that it had."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest
from workshop import Workshop, wait_until

from tuitune.engine.context import restore
from tuitune.engine.settings import CannotRunError
from tuitune.engine.storing import bring_best, check_storage, place_of
from tuitune.storage.depot import Depot, digest
from tuitune.store.folder import DATABASE, DOCUMENT
from tuitune.store.journal import Journal
from tuitune.studyfile import load

CODE = """
import time
from pathlib import Path

def train(trial):
    def save(folder):
        (folder / "step").write_text(str(step))

    first = 1
    if trial.resume_path:
        first = int((trial.resume_path / "step").read_text()) + 1
    with open("first", "a") as file:
        print(first, file=file, flush=True)
    for step in range(first, 100_000):
        trial.report(step=step, loss=1.0 / step, save=save)
        if Path("go").exists():
            return
        time.sleep(0.02)
"""


@pytest.mark.parametrize(
    ("place", "on", "words"),
    [
        ("/tmp", None, "add --on ray"),
        ("nosuch://bucket/me", "ray", "nosuch"),
        ("memory://me", "ray", "no two nodes see the same there"),
        ("/nowhere/at/all", "ray", "there is no such folder: make it where all nodes see it"),
        ("/proc", "ray", "nothing can be written there"),
    ],
)
def test_what_can_not_hold_checkpoints_is_refused_in_one_line(place: str, on: str, words: str):
    with pytest.raises(CannotRunError, match=words) as raised:
        check_storage(place, on)
    assert "\n" not in str(raised.value)
    assert f"--storage {place}" in str(raised.value)


def test_a_folder_is_remembered_by_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place_of("kept") == place_of(f"file://{tmp_path}/kept") == f"{tmp_path}/kept"
    assert place_of("s3://bucket/me") == "s3://bucket/me"
    check_storage(str(tmp_path), "ray")
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_it_before_anything_is_made(workshop: Workshop):
    file = workshop.study("def train(trial): trial.report(loss=1.0)")
    run = workshop.run(file, "--no-ui", "--on", "ray", "--storage", "nosuch://me")
    assert run.returncode == 2
    assert run.stderr.startswith("--storage nosuch://me: ")
    assert len(run.stderr.splitlines()) == 1
    assert not (workshop.folder() / "study.db").exists()


def test_checkpoints_are_copied_back_where_a_study_goes_on_without_its_storage(workshop: Workshop):
    file = workshop.study(CODE, '[pruning]\nresource = "step"\n', trials=1)
    engine = workshop.start(file, "--no-ui")
    wait_until((workshop.path / "first").exists, "the trial")
    engine.send_signal(signal.SIGINT)
    engine.communicate(timeout=60)
    trial = workshop.folder() / "trials" / "0000"
    storage, step = _stored(workshop, trial)
    workshop.write("go", "")

    _remember(workshop, "nosuch://bucket/me")
    refused = workshop.run(file, "--no-ui")
    assert refused.returncode == 2
    assert "its checkpoints are in nosuch://bucket/me, and can't be copied" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1

    _remember(workshop, str(storage))
    output = workshop.run(file, "--no-ui").stdout
    assert f"kept its checkpoints in {storage} before, now in the study folder" in output
    assert f"1 checkpoint was copied back from {storage}" in output
    assert (workshop.path / "first").read_text() == f"1\n{step + 1}\n"


def test_the_best_checkpoint_is_in_the_study_folder_when_a_study_ends(workshop: Workshop):
    pruning = '[pruning]\nmethod = "asha"\nresource = "step"\nmax = 3\n'
    assert workshop.run(workshop.study(CODE, pruning, trials=1), "--no-ui").returncode == 0
    storage, step = _stored(workshop, workshop.folder() / "trials" / "0000")
    told = _end(workshop)
    assert told == []  # without --storage nothing is copied
    for place in ("nosuch://bucket/me", str(storage), str(storage)):
        _remember(workshop, place)
        told += _end(workshop)
    missing, copied = told
    assert missing.startswith("the checkpoint of #0 stays in nosuch://bucket/me: ")
    assert copied == f"the checkpoint of #0 was copied from {storage}"
    best = workshop.run("best", workshop.folder(), "--checkpoint").stdout.strip()
    assert (workshop.path / best / "step").read_text() == str(step)


def _end(workshop: Workshop) -> list[str]:
    """What is said when this study's engine ends."""
    folder, told = workshop.folder(), list[str]()
    spec = load(folder / DOCUMENT, check_target=False)
    journal = Journal.open(folder / DATABASE, spec.objective.metric)
    study = restore(spec, journal, told.append)
    asyncio.run(bring_best(study, journal, folder, told.append))
    journal.close()
    return told


def _stored(workshop: Workshop, trial: Path) -> tuple[Path, int]:
    """The trial's checkpoint is in a storage and not in its folder, as after a run on a cluster."""
    storage = workshop.path / "kept"
    storage.mkdir()
    newest = max((trial / "checkpoints").iterdir())
    (record,) = workshop.trials()
    Depot(str(storage), "key-1").keep(0, 0, newest, digest(record["config"]))
    shutil.rmtree(trial / "checkpoints")
    return storage, int(newest.name)


def _remember(workshop: Workshop, storage: str) -> None:
    with sqlite3.connect(workshop.folder() / "study.db") as db:
        for name, value in (("storage", storage), ("key", "key-1")):
            db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))
