"""The commands that messages name mean the study that they are about."""

from __future__ import annotations

import re
import shlex

import pytest
from stored_study import FILE

from tuitune.cli.studies import file_words
from tuitune.store.reader import Reader

QUICK = "def train(trial):\n    trial.report(loss=trial.config['x'])\n"


@pytest.mark.parametrize(
    ("folder", "file", "words"),
    [
        ("runs/study", "study.toml", "study.toml"),
        ("runs/three", "study.toml", "study.toml --set study.name=three"),
        ("runs/own", "named.toml", "named.toml"),
        ("runs/named", "named.toml", "named.toml --set study.name=named"),
        ("more/study", "study.toml", "study.toml --runs more"),
        ("runs/gone", "gone.toml", "gone.toml"),
        ("runs/a b", "a b.toml", "'a b.toml'"),
    ],
)
def test_a_study_is_named_where_its_file_has_another_name(
    tmp_path, monkeypatch, folder, file, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(FILE)
    (tmp_path / "named.toml").write_text('[study]\nname = "own"\n' + FILE)
    assert file_words(tmp_path / folder, tmp_path / file) == words


def test_the_hint_of_a_renamed_study_leads_to_it(workshop):
    file = workshop.study(QUICK, trials=1)
    assert workshop.run(file, "--no-ui", "--set", "study.name=three").returncode == 0
    said = workshop.run("add", "three").stderr
    command = shlex.split(re.search("`tuitune (.*)`", said)[1].replace("N", "2"))
    assert workshop.run(*command, "--no-ui").returncode == 0
    assert [folder.name for folder in (workshop.path / "runs").iterdir()] == ["three"]
    reader = Reader.open(workshop.folder("three") / "study.db")
    assert len(reader.trials()) == 2
    reader.close()
