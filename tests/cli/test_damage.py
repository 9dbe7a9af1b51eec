"""A study that is damaged, or a name that can't be one: said in words, and nothing else is lost."""

from __future__ import annotations

import sqlite3

import pytest
from workshop import Workshop

CODE = """
def train(trial):
    trial.report(loss=trial.config["x"])
"""
LONG = "n" * 300


def damage(workshop: Workshop, study: str, change: str) -> None:
    with sqlite3.connect(workshop.folder(study) / "study.db") as db:
        db.execute(change)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trials SET config = x'c1' WHERE number = 1",
        "UPDATE trials SET value = 'much' WHERE number = 1",
        "UPDATE about SET value = 'no object' WHERE key = 'study'",
        "UPDATE trials SET state = CAST(x'ff' AS TEXT) WHERE number = 1",
    ],
)
def test_a_damaged_study_is_listed_as_such_beside_the_others(workshop: Workshop, change: str):
    for name in ("whole", "torn"):
        assert workshop.run(workshop.study(CODE, trials=2, name=name), "--no-ui").returncode == 0
    damage(workshop, "torn", change)
    done = workshop.run("ls")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "finished" in lines["whole"]
    assert "unreadable" in lines["torn"]
    assert "damaged" in lines["torn"]


@pytest.mark.parametrize("words", [["show"], ["show", "--json"], ["export"], ["simulate"]])
def test_a_damaged_row_is_told_in_words(workshop: Workshop, words: list[str]):
    assert workshop.run(workshop.study(CODE, trials=2), "--no-ui").returncode == 0
    damage(workshop, "study", "UPDATE trials SET config = x'c1' WHERE number = 1")
    damage(workshop, "study", "UPDATE journal SET body = x'c1' WHERE kind = 'settled'")
    done = workshop.run(*words, "study")
    assert done.returncode == 2
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trials SET config = 'abc' WHERE number = 1",
        "UPDATE trials SET value = 'abc' WHERE number = 1",
        "UPDATE trials SET step = 'x', started = 'y' WHERE number = 1",
        "UPDATE trials SET due = 'x', rung = 'x', at_rung = 'x', born = 'x', changed = 'x'",
    ],
)
def test_columns_of_another_type_are_told_in_words(workshop: Workshop, change: str):
    file = workshop.study(CODE, trials=2)
    assert workshop.run(file, "--no-ui").returncode == 0
    damage(workshop, "study", change)
    for words in (["show"], ["show", "--json"], ["export"]):
        done = workshop.run(*words, "study")
        assert done.returncode == 2, (words, done.stdout)
        assert "damaged" in done.stderr
        assert "Traceback" not in done.stderr
    done = workshop.run(file, "--no-ui", "--trials", 3)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)
    if done.returncode:
        assert "damaged" in done.stderr


@pytest.mark.parametrize("words", [["show"], ["simulate"]])
def test_facts_of_another_type_are_told_in_words(workshop: Workshop, words: list[str]):
    assert workshop.run(workshop.study(CODE, trials=2), "--no-ui").returncode == 0
    damage(workshop, "study", "UPDATE journal SET body = 'txt'")
    done = workshop.run(*words, "study", *(["--why", "1"] if words == ["show"] else []))
    assert done.returncode == 2
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["show", LONG],
        ["show", f"runs/{LONG}"],
        ["show", "~nobody-of-this-name/study"],
        ["show", "study", "--runs", LONG],
        ["stop", LONG],
        ["export", LONG],
        ["attach", LONG],
        ["check", f"{LONG}.toml"],
        [f"{LONG}.toml", "--no-ui"],
        ["init", f"{LONG}.py"],
        ["check", "study.toml", "--set", f"study.name={LONG}"],
        ["study.toml", "--no-ui", "--set", f"study.name={LONG}"],
        ["study.toml", "--no-ui", "--runs", LONG],
        ["check", "study.toml", "--set", f"trial.target={LONG}.py:train"],
        [
            "check",
            "study.toml",
            "--set",
            "search.method=tpe",
            "--set",
            f'search.learn_from=["{LONG}"]',
        ],
    ],
)
def test_a_name_that_is_too_long_is_refused_in_words(workshop: Workshop, words: list[str]):
    workshop.study(CODE)
    done = workshop.run(*words)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_what_is_listed_where_the_runs_folder_can_not_be_is_nothing(workshop: Workshop):
    done = workshop.run("ls", "--runs", LONG)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_study_file_with_a_name_too_long_for_its_study_says_so(workshop: Workshop):
    file = workshop.study(CODE)
    long = file.rename(file.with_name(f"{'n' * 120}.toml"))
    done = workshop.run("check", long)
    assert done.returncode == 2
    assert "its name is the study's, which has 120 bytes" in done.stderr
    assert "write 100 or less as name in [study]" in done.stderr
    assert workshop.run("check", long, "--set", "study.name=short").returncode == 0
