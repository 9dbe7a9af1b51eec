"""Promotion by a model of the curves: what goes on, when ASHA decides, and what the model learns."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import assume, given, settings, strategies as st
from pruning_world import Pruner, words

from tuitune.core.paces import Times
from tuitune.core.pruning.by_model import EAGER, ENOUGH, LATEST
from tuitune.core.pruning.curve_model import fit
from tuitune.core.pruning.pruner import Report
from tuitune.core.spec import PruningSpec

COSTS = (1, 2, 6, 18)


def pruning(method="model", style="promote", high=27):
    return PruningSpec(method, min=1, max=high, style=style)


class Curves:
    """Losses that fall to an end which is drawn for each trial; short runs tell it with an error."""

    def __init__(self, seed, *, noise=0.5):
        self.seed, self.noise = seed, noise

    def end(self, trial):
        return Random(f"{self.seed}/{trial}").gauss(0, 1)

    def at(self, trial, step):
        error = self.noise * Random(f"{self.seed}/{trial}/{step}").gauss(0, 1) / math.sqrt(step)
        return self.end(trial) + error + 3 / step


class Study:
    """Slots that take what the pruner says, else a new trial; all runs take equally long."""

    def __init__(self, spec, *, trials, slots=4, at=None, mode="min"):
        self.pruner, self.trials, self.slots, self.at = Pruner(spec, mode), trials, slots, at
        self.sign = 1 if mode == "min" else -1
        self.rungs = (*self.pruner.plan.steps[0], spec.max)
        self.next, self.waiting, self.done = 0, {}, {}
        self.log, self.spent = [], 0

    def run(self):
        running = []
        while True:
            while len(running) < self.slots and (launched := self.launch()) is not None:
                running.append(launched)
            if not running:
                return self
            trial, rung = running.pop(0)
            if (after := self.report(trial, rung)) is not None:
                running.append(after)

    def launch(self):
        new = self.next < self.trials
        found = self.pruner.pruner.promotion(self.pruner.state, self.waiting, new=new)
        if found is None and not new and not self.done:
            found = self.pruner.last_resort(self.waiting)
        if found is not None:
            self.log.append(found)
            self.pruner.send(found)
            return found.trial, self.waiting.pop(found.trial) + 1
        if not new:
            return None
        self.next += 1
        return self.next - 1, 0

    def report(self, trial, rung):
        """Returns where it goes on; None if it waits, or is done."""
        step = self.rungs[rung]
        self.spent += step - (self.rungs[rung - 1] if rung else 0)
        value = self.sign * self.at(trial, step)
        if step == self.rungs[-1]:
            self.pruner.enter(trial, step, value, "complete")
            self.done[trial] = value
            return None
        new = self.next < self.trials
        state, report = self.pruner.state, Report(trial, step, value)
        verdict = self.pruner.pruner.judge(state, report, self.waiting, new=new)
        self.log.append((verdict.action, trial, step))
        self.pruner.enter(trial, step, value, verdict.action)
        if verdict.action == "go":
            return trial, rung + 1
        if verdict.action == "pause":
            self.waiting[trial] = rung
        return None


def lost(study, curves, trials):
    """Of the best tenth, the share that was not trained to the end."""
    best = sorted(range(trials), key=curves.end)[: trials // 10]
    return sum(trial not in study.done for trial in best) / len(best)


def test_it_loses_fewer_good_trials_than_asha_for_as_many_epochs():
    shares, epochs = {}, {}
    for method in ("model", "asha"):
        runs = []
        for seed in range(10):
            curves = Curves(seed)
            runs.append((Study(pruning(method), trials=120, at=curves.at).run(), curves))
        shares[method] = sum(lost(study, curves, 120) for study, curves in runs) / len(runs)
        epochs[method] = sum(study.spent for study, _ in runs)
    assert shares["model"] < shares["asha"] - 0.1
    assert epochs["model"] < 1.2 * epochs["asha"]


def test_before_there_is_enough_to_learn_from_asha_decides():
    curves = Curves(3)
    few = {}
    for method in ("model", "asha"):
        study = Study(pruning(method), trials=ENOUGH - 1, at=curves.at).run()
        few[method] = [
            entry if isinstance(entry, tuple) else entry.trial
            for entry in study.log
            if isinstance(entry, tuple) or entry.by_rank
        ]
    assert few["model"] == few["asha"]


def test_trials_that_cannot_save_are_stopped_as_by_asha():
    curves = Curves(1)
    logs = [
        Study(pruning(method, style="stop"), trials=60, at=curves.at).run().log
        for method in ("model", "asha")
    ]
    assert logs[0] == logs[1]


class Deceiving(Curves):
    """Short runs say nothing of the end, so that the model sees no promise in any of them."""

    def at(self, trial, step):
        return Random(f"{self.seed}/{trial}/{step}").gauss(0, 1)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.sampled_from([0.1, 5.0, None]))
def test_what_asha_would_promote_is_promoted_after_a_limited_number_of_launches(seed, slots, noise):
    """While there are new trials: once one has waited LATEST launches, the next launch takes it."""
    curves = Deceiving(seed) if noise is None else Curves(seed, noise=noise)
    study = Study(pruning(), trials=80, slots=slots, at=curves.at)
    launch, late_ones = study.launch, []

    def watched():
        memory = study.pruner.state.memory
        late = {
            trial
            for trial, since in memory.due.items()
            if memory.launches - since >= LATEST and trial in study.waiting
        }
        new = study.next < study.trials
        found = launch()
        if new and late and memory.model is not None:
            late_ones.append(found[0])
            assert found[0] in late
        return found

    study.launch = watched
    study.run()
    assert study.done
    if noise is None:
        assume(late_ones)  # else nothing was shown


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 8))
def test_at_least_one_trial_reaches_the_maximum(seed, trials, slots):
    """However few there are, and whatever the model thinks of them."""
    assert Study(pruning(), trials=trials, slots=slots, at=Deceiving(seed).at).run().done


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans())
def test_a_free_slot_takes_what_promises_most_a_waiting_trial_or_a_new_one(seed, slots, deceive):
    curves = Deceiving(seed) if deceive else Curves(seed)
    study = Study(pruning(), trials=60, slots=slots, at=curves.at)
    launch, taken = study.launch, {"waiting": 0, "new": 0}

    def watched():
        memory, sign = study.pruner.state.memory, study.sign
        model, new = memory.model, study.next < study.trials
        old = any(memory.launches - since >= LATEST for since in memory.due.values())
        before, waiting = study.next, dict(study.waiting)
        found = launch()
        if model is None or not new or old:
            return found
        promises = {
            trial: model.promise(rung, sign * study.at(trial, study.rungs[rung]), COSTS)
            for trial, rung in waiting.items()
        }
        best = max(promises.values(), default=0.0)
        is_new = study.next > before
        taken["new" if is_new else "waiting"] += 1
        if is_new:
            assert best <= EAGER * model.promise_of_new(COSTS)
        else:
            assert promises[found[0]] == best > EAGER * model.promise_of_new(COSTS)
        return found

    study.launch = watched
    study.run()
    assert taken["new"]
    assert deceive or taken["waiting"]


@pytest.mark.parametrize("seed", range(3))
def test_of_many_that_wait_the_one_goes_on_that_promises_most(seed):
    """Fifty new trials are launched first, whatever waits; then ten promotions in turn."""
    study = Study(pruning(), trials=60, at=Curves(seed).at)
    for trial in range(50):
        study.next = trial + 1
        rung = 0
        while rung is not None:
            found = study.report(trial, rung)
            rung = None if found is None else found[1]
    model = study.pruner.state.memory.model
    study.pruner.state.memory.due.clear()
    assert len(set(study.waiting.values())) > 1  # they wait at several rungs
    found = study.pruner.pruner.promotion(study.pruner.state, study.waiting, new=True)
    promises = {
        trial: model.promise(rung, study.at(trial, study.rungs[rung]), COSTS)
        for trial, rung in study.waiting.items()
    }
    assert sum(promise > EAGER * model.promise_of_new(COSTS) for promise in promises.values()) > 1
    assert promises[found.trial] == max(promises.values())


def paced(seed, pace):
    """Fifty new trials were launched, whatever waits; their paces are known, and a refit is due."""
    study = Study(pruning(), trials=120, at=Curves(seed).at)
    for trial in range(50):
        study.next = trial + 1
        if pace is not None:
            study.pruner.state.times[trial] = Times(1.0, 5.0 + pace(trial), 1.0, pace(trial))
        rung = 0
        while rung is not None:
            found = study.report(trial, rung)
            rung = None if found is None else found[1]
    study.pruner.state.memory.due.clear()
    return study


def promoted(study):
    """The trials that free slots take, as long as they take any."""
    found, taken = True, []
    while found:
        found = study.pruner.pruner.promotion(study.pruner.state, study.waiting, new=True)
        if found:
            taken.append(found.trial)
            study.pruner.send(found)
            study.waiting.pop(found.trial)
    return taken


@pytest.mark.parametrize("seed", range(3))
def test_where_paces_differ_threefold_it_is_the_promise_a_second_that_counts(seed):
    plain = promoted(paced(seed, None))
    assert len(plain) > 1
    assert promoted(paced(seed, lambda trial: 1.0 + trial % 2)) == plain  # only twofold
    slow = plain[0]
    quick = dict.fromkeys(plain, 1.0) | {slow: 20.0}
    study = paced(seed, lambda trial: quick.get(trial, 1.0 + 3 * (trial % 2)))
    assert promoted(study)[0] != slow  # though it promises most an epoch


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_the_direction_of_the_metric_makes_no_difference(seed):
    curves = Curves(seed)
    low, high = (
        Study(pruning(), trials=50, at=curves.at, mode=mode).run() for mode in ("min", "max")
    )
    assert list(low.done) == list(high.done)


def test_only_ranks_count_so_that_outliers_and_scales_do_not():
    curves = Curves(2)
    plain = Study(pruning(), trials=80, at=curves.at).run()
    bent = Study(pruning(), trials=80, at=lambda n, step: math.exp(3 * curves.at(n, step))).run()
    assert list(plain.done) == list(bent.done)


def test_a_study_taken_up_by_another_engine_decides_the_same():
    curves = Curves(5)
    whole = Study(pruning(), trials=60, at=curves.at)
    taken = Study(pruning(), trials=60, at=curves.at)
    report = taken.report

    def stored(trial, rung):
        taken.pruner.store()
        return report(trial, rung)

    taken.report = stored
    assert whole.run().log == taken.run().log


def test_failed_trials_and_plateaus_break_nothing():
    study = Study(pruning(), trials=60, at=lambda n, step: 0.693 if n % 4 else 0.693 - n / step)
    enter = study.pruner.enter

    def failing(trial, step, value, action):
        if trial % 7 == 0 and step > 1:
            study.pruner.fail(trial)
        else:
            enter(trial, step, value, action)

    study.pruner.enter = failing
    study.run()
    assert study.done


def test_the_reasons_have_the_figures():
    study = Study(pruning(), trials=60, at=Curves(4).at).run()
    promoted = [found for found in study.log if not isinstance(found, tuple)]
    told = [words(found) for found in promoted]
    assert any("times as much as a new trial" in one for one in told)
    assert any("for the best tenth, end " in one for one in told)
    left = next(iter(study.waiting))
    assert words(Why(study.pruner.pruner.not_promoted(study.pruner.state, left))).startswith("not ")


class Why:
    def __init__(self, why):
        self.why = why


# --- the model -----------------------------------------------------------------------------------


def learnt(curves, trials=60):
    steps = (1, 3, 9)
    rungs = [{n: curves.at(n, step) for n in range(trials)} for step in steps]
    ends = {n: curves.at(n, 27) for n in range(trials)}
    return fit(rungs, ends, list(rungs[0].values()))


def test_a_longer_run_predicts_the_end_better():
    model = learnt(Curves(0, noise=1.0))
    errors = [model.at_end(rung).variance for rung in range(3)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 2 * errors[2]


@pytest.mark.parametrize("rung", range(3))
def test_a_better_value_promises_more(rung):
    curves = Curves(1)
    model = learnt(curves)
    losses = sorted(curves.at(n, (1, 3, 9)[rung]) for n in range(0, 60, 6))
    promises = [model.promise(rung, loss, COSTS) for loss in losses]
    chances = [model.chance(rung, loss) for loss in losses]
    assert promises == sorted(promises, reverse=True)
    assert chances == sorted(chances, reverse=True)


def test_its_chances_are_those_that_come_true():
    """Of the trials with a chance of 50 % or more, most end among the best tenth."""
    likely, good = 0, 0
    for seed in range(30):
        curves = Curves(seed)
        model = learnt(curves)
        ends = sorted(curves.at(n, 27) for n in range(60))
        for n in range(60):
            chance = model.chance(2, curves.at(n, 9))
            if chance >= 0.5:
                likely += chance
                good += curves.at(n, 27) <= ends[5]
    assert likely > 50
    assert 0.8 < good / likely < 1.25


def test_there_is_no_model_of_fewer_than_three_trials():
    assert fit([{0: 1.0, 1: 2.0}], {}, [1.0, 2.0]) is None
