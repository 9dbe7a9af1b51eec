"""The line of each fact: plain text on one line, without control characters."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core import events as ev, reasons as r
from tuitune.core.gpu_reasons import GpuAside, GpuBarred, GpuNews, GpuNumbers, NodeNews, WrongGpu
from tuitune.messages.facts import NOTABLE, TELL, told, whose
from tuitune.messages.states import CAUSES

GPU = ev.Gpu("g", 1, "A100", 1)
NODE = ev.Node("gpu-07", 8.0, 1)
SETTINGS = ev.Settings(20, None, 1.0, None, 0, None, None, None)


@pytest.mark.parametrize(
    ("fact", "whom", "words"),
    [
        (ev.KillAsked(0.0, 3, 8.0, "app"), "#3", "to be killed by hand in 8 s (app)"),
        (ev.KillAsked(0.0, 3), "#3", "to be killed by hand"),
        (ev.UndoKillAsked(0.0, (3, 4), "app"), "#3, #4", "the kill is taken back (app)"),
        (ev.PauseAsked(0.0, (), "command"), "", "launching is paused by hand (command)"),
        (ev.PauseAsked(0.0, (5,)), "#5", "to be paused by hand"),
        (ev.ResumeAsked(0.0, ()), "", "launching is resumed by hand"),
        (
            ev.Signal(0.0, 5, 0, "ask", "drain", save=True),
            "#5",
            "asked to save and leave: the study stops",
        ),
        (
            ev.Signal(0.0, 5, 0, "term", "timeout", save=False),
            "#5",
            "SIGTERM: it had not left in time (past its timeout)",
        ),
        (ev.Signal(0.0, 5, 0, "kill", "drain", save=False), "#5", "SIGKILL: the study stops"),
        (
            ev.Signal(0.0, 5, 0, "release", "paused", save=False),
            "#5",
            "may stay after all",
        ),
        (
            ev.SettingsChanged(0.0, SETTINGS),
            "",
            "settings changed: 20 trials, as many as there is room for at once",
        ),
        (
            ev.Verdict(0.0, 2, 0, 3, "stop", False, 3, 3, 3, 0.5, "rung 3: rank 3 of 3, cut 0.5"),
            "#2",
            "stop: rung 3: rank 3 of 3, cut 0.5",
        ),
        (
            ev.Halted(0.0, "stopped", finish=False, failed=False),
            "",
            "nothing more starts, running trials save and leave: stopped",
        ),
        (
            ev.Finished(0.0, complete=False, why="stopped"),
            "",
            "the study has stopped, and can go on: stopped",
        ),
        (
            ev.DiskChanged(0.0, low=True, free=0.004, free_bytes=4_100_000_000),
            "",
            (
                "only 3.8 GiB (0.4%) of the disk is free: nothing is launched until there is more, "
                "or `disk_free` in [limits] is less"
            ),
        ),
        (
            ev.DiskChanged(0.0, low=True, free=0.04),  # of an earlier version
            "",
            (
                "only 4.0% of the disk is free: nothing is launched until there is more,"
                " or `disk_free` in [limits] is less"
            ),
        ),
        (
            ev.LaunchBlocked(0.0, "code", "a.py: x"),
            "",
            "nothing is launched until the training code can be imported: a.py: x",
        ),
        (
            ev.LaunchBlocked(0.0, "code", ""),
            "",
            "the training code can be imported again: launching goes on",
        ),
        (
            ev.LaunchBlocked(0.0, "resources", "no memory"),
            "",
            "nothing is launched for the moment: no memory",
        ),
        (ev.LaunchBlocked(0.0, "resources", ""), "", "launching is tried again"),
        (
            ev.SampleFailed(0.0, 3, {"x": 1}, "random", "drawn", "no width"),
            "#3",
            "proposed: drawn: x=1, without what was to be sampled",
        ),
        (ev.Ask(0.0, 1), "#1", ""),
        (ev.DevicesChanged(0.0, (GPU,), "GPU 1: lost"), "", "GPU 1: lost"),
        (
            ev.NodeChanged(0.0, NODE, NodeNews("gpu-07", "joined", "", 8.0, 2)),
            "",
            "node gpu-07 has joined: 8 CPU slots, 2 GPUs",
        ),
        (
            ev.NodeChanged(0.0, NODE, NodeNews("gpu-07", "lost", "not heard for 15 s")),
            "",
            "node gpu-07 is lost: not heard for 15 s",
        ),
        (
            ev.NodeChanged(0.0, NODE, NodeNews("gpu-07", "barred", "no module named torch")),
            "",
            "nothing starts on node gpu-07: no module named torch",
        ),
        (
            ev.NodeChanged(0.0, NODE, NodeNews("gpu-07", "free")),
            "",
            "trials start on node gpu-07 again",
        ),
        (
            ev.NodeChanged(0.0, NODE, GpuNews(((1, ""),), "gpu-07")),
            "",
            "GPU 1 of gpu-07: free again",
        ),
        (ev.DevicesChanged(0.0, (GPU,)), "", ""),  # how busy it is gets no line
        (ev.Packed(0.0, "A100", 2, True, 1.6, "2 at once do +60%"), "", "A100: 2 at once do +60%"),
        (
            ev.Opened(0.0, SETTINGS, 8.0, 1, gpus=(GPU,)),
            "",
            "an engine opened the study: 8 CPU slots, 1 GPU",
        ),
    ],
)
def test_the_line_of_a_fact_and_its_trials(fact: ev.AnyFact, whom: str, words: str) -> None:
    assert (whose(fact), told(fact)) == (whom, words)


def test_nothing_in_a_fact_steers_a_terminal() -> None:
    evil = "\x1b]0;owned\x07\n\r"
    for fact in (
        ev.Warned(0.0, 1, 1, evil),
        ev.KillAsked(0.0, 1, 0.0, evil),
        ev.Added(0.0, 1, {"x": evil}, evil),
        ev.Exited(0.0, 1, 1, 1, None, evil, evil, 0, lost=False),
    ):
        assert told(fact).isprintable()
        assert "owned" in told(fact)


def test_facts_of_the_whole_study_are_decisions_and_acts_but_not_steps() -> None:
    assert {ev.Verdict, ev.Promoted, ev.KillAsked, ev.Settled, ev.Proposed} <= set(NOTABLE)
    assert not {ev.Started, ev.Checkpointed, ev.Reported} & set(NOTABLE)
    assert set(NOTABLE) <= set(TELL)


@pytest.mark.parametrize("reason", list(ev.StopReason))
def test_each_reason_to_leave_has_words(reason: ev.StopReason) -> None:
    assert reason in CAUSES


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (
            ev.Started(0.0, 3, 1, 77, None, "c0de", "", None),
            "attempt 1 started: process 77, code c0de",
        ),
        (
            ev.Started(0.0, 3, 2, 77, 9, "c0de", "abc", dirty=True, node="gpu-07"),
            (
                "attempt 2 started from step 9: process 77 on gpu-07, code c0de, commit abc with "
                "uncommitted changes"
            ),
        ),
        (
            ev.Started(0.0, 3, 2, 77, 9, "c0de", "abc", dirty=False),
            "attempt 2 started from step 9: process 77, code c0de, commit abc",
        ),
        (ev.Exited(0.0, 3, 1, 0, None, "", "", 0, lost=False), "attempt 1 ended: exit status 0"),
        (ev.Exited(0.0, 3, 1, None, 9, "", "", 0, lost=False), "attempt 1 ended: signal 9"),
        (ev.Exited(0.0, 3, 1, None, 9, "", "", 0, lost=True), "attempt 1 ended: lost"),
        (
            ev.Exited(0.0, 3, 1, 1, None, "ValueError: x", "", 0, lost=True),
            "attempt 1 ended: ValueError: x",
        ),
        (
            ev.Opened(0.0, SETTINGS, 2.5, 1, disk_low=True),
            "an engine opened the study: 2.5 CPU slots, but the disk is too full to launch on",
        ),
        (
            ev.Opened(0.0, SETTINGS, 16.0, 1, nodes=(NODE, ev.Node("b", 8.0, 1, (GPU, GPU)))),
            "an engine opened the study: 16 CPU slots, 2 GPUs on 2 nodes",
        ),
        (ev.ResumeAsked(0.0, (4, 5), "app"), "resumed by hand (app)"),
        (
            ev.SettingsChanged(0.0, SETTINGS, "command", "search.trials from 10 to 20"),
            "settings changed: search.trials from 10 to 20 (command)",
        ),
        (
            ev.SettingsChanged(0.0, ev.Settings(20, 4, 1.0, None, 0, None, None, None)),
            "settings changed: 20 trials, 4 at once",
        ),
        (
            ev.Halted(0.0, "stopped", finish=True, failed=False),
            "nothing more starts, running trials come to their end: stopped",
        ),
        (
            ev.Halted(0.0, "stopped", finish=True, failed=False, now=True),
            "nothing more starts, running trials are killed: stopped",
        ),
        (
            ev.DiskChanged(0.0, low=False, free=0.5),
            "there is room on the disk again: launching goes on",
        ),
        (
            ev.Signal(0.0, 5, 0, "ask", ev.StopReason.MOVED, save=True, park=True),
            "asked to stand still, to be parked: others use its GPU",
        ),
        (
            ev.Signal(0.0, 5, 0, "ask", ev.StopReason.KILLED, save=False),
            "asked to leave: killed by hand",
        ),
        (
            ev.Signal(0.0, 5, 0, "term", ev.StopReason.MOVED, save=False),
            "SIGTERM: others use its GPU",  # it was never asked
        ),
        (ev.ClockStepped(0.0, 190.0), "the clock was set forward by 3m10s; no deadline moves"),
        (ev.ClockStepped(0.0, -42.0), "the clock was set back by 42s; no deadline moves"),
        (ev.Returned(0.0, 3, 1), "attempt 1 has returned, and its process does not exit"),
        (ev.Returned(0.0, 3, 1, ignored=True), "attempt 1 was told to end, and goes on"),
        (ev.Finished(0.0, complete=True, why=""), "the study is finished"),
        (
            ev.Finished(0.0, complete=True, why="all trials are done"),
            "the study is finished: all trials are done",
        ),
        (
            ev.SetAside(0.0, ("GPU-a", "GPU-b"), GpuAside("ECC error", 48, 0.0), (3, 3)),
            (
                "GPU GPU-a, GPU-b: set aside, as it failed (Xid 48): ECC error; what failed there "
                "is taken up again"
            ),
        ),
        (
            ev.SetAside(0.0, ("GPU-a",), GpuAside("ECC error", None, 0.0), ()),
            "GPU GPU-a: set aside, as it failed: ECC error",
        ),
        (
            ev.OnWrongGpu(0.0, 3, 1, WrongGpu(3, 0, (2,))),
            "computes on GPU 0 and was given GPU 2: its program sets CUDA_VISIBLE_DEVICES by itself, remove that",
        ),
        (ev.ParkFailed(0.0, 3, 1, "no memory"), "can not be parked: no memory"),
        (ev.ParkFailed(0.0, 3, 1, "no memory", broken=True), "it is lost: no memory"),
        (ev.Parked(0.0, 3, 1, 3 << 30), "parked: its GPU is free, the host holds 3 GiB of it"),
        (ev.Park(0.0, 3, 1), "its GPU memory is moved to the host's"),
        (
            ev.Unpark(0.0, 3, 1, GpuNumbers((0, 1)), 1.0, ("a", "b"), 1.0, 5),
            "its GPU memory is moved back, to GPU 0+1",
        ),
        (ev.Restored(0.0, 3, 1), "goes on where it stood still"),
        (ev.Restored(0.0, 3, 1, "its GPU is taken"), "stays parked: its GPU is taken"),
        (ev.Frozen(0.0, 3, 1), "attempt 1 stands still"),
        (
            ev.Launch(0.0, 3, 1, GpuNumbers((3,), "gpu-07"), 1.0, 0),
            "attempt 1 launched on gpu-07, GPU 3",
        ),
        (ev.Launch(0.0, 3, 0, "cpu", 1.0, 0), "attempt 0 launched on cpu"),
        (ev.Checkpointed(0.0, 3, 1, 9), "checkpoint at step 9"),
        (
            ev.SaveFailed(0.0, 3, 1, 9, "disk full"),
            "the checkpoint of step 9 could not be written: disk full",
        ),
        (
            ev.Proposed(0.0, 3, {"lr": 0.123456, "act": "gelu"}, "sobol", r.SobolPoint(4)),
            "proposed: Sobol point 4: lr=0.1235 act=gelu",
        ),
        (ev.AddAsked(0.0, {"x": 1}, r.Given(None), "app"), "a trial is added by hand: x=1 (app)"),
        (ev.Added(0.0, 3, {"x": 1}, r.Given(None)), "added by hand: added by the user: x=1"),
        (ev.Exhausted(0.0, "all were tried"), "no more configurations: all were tried"),
        (
            ev.CodeChanged(0.0, "old", "new"),
            "the training code has changed: new now, old before",
        ),
        (
            ev.StyleChosen(0.0, "stop", r.StyleBasis("method")),
            "pruning style: stop (this pruner stops trials for good)",
        ),
        (ev.RetryAsked(0.0, 3, "app"), "taken up again by hand (app)"),
        (ev.RetryAsked(0.0, 3, setup=True), "tried again, since it failed when nothing worked"),
        (ev.Settled(0.0, 3, ev.TrialState.KILLED, r.Killed()), "killed: killed by hand"),
        (ev.Silent(0.0, 3, 1, 125.0), "silent for 2m05s"),
        (ev.Warned(0.0, 3, 1, "two\nlines"), "warning: two lines"),
        (
            ev.Verdict(0.0, 2, 0, 3, "stop", False, 0, 3, 3, None, r.Diverged("nan", "epoch", 3)),
            "stopped at epoch 3: the value is nan",  # which has its verb
        ),
        (
            ev.Verdict(0.0, 2, 0, 3, "go", False, 0, 3, 3, None, r.ToItsEnd("past the last rung")),
            "go: goes on to its end",
        ),
        (ev.Promoted(0.0, 2, 0, 1, 9, 0.5, "of an earlier version"), "promoted: of an earlier version"),
        (ev.Reported(0.0, 3, 1, 9, {"loss": 0.5}), ""),
        (ev.SaveStarted(0.0, 3, 1, 9), ""),
        (ev.Footprint(0.0, 3, 1, 9), ""),
    ],
)  # fmt: skip
def test_the_line_of_each_kind_of_fact(fact: ev.AnyFact, words: str) -> None:
    assert told(fact) == words


KINDS = get_args(ev.AnyFact)
ASIDE = GpuAside("ECC\n", None, 0.0)
WRONG = WrongGpu(3, 0, (2,), "\x1b.py:7", "others", "\x1b")
ODD = st.sampled_from(["", "a", "{x}", "\x1b[2J", "\u2028", "é界\n"])
WHY = ODD | st.sampled_from([r.Drawn(3), r.TimeLimit(), GpuBarred("locked", "\x1b]0;x\x07")])


def values_of(name: str, hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field of a fact."""
    made = {
        "why": st.just({GpuAside: ASIDE, WrongGpu: WRONG}[hint])
        if hint in {GpuAside, WrongGpu}
        else WHY,
        "error": WHY if hint is not str else ODD,
        "device": st.sampled_from(["cpu", GpuNumbers((0,), "\x1b")]),
        "settings": st.just(SETTINGS),
        "node": ODD if hint is str else st.just(NODE),
        "nodes": st.sampled_from([(), (NODE,)]),
        "gpus": st.sampled_from([(), (GPU,)]) if hint == tuple[ev.Gpu, ...] else st.just(("GPU-\n",)),
        "xids": st.just(()),
        "config": st.just({"\x1b": "\n", "lr": 0.5}),
    }  # fmt: skip
    if hint is str:
        return made.get(name, ODD)
    return made[name] if name in made else st.from_type(hint)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=6)
@given(data=st.data())
def test_any_fact_has_a_line_without_control_characters(kind: type, data: st.DataObject) -> None:
    hints = get_type_hints(kind)
    names = [field.name for field in msgspec.structs.fields(kind)]
    fields = {name: data.draw(values_of(name, hints[name]), label=name) for name in names}
    for name in ("time", "seconds", "free", "after", "cpus"):
        if isinstance(fields.get(name), float):
            fields[name] = data.draw(st.floats(0.0, 1e6))
    made = kind(**fields)
    assert told(made).isprintable()
    assert whose(made).isprintable()
