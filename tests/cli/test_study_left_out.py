"""Commands without STUDY, a study as the command, and the deletion of one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from called import call
from stored_study import finished, store

from tuitune.cli import app
from tuitune.cli.listing import remove_study
from tuitune.store import owner
from tuitune.store.folder import STORAGE_KEY, STORAGES, remember, studies_in
from tuitune.store.journal import Journal
from tuitune.store.rows import StudyRow


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runs folder, with a registry of its own, as the current one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def write(folder: Path, *, newest: float = 0.0) -> Path:
    journal = store(folder)
    journal.write([], [finished(0)], StudyRow(finished=True, complete=True))
    journal.close()
    if newest:
        remember(folder)
        for entry in (Path(os.environ["XDG_STATE_HOME"]) / "tuitune" / "studies").glob("*.json"):
            if str(folder) in entry.read_text():
                os.utime(entry, (newest, newest))
    return folder


def test_the_only_study_then_the_newest_then_the_one_that_runs_is_meant(runs: Path):
    write(runs / "one", newest=1e9)
    done = call("show")
    assert done.stderr == "one: the only study in runs\n"
    assert done.stdout.startswith("one: finished")
    two = write(runs / "two", newest=2e9)
    assert call("show", "--json").stderr == "two: the newest of 2 studies in runs\n"
    running = owner.claim(runs / "one")
    try:
        assert call("show").stderr == "one: the only study that runs in runs\n"
        another = owner.claim(two)
        try:
            refused = call("stop")
        finally:
            another.release()
    finally:
        running.release()
    assert refused.exit_code == 2
    assert refused.stderr == "2 studies run in runs: name one of two, one\n"


def test_without_studies_in_the_folder_those_of_the_machine_are_meant(runs: Path, tmp_path: Path):
    assert "no studies in runs" in call("show").stderr
    write(tmp_path / "elsewhere" / "far", newest=1e9)
    assert call("export").stderr == "far: the only study on this machine\n"


def test_a_number_is_a_trial_and_a_value_is_no_study(runs: Path):
    write(runs / "one")
    for words in (("kill", "0"), ("retry", "#0"), ("pause", "0"), ("set", "search.trials=9")):
        refused = call(*words)
        assert refused.stderr.startswith("one: the only study in runs\none: it is finished")
    write(runs / "7")
    refused = call("kill", "7", "0")
    assert refused.stderr.startswith("7: it is finished")
    assert "which trials?" in call("kill", "one").stderr
    assert "'two' is not the number of a trial" in call("kill", "one", "two").stderr
    assert "what is to be changed?" in call("set", "one").stderr


def test_a_study_as_the_command_opens_it(runs: Path, monkeypatch: pytest.MonkeyPatch):
    opened = []
    monkeypatch.setattr(app, "has_terminal", lambda: True)
    monkeypatch.setattr(app, "_show_stored", lambda study, look: opened.append((study, look)) or 0)
    write(runs / "digits")
    write(runs / "show")
    assert call("digits", "--readonly").exit_code == 0
    assert call("digits", "--runs", runs).exit_code == 0
    study, look = opened[0]
    assert (study.path, look.readonly) == (runs.absolute() / "digits", True)
    assert len(opened) == 2
    assert call("show", "digits").stdout.startswith("digits: finished")  # a command wins


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("shwo", "did you mean show?"),
        ("digit", "did you mean digits?"),
        ("cifar", "`tuitune cifar.toml` runs that file"),
        ("frobnicate", "`tuitune --help` lists the commands"),
    ],
)
def test_a_word_that_is_neither_gets_near_names_alone(runs: Path, word: str, hint: str):
    write(runs / "digits")
    (runs.parent / "cifar.toml").touch()
    refused = call(word)
    assert refused.exit_code == 2
    assert f"{word}: neither a command nor a study; {hint}" in refused.stderr


def test_a_study_is_deleted_once_its_name_is_typed(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write(runs / "one", newest=1e9)
    refused = call("rm", "one")
    assert (refused.exit_code, "--yes deletes it" in refused.stderr) == (2, True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for typed, left in (("", 1), ("other", 1), ("one", 0)):
        monkeypatch.setattr("builtins.input", lambda _, typed=typed: typed)
        remove_study("one", runs, yes=False)
        assert len(studies_in(runs)) == left
    assert "finished, 1 trial" in capsys.readouterr().out
    assert not list(runs.iterdir())
    assert call("ls").stdout.startswith("No studies yet.")


def test_a_running_study_is_not_deleted_but_one_that_can_not_be_read_is(runs: Path):
    folder = write(runs / "one")
    running = owner.claim(folder)
    refused = call("rm", "one", "--yes")
    running.release()
    assert refused.exit_code == 2
    assert refused.stderr == "one: an engine runs it; `tuitune stop one` ends it first\n"
    (folder / "study.db").write_bytes(b"no database")
    shutil.copytree(folder, runs / "-x")
    assert call("rm", "one", "--yes").exit_code == 0
    assert call("rm", "--yes", "--", "-x").stdout == "-x: deleted runs/-x\n"
    assert not list(runs.iterdir())


def test_what_a_storage_has_of_a_deleted_study_is_named(runs: Path):
    folder = write(runs / "one")
    journal = Journal.open(folder / "study.db", "loss")
    journal.put(STORAGE_KEY, "one-1f2e")
    journal.put(STORAGES, "s3://bucket/me/\n/nfs/me")
    journal.close()
    assert call("rm", "one", "--yes").stdout.splitlines() == [
        "one: deleted runs/one",
        "one: its checkpoints and logs in s3://bucket/me/one-1f2e are kept; delete them there",
        "one: its checkpoints and logs in /nfs/me/one-1f2e are kept; delete them there",
    ]


def test_only_the_study_is_deleted_where_links_lead(runs: Path, tmp_path: Path):
    real = write(tmp_path / "disk" / "one")
    (real / "trials").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kept").touch()
    (real / "trials" / "data").symlink_to(tmp_path / "data")
    runs.mkdir()
    (runs / "one").symlink_to(real)
    assert call("rm", "one", "--yes").exit_code == 0
    assert not real.exists()
    assert not (runs / "one").is_symlink()
    assert (tmp_path / "data" / "kept").exists()
