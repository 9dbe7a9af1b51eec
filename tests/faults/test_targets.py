"""Training code that goes wrong in every way: the trial fails in words, the study goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from workshop import Workshop, wait_until

BROKEN = {
    "raises": ("raise ValueError('bad x')", "ValueError: bad x"),
    "exits 3": ("import sys; sys.exit(3)", "exit status 3"),
    "leaves the interpreter": ("os._exit(4)", "exit status 4"),
    "segfaults": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "is killed from outside": ("os.kill(os.getpid(), 9)", "SIGKILL"),
    "aborts": ("os.abort()", "SIGABRT"),
    "returns without a report": ("return None", "without a report of loss"),
    "reports something else alone": ("trial.report(other=1.0)", "without a report of loss"),
    "returns a string": ("return 'done'", "loss"),
    "needs a maximum that is not set": ("range(trial.max_resource)", "max"),
}

CODE = """
import os

def train(trial):
    if trial.number == 1:
        {broken}
    trial.report(loss=trial.config["x"])
"""


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_trial_fails_in_words_and_the_study_goes_on(workshop: Workshop, how: str):
    broken, words = BROKEN[how]
    if how == "reports something else alone":
        broken += "\n        return"
    file = workshop.study(CODE.format(broken=broken), trials=3)
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    states = [trial["state"] for trial in workshop.trials()]
    assert states == ["COMPLETE", "FAILED", "COMPLETE"]
    assert words in workshop.trials()[1]["note"]
    assert words in done.stdout
    assert "Traceback" not in done.stderr
    assert workshop.left_over() == []


def test_the_log_of_a_failure_is_shown_with_it(workshop: Workshop):
    code = CODE.format(broken="print('the last words'); raise ValueError('bad x')")
    done = workshop.run(workshop.study(code), "--no-ui")
    assert "| the last words" in done.stdout
    assert "ValueError: bad x" in (workshop.folder() / "trials/0001/output.log").read_text()


def test_a_retry_goes_on_from_the_checkpoint(workshop: Workshop):
    code = """
    import os

    def train(trial):
        start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
        for step in range(start, 6):
            trial.report(step=step + 1, loss=1.0 - step / 10,
                         save=lambda folder: (folder / "step").write_text(str(step + 1)))
            if step == 3 and trial.attempt == 0:
                os.kill(os.getpid(), 9)
    """
    more = """
    retries = 1
    checkpoint_every = "0s"
    [pruning]
    resource = "step"
    max = 6
    """
    done = workshop.run(workshop.study(code, more, trials=1), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    (trial,) = workshop.trials()
    assert (trial["state"], trial["attempts"], trial["step"]) == ("COMPLETE", 2, 6)
    why = workshop.run("show", "study", "--why", 0).stdout
    assert "attempt 1 started from step 4" in why


def test_a_trial_that_hangs_is_ended_at_its_timeout(workshop: Workshop):
    code = """
    import time

    def train(trial):
        trial.report(loss=1.0)
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass
    """
    workshop.waits = 0.3
    file = workshop.study(code, 'timeout = "1s"', trials=1)
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 1, done.stdout
    (trial,) = workshop.trials()
    assert trial["state"] == "FAILED"
    assert "timeout" in trial["note"]
    assert workshop.left_over() == []


def test_no_grandchild_outlives_its_trial(workshop: Workshop):
    code = """
    import os, time

    def train(trial):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open(trial.folder / "grandchild", "w").write(str(os.getpid()))
                time.sleep(1000)
            os._exit(0)
        while not (trial.folder / "grandchild").exists() or not (trial.folder / "grandchild").read_text():
            time.sleep(0.01)
        trial.report(loss=1.0)
        if trial.number == 1:
            os._exit(0)
    """
    done = workshop.run(workshop.study(code, trials=2), "--no-ui")
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE", "FAILED"], done.stdout
    for number in range(2):
        pid = int((workshop.folder() / f"trials/000{number}/grandchild").read_text())
        assert not Path(f"/proc/{pid}").exists()


def test_three_equal_deaths_stop_the_launching(workshop: Workshop):
    code = "def train(trial):\n    raise FileNotFoundError('no data here')\n"
    done = workshop.run(workshop.study(code, trials=50), "--no-ui")
    assert done.returncode == 1
    assert "no data here" in done.stderr
    assert len(workshop.trials()) < 8


def test_a_target_that_cannot_be_imported_shows_its_traceback_before_any_trial(workshop: Workshop):
    file = workshop.study("import no_such_module\n\ndef train(trial):\n    pass\n")
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 2
    assert "No module named 'no_such_module'" in done.stderr
    assert not workshop.folder().exists()


def test_output_without_end_or_sense_is_bounded_and_harmless(workshop: Workshop):
    script = workshop.write(
        "noisy.py",
        """
        import sys

        out = sys.stdout.buffer
        out.write(b"\\x1b[31mred\\x1b[0m \\xff\\xfe\\n")
        for _ in range(100):
            out.write(b"x" * 1_000_000)
        out.write(b"\\nloss=0.5\\n")
        out.write(b"\\x1b]0;stolen title\\x07\\x1b[2J last words\\n")
        out.flush()
        sys.exit(1)
        """,
    )
    file = workshop.write(
        "noisy.toml",
        f"""
        [objective]
        metric = "loss"
        mode = "min"
        [trial]
        command = ["{sys.executable}", "{script.name}"]
        [trial.metrics]
        loss = 'loss=([0-9.]+)'
        [space]
        x = {{ low = 0.0, high = 1.0 }}
        [search]
        trials = 1
        """,
    )
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 1
    assert "last words" in done.stdout
    for text in (done.stdout, workshop.run("show", "noisy").stdout):
        assert all(c.isprintable() or c == "\n" for c in text)
    (trial,) = workshop.trials("noisy")
    assert trial["value"] == 0.5
    assert (workshop.folder("noisy") / "trials/0000/output.log").stat().st_size > 100_000_000


def test_a_trial_is_killed_by_hand(workshop: Workshop):
    code = """
    import time

    def train(trial):
        step = 0
        while True:
            step += 1
            trial.report(loss=1.0)
            if trial.number and step == 3:
                return
            time.sleep(0.01)
    """
    engine = workshop.start(workshop.study(code, trials=3), "--no-ui")
    wait_until((workshop.folder() / "trials/0000/output.log").exists, "trial 0")
    wait_until(lambda: workshop.run("kill", "study", 0).returncode == 0, "the engine's ear")
    assert engine.wait(60) == 0
    assert [t["state"] for t in workshop.trials()] == ["KILLED", "COMPLETE", "COMPLETE"]
    again = workshop.run("kill", "study", 0)
    assert again.returncode == 2
    assert "it is finished; `tuitune study.toml --trials N`" in again.stderr
