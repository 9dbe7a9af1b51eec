"""An engine that is killed at any instant: nothing acknowledged is lost, nothing runs twice."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from workshop import Workshop, wait_until

from tuitune.cli import launch, run, run_request
from tuitune.cli.run_request import Resolution, RunRequest
from tuitune.cli.startup_pipe import StartupTimeouts
from tuitune.cli.studies import StudyFolder
from tuitune.core import events as ev
from tuitune.store.reader import Reader
from tuitune.studyfile import load_whole

# Each attempt keeps a lock while it lives, and notes what it was told to go on with.
CODE = """
import fcntl, os, time

def train(trial):
    lock = os.open(trial.folder / "alive", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    for step in range(start, 9):
        time.sleep(0.01)
        trial.report(epoch=step + 1, loss=trial.config["x"] + 1 / (step + 1),
                     save=lambda folder: (folder / "step").write_text(str(step + 1)))
        with open(trial.folder / "told", "a") as told:
            told.write(f"{trial.attempt} {step + 1}\\n")
"""

MORE = """
checkpoint_every = "0s"
[pruning]
method = "asha"
resource = "epoch"
min = 1
max = 9
reduction = 3
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_at_twenty_random_instants_it_ends_as_if_it_never_was(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=5000)
    rng = random.Random(7)
    begun = workshop.path / "runs" / "study" / "study.toml"
    for turn in range(20):
        engine = workshop.start(file, "--no-ui")
        if turn == 0:  # on a busy machine no other may live for so long
            wait_until(begun.exists, "the study")
        end = time.monotonic() + rng.uniform(0.2, 0.7)
        wait_until(lambda t=end: time.monotonic() > t)
        assert engine.poll() is None, engine.communicate()[0]
        engine.kill()
        engine.communicate()
        wait_until(lambda: not workshop.left_over(), "the end of all trials")
    trials = len(workshop.trials()) + 20
    done = workshop.run(file, "--no-ui", "--trials", trials, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert workshop.left_over() == []
    rows = workshop.trials()
    assert len(rows) == trials
    assert {row["state"] for row in rows} <= {"COMPLETE", "PRUNED"}
    check_journal(workshop)


def check_journal(workshop: Workshop) -> None:
    reader = Reader.open(workshop.folder() / "study.db")
    facts = [fact for _, fact in reader.facts()]
    reader.close()
    launches = Counter((f.trial, f.attempt) for f in facts if isinstance(f, ev.Launch))
    exits = Counter((f.trial, f.attempt) for f in facts if isinstance(f, ev.Exited))
    assert launches == exits
    assert set(launches.values()) == {1}
    running: set[int] = set()
    for fact in facts:
        if isinstance(fact, ev.Launch):
            assert fact.trial not in running
            running.add(fact.trial)
        elif isinstance(fact, ev.Exited):
            running.discard(fact.trial)
    check_acknowledged(workshop, facts)


def check_acknowledged(workshop: Workshop, facts: list[ev.AnyFact]) -> None:
    """Each report that waited at a rung and came back is in the journal.

    An attempt does not wait at a rung that an earlier one has filled, as one that was killed before
    it had saved: a report there may be lost with the engine.
    """
    known = {(f.trial, f.attempt, f.step) for f in facts if isinstance(f, ev.Reported)}
    rungs = {1, 3, 9}
    for folder in (workshop.folder() / "trials").iterdir():
        told = folder / "told"
        for line in told.read_text().splitlines() if told.exists() else []:
            attempt, step = map(int, line.split())
            if step in rungs:
                attempts = range(attempt + 1)
                assert any((int(folder.name), one, step) in known for one in attempts)


def test_an_interrupted_study_goes_on_from_its_checkpoints(workshop: Workshop):
    code = """
    import time

    def train(trial):
        start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
        for step in range(start, 50):
            save = lambda folder: (folder / "step").write_text(str(step + 1))
            trial.report(epoch=step + 1, loss=1.0, save=save)
            print("step", step + 1, flush=True)
            while step == 4 and trial.attempt == 0:  # until it is told to leave
                time.sleep(0.05)
                trial.report(epoch=step + 1, loss=1.0, save=save)
    """
    more = """
    [pruning]
    resource = "epoch"
    max = 50
    """
    file = workshop.study(code, more, trials=1)
    engine = workshop.start(file, "--no-ui")
    log = workshop.folder() / "trials/0000/output.log"
    wait_until(lambda: log.exists() and "step 3" in log.read_text(), "three steps")
    assert workshop.run("stop", "study").returncode == 0
    output = engine.communicate(timeout=60)[0]
    assert engine.returncode == 130, output
    assert "the same command continues" in output
    assert workshop.trials()[0]["state"] == "WAITING"
    assert workshop.show()["state"] == "interrupted"
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line for line in log.read_text().splitlines() if line.startswith("step")]
    assert steps.count("step 1") == 1
    assert workshop.trials()[0]["step"] == 50


def test_the_pruner_remembers_its_rungs(workshop: Workshop):
    more = MORE.replace("min = 1", "min = 3")
    file = workshop.study(CODE.replace("time.sleep(0.01)", "pass"), more, trials=12)
    engine = workshop.start(file, "--no-ui")
    begun = workshop.folder() / "study.toml"
    wait_until(lambda: begun.exists() and len(verdicts(workshop)) >= 4, "some verdicts")
    engine.kill()
    engine.communicate()
    before = verdicts(workshop)
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    after = [v for v in verdicts(workshop) if v.rung == 3]
    assert verdicts(workshop)[: len(before)] == before
    assert [v.n for v in after] == list(range(1, 13))


def verdicts(workshop: Workshop) -> list[ev.Verdict]:
    reader = Reader.open(workshop.folder() / "study.db")
    try:
        return [f for _, f in reader.facts() if isinstance(f, ev.Verdict)]
    finally:
        reader.close()


def test_a_second_engine_follows_the_first_and_never_runs_beside_it(workshop: Workshop):
    code = """
    import time
    from pathlib import Path

    def train(trial):
        trial.report(loss=1.0)
        while not Path("go").exists():
            time.sleep(0.05)
    """
    file = workshop.study(code, trials=2)
    first = workshop.start(file, "--no-ui")
    wait_until((workshop.folder() / "trials/0000").exists, "the first engine")
    second = workshop.start(file, "--no-ui")
    assert second.stdout is not None
    assert "an engine runs it already" in second.stdout.readline()
    workshop.write("go", "")
    assert second.wait(60) == 0
    opened = second.stdout.readline()  # the study as it was then: nothing had been done
    assert "study: 2 trials" in opened
    assert "continues with" not in opened
    assert first.wait(60) == 0
    assert [t["attempts"] for t in workshop.trials()] == [1, 1]


def test_of_two_that_begin_at_one_moment_the_later_follows(workshop: Workshop, monkeypatch, capsys):
    """Each has seen no engine; then one of them has the lock."""
    code = """
    import time
    from pathlib import Path

    def train(trial):
        trial.report(loss=1.0)
        while not Path("go").exists():
            time.sleep(0.01)
    """
    request = RunRequest(workshop.study(code, trials=2), workshop.path / "runs")
    first = workshop.start(request.file, "--no-ui")
    wait_until((workshop.folder() / "trials/0000").exists, "the first engine")
    spec, document = load_whole(request.file)
    seen = Resolution("run", spec, document, StudyFolder(workshop.folder()))
    monkeypatch.setattr(run, "resolve", lambda _: seen)

    asks = launch.another_runs

    def another_runs(folder: Path, timeouts: StartupTimeouts) -> bool:
        found = asks(folder, timeouts)
        workshop.write("go", "")
        return found

    monkeypatch.setattr(launch, "another_runs", another_runs)
    assert run.run_study(request) == 0
    assert "following it" in capsys.readouterr().err
    assert first.wait(60) == 0
    assert [t["attempts"] for t in workshop.trials()] == [1, 1]


def test_a_study_that_another_began_meanwhile_is_the_one_that_is_meant(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It has seen no study; then there is one, and it has ended."""
    request = RunRequest(
        workshop.study("def train(trial):\n    trial.report(loss=1.0)\n"), workshop.path / "runs"
    )
    workshop.run(request.file, "--no-ui")
    folders = [None, workshop.folder()]
    monkeypatch.setattr(run_request, "newest_study", lambda *_: folders.pop(0))
    assert run.run_study(request) == 0
    assert "study: finished" in capsys.readouterr().out
    assert [folder.name for folder in request.runs.iterdir()] == ["study"]


def test_code_that_was_changed_between_runs_is_told_once(workshop: Workshop):
    file = workshop.study("def train(trial):\n    trial.report(loss=1.0)\n", trials=2)
    assert "the training code has changed" not in workshop.run(file, "--no-ui").stdout
    code = file.with_name("study_train.py")
    code.write_text(code.read_text().replace("1.0", "0.5"))
    for trials, times in ((5, 1), (7, 0)):
        more = workshop.run(file, "--no-ui", "--trials", trials)
        assert more.stdout.count("the training code has changed") == times


def test_two_signals_end_it_at_once_and_it_stays_resumable(workshop: Workshop):
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
    engine = workshop.start(workshop.study(code, trials=1), "--no-ui")
    log = workshop.folder() / "study.db"
    wait_until(lambda: log.exists() and workshop.run("show", "study").returncode == 0)
    wait_until(lambda: workshop.trials() and workshop.trials()[0]["value"] == 1.0, "a report")
    engine.terminate()
    wait_until(lambda: "stopping" in str(workshop.trials()[0]["note"]), "the drain")
    engine.terminate()
    engine.communicate(timeout=60)
    assert engine.returncode == 130
    assert workshop.trials()[0]["state"] == "WAITING"
    assert workshop.left_over() == []


def test_closing_the_terminal_lets_trials_save(workshop: Workshop):
    code = """
    import time

    def train(trial):
        for step in range(10_000):
            trial.report(loss=1.0, save=lambda folder: (folder / "x").write_text("x"))
            time.sleep(0.01)
    """
    engine = workshop.start(workshop.study(code, trials=1), "--no-ui")
    wait_until((workshop.folder() / "trials/0000/output.log").exists, "trial 0")
    wait_until(lambda: workshop.trials()[0]["step"], "a report")
    engine.send_signal(signal.SIGHUP)
    engine.communicate(timeout=60)
    assert engine.returncode == 130
    assert list((workshop.folder() / "trials/0000/checkpoints").iterdir())
