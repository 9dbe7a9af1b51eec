"""Studies of earlier versions: each shows the same table as its own version did, and goes on."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from nvml_world import World
from workshop import Workshop, wait_until

from tuitune.core import events as ev
from tuitune.store.reader import Reader

HERE = Path(__file__).parent
ARCHIVES = sorted(HERE.glob("*/*.tar.gz"))
REWORDED = {"note", "nothing_starts"}  # made when they are shown, in the words of today
MORE_TRIALS = {"finished": 9, "learning": 6}  # what was complete goes on with so many
KILLED = {"acted-on": {1}}


@pytest.fixture(params=ARCHIVES, ids=lambda path: f"{path.parent.name}-{path.name[:-7]}")
def archive(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def name(archive: Path, workshop: Workshop) -> str:
    """The study's name; its folder is unpacked into the workshop."""
    with tarfile.open(archive) as packed:
        packed.extractall(workshop.path, filter="data")
    return archive.name.removesuffix(".tar.gz")


def test_all_kinds_of_studies_of_two_versions_are_here():
    kinds = {version.name: {p.name for p in version.glob("*.tar.gz")} for version in versions()}
    assert len(kinds) == 2
    first, second = kinds.values()
    assert first == second
    assert len(first) == 8


def versions() -> list[Path]:
    return sorted({archive.parent for archive in ARCHIVES})


def test_it_shows_what_its_own_version_showed(archive: Path, name: str, workshop: Workshop):
    """From a database that is not written."""
    before = (workshop.folder(name) / "study.db").read_bytes()
    stored = json.loads(archive.with_name(f"{name}.json").read_text())
    assert same(workshop.show(name), stored["show"])
    exported = workshop.run("export", name, "--to", "json")
    assert same(json.loads(exported.stdout), stored["json"]), exported.stderr
    table = workshop.run("export", name, "--to", "csv")
    assert same(rows_of(table.stdout), rows_of(stored["csv"])), table.stderr
    assert (workshop.folder(name) / "study.db").read_bytes() == before


def test_it_goes_on_from_its_checkpoints_to_its_end(
    name: str, workshop: Workshop, world: World, tmp_path: Path
):
    """With today's engine, by the same command as ever."""
    folder = workshop.folder(name)
    before = facts_of(folder)
    trials = MORE_TRIALS.get(name)
    more = [] if trials is None else ["--trials", trials]
    env = workshop.environment | {"STEP": "0"}
    if name == "on-gpus":
        world.token = tmp_path.name
        env |= world.with_gpus(2).environment
    engine = workshop.start(f"{name}.toml", "--no-ui", *more, env=env)
    if name == "acted-on":
        wait_until(lambda: workshop.trials(name)[0]["state"] == "PAUSED", "the study")
        wait_until(lambda: workshop.run("resume", name, 0).returncode == 0, "an engine")
    output, _ = engine.communicate(timeout=120)
    assert engine.returncode == 0, output

    shown = workshop.show(name)
    assert shown["state"] == "finished"
    states = {trial["trial"]: trial["state"] for trial in shown["trials"]}
    assert {n for n, state in states.items() if state == "KILLED"} == KILLED.get(name, set())
    assert set(states.values()) <= {"COMPLETE", "PRUNED", "KILLED"}
    assert "COMPLETE" in states.values()
    facts = facts_of(folder)
    assert facts[: len(before)] == before
    assert_checkpoints_are_used(before, facts[len(before) :])


def assert_checkpoints_are_used(before: list[ev.AnyFact], after: list[ev.AnyFact]) -> None:
    """By the first attempt of each trial that had one and ran again."""
    saved = {f.trial: f.step for f in before if isinstance(f, ev.Checkpointed)}
    starts: dict[int, int | None] = {}
    for fact in after:
        if isinstance(fact, ev.Started):
            starts.setdefault(fact.trial, fact.resumed_from)
    # a killed engine may have left one on the disk that its journal does not know
    assert all((starts[n] or 0) >= step for n, step in saved.items() if n in starts)
    first: dict[int, float] = {}
    for fact in after:
        if isinstance(fact, ev.Reported) and "start" in fact.metrics:
            first.setdefault(fact.trial, fact.metrics["start"])
    assert all(start == (starts[n] or 0) for n, start in first.items())


def same(now: Any, then: Any) -> bool:
    """Whether all that was shown then is shown now; what is new beside it counts for nothing."""
    if isinstance(then, dict):
        return all(k in now and same(now[k], v) for k, v in then.items() if k not in REWORDED)
    if isinstance(then, list):
        return len(now) == len(then) and all(map(same, now, then))
    return bool(now == then)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def facts_of(folder: Path) -> list[ev.AnyFact]:
    reader = Reader.open(folder / "study.db")
    try:
        return [fact for _, fact in reader.facts()]
    finally:
        reader.close()
