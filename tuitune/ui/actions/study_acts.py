"""Actions on the whole study: launching, concurrency, number of trials, stop, restart."""

import time
from typing import Any, Final

from tuitune.control.requests import Pause, Resume, Set, Stop
from tuitune.core.events import TrialState
from tuitune.messages.text import trial_count
from tuitune.ui.actions.action import Action, AppActions, Argument
from tuitune.ui.actions.command_line import command_line, whole_number
from tuitune.ui.actions.engine_state import no_engine, no_start
from tuitune.ui.actions.study_list import stop_menu
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.status_line import SEEN, Question, Undo, Wanted


def _pause_launching(app: AppActions) -> None:
    def then(_: dict[str, Any]) -> None:
        back = Resume()
        app.status_line.undo = Undo("pause launching", back, "trials are launched again")
        app.say("no new trial is launched; running trials continue", "info")

    _want(app, "launching", value=False)
    app.send(Pause(), then)


def _resume_launching(app: AppActions) -> None:
    def then(_: dict[str, Any]) -> None:
        back = Pause()
        app.status_line.undo = Undo("resume launching", back, "no new trial is launched")
        app.say("trials are launched again", "info")

    _want(app, "launching", value=True)
    app.send(Resume(), then)


def concurrency(app: AppActions, text: str) -> None:
    """Sets how many trials run at once to the typed number."""
    number = whole_number(app, "concurrency", text)
    if number is not None:
        _set_concurrency(app, number)


def _trials(app: AppActions, text: str) -> None:
    """Asks first if more trials have begun already: that ends the study and can't be undone."""
    number = whole_number(app, "trials", text)
    if number is None:
        return
    was, begun = _settings_trials(app.context()), len(app.snapshot.rows)
    words = f"{trial_count(number)} in all (before: {was})"
    if app.snapshot.engine.state == "finished" and number <= was:
        app.say(f"trials: it has had all of its {was}; write a larger number", "warning")
        return
    if number >= begun or app.snapshot.engine.state == "finished":
        _set(app, "search.trials", number, was, words)
        return
    asked = f"{begun} trials have started: end the study once they have ended?"
    app.ask(Question(asked, lambda: _set(app, "search.trials", number, was, words)))


def use_gpus(app: AppActions, which: str) -> None:
    """Uses GPUs again that were set aside: "all", or one by its number."""

    def then(answer: dict[str, Any]) -> None:
        app.say("; ".join(answer["changed"]), "info")

    app.send(Set((f"devices.clear={which}",)), then)


def _stop(app: AppActions) -> None:
    snapshot = app.snapshot
    running = snapshot.counts.get(TrialState.RUNNING, 0)
    saved = any(row.checkpoint is not None for row in snapshot.rows)

    def send(request: Stop, words: str) -> None:
        app.send(request, lambda answer: _stopping(app, answer, words))

    may_save = saved or snapshot.spec.trial.may_save
    app.menu(stop_menu("the study", running, may_save=may_save, send=send, ask=app.ask))


def _stopping(app: AppActions, answer: dict[str, Any], words: str) -> None:
    app.status_line.undo = None
    app.say(f"stopping: {words} ({answer['running']})", "info")


def _set_concurrency(app: AppActions, number: int) -> None:
    if number < 1:
        app.say("at least one trial at a time; P pauses launching", "warning")
        return
    settings = app.snapshot.study.settings
    was = None if settings is None else settings.concurrency
    _want(app, "concurrency", number)
    words = f"at most {number} at a time"
    _set(
        app, "search.concurrency", number, was, words if was is None else f"{words} (before: {was})"
    )


def _set(app: AppActions, key: str, number: int, was: int | None, words: str) -> None:
    def then(answer: dict[str, Any]) -> None:
        if not answer["changed"]:
            app.say(f"{key.partition('.')[2]} is {number} already", "warning")
            return
        back = Set((f"{key}={was}",))
        name = key.partition(".")[2]
        app.status_line.undo = None if was is None else Undo(name, back, f"{name} is {was} again")
        app.say(words, "info")

    app.send(Set((f"{key}={number}",)), then)


