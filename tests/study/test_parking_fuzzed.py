"""Studies with parked trials, made up at random: what is promised on a node adds up at every step."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from parking_story import GB, Parking

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import GpuAside, GpuBarred, GpusAllowed
from tuitune.core.study import Study
from tuitune.core.study.state import Ending, Running, Starting

OBSTACLES: tuple[Any, ...] = (
    "",
    "",
    "anna's",
    GpuBarred("spare"),
    GpusAllowed(1),
    GpuAside("sick", None, 0.0),
)


def check(story: Parking) -> None:
    state = story.study.state
    node = state.nodes[""]
    trials = [state.trials[number] for number in state.running]
    assert node.cpus == pytest.approx(sum(trial.cpus for trial in trials))
    assert node.memory == sum(trial.memory for trial in trials)
    for uuid, here in node.on.items():
        assert sorted(here) == sorted(t.number for t in trials if uuid in t.gpus)
    for trial in trials:
        is_seated = trial.number in node.running
        if trial.is_away:
            assert (is_seated, trial.gpus, trial.cpus) == (False, (), 0.0)
        elif trial.parked is not None:
            assert is_seated
            assert trial.gpus
    parked = {trial.number for trial in state.trials if trial.parked is not None}
    assert set(state.parked) == parked


def of_the_driver(random: Random, story: Parking, number: int) -> None:
    parked = story.trial(number).parked
    assert parked is not None
    if parked.stage == "parking":
        if random.random() < 0.8:
            story.parked(number, random.choice((GB, 5 * GB)), moves=random.random() < 0.3)
        else:
            story.fails(number, broken=random.random() < 0.3)
    elif parked.stage == "restoring":
        if random.random() < 0.2:
            story.fails(number, broken=True)
        else:
            story.restored(number, random.choice(("", "", "no room")))


def step(random: Random, story: Parking) -> None:
    state = story.study.state
    story.now += 3 * random.random()
    number = random.choice(list(state.running) or [0])
    trial = story.trial(number)
    match random.randrange(12):
        case 0 | 1 if type(trial.activity) is Starting:
            story.start(number)
        case 0 | 1 | 2 if type(trial.activity) is Running:
            story.report(number, trial.attempt_step + 1)
            if random.random() < 0.3:
                story.save(number)
        case 3 | 4 if isinstance(trial.activity, Ending) and trial.activity.park:
            story.held(number)
        case 5 | 6 if state.parked:
            of_the_driver(random, story, random.choice(list(state.parked)))
        case 7 if trial.is_live():
            story.pause(number)
        case 8:
            story.resume(*(one.number for one in state.trials if one.paused_by_user))
        case 9:
            obstacle = random.choice(OBSTACLES)
            lost = random.random() < 0.05
            story.change(
                random.randrange(len(story.gpus)),
                obstacle=obstacle,
                lost=lost,
                claimed=obstacle == "anna's",
            )
        case 10 if trial.is_live() and random.random() < 0.4:
            story.exit(number, random.choice(("", "boom")), lost=random.random() < 0.2)
        case 11 if random.random() < 0.2:
            story.take(ev.KillAsked(story.now, number, random.choice((0.0, 8.0))))
        case 11:
            story.pass_time(random.choice((1.0, 40.0)))


@pytest.mark.parametrize("seed", range(25))
def test_what_is_promised_adds_up_and_a_replay_is_the_same(seed: int):
    random = Random(seed)
    wish = random.choice((None, 0.5, "auto"))
    memory = random.choice((None, GB))
    story = Parking(
        random.choice((1, 2, 3)), wish, trials=8, trial={"memory": memory, "retries": 1}
    )
    for _ in range(150):
        step(random, story)
        check(story)
        if story.study.state.finished:
            break
    again = Study(story.spec)
    again.replay(story.journal)
    assert again.snapshot() == story.study.snapshot()
    assert Study(story.spec, again.snapshot()).state == story.study.state
