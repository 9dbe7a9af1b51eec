"""What `check` tells beforehand: of the file, and of the study that it has begun."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
from workshop import Workshop

from tuitune.engine.settings import CannotRunError, check_program
from tuitune.studyfile import load

QUICK = """
def train(trial):
    for epoch in range(1, 4):
        trial.report(epoch=epoch, loss=trial.config["x"] + 1 / epoch)
"""
SLOW = QUICK.replace("    for", "    import time\n    for").replace(
    "trial.r", "time.sleep(0.3); trial.r"
)
SCRIPT = """
for epoch in range(1, 4):
    print("epoch", epoch, "loss", 1 / epoch, flush=True)
"""


def command_study(workshop: Workshop, more: str = "") -> Path:
    workshop.write("script.py", SCRIPT)
    return workshop.write(
        "study.toml",
        f"""
[objective]
metric = "loss"
mode = "min"
[trial]
command = ["{sys.executable}", "script.py", ["{{x}}"]]
{more}
[trial.metrics]
epoch = 'epoch (\\d+)'
loss = 'loss ([0-9.]+)'
[space]
x = [1, 2]
[search]
trials = 2
[pruning]
method = "asha"
resource = "epoch"
max = 3
""",
    )


def doubts(workshop: Workshop, *words: object) -> list[str]:
    """The warnings of a check that finds nothing wrong."""
    done = workshop.run("check", *words)
    assert done.returncode == 0, done.stderr
    assert ": ok" in done.stdout
    assert all(": warning: " in line for line in done.stderr.splitlines()), done.stderr
    return [line.partition(": warning: ")[2] for line in done.stderr.splitlines()]


def test_saves_are_of_use_where_the_program_knows_the_folder_and_the_checkpoint(workshop: Workshop):
    file = command_study(workshop, 'saves = "last.ckpt"\nenv = { A = "" }')
    lacking = [words for words in doubts(workshop, file) if "saves" in words]
    assert [words.partition("; ")[2] for words in lacking] == [
        "let the program write below {trial.folder}",
        'add ["--resume", "{trial.checkpoint}"] to the command, or a switch for it, as ["--resume{trial.checkpoint!if}"]',
    ]
    file.write_text(file.read_text().replace('A = ""', 'A = "{trial.checkpoint}"'))
    without = file.with_name("without.toml")
    without.write_text(file.read_text().replace('saves = "last.ckpt"', ""))
    assert any("{trial.checkpoint} is never there" in words for words in doubts(workshop, without))
    both = "{trial.folder} {trial.checkpoint}"
    file.write_text(file.read_text().replace("{trial.checkpoint}", both))
    assert not [words for words in doubts(workshop, file) if "saves" in words]


SETS = 'import os\nos.environ["CUDA_VISIBLE_DEVICES"] = "0"\n'
UNSET = """import os
if "CUDA_VISIBLE_DEVICES" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = "0"
gpus = os.environ["CUDA_VISIBLE_DEVICES"]  # CUDA_VISIBLE_DEVICES=0
os.environ["OMP_NUM_THREADS"] = "1"
"""


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (SETS, 2),
        ('from os import environ\n\nenviron["CUDA_VISIBLE_DEVICES"] = "1"\n', 3),
        ('import os\nos.environ.update({"A": "", "CUDA_VISIBLE_DEVICES": "1"})\n', 2),
        ("import os\nos.environ.update(CUDA_VISIBLE_DEVICES='1')\n", 2),
        ("import os\nos.putenv('CUDA_VISIBLE_DEVICES', '1')\n", 2),
        ("\ufeffimport os\nos.putenv('CUDA_VISIBLE_DEVICES', '1')\n", 2),  # by a Windows editor
        (UNSET, 0),
    ],
)
def test_a_program_that_chooses_its_gpu_itself_is_warned_of_with_the_line(
    workshop: Workshop, source: str, line: int
):
    file = command_study(workshop)
    workshop.write("script.py", source + SCRIPT)
    said = [words for words in doubts(workshop, file) if "CUDA_VISIBLE_DEVICES" in words]
    assert len(said) == bool(line)
    assert all(words.startswith(f"script.py, line {line} sets") for words in said)
    on_cpus = doubts(workshop, file, "--set", "trial.gpus=0")
    assert not [words for words in on_cpus if "CUDA_VISIBLE_DEVICES" in words]


def test_a_target_and_a_shell_script_that_choose_a_gpu_are_warned_of(workshop: Workshop):
    file = workshop.study(SETS + QUICK)
    target = "study_train.py, line 2 sets"
    assert [words for words in doubts(workshop, file) if words.startswith(target)]
    file = command_study(workshop)
    workshop.write(
        "script.sh", "#!/bin/sh\n# CUDA_VISIBLE_DEVICES=1\nexport CUDA_VISIBLE_DEVICES=0\n"
    )
    file.write_text(
        file.read_text().replace(f'"{sys.executable}", "script.py"', '"sh", "script.sh"')
    )
    assert [words for words in doubts(workshop, file) if words.startswith("script.sh, line 3 sets")]


IN_A_PROJECT = """
[objective]
metric = "loss"
mode = "min"
[trial]
cwd = ".."
env = {{ OUT = "{{trial.folder}}/{{x}}" }}
{runs}
[space]
x = [1, 2]
"""
AS_COMMAND = f"""
command = ["{sys.executable}", "-m", "lib.main", "{{x!json}}", "{{trial.number}}"]
[trial.metrics]
loss = 'loss ([0-9.]+)'
"""


@pytest.mark.parametrize(
    "runs", ['target = "lib/main.py:train"', 'target = "lib.main:train"', AS_COMMAND]
)
def test_a_study_in_a_folder_of_a_project_runs_its_packages(workshop: Workshop, runs: str):
    workshop.write(
        "lib/part.py",
        "import os\ndef loss():\n    return float(os.path.basename(os.environ['OUT']))\n",
    )
    workshop.write(
        "lib/main.py",
        "from lib.part import loss\ndef train(trial):\n    return loss()\nif __name__ == '__main__':\n    print('loss', loss())\n",
    )
    file = workshop.write("studies/study.toml", IN_A_PROJECT.format(runs=runs))
    assert doubts(workshop, file) == []
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    values = sorted((trial["config"]["x"], trial["value"]) for trial in workshop.trials())
    assert values == [(1, 1.0), (2, 2.0)]


def test_a_working_folder_that_is_not_there_is_a_mistake(workshop: Workshop):
    file = workshop.study(QUICK, 'cwd = "../nowhere"\n')
    checked = workshop.run("check", file)
    assert checked.returncode == 2
    assert (
        f'cwd = "../nowhere": there is no folder {workshop.path.parent}/nowhere; name one'
        in checked.stderr
    )


@pytest.mark.parametrize(
    ("program", "more", "words"),
    [
        ("no-such-program", "", "is not a program on PATH: install it, or write its path"),
        ("script.py", "", 'is a script: write ["python", "script.py", …]'),
        ("./gone", "", "is not there: correct it"),
        ("./plain", "", "may not be executed: chmod +x it"),
        ("python", 'env = { PATH = "bin" }', 'is not a program on PATH: write "python3"'),
        ("tool", "", 'is not a program on PATH: write "./tool"'),
    ],
)
def test_a_program_that_is_not_there_is_told_beforehand(
    workshop: Workshop, program: str, more: str, words: str
):
    file = command_study(workshop, more)
    file.write_text(file.read_text().replace(f'["{sys.executable}", "script.py"', f'["{program}"'))
    for name in ("plain", "tool", "bin/python3"):
        workshop.write(name, "")
    workshop.path.joinpath("bin/python3").chmod(0o755)
    spec = load(file)
    with pytest.raises(CannotRunError) as caught:
        check_program(spec)
    assert str(caught.value) == f'{file}: [trial] command: "{program}" {words}'


def test_a_run_and_a_check_refuse_a_program_that_is_not_there(workshop: Workshop):
    file = command_study(workshop, 'env = { PATH = "bin" }')
    file.write_text(file.read_text().replace(f'["{sys.executable}"', '["python3"'))
    for call in (["check", file], [file, "--no-ui"]):
        done = workshop.run(*call)
        assert done.returncode == 2
        assert '[trial] command: "python3" is not a program on PATH' in done.stderr
    workshop.write("bin/python3", "").chmod(0o755)
    assert workshop.run("check", file).returncode == 0


def test_a_study_of_a_function_has_nothing_to_warn_of(workshop: Workshop):
    file = workshop.study(QUICK, '[pruning]\nmethod = "asha"\nresource = "epoch"\nmax = 3\n')
    assert doubts(workshop, file) == []
    assert workshop.run(file, "--no-ui").returncode == 0
    assert doubts(workshop, file) == []


def test_a_command_is_said_to_end_by_itself_at_max(workshop: Workshop):
    (words,) = doubts(workshop, command_study(workshop))
    assert words.startswith("[pruning] max = 3: the command is not signalled at epoch 3")
    assert "let it stop at epoch 3" in words
    assert doubts(workshop, workshop.study(QUICK, name="other")) == []


def test_several_matches_within_one_epoch_are_told_once_they_were_seen(workshop: Workshop):
    file = command_study(workshop)
    assert workshop.run(file, "--no-ui").returncode == 0
    assert len(doubts(workshop, file)) == 1
    with sqlite3.connect(workshop.folder() / "study.db") as db:
        db.execute(
            "INSERT INTO reports SELECT 1000000, time, trial, attempt, step, value, metrics, "
            "can_save FROM reports WHERE trial = 0 AND step = 1"
        )
    words = doubts(workshop, file)[1]
    assert "matched several times within one epoch (in study, epoch 1 of #0)" in words
    assert doubts(workshop, file, "--runs", "elsewhere") == doubts(workshop, file)[:1]


@pytest.mark.parametrize(("within", "warned"), [("0.1s", True), ("5m", False)])
def test_a_leave_shorter_than_an_epoch_is_warned_of_once_one_was_seen(
    workshop: Workshop, within: str, *, warned: bool
):
    file = workshop.study(SLOW, f'leave_within = "{within}"\n', trials=1)
    assert doubts(workshop, file) == []
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stderr
    words = doubts(workshop, file)
    assert len(words) == warned
    if warned:
        assert words[0].startswith("[trial] leave_within = 0.1 s: in study up to 0.")
        assert "s passed between two reports" in words[0]
        assert "loses its work since its last checkpoint" in words[0]


def test_a_file_that_has_become_another_studys_is_told_as_the_run_refuses_it(workshop: Workshop):
    file = workshop.study(QUICK, trials=1)
    assert workshop.run(file, "--no-ui").returncode == 0
    words = "a run is refused without --new, since study was started with other values: [search] seed: was 0, is 3"
    assert doubts(workshop, file, "--set", "search.seed=3") == [words]
    assert workshop.run(file, "--no-ui", "--set", "search.seed=3").returncode == 2


def test_what_a_switched_off_pruning_says_besides_is_told(workshop: Workshop):
    file = workshop.study(QUICK, '[pruning]\nmethod = "none"\nmax = 3\nreduction = 4\n')
    assert doubts(workshop, file) == ['[pruning] reduction: no effect with method = "none"']


def test_a_runs_folder_that_can_not_be_used_is_told_as_the_run_tells_it(workshop: Workshop):
    file = workshop.study(QUICK)
    workshop.write("plain", "")
    for place in ("/dev/null", "/dev/null/runs", "plain/runs"):
        environment = {**workshop.environment, "TUITUNE_RUNS": place}
        checked = workshop.run("check", file, env=environment)
        run = workshop.run(file, "--no-ui", env=environment)
        assert (checked.returncode, checked.stdout) == (run.returncode, run.stdout) == (2, "")
        assert checked.stderr == run.stderr
    assert workshop.run("check", file, "--runs", "new/runs").returncode == 0
    assert not (workshop.path / "new").exists()


def test_more_trials_than_configurations_are_told_beforehand(workshop: Workshop):
    file = command_study(workshop)
    for trials, told in ((2, False), (50, True)):
        done = workshop.run("check", file, "--set", f"search.trials={trials}")
        words = f"ends after 2 of the {trials} trials: no configuration is left then"
        assert (words in done.stdout) is told, done.stdout
