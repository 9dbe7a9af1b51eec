"""What can be done to the whole study? Launching, how many trials, an end, a new engine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from tuitune.core.study.state import RUNNING
from tuitune.ui.actions.action import Action, Argument, Choice, Menu, Question
from tuitune.ui.actions.targets import no_engine
from tuitune.ui.commands import command_line
from tuitune.ui.state.bottom import SEEN, Undo, Wanted

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Desk
    from tuitune.ui.state.look import Look


def pause_launching(desk: Desk) -> None:
    def then(_: dict[str, Any]) -> None:
        back = {"do": "resume", "trials": []}
        desk.bottom.undo = Undo("pause launching", back, "launching again")
        desk.say("no new trial is launched; those that run go on", "info")

    _want(desk, "launching", value=False)
    desk.send({"do": "pause", "trials": []}, then)


def resume_launching(desk: Desk) -> None:
    def then(_: dict[str, Any]) -> None:
        back = {"do": "pause", "trials": []}
        desk.bottom.undo = Undo("resume launching", back, "no new trial is launched")
        desk.say("trials are launched again", "info")

    _want(desk, "launching", value=True)
    desk.send({"do": "resume", "trials": []}, then)


def more(desk: Desk) -> None:
    _set_concurrency(desk, _concurrency(desk.look()) + 1)


def fewer(desk: Desk) -> None:
    _set_concurrency(desk, _concurrency(desk.look()) - 1)


def concurrency(desk: Desk, text: str) -> None:
    number = _whole(desk, "concurrency", text)
    if number is not None:
        _set_concurrency(desk, number)


def trials(desk: Desk, text: str) -> None:
    """Asked before where it is fewer than there are: the study ends then, and no undo helps."""
    number = _whole(desk, "trials", text)
    if number is None:
        return
    was, begun = _settings_trials(desk.look()), len(desk.picture.rows)
    words = f"{number} trials in all, {was} before"
    if number >= begun:
        _set(desk, "search.trials", number, was, words)
        return
    asked = f"{begun} trials have begun: end the study with those that run?"
    desk.ask(Question(asked, lambda: _set(desk, "search.trials", number, was, words)))


def ask_trials(desk: Desk) -> None:
    command_line(desk, "trials ")


def ask_concurrency(desk: Desk) -> None:
    command_line(desk, "concurrency ")


def stop(desk: Desk) -> None:
    running = desk.picture.counts.get(RUNNING, 0)
    ways = (
        ("s", "save and leave", {"finish": False, "now": False}, "trials save and leave"),
        ("f", "finish what runs", {"finish": True, "now": False}, "trials run to their end"),
        ("k", "kill what runs", {"finish": False, "now": True}, "trials are killed, unsaved"),
    )

    def choice(key: str, title: str, how: dict[str, bool], words: str) -> Choice:
        text = f"type stop to stop the study: {running} running {words}"
        request = {"do": "stop", **how}
        yes = lambda: desk.send(request, lambda answer: _stopping(desk, answer, words))  # noqa: E731
        return Choice(key, title, lambda: desk.ask(Question(text, yes, "stop")))

    desk.menu(Menu("stop the study", tuple(choice(*way) for way in ways)))


def restart(desk: Desk) -> None:
    desk.restart()


def _stopping(desk: Desk, answer: dict[str, Any], words: str) -> None:
    desk.bottom.undo = None
    desk.say(f"stopping: {answer['running']} running {words}", "info")


def _set_concurrency(desk: Desk, number: int) -> None:
    if number < 1:
        desk.say("at least one trial at a time; P pauses the launching", "warning")
        return
    settings = desk.picture.study.settings
    was = None if settings is None else settings.concurrency
    _want(desk, "concurrency", number)
    words = f"at most {number} at a time"
    _set(
        desk, "search.concurrency", number, was, words if was is None else f"{words}, {was} before"
    )


def _set(desk: Desk, key: str, number: int, was: int | None, words: str) -> None:
    def then(answer: dict[str, Any]) -> None:
        if not answer["changed"]:
            desk.say(f"{key.partition('.')[2]} is {number} already", "warning")
            return
        back = {"do": "set", "overrides": [f"{key}={was}"]}
        name = key.partition(".")[2]
        desk.bottom.undo = None if was is None else Undo(name, back, f"{name} is {was} again")
        desk.say(words, "info")

    desk.send({"do": "set", "overrides": [f"{key}={number}"]}, then)


def _want(desk: Desk, what: str, value: int) -> None:
    """Until the picture shows it, the next key counts from what was asked for."""
    desk.bottom.wanted[what] = Wanted(value, time.monotonic() + SEEN)


def _whole(desk: Desk, name: str, text: str) -> int | None:
    """The number that was typed; None, saying so, where it is none."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    desk.say(
        f"{name}: {text or 'nothing'} is not a whole number from 1; write :{name} 8", "warning"
    )
    return None


