"""Arguments of commands: studies, trials and values, and what is said of those that are none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
from called import call
from click.testing import Result
from hypothesis import given, strategies as st
from stored_study import finished, store

from tuitune.cli import arguments, options
from tuitune.cli.main import commands
from tuitune.core import events as ev
from tuitune.store.rows import StudyRow


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def write(folder: Path) -> Path:
    journal = store(folder)
    facts = [ev.KillAsked(0.0, 0, 8.0, "app")]
    journal.write(facts, [finished(0), finished(1)], StudyRow(finished=True, complete=True))
    journal.close()
    return folder


def last_line(done: Result) -> str:
    """What is said at the end of a refusal, which nothing is printed before."""
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    return done.stderr.splitlines()[-1]


# --- trials ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    ["-1", "1.0", "1e3", "#", "##7", "7#", " 7", "٣", "²", "", "seven", "9" * 19, "9" * 5000],
)
def test_what_is_no_number_of_a_trial_is_refused_where_one_is_asked_for(word: str) -> None:
    study = write(Path("runs/digits"))
    for words in (("show", study, f"--why={word}"), ("add", study, f"--like={word}")):
        assert "is not the number of a trial, such as 7" in last_line(call(*words))
    for words in (("kill", study, "--", word), ("best", study, "--", word)):
        assert "is not the number of a trial, such as 7" in last_line(call(*words))


@given(st.integers(0, 10**18 - 1), st.integers(0, 5000), st.booleans())
def test_a_number_may_have_its_sign_and_zeros_before_it(number, zeros, sign) -> None:
    word = f"{'#' if sign else ''}{'0' * zeros}{number}"
    assert arguments.trial_number(word) == number
    assert arguments.study_and_trials([word], Path("runs"), required=True) == (None, (number,))


def test_a_trial_that_the_study_lacks_is_named_in_words() -> None:
    study = write(Path("runs/digits"))
    most = 10**18 - 1
    assert last_line(call("show", study, "--why", 2)) == "digits: there is no trial #2"
    assert last_line(call("show", study, "--why", most)) == f"digits: there is no trial #{most}"
    assert last_line(call("best", study, 2)) == "digits: no trial #2: it has #0 to #1"
    assert last_line(call("best", study, most)) == f"digits: no trial #{most}: it has #0 to #1"
    assert last_line(call("best", study, 0, 1)).endswith("one trial at a time")


def test_the_decisions_about_a_trial_are_printed_by_either_spelling_of_it() -> None:
    study = write(Path("runs/digits"))
    shown = call("show", study, "--why", "#0").stdout
    assert shown == call("show", study, "--why", "00").stdout
    assert shown.endswith("to be killed by hand in 8 s (app)\n")


@pytest.mark.parametrize(
    ("words", "required", "found"),
    [
        ([], False, (None, ())),
        (["digits"], False, ("digits", ())),
        (["digits", "3", "#4"], True, ("digits", (3, 4))),
        (["3", "4"], True, (None, (3, 4))),
        (["7", "3"], True, ("7", (3,))),  # a study of this name is there
        (["7"], False, ("7", ())),
        (["#7", "3"], True, (None, (7, 3))),
        (["nowhere", "3"], True, ("nowhere", (3,))),
    ],
)
def test_a_first_number_is_a_trial_unless_a_study_is_called_so(
    words: list[str], required: bool, found: tuple[Any, ...]
) -> None:
    write(Path("runs/7"))
    assert arguments.study_and_trials(words, Path("runs"), required=required) == found


@pytest.mark.parametrize("words", [[], ["7"], ["digits"]])
def test_trials_are_asked_for_where_none_are_given(words: list[str]) -> None:
    write(Path("runs/7"))
    with pytest.raises(click.UsageError, match="which trials"):
        arguments.study_and_trials(words, Path("runs"), required=True)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], (None, ())),
        (["lr=0.1"], (None, ("lr=0.1",))),
        (["digits", "lr=0.1"], ("digits", ("lr=0.1",))),
        (["a=b", "lr=0.1"], ("a=b", ("lr=0.1",))),  # a study of this name is there
        (["digits", "lr"], ("digits", ("lr",))),
    ],
)
def test_a_first_value_is_no_study_unless_one_is_called_so(
    words: list[str], found: tuple[Any, ...]
) -> None:
    write(Path("runs/a=b"))
    assert arguments.study_and_values(words, Path("runs")) == found


# --- the study as the command ------------------------------------------------------------------


@pytest.mark.parametrize("word", ["a" * 300, "a" * 5000, "\0", "../x", "/", "~nobody/x", "é" * 200])
def test_a_word_that_no_file_can_be_called_is_neither(word: str) -> None:
    assert last_line(call(word)).endswith(
        f"{word}: neither a command nor a study; "
        "`tuitune --help` lists the commands, `tuitune ls` the studies"
    )


def test_a_hint_has_commands_and_the_studies_of_the_runs_folder_that_is_given() -> None:
    write(Path("elsewhere/shew"))
    assert last_line(call("shwe", "--runs", "elsewhere")).endswith("did you mean show or shew?")
    assert last_line(call("shwe", "--runs=elsewhere")).endswith("did you mean show or shew?")
    assert last_line(call("shwe")).endswith("did you mean show?")
    assert last_line(call("shwe", "--runs")).endswith("did you mean show?")


def test_the_runs_folder_of_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("elsewhere/shew"))
    assert arguments.default_runs() == Path("runs")
    monkeypatch.setenv("TUITUNE_RUNS", "elsewhere")
    assert arguments.default_runs() == Path("elsewhere")
    assert call("show", "shew").stdout.startswith("shew: finished")
    assert last_line(call("shwe")).endswith("did you mean show or shew?")
    assert "no such study in runs" in call("show", "shew", "--runs", "runs").stderr


@pytest.mark.parametrize(("word", "meant"), [("logs", "show"), ("delete", "rm"), ("list", "ls")])
def test_words_of_other_tools_lead_to_the_command_here(word: str, meant: str) -> None:
    assert last_line(call(word)).endswith(f"neither a command nor a study; did you mean {meant}?")


def test_a_script_and_a_mistyped_file_lead_to_what_runs() -> None:
    Path("train.py").write_text("import os\n")
    Path("digits.toml").touch()
    writes = "`tuitune init train.py` writes a study file for it"
    assert last_line(call("train.py")).endswith(f"neither a command nor a study; {writes}")
    assert last_line(call("digits.tml")).endswith("did you mean digits.toml?")
    assert last_line(call("run", "train.py")).endswith(
        "train.py: is no study file; `tuitune init train.py` writes one for it"
    )


def test_a_key_of_the_study_file_that_stands_alone_is_said_to_need_set() -> None:
    hint = "; a key of the study file needs --set: --set search.trials=3"
    extra = "Error: Got unexpected extra argument (search.trials=3)"
    assert last_line(call("run", "digits.toml", "search.trials=3")) == extra + hint
    assert last_line(call("export", "a", "search.trials=3")) == extra


def test_all_words_of_other_tools_lead_to_commands() -> None:
    assert set(arguments._ELSEWHERE.values()) <= set(commands.commands)
    assert not set(arguments._ELSEWHERE) & set(commands.commands)


def test_the_list_of_commands_is_whole_on_80_columns() -> None:
    help_text = call("--help", terminal_width=80).stdout
    assert "train" in help_text
    assert "..." not in help_text.replace("[ARGS]...", "")


def test_without_a_word_or_a_terminal_the_studies_are_listed() -> None:
    assert call().stdout.startswith("No studies yet.")
    write(Path("runs/digits"))
    assert call().stdout == call("ls").stdout
    assert "digits" in call().stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stop", "--finish", "--now"), "--finish waits for the trials and --now kills them"),
        (("show", "--failed", "--top", "3"), "--top shows the best trials and --failed those"),
        (("show", "--top", "0"), "0 is not in the range x>=1"),
        (("train", "--to", "0"), "0 is not in the range x>=1"),
        (("train",), "Missing option '--to'"),
        (("serve", "--port", "65536"), "65536 is not in the range 0<=x<=65535"),
        (("export", "--what", "models"), "'models' is not one of 'trials', 'reports'"),
        (("best", "--as", "xml"), "'xml' is not one of 'toml', 'json'"),
        (("run",), "Missing argument 'FILE'"),
        (("rm",), "Missing argument 'STUDY'"),
        (("show", "a", "b"), "'b' is not the number of a trial, such as 7"),
        (("simulate", "a", "b"), "Got unexpected extra argument (b)"),
        (("attach", "--theme", "pink"), "'pink' is not one of 'dark', 'light', 'contrast', '16'"),
        (("set",), "what is to be changed? Write KEY=VALUE"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_of_usage(words: tuple[str, ...], said: str) -> None:
    write(Path("runs/digits"))
    assert said in last_line(call(*words))


def test_an_option_that_is_none_is_named_in_the_words_of_each_click() -> None:
    said = last_line(call("show", "--nope"))
    assert re.search(r"No such option(: --nope| '--nope')", said), said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "nope.toml"), "nope.toml: there is no such file; name an existing one"),
        (("run", "nope.toml", "--no-ui"), "nope.toml: there is no such file; name an existing one"),
        (("export", "--to", "xml"), 'there is no "xml"; there are csv, json, html, tensorboard'),
        (("export", "-o", "no/such/folder"), "no/such/folder: can't be written: No such file"),
        (("export", "-o", "runs"), "runs: can't be written: Is a directory"),
        (("export", "--to", "html", "--what", "reports"), "--what reports: only for --to csv and"),
        (("simulate", "--set", "pruning.reduction"), "--set pruning.reduction: is not of"),
        (("simulate", "--set", "search.trials=4"), "a simulation can change keys of [pruning]"),
        (("add", "digits", "lr"), "lr: write a parameter and its value, as lr=0.01"),
        (("kill", "0"), "digits: it is finished; `tuitune "),
        (("stop",), "digits: it is finished; `tuitune "),
    ],
)
def test_a_mistake_in_what_is_asked_is_one_line_that_says_what_to_do(
    words: tuple[str, ...], said: str
) -> None:
    write(Path("runs/digits"))
    assert said in last_line(call(*words))


# --- options -----------------------------------------------------------------------------------


def overrides_of(*words: str) -> list[str]:
    """The overrides that the options of devices stand for, in their order."""
    found: list[str] = []

    @click.command()
    @options.device_options
    @click.pass_context
    def command(context: click.Context) -> None:
        found.extend(options.device_overrides(context))

    done = call(*words, command=command)
    assert done.exit_code == 0, done.output
    return found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), []),
        (("--gpus", "auto"), ["trial.gpus=auto"]),
        (("--gpus", "0.5"), ["trial.gpus=0.5"]),
        (("--allow", "0, 2,,GPU-5a1c "), ['devices.allow=[0, 2, "GPU-5a1c"]']),
        (("--allow", ""), ["devices.allow=[]"]),
        (("--leave-free", "0"), ["devices.leave_free=0"]),
        (("--share",), ["devices.share=true"]),
        (("--no-share",), ["devices.share=false"]),
    ],
)
def test_options_of_devices_are_overrides_of_the_study_file(words, found) -> None:
    assert overrides_of(*words) == found


def test_options_of_devices_are_given_together() -> None:
    words = ("--no-share", "--leave-free", "1", "--gpus", "2")
    assert sorted(overrides_of(*words)) == [
        "devices.leave_free=1",
        "devices.share=false",
        "trial.gpus=2",
    ]


@pytest.mark.parametrize("value", ['0"x', "²", "\\", "'", "[", "0\n1"])
def test_a_gpu_that_no_name_can_be_is_a_mistake_of_the_key(value: str) -> None:
    study = write(Path("runs/digits"))
    assert "[devices] allow" in last_line(call("check", study / "study.toml", "--allow", value))


def test_the_look_is_given_as_one() -> None:
    looks: list[options.Look] = []

    @click.command()
    @options.look_options
    def command(*, look: options.Look) -> None:
        looks.append(look)

    def code(*words: str, theme: str | None = None) -> int:
        return call(*words, command=command, env={"TUITUNE_THEME": theme}).exit_code

    assert code() == 0
    assert code("--ascii", "--no-color", "--theme", "light") == 0
    assert code(theme="16") == 0
    assert code(theme="pink") == 2
    assert looks == [
        {"ascii_only": False, "no_color": False, "theme": ""},
        {"ascii_only": True, "no_color": True, "theme": "light"},
        {"ascii_only": False, "no_color": False, "theme": "16"},
    ]


def test_all_commands_are_listed_with_what_they_do() -> None:
    listed = call("--help").stdout
    for name, command in commands.commands.items():
        is_listed = f"\n  {name} " in listed
        assert is_listed is not command.hidden, name
        assert call(name, "--help").exit_code == 0
