"""`rm --checkpoints`, and what `show` says of the room that checkpoints hold."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from called import call
from stored_study import FILE, finished, store
from workshop import Workshop, wait_until

from tuitune.cli.listing import remove_checkpoints
from tuitune.store import owner
from tuitune.store.rows import StudyRow

PART = 1 << 20  # bytes of each file


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/s")
    journal = store(folder)
    journal.write([], [finished(0)], StudyRow(finished=True, complete=True))
    journal.close()
    return folder


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(PART))
    return path


def held() -> int:
    return json.loads(call("show", "s", "--json").stdout)["checkpoint_bytes"]


def left(study: Path) -> list[str]:
    return sorted(str(p.relative_to(study)) for p in (study / "trials").rglob("*") if p.is_file())


def test_all_checkpoints_go_and_all_else_stays(study: Path, tmp_path: Path) -> None:
    assert (held(), "checkpoints:" in call("show", "s").stdout) == (0, False)
    elsewhere = tmp_path / "big"
    put(elsewhere / "00000001/model")
    (study / "trials/0002").mkdir(parents=True)
    (study / "trials/0002/checkpoints").symlink_to(elsewhere)
    for place in (
        "0000/checkpoints/00000004",
        "0001/checkpoints/.tmp-1-5",
        "0001.old-1/checkpoints/00000002",
    ):
        put(study / "trials" / place / "model")
    for name in ("output.log", "config.json"):
        put(study / "trials/0000" / name)
    assert 4 * PART <= held() < 5 * PART
    assert re.search(r"\ncheckpoints: 4(\.0)? MiB on disk\n", call("show", "s").stdout)
    done = call("rm", "s", "--checkpoints", "--yes")
    assert (done.exit_code, done.stderr) == (0, "")
    assert re.fullmatch(r"s: 4(\.0)? MiB of checkpoints deleted, all else is kept\n", done.stdout)
    assert left(study) == ["trials/0000/config.json", "trials/0000/output.log"]
    assert list(elsewhere.iterdir()) == []
    assert held() == 0
    assert call("show", "s").exit_code == 0
    assert call("rm", "s", "--checkpoints", "--yes").stdout.startswith("s: 0 B of checkpoints")


def test_what_commands_save_goes_too_and_counts_once_where_it_is_linked(study: Path) -> None:
    file = FILE.replace("[space]", 'saves = "out/*.pt"\n[space]')
    (study / "study.toml").write_text(file)
    one = put(study / "trials/0000/out/1.pt")
    put(study / "trials/0000/out/1.txt")
    copy = study / "trials/0000/checkpoints/00000001/out/1.pt"
    copy.parent.mkdir(parents=True)
    copy.hardlink_to(one)
    assert PART <= held() < 2 * PART
    assert call("rm", "s", "--checkpoints", "--yes").exit_code == 0
    assert left(study) == ["trials/0000/out/1.txt"]


def test_they_go_once_the_name_is_typed(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = put(study / "trials/0000/checkpoints/00000004/model")
    assert call("rm", "s", "--checkpoints").exit_code == 2
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for typed, stays in (("yes", True), ("s", False)):
        monkeypatch.setattr("builtins.input", lambda _, typed=typed: typed)
        remove_checkpoints("s", Path("runs"), yes=False)
        assert model.exists() is stays


def test_a_running_study_keeps_them(study: Path) -> None:
    model = put(study / "trials/0000/checkpoints/00000004/model")
    engine = owner.claim(study)
    refused = call("rm", "s", "--checkpoints", "--yes")
    engine.release()
    assert refused.exit_code == 2
    assert refused.stderr == "s: an engine runs it; `tuitune stop s` ends it first\n"
    assert model.exists()


CODE = """
import os, time
from pathlib import Path

def train(trial):
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    with open(trial.folder / "starts", "a") as file:
        print(start, file=file)
    for step in range(start + 1, 4):
        trial.report(step=step, loss=1.0, save=lambda folder: (folder / "step").write_text(str(step)))
        while step == 2 and not Path("go").exists():
            time.sleep(0.01)
            trial.report(step=step, loss=1.0)
"""
MORE = """
checkpoint_every = "0s"
[pruning]
resource = "step"
max = 3
"""


def test_a_stopped_study_goes_on_without_them_from_the_beginning(workshop: Workshop) -> None:
    file = workshop.study(CODE, MORE, trials=1)
    engine = workshop.start(file, "--no-ui")
    saved = workshop.folder() / "trials/0000/checkpoints/00000002"
    wait_until(saved.exists)
    assert workshop.run("stop", "study").returncode == 0
    assert engine.wait(60) == 130
    assert workshop.run("rm", "study", "--checkpoints", "--yes").returncode == 0
    assert not saved.exists()
    (workshop.path / "go").touch()
    assert workshop.run(file, "--no-ui").returncode == 0
    assert (workshop.folder() / "trials/0000/starts").read_text().split() == ["0", "0"]
    assert workshop.trials()[0]["state"] == "COMPLETE"
