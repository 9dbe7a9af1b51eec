"""Pausing, resuming, adding, retrying and changing a study from another terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from workshop import Workshop, wait_until

# Reports its fifth step again and again until the file "go" is there: commands come in time
SAVING = """
import time
from pathlib import Path

def train(trial):
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    for step in range(start, 40):
        save = lambda folder: (folder / "step").write_text(str(step + 1))
        print("step", step + 1, flush=True)
        trial.report(step=step + 1, loss=trial.config["x"], save=save)
        while step == 4 and not Path("go").exists():
            time.sleep(0.05)
            trial.report(step=step + 1, loss=trial.config["x"], save=save)
"""

MORE = """
[pruning]
resource = "step"
max = 40
"""


def state_of(workshop: Workshop, trial: int, study: str = "study") -> str:
    return workshop.trials(study)[trial]["state"]


def begun(workshop: Workshop, trial: int, study: str = "study") -> None:
    log = workshop.folder(study) / f"trials/{trial:04d}/output.log"
    wait_until(lambda: log.exists() and "step 3" in log.read_text(), f"trial {trial}")


def test_a_paused_trial_frees_its_slot_and_goes_on_where_it_saved(workshop: Workshop):
    engine = workshop.start(workshop.study(SAVING, MORE, trials=3), "--no-ui")
    begun(workshop, 0)
    assert workshop.run("pause", "study", 0).returncode == 0
    wait_until(lambda: state_of(workshop, 0) == "PAUSED", "the pause")
    assert "holds nothing but its checkpoint of step" in workshop.trials()[0]["note"]
    begun(workshop, 2)  # its slot went to another
    again = workshop.run("pause", "study", 0)
    assert again.returncode == 2
    assert "is paused already" in again.stderr
    assert workshop.run("resume", "study", 0).returncode == 0
    workshop.write("go", "")
    assert engine.wait(60) == 0
    trial = workshop.trials()[0]
    assert (trial["state"], trial["attempts"], trial["step"]) == ("COMPLETE", 2, 40)
    steps = (workshop.folder() / "trials/0000/output.log").read_text().split("\n")
    assert steps.count("step 1") == 1


def test_a_trial_that_cannot_save_stands_still_and_says_what_it_holds(workshop: Workshop):
    code = """
    import time
    from pathlib import Path

    def train(trial):
        for step in range(60):
            print("step", step + 1, flush=True)
            trial.report(step=step + 1, loss=1.0)
            while step == 4 and not Path("go").exists():
                time.sleep(0.05)
                trial.report(step=step + 1, loss=1.0)
    """
    engine = workshop.start(workshop.study(code, MORE.replace("40", "60"), trials=1), "--no-ui")
    begun(workshop, 0)
    workshop.run("pause", "study", 0)
    wait_until(lambda: state_of(workshop, 0) == "PAUSED", "the pause")
    shown = workshop.run("show", "study").stdout
    assert "stands still; holds 0.5 CPU slots" in shown
    log = (workshop.folder() / "trials/0000/output.log").read_text()
    assert workshop.run("show", "study").returncode == 0
    assert (workshop.folder() / "trials/0000/output.log").read_text() == log
    workshop.run("resume", "study", 0)
    workshop.write("go", "")
    assert engine.wait(60) == 0
    trial = workshop.trials()[0]
    assert (trial["state"], trial["attempts"], trial["step"]) == ("COMPLETE", 1, 60)


def test_a_command_is_frozen_and_thawed_and_can_be_killed_while_frozen(workshop: Workshop):
    workshop.write(
        "script.py",
        """
        import time

        for step in range(1, 2000):
            print("step", step, flush=True)
            print("loss", 1 / step, flush=True)
            time.sleep(0.02)
        """,
    )
    file = workshop.write(
        "command.toml",
        f"""
        [objective]
        metric = "loss"
        mode = "min"
        [trial]
        command = ["{sys.executable}", "script.py"]
        [trial.metrics]
        loss = 'loss ([0-9.e-]+)'
        [space]
        x = {{ low = 0.0, high = 1.0 }}
        [search]
        trials = 1
        """,
    )
    engine = workshop.start(file, "--no-ui")
    begun(workshop, 0, "command")
    log = workshop.folder("command") / "trials/0000/output.log"

    def status() -> set[str]:
        found = [Path(f"/proc/{pid}/stat") for pid in workshop.left_over()]
        scripts = [f for f in found if b"script.py" in f.with_name("cmdline").read_bytes()]
        return {f.read_text().rpartition(")")[2].split()[0] for f in scripts}

    workshop.run("pause", "command", 0)
    wait_until(lambda: status() == {"T"}, "the freeze")
    wait_until(lambda: state_of(workshop, 0, "command") == "PAUSED", "the pause")
    assert "command: running, 1 frozen of 1 trial;" in workshop.run("show", "command").stdout
    workshop.run("resume", "command", 0)
    size = log.stat().st_size
    wait_until(lambda: log.stat().st_size > size, "the thaw")
    workshop.run("pause", "command", 0)
    wait_until(lambda: status() == {"T"}, "the second freeze")
    workshop.run("kill", "command", 0)
    assert engine.wait(60) == 1
    assert state_of(workshop, 0, "command") == "KILLED"
    assert workshop.left_over() == []


def test_launching_pauses_and_settings_change_while_it_runs(workshop: Workshop):
    file = workshop.study(SAVING, MORE, trials=2)
    engine = workshop.start(file, "--no-ui", "--set", "search.concurrency=1")
    begun(workshop, 0)
    assert workshop.run("pause", "study").returncode == 0
    changed = workshop.run("set", "study", "search.trials=4", "search.concurrency=2")
    assert changed.returncode == 0, changed.stderr
    assert "[search] trials: was 2, is 4" in changed.stdout
    further = workshop.run("set", "study", "limits.time=1h", "search.trials=4")
    assert further.stdout == "study: [limits] time: was not set, is 3600 s\n"
    refused = workshop.run("set", "study", "pruning.max=80")
    assert refused.returncode == 2
    assert "another study" in refused.stderr
    workshop.write("go", "")
    wait_until(lambda: state_of(workshop, 0) == "COMPLETE", "trial 0")
    assert len(workshop.trials()) == 1
    workshop.run("resume", "study")
    said = [s for s in engine.communicate(timeout=60)[0].splitlines() if "settings changed" in s]
    assert engine.returncode == 0
    assert [t["state"] for t in workshop.trials()] == ["COMPLETE"] * 4
    assert said[-1].endswith("settings changed: [limits] time: was not set, is 3600 s (command)")
    again = workshop.run(file, "--no-ui", "--trials", 4)  # what was set has become the study's
    assert "finished" in again.stdout


def test_a_trial_is_added_by_hand_and_another_like_it(workshop: Workshop):
    engine = workshop.start(workshop.study(SAVING, MORE, trials=2), "--no-ui")
    begun(workshop, 0)
    assert workshop.run("add", "study", "x=0.125").returncode == 0
    assert workshop.run("add", "study", "--like", 0).returncode == 0
    wrong = workshop.run("add", "study", "x=7.0")
    assert wrong.returncode == 2
    assert "x = 7" in wrong.stderr
    workshop.write("go", "")
    assert engine.wait(60) == 0
    trials = workshop.trials()
    assert [t["state"] for t in trials] == ["COMPLETE"] * 4
    assert trials[2]["config"] == {"x": 0.125}
    assert trials[3]["config"] == trials[0]["config"]
    assert "4 complete of 4 trials" in workshop.run("show", "study").stdout
    assert "4/4" in workshop.run("ls").stdout


def test_a_failed_trial_is_taken_up_again(workshop: Workshop):
    code = """
    import time
    from pathlib import Path

    def train(trial):
        if trial.number == 0 and trial.attempt == 0:
            raise ValueError("x")
        for step in range(1, 6):
            trial.report(step=step, loss=1.0)
            print("step", step, flush=True)
        while not Path("go").exists():
            time.sleep(0.01)
    """
    engine = workshop.start(workshop.study(code, trials=2), "--no-ui")
    begun(workshop, 1)
    wait_until(lambda: state_of(workshop, 0) == "FAILED", "the failure")
    assert workshop.run("retry", "study", 0).returncode == 0
    refused = workshop.run("retry", "study", 1)
    assert "has not ended" in refused.stderr
    workshop.write("go", "")
    assert engine.wait(60) == 0
    assert [t["state"] for t in workshop.trials()] == ["COMPLETE"] * 2


def test_without_an_engine_the_command_that_runs_one_is_told(workshop: Workshop):
    file = workshop.study(SAVING, MORE, trials=1)
    workshop.write("go", "")
    workshop.run(file, "--no-ui")
    for words in (
        ["resume", "study"],
        ["add", "study", "x=0.5"],
        ["set", "study", "search.trials=3"],
    ):
        done = workshop.run(*words)
        assert done.returncode == 2
        assert "`tuitune study.toml --trials N` adds trials" in done.stderr


def test_show_says_why_nothing_starts(workshop: Workshop):
    file = workshop.study(
        """
        import time
        from pathlib import Path

        def train(trial):
            while not Path("go").exists():
                time.sleep(0.01)
            trial.report(loss=1.0)
        """,
        trials=3,
    )
    engine = workshop.start(file, "--no-ui")
    wait_until((workshop.folder() / "trials" / "0001").exists, "the first trials")
    assert workshop.show()["nothing_starts"] is None
    assert "nothing starts" not in workshop.run("show", "study").stdout
    assert workshop.run("pause", "study").returncode == 0
    why = wait_until(lambda: workshop.show()["nothing_starts"], "the pause")
    assert why == "launching is paused; `tuitune resume study` resumes it"
    assert f"nothing starts: {why}" in workshop.run("show", "study").stdout
    assert workshop.run("resume", "study").returncode == 0
    (workshop.path / "go").touch()
    assert engine.wait(60) == 0
    assert workshop.show()["nothing_starts"] is None


def test_show_says_that_the_code_stands_in_the_way(workshop: Workshop):
    file = workshop.study(
        """
        import time
        from pathlib import Path

        def train(trial):
            while not Path(f"go{trial.number}").exists():
                time.sleep(0.01)
            trial.report(loss=1.0)
        """,
        trials=4,
    )
    engine = workshop.start(file, "--no-ui")
    begun = lambda: {t["trial"] for t in workshop.trials() if t["started"]}  # noqa: E731
    wait_until((workshop.folder() / "trials" / "0001").exists, "the first trials")
    wait_until(lambda: begun() == {0, 1}, "two trials")
    code = workshop.path / "study_train.py"
    text = code.read_text()
    code.write_text("import nowhere_to_be_found\n")
    (workshop.path / "go0").touch()
    why = wait_until(lambda: workshop.show()["nothing_starts"], "the failing import")
    assert why.startswith("the training code is not imported: study_train.py")
    assert "nothing starts: the training code" in workshop.run("show", "study").stdout
    code.write_text(text)
    for number in range(1, 4):
        (workshop.path / f"go{number}").touch()
    assert engine.wait(60) == 0
