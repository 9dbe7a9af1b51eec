"""The line of each fact: plain text on one line, without control characters."""

from __future__ import annotations

import pytest

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import GpuNews, NodeNews
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
