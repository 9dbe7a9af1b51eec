"""A search method, a model and a pruner of an installed package, in real studies."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest
from installed import toy_package, unpack

from tuitune.core.pruning.registry import PRUNERS
from tuitune.core.search.registry import SEARCHERS

PACKAGE = """
from dataclasses import dataclass

import msgspec

from tuitune.core.options import Fault, Option
from tuitune.core.pruning.registry import NoPruner
from tuitune.core.pruning.pruner import Judgement, PrunerKind
from tuitune.core.search.proposal import AskModel, Proposal, SearcherKind


class Memory(msgspec.Struct, array_like=True):
    seen: dict[int, int] = {}


@dataclass(frozen=True)
class Strict(NoPruner):
    @property
    def judged_from(self):
        return self.pruning.min

    @property
    def milestones(self):
        return (self.pruning.max,)

    def memory(self):
        return Memory()

    def observe(self, state, trial, step, value):
        state.memory.seen[trial] = step

    def judge(self, state, report, available, *, new=False):
        limit = self.pruning.options["limit"]
        if report.step >= self.pruning.max:
            return None
        action = "stop" if report.value > limit else "go"
        words = f"{report.value:g} against {limit:g}, {len(state.memory.seen)} trials seen"
        return Judgement(action, report.step, 1, 1, limit, words)


def check(pruning, keys):
    if pruning.options["limit"] <= 0:
        yield Fault("limit", "stops every trial; write limit = 0.5, say")


STRICT = PrunerKind(
    summary="stops a trial above a limit",
    make=Strict,
    keys=frozenset({"min", "max"}),
    options=(Option("limit", "number", 0.5, -1),),
    check=check,
)


@dataclass(frozen=True)
class Halves:
    space: object
    parts: int
    asks: bool = False

    def planned(self, index):
        place = (index + 0.5) / self.parts % 1.0
        config = self.space.configuration([place for _ in self.space.searched])
        return Proposal(config, "halves", f"part {index} of {self.parts}")

    def propose(self, trial, tried):
        return AskModel() if self.asks else self.planned(trial)


class Model:
    def __init__(self, space):
        self.space = space

    def propose(self, trial, history, tried):
        config = self.space.configuration([0.25 for _ in self.space.searched])
        return Proposal(config, "modelled", f"{len(history.past)} trials before")


HALVES = SearcherKind(
    summary="equal parts of every range",
    make=lambda space, search, informed: Halves(space, search.options["parts"]),
    options=(Option("parts", "whole", 4, 1),),
)
MODELLED = SearcherKind(
    summary="always the same",
    make=lambda space, search, informed: Halves(space, 4, asks=True),
    model=lambda space, search, mode, rungs: Model(space),
)
"""
ENTRY_POINTS = """\
[tuitune.searchers]
halves = toy_methods:HALVES
modelled = toy_methods:MODELLED
wrong = toy_methods:STRICT
broken = toy_methods_broken:HALVES

[tuitune.pruners]
strict = toy_methods:STRICT
"""
CODE = """\
def train(trial):
    for epoch in range(1, 4):
        trial.report(epoch=epoch, loss=trial.config["x"])
"""
STRICT = """\
[pruning]
method = "strict"
resource = "epoch"
max = 3
limit = 0.6
"""


@pytest.fixture
def installed(workshop, monkeypatch):
    """The workshop, with the package on the path of every process's imports."""
    place = workshop.path / "site"
    broken = "raise RuntimeError('no licence')\n"
    modules = {"toy_methods": PACKAGE, "toy_methods_broken": broken}
    unpack(toy_package("toy_methods", ENTRY_POINTS, **modules), place)
    path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    return workshop


def study(workshop, method, more=STRICT, options="", trials=4):
    file = workshop.study(CODE, more, trials=trials)
    text = file.read_text().replace('method = "random"', f'method = "{method}"\n{options}')
    file.write_text(textwrap.dedent(text))
    return file


