"""Studies that Python programs run and ask: `tuitune.run`, `tuitune.open`."""

from __future__ import annotations

import signal
import subprocess
import sys

from workshop import Workshop, wait_until

import tuitune

SPACE = 'space={"x": {"low": 0.0, "high": 5.0}}, metric="loss"'
RUN = f"""
import time
import tuitune
from pathlib import Path

def train(trial):
    while not Path("go").exists():
        time.sleep(0.01)
    return trial.config["x"]

if __name__ == "__main__":
    study = tuitune.run(train, {SPACE}, trials=2, trial={{"cpus": 0.5}})
    print(study.state, len(study.trials), study.best.value)
"""
ASK = f"""
import sys, time, tuitune
from pathlib import Path

with tuitune.open({SPACE}, trials=3, search={{"method": "random"}}, **{{}}) as study:
    while (trial := study.ask()) is not None:
        print(trial.number, trial.config, flush=True)
        {{}}
        study.tell(trial, trial.config["x"])
    print(study.stored.state)
"""


def script(workshop: Workshop, code: str, name: str = "script.py") -> list[str]:
    return [sys.executable, str(workshop.write(name, code))]


def ask(more: str = "pass", arguments: str = "{}") -> str:
    return (
        ASK.replace("{{}}", "{}")
        .replace("**{}", f"**{arguments}")
        .replace("        {}", f"        {more}")
    )


def test_a_study_goes_on_without_the_program_that_began_it(workshop: Workshop):
    command = script(workshop, RUN)
    program = subprocess.Popen(
        command, cwd=workshop.path, env=workshop.environment, stdout=subprocess.PIPE, text=True
    )
    workshop.started.append(program)
    wait_until(
        lambda: (workshop.folder("train") / "study.toml").exists() and workshop.trials("train"),
        "a trial",
    )
    engine = workshop.engine("train")
    program.kill()
    program.wait()
    assert workshop.engine("train") == engine
    (workshop.path / "go").touch()
    wait_until(lambda: workshop.engine("train") is None, "the end of the study")
    again = workshop.call(command)
    assert again.returncode == 0, again.stderr
    best = min(trial["value"] for trial in workshop.trials("train"))
    assert again.stdout.splitlines()[-1] == f"finished 2 {best}"
    assert 'target = "script.py:train"' in (workshop.path / "runs" / "train.toml").read_text()
    assert workshop.run("runs/train.toml", "--no-ui").returncode == 0


def test_a_script_without_a_guard_and_mistakes_are_explained(workshop: Workshop):
    (workshop.path / "go").touch()
    bare = RUN.replace('if __name__ == "__main__":', "if True:")
    done = workshop.call(script(workshop, bare))
    assert done.returncode == 1
    assert 'call tuitune.run under `if __name__ == "__main__":`' in done.stderr
    wrong = RUN.replace('"high"', '"hihg"')
    done = workshop.call(
        script(workshop, wrong.replace("tuitune.run(train", 'tuitune.run(train, name="wrong"'))
    )
    assert "did you mean high?" in done.stderr
    assert not (workshop.path / "runs" / "wrong").exists()
    assert not (workshop.path / "runs" / "wrong.toml").exists()
    odd = RUN.replace("0.0, ", "object(), ").replace(
        "tuitune.run(train", 'tuitune.run(train, name="odd"'
    )
    assert "a study file can't hold a object" in workshop.call(script(workshop, odd)).stderr


def test_a_study_is_asked_and_told_and_asks_again_for_what_was_not_told(workshop: Workshop):
    dying = "import os, signal\n        if trial.number == 1: os.kill(os.getpid(), signal.SIGKILL)"
    first = workshop.call(script(workshop, ask(dying)))
    assert first.returncode == -signal.SIGKILL
    wait_until(lambda: workshop.engine() is None, "the end of the engine")
    assert workshop.left_over() == []
    states = [trial["state"] for trial in workshop.trials()]
    assert (states[0], "COMPLETE" in states[1:]) == ("COMPLETE", False)
    again = workshop.call(script(workshop, ask()))
    assert again.returncode == 0, again.stderr
    lines = again.stdout.splitlines()
    assert lines[0] == first.stdout.splitlines()[1]  # trial 1 as before
    assert [line.split()[0] for line in lines] == ["1", "2", "finished"]
    assert [trial["value"] for trial in workshop.trials()] == [
        trial["config"]["x"] for trial in workshop.trials()
    ]
    assert workshop.call(script(workshop, ask())).stdout == "finished\n"


