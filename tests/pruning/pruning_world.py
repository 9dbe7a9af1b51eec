"""A small study that asks pruner and reference the same questions, and does what they say."""

from __future__ import annotations

import math

import msgspec
from pruning_reference import Asha, is_number

from tuitune.core import reasons
from tuitune.core.pruning.pruner import PrunerState, Report
from tuitune.core.pruning.registry import pruner_kind
from tuitune.core.spec import PruningSpec
from tuitune.messages.reasons import reason_words

ODD = (math.nan, math.inf, -math.inf, -0.0, 1e300, 5e-324)


def any_pruning(random):
    low = random.randint(1, 3)
    method = random.choice(["asha", "asha", "hyperband"])
    reduction = random.choice([2.0, 3.0, 3.0, 4.0, 1.5, 2.5])
    return PruningSpec(
        method=method,
        min=low,
        max=low + random.randint(1, 40),
        reduction=reduction,
        style="promote",
        brackets=random.choice([1, 1, 2, 3]) if method == "asha" else 1,
    )


def told(verdict):
    """A judgement without its words, as the reference gives it."""
    if verdict is None:
        return None
    if isinstance(verdict.why, reasons.Diverged):
        return verdict.action, None
    return verdict.action, (verdict.rung, verdict.rank, verdict.n, verdict.cut)


def sent(promotion):
    if promotion is None:
        return None
    return promotion.trial, promotion.rung, promotion.rank, promotion.n, promotion.cut


def words(verdict):
    return reason_words(verdict.why)


def made(pruning, mode="min"):
    return pruner_kind(pruning).make(pruning, mode)


class Pruner:
    """What a study does with the pruner: judge a report, then enter it."""

    def __init__(self, pruning, mode="min", style=""):
        self.pruning, self.pruner = pruning, made(pruning, mode)
        self.state = PrunerState(style=style, memory=self.pruner.memory())
        self.spoilt = set()

    @property
    def plan(self):
        return self.pruner.plan

    def unfilled(self, trial):
        return self.plan.unfilled(self.state.filled, trial)

    def observe(self, trial, step, value):
        self.pruner.observe(self.state, trial, step, value)

    def judge(self, trial, step, value, diverged=False, available=()):
        return self.pruner.judge(self.state, Report(trial, step, value, diverged), available)

    def enter(self, trial, step, value, action):
        self.pruner.enter(self.state, trial, step, value, action)

    def report(self, trial, step, value, available=()):
        self.observe(trial, step, value)
        if not is_number(value):
            self.spoilt.add(trial)
        spoilt = trial in self.spoilt
        counted = math.nan if spoilt else value
        if step >= self.pruning.max:
            self.enter(trial, step, counted, "complete")
            return "complete"
        verdict = self.judge(trial, step, value, spoilt, available)
        if verdict is not None:
            self.enter(trial, step, counted, verdict.action)
        return verdict

    def promotion(self, available):
        return self.pruner.promotion(self.state, available)

    def last_resort(self, available):
        return self.pruner.last_resort(self.state, available)

    def send(self, promotion):
        self.pruner.send(self.state, promotion.trial, promotion.rung)

    def fail(self, trial):
        self.pruner.fail(self.state, trial)

    def complete(self, trial):
        self.pruner.complete(self.state, trial)

    def store(self):
        """As if an engine had died here and another one had taken the study up."""
        packed = msgspec.msgpack.encode(self.state)
        again = msgspec.msgpack.decode(packed, type=PrunerState)
        again.memory = msgspec.convert(again.memory, type=type(self.pruner.memory()))
        assert again == self.state
        assert msgspec.msgpack.encode(again) == packed
        self.state = again


