"""What a user sees of a run: lines, exit codes, the best configuration, the same command again."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import shlex
import subprocess
import sys
import tomllib

import pytest
from workshop import Workshop

GOOD = """
def train(trial):
    for step in range(1, 4):
        trial.report(loss=trial.config["x"] + 1 / step)
"""


def best_block(text: str) -> dict:
    """The TOML after the line that names the best trial."""
    return tomllib.loads(text.split("\nbest: ")[1].split("\n", 1)[1])


def test_a_study_runs_to_its_end_and_prints_its_best_as_toml(workshop: Workshop):
    done = workshop.run(workshop.study(GOOD, trials=6), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = workshop.show()
    assert shown["state"] == "finished"
    assert shown["counts"]["COMPLETE"] == 6
    lowest = min(shown["trials"], key=lambda t: t["value"])
    assert shown["best"]["trial"] == lowest["trial"]
    assert best_block(done.stdout) == lowest["config"]
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert sum("complete" in line for line in done.stdout.splitlines()) == 7  # and the summary


def test_a_finished_study_is_told_again_and_not_run_again(workshop: Workshop):
    file = workshop.study(GOOD, trials=2)
    workshop.run(file, "--no-ui")
    again = workshop.run(file, "--no-ui")
    assert again.returncode == 0
    assert "finished" in again.stdout
    as_json = workshop.run(file, "--json")
    assert [json.loads(line)["event"] for line in as_json.stdout.splitlines()] == ["summary"]
    assert as_json.returncode == 0
    assert len(workshop.trials()) == 2


def test_more_trials_are_added_to_a_finished_study(workshop: Workshop):
    file = workshop.study(GOOD, trials=2)
    workshop.run(file, "--no-ui")
    more = workshop.run(file, "--no-ui", "--trials", 5)
    assert more.returncode == 0, more.stderr
    assert "changed: [search] trials: was 2, is 5" in more.stderr
    assert [t["attempts"] for t in workshop.trials()] == [1] * 5


def test_another_space_is_refused_with_the_command_that_mends_it(workshop: Workshop):
    file = workshop.study(GOOD, trials=2)
    workshop.run(file, "--no-ui")
    file.write_text(file.read_text().replace("high = 1.0", "high = 2.0"))
    refused = workshop.run(file, "--no-ui")
    assert refused.returncode == 2
    assert "[space] x: was 0.0 to 1.0, is 0.0 to 2.0" in refused.stderr
    assert "tuitune study.toml --new" in refused.stderr
    quoted = workshop.run(file, "--no-ui", "--set", 'trial.env={A="it\'s"}').stderr
    command = next(line.split("`")[1] for line in quoted.splitlines() if "--new" in line)
    assert shlex.split(command)[2:4] == ["--set", 'trial.env={A="it\'s"}']
    anew = workshop.run(file, "--no-ui", "--new")
    assert anew.returncode == 0, anew.stderr
    assert workshop.folder("study-2").exists()
    assert "study-2: 2 complete" in anew.stdout
    assert "study-2: 2 complete" in workshop.run(file, "--no-ui").stdout
    assert workshop.show("study")["study"] == "study-2"  # a bare name means the newest


def test_what_is_no_number_is_nobodys_best_while_it_runs_as_later(workshop: Workshop):
    code = "def train(trial):\n    trial.report(loss=float('nan') if trial.number < 2 else 1.0)\n"
    file = workshop.study(code, trials=2)
    done = workshop.run(file, "--no-ui", "--set", "search.concurrency=1")
    assert done.returncode == 0, done.stderr
    assert "best" not in done.stdout
    assert "no trial has reported a number for loss" in done.stdout
    assert workshop.show()["best"] is None
    more = workshop.run(file, "--no-ui", "--trials", 3, "--set", "search.concurrency=1")
    assert "best: #2, loss 1" in more.stdout


@pytest.mark.parametrize("where", [">&-", "2>&- >&-", "<&-", "> /dev/full", "| true"])
def test_it_ends_as_it_does_where_nobody_listens(workshop: Workshop, where: str):
    """What trials print goes to their logs alone, whatever is open."""
    code = GOOD.replace("    for", "    print('printed' * 99)\n    for")
    words = shlex.join(workshop.command(workshop.study(code, trials=20), "--no-ui"))
    done = workshop.call(["bash", "-c", f"set -o pipefail; {words} {where}"])
    lost = "lines of the output are lost: the disk that they are written to is full\n"
    assert (done.returncode, done.stderr) == (0, lost if "full" in where else "")
    assert workshop.show()["counts"]["COMPLETE"] == 20


def test_the_command_line_wins_over_the_file_and_is_remembered(workshop: Workshop):
    file = workshop.study(GOOD, trials=9)
    done = workshop.run(file, "--no-ui", "--trials", 2, "--seed", 5, "--set", "space.x=0.25")
    assert done.returncode == 0, done.stderr
    assert [t["config"] for t in workshop.trials()] == [{"x": 0.25}]
    assert "all 1 configurations" in done.stdout
    as_run = tomllib.loads((workshop.folder() / "study.toml").read_text())
    assert (as_run["search"]["seed"], as_run["space"]["x"]) == (5, 0.25)


def test_every_event_is_an_object_with_json(workshop: Workshop):
    done = workshop.run(workshop.study(GOOD, trials=2), "--json")
    assert done.returncode == 0, done.stderr
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert objects[0]["settings"]["trials"] == 2
    kinds = [one["event"] for one in objects]
    assert kinds[0] == "opened"
    assert kinds[-2:] == ["finished", "summary"]
    assert kinds.count("reported") == 6
    assert objects[-1]["best"]["config"].keys() == {"x"}


def test_on_a_terminal_there_is_a_live_line(workshop: Workshop):
    code = GOOD.replace("trial.report", "import time; time.sleep(0.2); trial.report")
    file = workshop.study(code, trials=4)
    parent, child = pty.openpty()

    with subprocess.Popen(
        workshop.command(file, "--no-ui"),
        cwd=workshop.path,
        stdout=child,
        stderr=child,
        env=workshop.environment,
    ) as engine:
        os.close(child)
        output = b""
        while True:
            try:
                output += os.read(parent, 65536)
            except OSError:  # the last writer has gone
                break
    os.close(parent)
    assert engine.returncode == 0
    text = output.decode()
    assert "4/4" in text
    assert "running" in text
    assert "\r\x1b[K" in text


def test_ten_mistakes_are_ten_errors_and_nothing_is_made(workshop: Workshop):
    file = workshop.write(
        "bad.toml",
        """
        [objectiv]
        metric = "loss"
        [trial]
        target = "nowhere.py:train"
        cpus = "two"
        retries = -1
        grace_period = 3
        [space]
        a = { low = 0, high = 1 }
        b = { low = 0.0, high = 1.0, log = true }
        c = { low = 2.0, high = 1.0 }
        d = []
        e = { low = 1, high = 2, when = { nothing = 1 } }
        [search]
        method = "soboll"
        trials = 0
        """,
    )
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) >= 10, done.stderr
    assert "did you mean" in done.stderr
    assert not (workshop.path / "runs").exists()


def test_what_this_machine_has_not_is_refused_before_anything_is_made(workshop: Workshop):
    for override, words in [("trial.cpus=9999", "cpus"), ("trial.gpus=1", "gpus")]:
        done = workshop.run(workshop.study(GOOD), "--no-ui", "--set", override)
        assert done.returncode == 2
        assert words in done.stderr
    assert not (workshop.path / "runs").exists()


def test_an_export_has_a_row_a_trial(workshop: Workshop):
    workshop.run(workshop.study(GOOD, trials=3), "--no-ui")
    out = workshop.run("export", "study")
    rows = list(csv.DictReader(io.StringIO(out.stdout)))
    assert list(rows[0]) == [
        "trial", "state", "value", "step", "x", "started", "ended", "attempts", "device", "error",
        "waiting_for", "gpu_hours", "energy_wh", "node",
    ]  # fmt: skip
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    workshop.run("export", "study", "--to", "json", "-o", "out.json")
    records = json.loads((workshop.path / "out.json").read_text())
    assert [r["value"] for r in records] == [t["value"] for t in workshop.trials()]


def test_a_parameter_may_be_called_as_a_column_of_the_export(workshop: Workshop):
    code = "def train(trial):\n    trial.report(loss=trial.config['value'])\n"
    file = workshop.study(code, trials=1)
    names = ["state", "value", "step", "error", "device", "config.step", "x"]
    space = "\n".join(f'"{name}" = {place}' for place, name in enumerate(names, 70))
    file.write_text(file.read_text().replace("x = { low = 0.0, high = 1.0 }", space))
    assert workshop.run(file, "--no-ui").returncode == 0
    (as_json,) = json.loads(workshop.run("export", "study", "--to", "json").stdout)
    columns = [
        "config.state", "config.value", "config.config.step", "config.error",
        "config.device", "config.step", "x",
    ]  # fmt: skip
    (as_csv,) = csv.DictReader(io.StringIO(workshop.run("export", "study").stdout))
    assert list(as_csv) == list(as_json)
    assert list(as_csv)[4:11] == columns
    for row in (as_csv, as_json):
        assert [int(row[column]) for column in columns] == list(range(70, 77))
        assert (int(row["trial"]), row["state"], float(row["value"])) == (0, "COMPLETE", 71.0)
        assert (int(row["step"]), row["error"], row["device"]) == (1, "", "")


def test_studies_are_found_from_anywhere(workshop: Workshop):
    workshop.run(workshop.study(GOOD, trials=1), "--no-ui")
    elsewhere = workshop.path / "elsewhere"
    elsewhere.mkdir()
    for words in (["ls"], []):
        listed = workshop.run(*words, cwd=elsewhere)
        assert listed.returncode == 0, listed.stderr
        assert "study" in listed.stdout
        assert "finished" in listed.stdout


@pytest.mark.parametrize("words", [["show", "nothing"], ["stop", "nothing"], ["export", "nothing"]])
def test_a_study_that_is_not_there_is_said_so(workshop: Workshop, words):
    done = workshop.run(*words)
    assert done.returncode == 2
    assert "nothing" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_word_is_neither_a_command_nor_a_study(workshop: Workshop):
    done = workshop.run("shwo", "study")
    assert done.returncode == 2
    assert "shwo: neither a command nor a study; did you mean show?" in done.stderr


def test_where_no_app_can_be_shown_a_file_alone_runs_headless(workshop: Workshop):
    done = workshop.run(workshop.study(GOOD, trials=1))
    assert done.returncode == 0
    assert "1 complete" in done.stdout


def test_why_tells_a_trials_story(workshop: Workshop):
    more = """
    [pruning]
    method = "asha"
    min = 1
    max = 3
    """
    workshop.run(workshop.study(GOOD, more, trials=6), "--no-ui")
    told = workshop.run("show", "study", "--why", 0).stdout
    assert "at report 1: " in told
    pruned = next(t for t in workshop.trials() if t["state"] == "PRUNED")
    told = workshop.run("show", "study", "--why", pruned["trial"]).stdout
    assert "pruned" in told
    assert "needed" in told


def test_samplers_of_the_user_fill_in_their_parameter(workshop: Workshop):
    code = """
    def draw(random, configuration):
        return round(configuration["x"], 1) + random.choice([10, 20])

    def train(trial):
        trial.report(loss=trial.config["y"])
    """
    more = """
    [space.y]
    sample = "study_train.py:draw"
    """
    done = workshop.run(workshop.study(code, more, trials=4), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    for trial in workshop.trials():
        x, y = trial["config"]["x"], trial["config"]["y"]
        assert y - round(x, 1) in (10, 20)


def test_a_command_is_a_trial_too(workshop: Workshop):
    workshop.write(
        "script.py",
        """
        import argparse, tuitune

        parser = argparse.ArgumentParser()
        parser.add_argument("--x", type=float)
        x = parser.parse_args().x
        for step in range(1, 10):
            tuitune.current().report(step=step, loss=x + 1 / step)
        """,
    )
    file = workshop.write(
        "command.toml",
        f"""
        [objective]
        metric = "loss"
        mode = "min"
        [trial]
        command = ["{sys.executable}", "script.py", "--x", "{{x}}"]
        [space]
        x = {{ low = 0.0, high = 1.0 }}
        [search]
        trials = 5
        [pruning]
        method = "asha"
        resource = "step"
        max = 9
        """,
    )
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    states = {t["state"] for t in workshop.trials("command")}
    assert states == {"COMPLETE", "PRUNED"}


def test_a_long_import_is_told_of_with_what_it_prints(workshop: Workshop):
    code = """
    import time

    print("fetching 1%", flush=True)
    time.sleep(1.5)

    def train(trial):
        trial.report(loss=1.0)
    """
    done = workshop.run(workshop.study(code, trials=1), "--no-ui")
    assert done.returncode == 0
    assert "importing the training code" in done.stdout
    assert "fetching" in (workshop.folder() / "engine.log").read_text()


def test_a_target_that_gives_up_in_words_shows_those_words_alone(workshop: Workshop):
    code = """
    import sys

    sys.exit("no data: put archive.tar.gz into data/")

    def train(trial):
        pass
    """
    done = workshop.run(workshop.study(code), "--no-ui")
    assert done.returncode == 2
    assert done.stderr.strip() == "no data: put archive.tar.gz into data/"


@pytest.mark.parametrize("trial", ["0", "#0"])
def test_a_trial_is_named_by_its_number_or_as_it_is_printed(workshop, trial):
    workshop.run(workshop.study(GOOD, trials=1), "--no-ui")
    shown = workshop.run("show", "study", "--why", trial)
    assert "complete" in shown.stdout, shown.stderr


def test_what_is_no_number_of_a_trial_is_refused(workshop):
    refused = workshop.run("kill", "study", "t0")
    assert refused.returncode == 2
    assert "'t0' is not the number of a trial, such as 7" in refused.stderr


NEEDS_DATA = """
def train(trial):
    with open("data") as file:
        trial.report(loss=float(file.read()))
"""


@pytest.mark.parametrize("trials", [1, 9])  # 9: it is halted
def test_the_same_command_tries_again_what_failed_with_the_set_up(workshop, trials):
    file = workshop.study(NEEDS_DATA, trials=trials)
    failed = workshop.run(file, "--no-ui")
    assert failed.returncode == 1
    assert "once that is mended, the same command tries them again" in failed.stdout + failed.stderr
    workshop.write("data", "0.5")
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stderr
    assert "#0  tried again, since it failed when nothing worked" in done.stdout
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE"] * trials


def test_a_cluster_without_ray_is_refused_with_the_command_that_installs_it(workshop):
    file = workshop.study("def train(trial): trial.report(loss=1.0)")
    code = "import sys; sys.modules['ray'] = None; from tuitune.__main__ import main; main()"
    run = workshop.call([sys.executable, "-c", code, file, "--no-ui", "--on", "ray"])
    assert run.returncode == 2
    assert run.stderr == "--on ray: Ray is not installed: pip install 'tuitune[ray]'\n"
    assert not workshop.folder().exists()
