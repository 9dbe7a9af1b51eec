"""A promoting study whose engine, zygote and workers are killed: no epoch lost that was saved."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from test_engine_death import check_journal
from workshop import Workshop, wait_until

from tuitune.core import events as ev

# Every epoch trained is noted before it is reported, with the attempt that did it.
CODE = """
import time

def train(trial):
    start = int((trial.resume_path / "epoch").read_text()) if trial.resume_path else 0
    for epoch in range(start + 1, trial.max_resource + 1):
        time.sleep(0.01)
        with open(trial.folder / "epochs", "a") as epochs:
            epochs.write(f"{trial.attempt} {start} {epoch}\\n")
        trial.report(epoch=epoch, loss=trial.config["x"] + 1 / epoch,
                     save=lambda folder: (folder / "epoch").write_text(str(epoch)))
"""

MORE = """
retries = 100
[pruning]
method = "asha"
resource = "epoch"
min = 1
max = 9
reduction = 3
style = "promote"
"""


def processes(workshop: Workshop, engine: int) -> dict[str, list[int]]:
    """The study's processes by their part; trials are the zygote's children."""
    found: dict[str, list[int]] = {"engine": [engine], "zygote": [], "worker": []}
    for pid in workshop.left_over():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found["zygote" if int(stat[1]) == engine else "worker"].append(pid)
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_whoever_is_killed_no_saved_epoch_is_trained_again(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=5000)
    rng = random.Random(11)
    kills: Counter[str] = Counter()
    engine = workshop.start(file, "--no-ui")
    while kills.total() < 18:
        end = time.monotonic() + rng.uniform(0.3, 0.7)
        wait_until(lambda t=end: time.monotonic() > t)
        part = ("worker", "zygote", "worker", "engine", "worker", "zygote")[kills.total() % 6]
        victims = processes(workshop, engine.pid)[part]
        assert engine.poll() is None, engine.communicate()[0]
        if not victims:
            continue
        try:
            os.kill(rng.choice(victims), signal.SIGKILL)
        except ProcessLookupError:
            continue
        kills[part] += 1
        if part == "engine":
            engine.communicate()
            wait_until(lambda: not workshop.left_over(), "the end of all trials")
            engine = workshop.start(file, "--no-ui")
    trials = max(len(workshop.trials()) + 50, 200)
    assert workshop.run("set", "study", f"search.trials={trials}").returncode == 0
    output = engine.communicate(timeout=200)[0]
    assert engine.returncode == 0, output[-3000:]
    assert workshop.left_over() == []
    rows = workshop.trials()
    assert len(rows) == trials
    assert {row["state"] for row in rows} <= {"COMPLETE", "PRUNED"}
    check_epochs(workshop)
    check_journal(workshop)
    check_promotions(workshop)


def test_trials_raised_at_the_end_send_on_from_checkpoints_that_are_kept(workshop: Workshop):
    best_first = CODE.replace('trial.config["x"]', "trial.number")
    file = workshop.study(best_first, 'keep_checkpoints = "all"' + MORE, trials=2)
    assert workshop.run(file, "--no-ui").returncode == 0
    assert [t["state"] for t in workshop.trials()] == ["COMPLETE", "PRUNED"]
    done = workshop.run(file, "--no-ui", "--trials", 30)
    assert done.returncode == 0, done.stdout + done.stderr
    check_epochs(workshop)
    assert [t["state"] for t in workshop.trials()[:2]] == ["COMPLETE", "COMPLETE"]
    for trial in range(2):
        lines = (workshop.folder() / f"trials/{trial:04d}/epochs").read_text().splitlines()
        assert [line for line in lines if line.endswith(" 1")] == ["0 0 1"]


@pytest.mark.parametrize("keep", ["best", "none"])
def test_those_that_were_not_promoted_keep_nothing_once_the_study_is_complete(
    workshop: Workshop, keep: str
):
    best_first = CODE.replace('trial.config["x"]', "trial.number")
    file = workshop.study(best_first, f'keep_checkpoints = "{keep}"' + MORE, trials=12)
    assert workshop.run(file, "--no-ui").returncode == 0
    best = workshop.show()["best"]["trial"]
    left = [path.parent.name for path in workshop.folder().glob("trials/*/checkpoints")]
    assert left == ([f"{best:04d}"] if keep == "best" else [])
    attempts = [t["attempts"] for t in workshop.trials()]
    assert workshop.run(file, "--no-ui", "--trials", 13).returncode == 0
    assert [t["attempts"] for t in workshop.trials()[:12]] == attempts


TOO_FEW = """
[pruning]
method = "asha"
resource = "epoch"
max = 200
reduction = 3
style = "promote"
"""


def test_with_too_few_trials_for_its_rungs_the_best_is_trained_to_the_end(workshop: Workshop):
    """20 trials, where 243 are needed to be sure; its engine is killed while it goes on."""
    quick = CODE.replace("time.sleep(0.01)", "time.sleep(0.002)")
    file = workshop.study(quick, TOO_FEW, trials=20)
    words = "20 trials are too few for the rungs to be sure to send one to epoch 200 by its rank"
    assert words in workshop.run("check", file).stdout
    engine = workshop.start(file, "--no-ui")
    wait_until(lambda: any(not f.by_rank for f in promotions(workshop)), "the last resort")
    engine.kill()
    said = engine.communicate()[0]
    assert words in said
    wait_until(lambda: not workshop.left_over(), "the end of all trials")
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = workshop.trials()
    assert Counter(row["state"] for row in rows) == {"COMPLETE": 1, "PRUNED": 19}
    (best,) = [row for row in rows if row["state"] == "COMPLETE"]
    assert best["step"] == 200
    last = [fact for fact in promotions(workshop) if not fact.by_rank]
    assert {fact.trial for fact in last} == {best["trial"]}
    assert all("not promoted at epoch" in row["note"] for row in rows if row is not best)
    check_epochs(workshop)
    check_journal(workshop)


def promotions(workshop: Workshop) -> list[ev.Promoted]:
    begun = (workshop.folder() / "study.toml").exists()  # written once the database is there
    return workshop.facts(ev.Promoted) if begun else []


def check_epochs(workshop: Workshop) -> None:
    """Attempts go on where the last checkpoint stands; within one no epoch is left out or twice."""
    saves: dict[int, list[ev.Checkpointed]] = {}
    for fact in workshop.facts(ev.Checkpointed):
        saves.setdefault(fact.trial, []).append(fact)
    for folder in (workshop.folder() / "trials").iterdir():
        noted = folder / "epochs"
        lines = noted.read_text().splitlines() if noted.exists() else []
        attempts: dict[int, list[tuple[int, int]]] = {}
        for line in lines:
            attempt, start, epoch = map(int, line.split())
            attempts.setdefault(attempt, []).append((start, epoch))
        for attempt, epochs in attempts.items():
            start = epochs[0][0]
            assert [epoch for _, epoch in epochs] == list(range(start + 1, start + 1 + len(epochs)))
            mine = saves.get(int(folder.name), [])
            saved = [save.step for save in mine if save.attempt < attempt]
            assert start >= max(saved, default=0), "an epoch that was saved is trained again"


def check_promotions(workshop: Workshop) -> None:
    """Whoever went on was among the best third then, and nobody goes on twice from one rung."""
    went = [f for f in workshop.facts(ev.Verdict) if f.action == "go" and f.rung]
    went += workshop.facts(ev.Promoted)
    assert len(went) > 60  # of 200 trials, of which a third goes on from each rung
    assert all(f.rank <= f.n // 3 for f in went if getattr(f, "by_rank", True))
    assert max(Counter((f.trial, f.rung) for f in went).values()) == 1