class World:
    """Trials run, wait, fail, are held, killed, taken up again; all of it drawn from `random`."""

    def __init__(self, random, pruning, *, trials, slots, style, mode):
        self.random, self.pruning, self.mode = random, pruning, mode
        self.pruner = Pruner(pruning, mode, style)
        self.reference = Asha(pruning, mode, style)
        self.trials, self.slots = trials, slots
        self.states, self.steps = {}, {}
        self.quality = random.choice(["any", "worse", "better", "equal"])
        self.jump = random.choice([1, 1, 3, 12])
        self.odd = random.choice([0.0, 0.0, 0.03])
        self.trouble = random.choice([0.0, 0.05, 0.2])
        self.eager = random.choice([1.0, 0.6, 0.2])  # now and then the launching is paused
        self.verdicts, self.promotions, self.last_resorts = [], [], []

    def all_that(self, *states):
        return [trial for trial, state in self.states.items() if state in states]

    def available(self):
        return set(self.all_that("waiting"))

    def move(self):
        """Let one thing happen; False once nothing more can."""
        free = len(self.all_that("running")) < self.slots
        if free and self.random.random() < self.eager and self.take():
            return True
        if self.random.random() < self.trouble and self.states:
            self.disturb()
            return True
        running = self.all_that("running")
        if running:
            self.report(self.random.choice(running))
            return True
        return free and self.take()

    def take(self):
        """A free slot takes a promotion, else a new trial."""
        available = self.available()
        promotion = self.pruner.promotion(available)
        assert sent(promotion) == self.reference.get_job(available)
        if promotion is not None:
            self.send(promotion)
            self.states[promotion.trial] = "running"
            return True
        if len(self.states) < self.trials:
            trial = len(self.states)
            self.states[trial], self.steps[trial] = "running", 0
            return True
        return False

    def send(self, promotion):
        self.promotions.append(promotion)
        self.pruner.send(promotion)
        self.reference.sent.add((promotion.trial, promotion.rung))

    def report(self, trial):
        self.steps[trial] = step = self.steps[trial] + self.random.randint(1, self.jump)
        value, available = self.value(trial, step), self.available()
        before = msgspec.msgpack.encode(self.pruner.state)
        verdict = self.pruner.report(trial, step, value, available)
        said = verdict if verdict == "complete" else told(verdict)
        assert said == self.reference.report(trial, step, value, available)
        if verdict is None:
            assert msgspec.msgpack.encode(self.pruner.state) == before
            return
        action = verdict if verdict == "complete" else verdict.action
        self.verdicts.append(action)
        after = {"go": "running", "pause": "waiting", "stop": "stopped", "complete": "complete"}
        self.states[trial] = after[action]

    def value(self, trial, step):
        if self.random.random() < self.odd:
            return self.random.choice(ODD)
        noise = self.random.randint(0, 8) / 8
        if self.quality == "equal":
            return float(self.random.randint(0, 1))
        if self.quality == "any":
            return noise * 4 + 4 / step
        sign = 1 if (self.quality == "worse") == (self.mode == "min") else -1
        return sign * trial + noise / 8

    def disturb(self):
        """A failure, a hand, or a new engine."""
        trial = self.random.choice(list(self.states))
        change = self.random.choice(["fail", "hold", "release", "kill", "retry", "store"])
        state = self.states[trial]
        if change == "fail" and state == "running":
            self.pruner.fail(trial)
            self.reference.fail(trial)
            self.states[trial] = "failed"
        elif change == "hold" and state in ("running", "waiting"):
            self.states[trial] = f"held {state}"
        elif change == "release" and state.startswith("held "):
            self.states[trial] = state.removeprefix("held ")
        elif change == "kill" and state in ("running", "waiting"):
            self.states[trial] = "killed"
        elif change == "retry" and state in ("failed", "killed", "stopped", "not promoted"):
            self.states[trial] = "running"
        elif change == "store":
            self.pruner.store()

    def run(self):
        """Until one is complete, where there is nothing else to do the best goes on."""
        while self.move() or self.go_on():
            pass

    def go_on(self):
        available = self.available()
        promotion = self.pruner.last_resort(available)
        assert sent(promotion) == self.reference.last_resort(available)
        if promotion is None or self.all_that("complete"):
            return False
        assert not promotion.by_rank
        self.last_resorts.append(promotion.trial)
        self.send(promotion)
        self.states[promotion.trial] = "running"
        return True

    def end(self, more):
        """No slot needs the rest: those that could save come back once more trials are wanted."""
        for trial in self.all_that("waiting"):
            self.states[trial] = "not promoted"
        self.trials += more
        if more:
            for trial in self.all_that("not promoted"):
                if self.random.random() < 0.8:
                    self.states[trial] = "waiting"

    def drain(self):
        """Whom free slots would take if everybody could go on: all that the state knows of it."""
        everybody = set(self.states)
        while True:
            promotion = self.pruner.promotion(everybody)
            assert sent(promotion) == self.reference.get_job(everybody)
            if promotion is None:
                return
            self.send(promotion)
