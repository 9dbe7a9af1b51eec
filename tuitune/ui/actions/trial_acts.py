"""What can be done to trials? Pause, resume, kill, undo, take up or try again, add by hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from tuitune.core.study.state import RUNNING
from tuitune.ui.actions.action import Action, Question
from tuitune.ui.actions.targets import (
    meant,
    no_engine,
    none_can,
    targets,
    why_no_kill,
    why_no_pause,
    why_no_resume,
    why_no_retry,
)
from tuitune.ui.state.bottom import Undo
from tuitune.ui.table.cells import label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitune.ui.actions.action import Desk
    from tuitune.ui.actions.targets import Targets, WhyNot
    from tuitune.ui.state.look import Look

GRACE = 8.0  # s in which a kill can be undone
DONE: Final = {
    "pause": "pausing",
    "resume": "resuming",
    "kill": "killing",
    "retry": "taking up again",
    "spare": "spared",
    "add": "added again",
}


def pause(desk: Desk) -> None:
    _act(desk, "pause", why_no_pause, asks=True)


def resume(desk: Desk) -> None:
    _act(desk, "resume", why_no_resume)


def kill(desk: Desk) -> None:
    _act(desk, "kill", why_no_kill, asks=True)


def retry(desk: Desk) -> None:
    _act(desk, "retry", why_no_retry, asks=True)


def undo(desk: Desk) -> None:
    """The last act of this app; else every kill that waits, whoever asked for it."""
    last = desk.bottom.undo
    if last is not None:
        desk.bottom.undo = None
        desk.bottom.wanted.clear()
        desk.send(last.request, lambda answer: _undone(desk, last, answer))
        return
    waiting = _to_be_killed(desk.look())
    desk.send({"do": "spare", "trials": waiting}, lambda a: _answered(desk, "spare", a))


def enqueue(desk: Desk) -> None:
    """The same configurations once more, each as a new trial."""
    numbers = [row.number for row in meant(desk.look())]
    if len(numbers) == 1:
        _add_like(desk, numbers, [])
        return
    text = f"try the configurations of {len(numbers)} trials again, as new trials?"
    desk.ask(Question(text, lambda: _add_like(desk, numbers, [])))


def add(desk: Desk) -> None:
    desk.show("add")


def _act(desk: Desk, act: str, why_not: WhyNot, *, asks: bool = False) -> None:
    chosen = targets(desk.look(), why_not)
    if asks and len(chosen.states) > 1:
        desk.ask(_question(desk, act, chosen))
    else:
        _send(desk, act, chosen)


def _question(desk: Desk, act: str, chosen: Targets) -> Question:
    """More than half of what runs is not stopped by a slip: its count has to be typed."""
    details = chosen.details()
    verb = "take up again" if act == "retry" else act
    text = f"{verb} {chosen.words()}{f' ({details})' if details else ''}"
    running = sum(state == RUNNING for state in chosen.states.values())
    if act == "retry" or 2 * running <= desk.picture.counts.get(RUNNING, 0):
        return Question(f"{text}?", lambda: _send(desk, act, chosen))
    word = str(len(chosen.states))
    return Question(f"type {word} to {text}", lambda: _send(desk, act, chosen), word)


def _send(desk: Desk, act: str, chosen: Targets) -> None:
    numbers, moved = chosen.still(desk.picture)
    if not numbers:
        desk.say("; ".join(moved[:3]), "warning")
        return
    request: dict[str, Any] = {"do": act, "trials": numbers}
    if act == "kill":
        request["after"] = GRACE

    def then(answer: dict[str, Any]) -> None:
        _remember(desk, act, answer["done"])
        _answered(desk, act, answer, moved)

    desk.send(request, then)


def _remember(desk: Desk, act: str, done: Sequence[int]) -> None:
    """How to take it back, where that is possible."""
    if not done:
        return
    trials = {"trials": list(done)}
    names = named(done)
    if act == "kill":
        until = time.monotonic() + GRACE
        desk.bottom.undo = Undo(f"kill {names}", {"do": "spare", **trials}, "spared", until)
    elif act == "pause":
        desk.bottom.undo = Undo(f"pause {names}", {"do": "resume", **trials}, "resumed")
    elif act == "resume":
        desk.bottom.undo = Undo(f"resume {names}", {"do": "pause", **trials}, "paused again")
    else:
        desk.bottom.undo = None


def _answered(desk: Desk, act: str, answer: dict[str, Any], moved: Sequence[str] = ()) -> None:
    """Says what was done, and every reason why something was not."""
    done, refused = answer["done"], [*answer["refused"], *moved]
    parts = [f"{DONE[act]} {named(done)}"] if done else []
    desk.say("; ".join([*parts, *refused]), "warning" if refused else "info")


def _undone(desk: Desk, last: Undo, answer: dict[str, Any]) -> None:
    done, refused = answer.get("done", []), answer.get("refused", [])
    parts = [f"{last.undone} {named(done)}".strip()] if done or not refused else []
    desk.say("; ".join([*parts, *refused]), "warning" if refused else "info")


def _add_like(desk: Desk, left: Sequence[int], added: list[int]) -> None:
    """One request after the other, so that the new trials keep the order of the old ones."""
    if not left:
        desk.say(f"added {named(added)}, the same again, for when there is room", "info")
        return

    def then(answer: dict[str, Any]) -> None:
        _add_like(desk, left[1:], [*added, answer["trial"]])

    desk.send({"do": "add", "config": {}, "like": left[0]}, then)


def named(numbers: Sequence[int]) -> str:
    """Up to three by name, else how many."""
    if len(numbers) > 3:
        return f"{len(numbers)} trials"
    return ", ".join(label(number) for number in numbers)


def _to_be_killed(look: Look) -> list[int]:
    return [row.number for row in look.picture.rows if row.phase == "killing"]


def _no_undo(look: Look) -> str:
    absent = no_engine(look)
    if absent or look.bottom.undo is not None or _to_be_killed(look):
        return absent
    return "there is nothing to take back: a kill can be for 8 s, others until the next act"


def _no_enqueue(look: Look) -> str:
    return no_engine(look) or ("" if meant(look) else "there are no trials yet")


def _unless(why_not: WhyNot) -> Callable[[Look], str]:
    return lambda look: none_can(look, why_not)


ACTIONS: Final = (
    Action(
        "trial.pause",
        ("p",),
        "pause",
        "Lets it save at its next report, and frees its place; one that can't save stands still.",
        "Trials",
        pause,
        dangerous=True,
        why_not=_unless(why_no_pause),
    ),
    Action(
        "trial.resume",
        ("r",),
        "resume",
        "Lets a paused trial go on.",
        "Trials",
        resume,
        dangerous=True,
        why_not=_unless(why_no_resume),
    ),
    Action(
        "trial.kill",
        ("x",),
        "kill",
        "Ends it, after 8 s in which that can be undone; later only a retry takes it up again.",
        "Trials",
        kill,
        dangerous=True,
        why_not=_unless(why_no_kill),
    ),
    Action(
        "trial.undo",
        ("u",),
        "undo",
        "Takes back a kill that waits, or the last pause, resume or change of a number.",
        "Trials",
        undo,
        dangerous=True,
        why_not=_no_undo,
    ),
    Action(
        "trial.enqueue",
        ("e",),
        "enqueue again",
        "Tries the same configuration once more, as a new trial.",
        "Trials",
        enqueue,
        dangerous=True,
        why_not=_no_enqueue,
    ),
    Action(
        "trial.retry",
        ("E",),
        "retry",
        "Takes up a trial that failed, was pruned or killed, from its checkpoint if it has one.",
        "Trials",
        retry,
        dangerous=True,
        why_not=_unless(why_no_retry),
    ),
    Action(
        "trial.add",
        ("a",),
        "add a trial",
        "A form for a configuration by hand, filled with that of the cursor's trial.",
        "Trials",
        add,
        dangerous=True,
        why_not=no_engine,
    ),
)