def run(workshop, *words):
    done = workshop.run(*words)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_a_study_runs_by_an_installed_searcher_and_pruner(installed):
    study(installed, "halves", options="parts = 5")

    done = run(installed, "study.toml", "--no-ui", "--runs", "runs")

    assert done.returncode == 0, done.stderr
    trials = installed.trials()
    assert [trial["config"]["x"] for trial in trials] == [0.1, 0.3, 0.5, 0.7]
    assert [trial["why"] for trial in trials] == [f"part {n} of 5" for n in range(4)]
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 3 + ["PRUNED"]
    assert "0.7 against 0.6" in trials[3]["note"]


def test_it_is_taken_up_again_by_another_engine(installed):
    study(installed, "halves", options="parts = 5")
    assert run(installed, "study.toml", "--no-ui", "--runs", "runs").returncode == 0

    more = run(installed, "study.toml", "--no-ui", "--runs", "runs", "--set", "search.trials=5")

    assert more.returncode == 0, more.stderr
    trials = installed.trials()
    assert trials[4]["config"]["x"] == 0.9
    assert "0.9 against 0.6, 5 trials seen" in trials[4]["note"]
    other = run(installed, "study.toml", "--no-ui", "--runs", "runs", "--set", "search.parts=7")
    assert other.returncode != 0
    assert "[search] parts: was 5, is 7" in other.stdout + other.stderr


def test_its_model_answers_from_the_models_process(installed):
    study(installed, "modelled", more="")

    done = run(installed, "study.toml", "--no-ui", "--runs", "runs")

    assert done.returncode == 0, done.stderr
    trials = installed.trials()
    assert {trial["origin"] for trial in trials} == {"modelled"}
    assert trials[0]["why"] == "0 trials before"


def test_check_and_simulate_find_it(installed):
    study(installed, "halves")
    checked = run(installed, "check", "study.toml")
    assert checked.returncode == 0, checked.stderr
    assert "4 trials by halves, strict over epoch 1 to 3" in checked.stdout
    assert run(installed, "study.toml", "--no-ui", "--runs", "runs").returncode == 0

    simulated = run(installed, "simulate", "study", "--runs", "runs", "--set", "pruning.limit=0.1")

    assert simulated.returncode == 0, simulated.stderr


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        ("halfs", STRICT, 'is unknown; did you mean "halves"?'),
        ("nothing_like_it", "", "installed: broken, halves, modelled, wrong"),
        ("broken", "", "of the package toy-methods can't be loaded: RuntimeError: no licence"),
        ("wrong", "", "its package offers no SearcherKind"),
        ("halves", STRICT.replace("0.6", "0.0"), "stops every trial; write limit = 0.5, say"),
        ("halves", STRICT.replace("limit", "limits"), "there is no such key"),
    ],
)
def test_what_cannot_be_used_is_told_in_words(installed, method, more, message):
    study(installed, method, more)

    done = run(installed, "check", "study.toml")

    assert done.returncode != 0
    assert message in done.stdout + done.stderr


def test_nothing_is_looked_up_for_a_built_in_name(installed):
    """An installed package whose metadata can't be read would be noticed."""
    installed.study(CODE)
    code = "import sys; from tuitune.studyfile import load; load('study.toml'); print('importlib.metadata' in sys.modules)"

    done = installed.call([installed.command()[0], "-c", code])

    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(("table", "rows"), [("search", SEARCHERS), ("pruning", PRUNERS)])
def test_the_documentation_names_every_row_and_its_options(table, rows):
    text = (Path(__file__).parents[2] / "docs/study-file.md").read_text()
    section = text.partition(f"## [{table}]")[2].partition("\n## ")[0]
    names = [name for row in rows.values() for name in (option.key for option in row.options)]
    assert all(f'"{name}"' in section for name in rows)
    assert all(f"| `{key}` |" in section for key in names)
    assert all(row.summary and "?" not in row.summary for row in rows.values())