def _concurrency(look: Look) -> int:
    """What the cap is, or is about to be; where there is none, as many as run."""
    wanted = look.bottom.wanted.get("concurrency")
    if wanted is not None:
        return wanted.value
    settings = look.picture.study.settings
    if settings is not None and settings.concurrency is not None:
        return settings.concurrency
    return look.picture.counts.get(RUNNING, 0)


def _settings_trials(look: Look) -> int:
    settings = look.picture.study.settings
    return look.picture.spec.search.trials if settings is None else settings.trials


def _no_pause(look: Look) -> str:
    return no_engine(look) or ("" if _launching(look) else "it is paused already")


def _no_resume(look: Look) -> str:
    return no_engine(look) or ("it is not paused" if _launching(look) else "")


def _launching(look: Look) -> bool:
    """Whether trials are launched, or are about to be."""
    wanted = look.bottom.wanted.get("launching")
    return look.picture.study.launching if wanted is None else bool(wanted.value)


def _no_stop(look: Look) -> str:
    if look.picture.engine.state == "importing":
        return ""
    return no_engine(look)


def _no_restart(look: Look) -> str:
    state = look.picture.engine.state
    if state in ("running", "silent", "importing"):
        return "an engine runs it"
    return no_engine(look) if state == "finished" else ""


ACTIONS: Final = (
    Action(
        "study.pause",
        ("P",),
        "pause launching",
        "Starts no new trial; those that run go on.",
        "Study",
        pause_launching,
        dangerous=True,
        why_not=_no_pause,
    ),
    Action(
        "study.resume",
        ("R",),
        "resume launching",
        "Starts new trials again.",
        "Study",
        resume_launching,
        dangerous=True,
        why_not=_no_resume,
    ),
    Action(
        "study.more",
        ("+",),
        "one more at a time",
        "Raises how many trials may run at once.",
        "Study",
        more,
        dangerous=True,
        why_not=no_engine,
    ),
    Action(
        "study.fewer",
        ("-",),
        "one fewer at a time",
        "Lowers how many trials may run at once; those that run go on.",
        "Study",
        fewer,
        dangerous=True,
        why_not=no_engine,
    ),
    Action(
        "study.concurrency",
        (),
        "trials at a time",
        "How many trials may run at once.",
        "Study",
        ask_concurrency,
        dangerous=True,
        why_not=no_engine,
        argument=Argument("N", concurrency),
    ),
    Action(
        "study.trials",
        ("T",),
        "number of trials",
        "How many trials the study has in all, besides those added by hand.",
        "Study",
        ask_trials,
        dangerous=True,
        why_not=no_engine,
        argument=Argument("N", trials),
    ),
    Action(
        "study.stop",
        ("Q",),
        "stop the study",
        "Ends the engine: trials save and leave, finish, or are killed. It can go on later.",
        "Study",
        stop,
        dangerous=True,
        why_not=_no_stop,
    ),
    Action(
        "study.restart",
        (),
        "restart the engine",
        "Starts an engine that goes on with a study that has none.",
        "Study",
        restart,
        dangerous=True,
        why_not=_no_restart,
    ),
)
