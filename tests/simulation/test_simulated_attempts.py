"""Simulated attempts that are slow, ignore signals or report often, on a faulty machine."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from msgspec.structs import replace
from test_simulated_play import SPEC, Target

from simulator.clock import SimulatedLoop, WallClock
from simulator.course import Course
from simulator.executor import SimulatedExecutor
from simulator.invariants import stale_rows
from simulator.memory import MemoryJournal, MemoryTrialFolders
from tuitune.core import events as ev
from tuitune.core.placement.host import HostResources
from tuitune.core.search.registry import make_searcher
from tuitune.core.spec import PruningSpec, SearchSpec, TrialSpec
from tuitune.core.study import Study
from tuitune.engine.context import opening_events
from tuitune.engine.engine import Engine
from tuitune.engine.failure import GuardedWatcher
from tuitune.engine.monitors import ClockSteps
from tuitune.engine.ports import EngineDeps
from tuitune.simulation.recorded import Point

ONE = replace(SPEC, search=SearchSpec("random", trials=1), pruning=PruningSpec(max=9))


class Bench:
    """One study with a real engine, which a test can do things to at a certain second."""

    def __init__(self, spec, course, watch=lambda _facts: None):
        self.loop = SimulatedLoop(1000.0)
        self.wall = WallClock(self.loop)
        self.journal, self.trial_folders = MemoryJournal(), MemoryTrialFolders()
        self.spec, self.target, self.watch = spec, Target(course), watch
        self.loop.call_soon(self.open)

    def open(self):
        searcher = make_searcher(self.spec.space, self.spec.search)
        steps = ClockSteps(self.wall, self.loop.time)
        world = EngineDeps(
            self.journal, searcher, self.trial_folders, self.wall, self.watch, clock_step=steps
        )
        study = Study(self.spec)
        self.engine = Engine(study, world)
        self.executor = SimulatedExecutor(
            self.target, self.engine.take, self.loop, self.trial_folders, clock=self.wall
        )
        self.engine.executor = self.executor
        self.engine.finished.add_done_callback(lambda _: self.loop.stop())
        self.engine.take(opening_events(study, HostResources(4.0, 0), self.wall()))

    def at(self, second, act):
        self.loop.call_later(second, act)

    def stop(self):
        self.engine.take([ev.StopAsked(self.wall(), finish=False, why="by hand")])

    def run(self):
        self.loop.run_forever()
        assert not self.loop.failures
        return self.journal.facts

    def states(self):
        return [trial.state for trial in self.engine.study.state.trials]

    def lasted(self):
        return self.loop.time() - 1000.0


@pytest.fixture
def bench():
    made = []

    def make(course, spec=ONE, **more):
        made.append(Bench(spec, course, **more))
        return made[-1]

    yield make
    for one in made:
        one.loop.close()


def of(facts, kind):
    return [fact for fact in facts if isinstance(fact, kind)]


def test_a_stop_waits_for_a_checkpoint_that_takes_minutes(bench):
    there = bench(Course([Point(1, 0.5, 5.0), Point(2, 0.4, 5.0)], saves=True, saving=90.0))
    there.at(6.0, there.stop)
    facts = there.run()
    assert [fact.how for fact in of(facts, ev.Signal)] == ["ask"]
    assert of(facts, ev.Checkpointed)
    assert there.states() == ["WAITING"]
    assert there.lasted() == pytest.approx(100.0, abs=0.1)


def test_a_checkpoint_that_fails_is_told_and_ends_the_trial(bench):
    course = Course([Point(1, 0.5, 700.0)], saves=True, saving=2.0, spoilt=frozenset({1}))
    there = bench(course)
    facts = there.run()
    assert of(facts, ev.SaveFailed)
    assert not of(facts, ev.Checkpointed)
    assert there.states() == ["FAILED"]


def test_a_failed_checkpoint_may_be_shrugged_off(bench):
    points = [Point(1, 0.5, 700.0), Point(2, 0.4, 1.0)]
    there = bench(Course(points, saves=True, saving=2.0, spoilt=frozenset({1}), shrugs=True))
    there.run()
    assert there.states() == ["COMPLETE"]


def test_an_exit_that_hangs_is_ended_and_the_trial_complete(bench):
    there = bench(Course([Point(1, 0.5, 5.0)], lingers=math.inf))
    facts = there.run()
    assert of(facts, ev.Returned)
    assert [fact.reason for fact in of(facts, ev.Signal)] == ["returned"]
    assert there.states() == ["COMPLETE"]
    assert there.lasted() == pytest.approx(70.0, abs=1.0)


def test_a_polite_answer_to_sigterm_does_not_complete_a_trial(bench):
    there = bench(Course([Point(1, 0.5, 1.0)], end="hangs", polite=True))
    there.at(10.0, there.stop)
    facts = there.run()
    (exit_,) = of(facts, ev.Exited)
    assert (exit_.code, exit_.error) == (0, "")
    assert there.states() == ["WAITING"]


def test_a_complete_trial_that_is_silent_is_ended_after_ten_minutes(bench):
    there = bench(Course([Point(9, 0.5, 1.0)], end="hangs"))
    facts = there.run()
    assert [(fact.how, fact.reason) for fact in of(facts, ev.Signal)] == [
        ("ask", "overdue"),
        ("term", "overdue"),
    ]
    assert there.states() == ["COMPLETE"]
    assert there.lasted() == pytest.approx(611.0, abs=1.0)


def test_a_command_is_judged_where_a_later_step_shows_that_one_is_over(bench):
    points = [Point(1, 0.9, 1.0), Point(1, 0.7, 1.0), Point(1, 0.4, 1.0), Point(3, 0.3, 1.0)]
    trial = TrialSpec(command=("./t",))
    spec = replace(ONE, trial=trial, pruning=PruningSpec("median", "epoch", 1, 9))
    there = bench(Course([*points, Point(3, 0.2, 1.0)], command=True), spec)
    facts = there.run()
    judged = [(f.step, f.metrics["loss"]) for f in of(facts, ev.Reported) if not f.open]
    # the first of a step that is seen to have several, then each step once it is over
    assert judged == [(1, 0.9), (3, 0.2)]
    assert there.states() == ["COMPLETE"]


def test_the_clock_may_be_set_while_a_trial_is_made_to_leave(bench):
    there = bench(Course([], end="hangs", heeds="kill"))
    there.at(10.0, there.stop)
    there.at(20.0, lambda: setattr(there.wall, "offset", -3600.0))
    facts = there.run()
    assert [fact.how for fact in of(facts, ev.Signal)] == ["ask", "term", "kill"]
    assert [fact.seconds for fact in of(facts, ev.ClockStepped)] == [-3600.0]
    assert there.lasted() == pytest.approx(40.0, abs=0.1)


def test_what_a_set_clock_moves_is_in_the_rows_too(bench):
    there = bench(Course([Point(step, 0.5, 1.0) for step in range(1, 9)], saves=True))
    there.at(2.5, lambda: there.engine.take([ev.PauseAsked(there.wall(), (0,))]))
    there.at(5.0, lambda: there.engine.take([ev.KillAsked(there.wall(), 0, after=100.0)]))
    there.at(10.0, lambda: setattr(there.wall, "offset", 300.0))
    there.at(20.0, there.stop)
    there.run()
    there.engine.commit()
    row = there.journal.rows[0]
    assert (row.state, row.kill_at) == ("PAUSED", pytest.approx(1405.0))
    assert not stale_rows(there.engine.study, there.journal.rows, there.journal.study)


def test_the_report_of_a_silent_trial_ends_its_silence_in_the_row_too(bench):
    there = bench(Course([Point(1, 0.5, 1.0), Point(2, 0.4, 700.0), Point(3, 0.3, 8000.0)]))
    notes = []
    for second in (500.0, 650.0, 750.0, 7500.0, 8000.0):
        there.at(second, lambda: notes.append(there.journal.rows[0].note))
    there.run()
    silent = "silent for long"
    assert notes == ["", silent, "", "", silent]


def test_a_watcher_that_raises_stops_nothing(bench, tmp_path, capsys):
    def fail(_facts):
        raise UnicodeEncodeError("latin-1", "中", 0, 1, "ordinal not in range(256)")

    log = tmp_path / "engine.log"
    there = bench(Course([Point(9, 0.5, 1.0)]), watch=GuardedWatcher(fail, log))
    there.run()
    assert there.states() == ["COMPLETE"]
    assert capsys.readouterr().err.count("this can't be shown") == 1
    assert "UnicodeEncodeError" in log.read_text()


def test_what_can_not_be_launched_for_a_while_comes_back(bench):
    there = bench(
        Course([Point(9, 0.5, 10.0)]),
        replace(ONE, search=SearchSpec("random", trials=3, concurrency=2)),
    )
    there.at(5.0, lambda: there.executor.lack("code", "SyntaxError: invalid syntax"))
    there.at(60.0, lambda: there.executor.have("code"))
    facts = there.run()
    assert there.states() == ["COMPLETE"] * 3
    assert [bool(fact.why) for fact in of(facts, ev.LaunchBlocked)] == [True, False]
    assert all(fact.lost or not fact.error for fact in of(facts, ev.Exited))


def test_checkpoints_of_another_configuration_are_moved_aside():
    trial_folders = MemoryTrialFolders()
    trial_folders.prepare(0, {"x": 1})
    trial_folders.save(0, 3, {"x": 1}, frozenset())
    trial_folders.prepare(0, {"x": 1})
    assert trial_folders.newest_checkpoint(0, None, 3) == Path("trials/0000/checkpoints/00000003")
    trial_folders.prepare(0, {"x": 2})
    assert trial_folders.newest_checkpoint(0, None, 3) is None


def test_a_power_cut_takes_whole_transactions():
    journal = MemoryJournal()
    for time in (10.0, 20.0, 30.0):
        journal.write([ev.DeadlinePassed(time), ev.DeadlinePassed(time)], [])
    journal.snapshot(b"")
    journal.syncs.append(6)
    assert not journal.cut(15.0)  # it was synced
    assert journal.cut(15.0, restored=True)
    assert [fact.time for fact in journal.facts] == [10.0, 10.0]
    assert journal.restore()[0] is None
