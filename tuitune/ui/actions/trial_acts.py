"""Actions on trials: pause, resume, kill, undo, retry, enqueue, add, train on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tuitune.control.requests import Add, Kill, Pause, Request, Resume, Retry, UndoKill
from tuitune.core.events import TrialState
from tuitune.core.study.acts import Act
from tuitune.ui.actions import engine_state
from tuitune.ui.actions.action import Action, AppActions, Argument
from tuitune.ui.actions.command_line import command_line, whole_number
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.status_line import Question, Undo

_GRACE = 8.0  # s for which a kill can be undone
_REQUESTS: Final[Mapping[str, Callable[[tuple[int, ...]], Request]]] = {
    "pause": Pause,
    "resume": Resume,
    "kill": lambda trials: Kill(trials, _GRACE),
    "retry": Retry,
}
_DONE: Final = {
    "pause": "pausing",
    "resume": "resuming",
    "kill": "killing",
    "retry": "retrying",
    "undo_kill": "not killed:",
}


def kill(app: AppActions) -> None:
    """Kills after 8 s, during which it can be undone."""
    _act(app, "kill", engine_state.why_no(Act.KILL_LATER), asks=True)


def _undo(app: AppActions) -> None:
    """Undoes the last action of this app; without one, all pending kills of the study."""
    last = app.status_line.undo
    if last is not None:
        app.status_line.undo = None
        app.status_line.wanted.clear()
        app.send(last.request, lambda answer: _undone(app, last, answer))
        return
    waiting = _to_be_killed(app.context())
    app.send(UndoKill(tuple(waiting)), lambda a: _answered(app, "undo_kill", a))


def _enqueue(app: AppActions) -> None:
    """Adds the same configurations again, as new trials."""
    numbers = [row.number for row in engine_state.meant(app.context())]
    if len(numbers) == 1:
        _add_like(app, numbers, [])
        return
    text = f"try the configurations of {len(numbers)} trials again, as new trials?"
    app.ask(Question(text, lambda: _add_like(app, numbers, [])))


def _train(app: AppActions, text: str) -> None:
    """The cursor's trial, whatever is marked: each is a study of its own."""
    to, trial = whole_number(app, "train", text), app.selection.cursor
    if to is not None and trial is not None:
        app.train(trial, to)


def _act(app: AppActions, act: str, why_not: engine_state.WhyNot, *, asks: bool = False) -> None:
    chosen = engine_state.targets(app.context(), why_not)
    if asks and len(chosen.states) > 1:
        app.ask(_question(app, act, chosen))
    else:
        _send(app, act, chosen)


def _question(app: AppActions, act: str, chosen: engine_state.Targets) -> Question:
    """Asks for y; if more than half of the running trials are affected, for their number."""
    details = chosen.details()
    text = f"{act} {chosen.words()}{f' ({details})' if details else ''}"
    running = sum(state == TrialState.RUNNING for state in chosen.states.values())
    if act == "retry" or 2 * running <= app.snapshot.counts.get(TrialState.RUNNING, 0):
        return Question(f"{text}?", lambda: _send(app, act, chosen))
    word = str(len(chosen.states))
    return Question(f"type {word} to {text}", lambda: _send(app, act, chosen), word)


def _send(app: AppActions, act: str, chosen: engine_state.Targets) -> None:
    numbers, moved = chosen.still(app.snapshot)
    if not numbers:
        app.say("; ".join(moved[:3]), "warning")
        return
    request = _REQUESTS[act](tuple(numbers))

    def then(answer: dict[str, Any]) -> None:
        _remember(app, act, answer["done"])
        _answered(app, act, answer, moved)

    app.send(request, then)


def _remember(app: AppActions, act: str, done: Sequence[int]) -> None:
    """Sets the undo of this action, if it has one."""
    if not done:
        return
    trials = tuple(done)
    names = engine_state.named(done)
    if act == "kill":
        until = time.monotonic() + _GRACE
        app.status_line.undo = Undo(f"kill {names}", UndoKill(trials), "not killed:", until)
    elif act == "pause":
        app.status_line.undo = Undo(f"pause {names}", Resume(trials), "resumed")
    elif act == "resume":
        app.status_line.undo = Undo(f"resume {names}", Pause(trials), "paused again")
    else:
        app.status_line.undo = None