def _want(app: AppActions, what: str, value: int) -> None:
    """Remembers a requested value: until the snapshot shows it, the next key starts from it."""
    app.status_line.wanted[what] = Wanted(value, time.monotonic() + SEEN)


def _concurrency(context: RenderContext) -> int:
    """The limit last requested or set; without a limit, the number of running trials."""
    wanted = context.status_line.wanted.get("concurrency")
    if wanted is not None:
        return wanted.value
    settings = context.snapshot.study.settings
    if settings is not None and settings.concurrency is not None:
        return settings.concurrency
    return context.snapshot.counts.get(TrialState.RUNNING, 0)


def _settings_trials(context: RenderContext) -> int:
    settings = context.snapshot.study.settings
    return context.snapshot.spec.search.trials if settings is None else settings.trials


def _no_pause(context: RenderContext) -> str:
    return no_engine(context) or ("" if _launching(context) else "launching is paused already")


def _no_resume(context: RenderContext) -> str:
    return no_engine(context) or ("launching is not paused" if _launching(context) else "")


def _launching(context: RenderContext) -> bool:
    """Whether trials are launched, or will be once the engine has answered."""
    wanted = context.status_line.wanted.get("launching")
    return context.snapshot.study.launching if wanted is None else bool(wanted.value)


def _no_stop(context: RenderContext) -> str:
    return "" if context.snapshot.engine.state == "importing" else no_engine(context)


def _no_use_of_gpus(context: RenderContext) -> str:
    cards = any(s[-1].kind != "host" for s in context.snapshot.devices.values() if s)
    return no_engine(context) or ("" if cards else "the study has no GPU")


def _no_restart(context: RenderContext) -> str:
    if not context.snapshot.engine_gone:
        return "an engine runs it"
    return no_engine(context) if context.snapshot.engine.state == "finished" else ""


ACTIONS: Final = (
    Action(
        "study.pause",
        ("P",),
        "pause launching",
        "Launch no new trial; running trials continue.",
        "Study",
        _pause_launching,
        dangerous=True,
        why_not=_no_pause,
    ),
    Action(
        "study.resume",
        ("R",),
        "resume launching",
        "Launch new trials again.",
        "Study",
        _resume_launching,
        dangerous=True,
        why_not=_no_resume,
    ),
    Action(
        "study.more",
        ("+",),
        "one more at a time",
        "Run one more trial at a time.",
        "Study",
        lambda app: _set_concurrency(app, _concurrency(app.context()) + 1),
        dangerous=True,
        why_not=no_engine,
    ),
    Action(
        "study.fewer",
        ("-",),
        "one fewer at a time",
        "Run one trial fewer at a time; running trials continue.",
        "Study",
        lambda app: _set_concurrency(app, _concurrency(app.context()) - 1),
        dangerous=True,
        why_not=no_engine,
    ),
    Action(
        "study.concurrency",
        (),
        "trials at a time",
        "Set how many trials may run at a time.",
        "Study",
        lambda app: command_line(app, "concurrency "),
        dangerous=True,
        why_not=no_engine,
        argument=Argument("N", concurrency),
    ),
    Action(
        "study.trials",
        ("T",),
        "number of trials",
        "Set the number of trials, besides those added by hand; a finished study goes on.",
        "Study",
        lambda app: command_line(app, "trials "),
        dangerous=True,
        why_not=no_start,
        argument=Argument("N", _trials),
    ),
    Action(
        "study.use_gpus",
        ("U",),
        "use GPUs again",
        "Uses GPUs again that were set aside because they failed trials.",
        "Study",
        lambda app: use_gpus(app, "all"),
        dangerous=True,
        why_not=_no_use_of_gpus,
        argument=Argument("all|GPU", use_gpus),
    ),
    Action(
        "study.stop",
        ("Q",),
        "stop the study",
        "Stop the study: trials save and leave, finish, or are killed. It can continue later.",
        "Study",
        _stop,
        dangerous=True,
        why_not=_no_stop,
    ),
    Action(
        "study.restart",
        (),
        "restart the engine",
        "Start an engine for a study that has none.",
        "Study",
        lambda app: app.restart(),
        dangerous=True,
        why_not=_no_restart,
    ),
)