def test_what_is_told_of_a_trial_that_has_ended(workshop: Workshop):
    more = (
        "import subprocess\n"
        "        if trial.number == 0: study.tell(trial, failed='out of reagent'); continue\n"
        f"        if trial.number == 1: subprocess.run({workshop.command('kill', 'study', 1)!r}); "
        "assert not trial.report(loss=1.0)\n"
        "        if trial.number == 2:\n"
        "            for told in [(trial, 'much'), (trial, [1.0]), (7, 1.0)]:\n"
        "                try: study.tell(*told)\n"
        "                except (TypeError, RuntimeError) as error: print(error)\n"
        "            print(repr(trial).startswith('AskedTrial(number=2, config={'))\n"
        "            study.tell(2, trial.config['x'])\n"
        "            continue"
    )
    done = workshop.call(script(workshop, ask(more)))
    assert done.returncode == 0, done.stderr
    mistakes = "it must be a number, or tell that the trial has failed"
    assert done.stdout.splitlines()[-5:-1] == [
        f"loss is 'much': {mistakes}",
        f"loss is [1.0]: {mistakes}",
        "trial #7 was told of before, or was not asked for here",
        "True",
    ]
    first, second, third = workshop.trials()
    assert (first["state"], first["error"]) == ("FAILED", "Failed: out of reagent")
    assert second["state"] == "KILLED"
    assert third["state"] == "COMPLETE"


def test_several_threads_ask_and_no_second_program_may(workshop: Workshop):
    code = f"""
import threading, tuitune

with tuitune.open({SPACE}, trials=6, at_once=3) as study:
    all_there = threading.Barrier(3)
    found = []

    def work():
        trial = study.ask()
        all_there.wait(30)
        while trial is not None:
            found.append(trial.number)
            study.tell(trial, trial.config["x"])
            trial = study.ask()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(sorted(found))
"""
    second = f"""
import subprocess, sys, tuitune

with tuitune.open({SPACE}, name="other") as study:
    trial = study.ask()
    again = subprocess.run([sys.executable, "again.py"], capture_output=True, text=True)
    print("another program asks this study" in again.stderr, again.returncode)
"""
    workshop.write("again.py", f'import tuitune\ntuitune.open({SPACE}, name="other")\n')
    assert workshop.call(script(workshop, code)).stdout == "[0, 1, 2, 3, 4, 5]\n"
    assert workshop.call(script(workshop, second)).stdout == "True 1\n"


def test_a_function_of_a_module_is_imported_from_it(workshop: Workshop):
    workshop.write("lab/work.py", "def train(trial):\n    return trial.config['x']\n")
    code = f"""
import tuitune
from lab.work import train

study = tuitune.run(train, {SPACE}, trials=2, quiet=True, trial={{"cpus": 0.5}})
print(study.state, study.path.name)
"""
    done = workshop.call(script(workshop, code))
    assert (done.stdout, done.returncode) == ("finished train\n", 0), done.stderr
    assert 'target = "lab.work:train"' in (workshop.path / "runs" / "train.toml").read_text()


def test_the_names_that_a_program_uses_are_found_by_tab() -> None:
    names = ["Trial", "TrialStopped", "current", "debug", "load", "open", "run"]
    assert dir(tuitune) == names
    assert all(getattr(tuitune, name).__doc__ for name in names)
    stars = dict[str, object]()
    exec("from tuitune import *", stars)
    assert set(stars) == {"__builtins__", *names} - {"open"}  # which is Python's own