def _answered(app: AppActions, act: str, answer: dict[str, Any], moved: Sequence[str] = ()) -> None:
    """Shows what was done, and the reasons for what was refused."""
    done, refused = answer["done"], [*answer["refused"], *moved]
    parts = [f"{_DONE[act]} {engine_state.named(done)}"] if done else []
    app.say("; ".join([*parts, *refused]), "warning" if refused else "info")


def _undone(app: AppActions, last: Undo, answer: dict[str, Any]) -> None:
    done, refused = answer.get("done", []), answer.get("refused", [])
    parts = [f"{last.undone} {engine_state.named(done)}".strip()] if done or not refused else []
    app.say("; ".join([*parts, *refused]), "warning" if refused else "info")


def _add_like(app: AppActions, left: Sequence[int], added: list[int]) -> None:
    """Sends one request after another, so that the new trials keep the order of the old ones."""
    if not left:
        names = engine_state.named(added)
        app.say(f"added {names} with the same configuration, to start when there is room", "info")
        return

    def then(answer: dict[str, Any]) -> None:
        _add_like(app, left[1:], [*added, answer["trial"]])

    app.send(Add({}, like=left[0]), then)


def _to_be_killed(context: RenderContext) -> list[int]:
    return [row.number for row in context.snapshot.rows if row.kill_at is not None]


def _no_undo(context: RenderContext) -> str:
    absent = engine_state.no_engine(context)
    if absent or context.status_line.undo is not None or _to_be_killed(context):
        return absent
    return "nothing to undo (kills: 8 s; the rest: your last action)"


def _no_enqueue(context: RenderContext) -> str:
    return engine_state.no_start(context) or (
        "" if engine_state.meant(context) else "there are no trials yet"
    )


def _no_train(context: RenderContext) -> str:
    row = context.snapshot.row(context.selection.cursor)
    return "there are no trials yet" if row is None else ""


def _unless(
    why_not: engine_state.WhyNot, absence: Callable[[RenderContext], str] = engine_state.no_engine
) -> Callable[[RenderContext], str]:
    return lambda context: engine_state.none_can(context, why_not, absence)


ACTIONS: Final = (
    Action(
        "trial.pause",
        ("p",),
        "pause",
        "Pause: it saves at its next report and frees its slot; one that can't save is frozen.",
        "Trials",
        lambda app: _act(app, "pause", engine_state.why_no(Act.PAUSE), asks=True),
        dangerous=True,
        why_not=_unless(engine_state.why_no(Act.PAUSE)),
    ),
    Action(
        "trial.resume",
        ("r",),
        "resume",
        "Resume a paused trial.",
        "Trials",
        lambda app: _act(app, "resume", engine_state.why_no(Act.RESUME)),
        dangerous=True,
        why_not=_unless(engine_state.why_no(Act.RESUME)),
    ),
    Action(
        "trial.kill",
        ("x",),
        "kill",
        "Kill the trial, after 8 s in which that can be undone; later, a retry continues it.",
        "Trials",
        kill,
        dangerous=True,
        why_not=_unless(engine_state.why_no(Act.KILL_LATER)),
    ),
    Action(
        "trial.undo",
        ("u",),
        "undo",
        "Undo a kill that is due, or the last pause, resume or change of a number.",
        "Trials",
        _undo,
        dangerous=True,
        why_not=_no_undo,
    ),
    Action(
        "trial.enqueue",
        ("e",),
        "repeat",
        "Add a new trial with the same configuration.",
        "Trials",
        _enqueue,
        dangerous=True,
        why_not=_no_enqueue,
    ),
    Action(
        "trial.retry",
        ("E",),
        "retry",
        "Retry a trial that failed, was pruned or killed, from its checkpoint if it has one.",
        "Trials",
        lambda app: _act(app, "retry", engine_state.why_no(Act.RETRY), asks=True),
        dangerous=True,
        why_not=_unless(engine_state.why_no(Act.RETRY), engine_state.no_start),
    ),
    Action(
        "trial.add",
        ("a",),
        "add a trial",
        "Add a trial by a form, filled with the configuration of the cursor's trial.",
        "Trials",
        lambda app: app.show("add"),
        dangerous=True,
        why_not=engine_state.no_start,
    ),
    Action(
        "trial.train",
        ("t",),
        "train on",
        "Train the trial on from its checkpoint, up to this step, as a study of its own.",
        "Trials",
        lambda app: command_line(app, "train "),
        dangerous=True,
        why_not=_no_train,
        argument=Argument("N", _train),
    ),
)
