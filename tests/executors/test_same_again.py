"""The same study run twice: the same in every reported value, forked or not."""

from __future__ import annotations

import pytest

from tuitune.core import events as ev
from tuitune.store.folder import DATABASE
from tuitune.store.reader import Reader

# What numpy's import is moved to, and whether threads prevent forks
CODE = """
{top}
import random, threading
{threads}
SPLIT = sum(position * random.random() for position in range(9))
NAMES = "".join(set("abcdefgh"))
def train(trial):
    {inside}
    for step in range(3):
        drawn = random.random() + numpy.random.rand()
        trial.report(loss=trial.config["x"] + drawn, split=SPLIT, names=hash(NAMES) % 1000)
def sampled(generator, config):
    {inside}
    return generator.random() + numpy.random.rand()
"""
IMPORT = "import numpy; EARLY = numpy.random.rand()"
KEEPS = "threading.Thread(target=threading.Event().wait, daemon=True).start()"


def reported(workshop, name: str) -> list[object]:
    """All configurations and reports of a study, in their order."""
    reader = Reader.open(workshop.folder(name) / DATABASE)
    facts = [fact for _, fact in reader.facts(0)]
    reader.close()
    kinds = ev.Proposed, ev.Reported, ev.Verdict, ev.Settled
    told = {kind: [f for f in facts if isinstance(f, kind)] for kind in kinds}
    return [
        sorted((f.trial, sorted(f.config.items())) for f in told[ev.Proposed]),
        sorted((f.trial, f.attempt, f.step, sorted(f.metrics.items())) for f in told[ev.Reported]),
        sorted((f.trial, f.step, f.action) for f in told[ev.Verdict]),
        sorted((f.trial, f.state) for f in told[ev.Settled]),
    ]


def run(workshop, code: str, more: str, name: str, *settings: str) -> list[object]:
    """Run the study under this name; what it has reported."""
    file = workshop.study(code, more, trials=2)
    words = [word for text in (*settings, f"study.name={name}") for word in ("--set", text)]
    done = workshop.run(file, "--no-ui", *words)
    assert done.returncode == 0, done.stderr
    assert ("imports all again" in done.stdout) == (KEEPS in code)
    return reported(workshop, name)


@pytest.mark.parametrize("where", ["top", "inside"])
def test_forked_or_not_each_report_is_the_same(workshop, where):
    places = {"top": "", "inside": "pass", where: IMPORT}
    sampled = "space.y={ sample = 'study_train.py:sampled' }"
    forked, fresh = (
        run(workshop, CODE.format(**places, threads=threads), "", name, sampled)
        for name, threads in (("forked", ""), ("fresh", KEEPS))
    )
    assert len(forked[1]) == 6
    assert forked == fresh


LEARNS = """
import random
def train(trial):
    for epoch in range(1, 10):
        trial.report(epoch=epoch, loss=trial.config["x"] + random.random() / epoch)
"""


def test_with_one_slot_a_model_and_rungs_give_the_same_study_again(workshop):
    more = """
    [pruning]
    method = "asha"
    resource = "epoch"
    max = 9
    """
    one_slot = "search.concurrency=1", "search.method=bayes", "search.trials=9"
    first, second = (run(workshop, LEARNS, more, name, *one_slot) for name in ("one", "two"))
    assert len(first[0]) == 9
    assert first == second
