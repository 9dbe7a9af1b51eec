"""Acts on the studies of the list, and why one can't be done now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.control.requests import Pause, Request, Resume, Stop
from tuitune.messages.states import leaving
from tuitune.messages.text import plain, trial_count
from tuitune.ui.state.records import Record
from tuitune.ui.state.status_line import Choice, Menu, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Protocol

    from tuitune.ui.state.studies import Entry

    class StudyActs(Protocol):
        """What acts may do to the list of studies."""

        def send(self, folder: Path, request: Request, words: str) -> None:
            """Asks the engine of a study from another thread, and shows the words or an error."""

        def start(self, folder: Path) -> None:
            """Starts an engine on a study from another thread."""

        def delete(self, folder: Path) -> None:
            """Deletes a study from another thread."""

        def ask(self, question: Question) -> None:
            """Opens a question; anything but yes closes it."""

        def menu(self, menu: Menu) -> None:
            """Opens a menu."""


class StudyAct(Record, frozen=True):
    """Something that can be done to the cursor's study.

    id: of the action of a study whose keys it has, if that has any besides `keys`.
    """

    id: str
    keys: tuple[str, ...]
    title: str
    help: str
    run: Callable[[StudyActs, Entry], None]
    why_not: Callable[[Entry], str]  # the reason why it can't be done now; "" if it can


def stop_menu(
    name: str,
    running: int,
    *,
    may_save: bool,
    send: Callable[[Stop, str], None],
    ask: Callable[[Question], None],
) -> Menu:
    """The ways to stop a study. send: gets a way and its words."""
    leave = leaving(may_save=may_save)
    ways = (
        ("s", leave.partition(":")[0], Stop(), leave),
        ("f", "finish running trials", Stop(finish=True), "run to their end"),
        ("k", "kill running trials", Stop(now=True), "are killed without saving"),
    )

    def choice(key: str, title: str, request: Stop, words: str) -> Choice:
        text = f"type stop to stop {name}: its running trials ({running}) {words}"
        question = Question(text, lambda: send(request, f"its running trials {words}"), "stop")
        return Choice(key, title, lambda: ask(question))

    return Menu(f"stop {name}", tuple(choice(*way) for way in ways))


def _stop(app: StudyActs, entry: Entry) -> None:
    name, may_save = plain(entry.name), entry.may_save

    def send(request: Stop, words: str) -> None:
        app.send(entry.folder, request, f"{name} is stopping: {words}")

    app.menu(stop_menu(name, entry.running, may_save=may_save, send=send, ask=app.ask))


def _pause(app: StudyActs, entry: Entry) -> None:
    app.send(entry.folder, Pause(), f"{plain(entry.name)}: no new trial is launched")


def _resume(app: StudyActs, entry: Entry) -> None:
    app.send(entry.folder, Resume(), f"{plain(entry.name)}: trials are launched again")


def _delete(app: StudyActs, entry: Entry) -> None:
    name = plain(entry.name)
    what = f"{trial_count(entry.trials)}, their checkpoints and logs, in {plain(str(entry.folder))}"
    text = f"type {name} to delete {what}"
    app.ask(Question(text, lambda: app.delete(entry.folder), entry.name))


def _not_running(entry: Entry) -> str:
    return "" if entry.state == "running" else f"no engine runs it: it is {entry.state}"


def _no_pause(entry: Entry) -> str:
    return _not_running(entry) or ("" if entry.launching else "launching is paused already")


def _no_resume(entry: Entry) -> str:
    return _not_running(entry) or ("launching is not paused" if entry.launching else "")


def _no_continue(entry: Entry) -> str:
    if entry.state == "interrupted":
        return ""
    if entry.state == "finished":
        return "it is finished; open it to add trials"
    return "an engine runs it" if entry.state == "running" else f"it is {entry.state}"


def _no_delete(entry: Entry) -> str:
    return "an engine runs it; stop it first" if entry.state == "running" else ""


STUDY_ACTS: Final[Sequence[StudyAct]] = (
    StudyAct(
        "study.stop",
        (),
        "stop",
        "Stop it: trials save and leave, finish, or are killed.",
        _stop,
        _not_running,
    ),
    StudyAct("study.pause", (), "pause", "Launch no new trial.", _pause, _no_pause),
    StudyAct("study.resume", (), "resume", "Launch new trials again.", _resume, _no_resume),
    StudyAct(
        "study.restart",
        ("c",),
        "continue",
        "Start an engine on an interrupted study.",
        lambda app, entry: app.start(entry.folder),
        _no_continue,
    ),
    StudyAct(
        "",
        ("D", "delete"),
        "delete",
        "Delete it with all it has saved, once its name is typed.",
        _delete,
        _no_delete,
    ),
)
