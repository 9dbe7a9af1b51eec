"""What is copied of trials, word for word."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import pictures
from pictures import row, snapshot

from tuitune.core.spec import TrialSpec
from tuitune.studyfile.document import parsed
from tuitune.ui.actions.copying import added, commands, configurations, ids, logs
from tuitune.ui.logs import log_file

CONFIG = {"lr": 1e-05, "name": 'it\'s "x"', "betas": [0.9, 0.999], "bias": True}


def test_ids_are_as_the_commands_take_them():
    assert ids([row(3), row(17)]) == "3 17"


def test_a_configuration_is_toml():
    assert tomllib.loads(configurations([row(3, config=CONFIG)])) == CONFIG


def test_several_configurations_have_their_trials_names():
    text = configurations([row(3, config=CONFIG), row(4, config=CONFIG)])
    first, second = text.split("#4\n")
    assert first.startswith("#3\n")
    assert tomllib.loads(second) == CONFIG


def test_several_configurations_in_other_forms():
    rows = [row(3, config=CONFIG), row(4, config=CONFIG)]
    assert json.loads(configurations(rows, "json")) == [CONFIG, CONFIG]
    assert configurations(rows, "flags").count("--lr 1e-05") == 2
    assert configurations(rows, "python").startswith('#3\n{\n    "lr": 1e-05,\n')


def test_the_command_adds_the_same_configuration():
    words = shlex.split(added(snapshot(), [row(3, config=CONFIG)]))
    assert words[:3] == ["tuitune", "add", "/studies/runs/toy"]
    assert {path[0]: value for path, value in map(parsed, words[3:])} == CONFIG


def test_the_program_of_a_trial_is_as_it_was_run():
    trial = TrialSpec(
        command=("python", "train.py", "--lr", "{lr}", ("--momentum", "{momentum}"), "{{a b}}")
    )
    made = snapshot(spec=pictures.spec(trial=trial))
    text = commands(made, [row(0, config={"lr": 0.1}), row(1, config={"lr": 0.2, "momentum": 0.9})])
    assert [shlex.split(line) for line in text.splitlines()] == [
        ["python", "train.py", "--lr", "0.1", "{a b}"],
        ["python", "train.py", "--lr", "0.2", "--momentum", "0.9", "{a b}"],
    ]


def test_the_program_of_a_trial_gets_what_is_the_trials_own_from_its_start():
    words = ("a", "{trial.folder}", "{trial.number}", "{trial.gpus}", ("{trial.checkpoint}",))
    made = snapshot(spec=pictures.spec(trial=TrialSpec(command=words, gpus=0.5)))
    folder = log_file(made.folder.absolute(), 7).parent
    assert shlex.split(commands(made, [row(7)])) == ["a", str(folder), "7", "1"]


def test_a_log_is_where_the_engine_writes_it():
    assert logs(Path("/r/toy"), [row(3)]) == "/r/toy/trials/0003/output.log"
