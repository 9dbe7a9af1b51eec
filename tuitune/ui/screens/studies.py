"""The screen of this machine's studies: one is opened, stopped, continued or deleted from it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from textual.screen import Screen

from tuitune.messages.text import plain
from tuitune.store.errors import StoreError
from tuitune.store.folder import delete_study
from tuitune.studyfile import StudyFileError
from tuitune.ui.actions import study_list
from tuitune.ui.app import passed_on, show_title
from tuitune.ui.panes.bottom import asking_line, fitting, key_at, message_line
from tuitune.ui.render import glyphs, line_pane, paint, themes
from tuitune.ui.render.lines import Box, Line, Size, line, wrapped
from tuitune.ui.screens.lines import LinesScreen
from tuitune.ui.screens.prompt_line import PromptLine
from tuitune.ui.services import NO_START, asked
from tuitune.ui.state import render_context, studies
from tuitune.ui.state.keymap import Keymap, key_named, pressed
from tuitune.ui.state.status_line import Menu, Prompt, Question, StatusLine
from tuitune.ui.text.studies import Listing, first_seen, study_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from textual import events
    from textual.app import ComposeResult

    from tuitune.control.requests import Request
    from tuitune.ui.state.options import Options, Restart

_TICK = 1.0  # s between two readings of the studies
_HEAD = 2  # lines above the first study
_KEYS = 14  # cells for the keys in the help
_BELOW = 2  # lines below the list: messages, and keys
_READONLY: Final = "this app changes nothing (--readonly)"


class StudiesScreen(Screen[None]):
    """The list of studies. Studies are opened over it."""

    def __init__(  # noqa: PLR0913 - what studies are opened and started with
        self,
        runs: Path,
        keymap: Keymap,
        options: Options,
        screen_of: Callable[[Path], Screen[None]],
        *,
        restart_of: Callable[[Path], Restart | None] = lambda _: None,
        left: Callable[[], None] = lambda: None,
        cursor: Path | None = None,
    ) -> None:
        """screen_of: makes the screen of a study; may raise StoreError and StudyFileError.

        restart_of: what starts an engine on a study; may raise the same. left: called when the app
        is left from the list. cursor: the folder of the study that it begins on.
        """
        super().__init__()
        self._studies = studies.Studies(runs)
        self._keymap = keymap
        self._readonly = options.readonly
        self._screen_of = screen_of
        self._restart_of = restart_of
        self._left = left
        self._glyphs = glyphs.ASCII if options.ascii else glyphs.FULL
        self._paint = paint.Paint(themes.THEMES[options.theme])
        self._panes = {
            name: line_pane.LinePane(name, self._paint) for name in ("studies", "flash", "keys")
        }
        self._status_line = StatusLine()
        self._prompt_line = PromptLine(self._status_line, self._draw, self._draw)
        self._working = ThreadPoolExecutor(max_workers=1)  # requests keep their order
        self._cursor = None if cursor is None else cursor.resolve()
        self._filter = ""
        self._by_key: dict[str, study_list.StudyAct] = {
            key: act for act in study_list.STUDY_ACTS for key in self._keys_of(act)
        }
        self._acts: Mapping[str, Callable[[], object]] = {
            "move.down": lambda: self._by_lines(1),
            "move.up": lambda: self._by_lines(-1),
            "move.page_down": lambda: self._by_lines(self._room),
            "move.page_up": lambda: self._by_lines(-self._room),
            "move.first": lambda: self._by_lines(-len(self._studies.entries)),
            "move.last": lambda: self._by_lines(len(self._studies.entries)),
            "pane.enter": self._open,
            "table.filter": self._begin_filter,
            "pane.back": self._back,
            "app.help": self._show_help,
            "app.suspend": self._suspend,
            "app.redraw": lambda: self.refresh(layout=True),
            "app.quit": self.action_interrupt,
            "app.interrupt": self.action_interrupt,
        }

    # --- the screen ------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """The list, the messages, the keys, and the input of prompts."""
        yield from self._panes.values()
        yield self._prompt_line

    def on_mount(self) -> None:
        """Reads some studies, then more every second."""
        self._studies.refresh()
        self._timer = self.set_interval(_TICK, self._tick)

    def on_screen_suspend(self) -> None:
        """Reads nothing while a study is shown."""
        self._timer.pause()

    def on_screen_resume(self) -> None:
        """Reads the studies again after one was shown."""
        self._timer.resume()
        self._tick()

    def on_resize(self, event: events.Resize) -> None:
        """Places the list above the two last lines."""
        width, height = event.size
        self._panes["studies"].place(Box(0, 0, width, max(1, height - _BELOW)))
        self._panes["flash"].place(Box(0, height - 2, width, 1))
        self._panes["keys"].place(Box(0, height - 1, width, 1))
        self._prompt_line.stand(height - 2)
        self._draw()

    def on_unmount(self) -> None:
        """Closes the databases."""
        self._working.shutdown(wait=False, cancel_futures=True)
        self._studies.close()

    def _tick(self) -> None:
        self._studies.refresh()
        self._status_line.expire(time.monotonic())
        self._draw()  # even if nothing is new: ages are shown

    def _draw(self) -> None:
        width, height = self.size
        if not width:
            return
        listing, size = self._listing(), Size(width, max(1, height - _BELOW))
        self._panes["studies"].show(study_lines(listing, size), *size)
        status_line = self._status_line
        self._panes["flash"].show([message_line(status_line, width)], width, 1)
        keys = asking_line(status_line, width) or self._hints(listing.chosen, width)
        self._panes["keys"].show([keys], width, 1)
        if self.is_current:
            show_title(self.app, "tuitune: studies")

    def _listing(self) -> Listing:
        entries = self._studies.listed(self._filter)
        folders = [entry.folder for entry in entries]
        line_of = folders.index(self._cursor) if self._cursor in folders else 0
        return Listing(entries, line_of, self._filter, self._glyphs, time.time())

    @property
    def _chosen(self) -> studies.Entry | None:
        """The cursor's study, which it stays on."""
        return self._listing().chosen

    @property
    def _room(self) -> int:
        """The lines for studies."""
        return max(1, self.size.height - _HEAD - _BELOW)

    def _hints(self, entry: studies.Entry | None, width: int) -> Line:
        opens = entry is not None and entry.state != "unreadable"
        named = [(self._keymap.shown("pane.enter"), "open")] if opens else []
        if entry is not None and not self._readonly:
            named += [
                (next(iter(self._keys_of(act)), ""), act.title)
                for act in study_list.STUDY_ACTS
                if not act.why_not(entry)
            ]
        others = (("table.filter", "filter"), ("app.help", "help"))
        named += [(self._keymap.shown(id_), word) for id_, word in others]
        return fitting(named, width, ((self._keymap.shown("app.quit"), "leave"),))

    def _keys_of(self, act: study_list.StudyAct) -> tuple[str, ...]:
        return (*act.keys, *(self._keymap.keys(act.id) if act.id else ()))

    # --- the keyboard and the mouse --------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Passes the key to an open prompt, question or menu, else runs its act."""
        if passed_on(self, event):
            return
        if self._status_line.prompt is not None:
            self._prompt_line.key(event, self._status_line.prompt)
            return
        event.stop()
        event.prevent_default()
        self._press(event.key, event.character)

    def _press(self, key: str, character: str | None) -> None:
        if self._status_line.takes(key, character):
            self._draw()
            return
        own = self._by_key.get(pressed(key, character))
        if own is not None:
            self._run(own)
            return
        act = self._acts.get(self._keymap.find(key, character, render_context.TRIALS) or "")
        if act is not None:
            act()

    def on_line_pane_clicked(self, event: line_pane.LinePane.Clicked) -> None:
        """Moves the cursor, a double click opens; a click on a key's label presses it."""
        if event.pane != "studies" and self._status_line.prompt is None:
            key = key_at(self._panes[event.pane].line(event.line), event.column)
            if key:
                self._press(key_named(key), None)
        if event.pane != "studies":
            return
        listing = self._listing()
        at = event.line - _HEAD + first_seen(listing, self._room + _HEAD)
        if event.line >= _HEAD and at < len(listing.entries):
            self._cursor = listing.entries[at].folder
            self._draw()
            if event.double:
                self._open()

    def on_line_pane_wheeled(self, event: line_pane.LinePane.Wheeled) -> None:
        """Moves the cursor."""
        self._by_lines(event.lines)

    def action_interrupt(self) -> None:
        """Leaves the app at Ctrl+C."""
        self._left()
        self.app.exit()

    def _suspend(self) -> None:
        self.app.action_suspend_process()

    def _by_lines(self, lines: int) -> None:
        listing = self._listing()
        if listing.entries:
            to = max(0, min(listing.cursor + lines, len(listing.entries) - 1))
            self._cursor = listing.entries[to].folder
        self._draw()

    def _open(self) -> None:
        entry = self._chosen
        if entry is None or entry.state == "unreadable":
            return
        self._cursor = entry.folder
        try:
            screen = self._screen_of(entry.folder)
        except (StoreError, StudyFileError) as error:
            self.say(str(error), "error")
        else:
            self.app.push_screen(screen)

    def _begin_filter(self) -> None:
        drop = partial(self._set_filter, "")
        prompt = Prompt("/", self._filter, self._set_filter, seen=self._set_filter, dropped=drop)
        self._prompt_line.begin(prompt)

    def _back(self) -> None:
        """Shows all again; without a filter goes back to the study below, if there is one."""
        if not self._filter and len(self.app.screen_stack) > 1:
            self.app.pop_screen()
        self._set_filter("")

    def _set_filter(self, text: str) -> None:
        self._filter = text
        self._draw()

    def _show_help(self) -> None:
        rule = self._glyphs.rule
        self.app.push_screen(LinesScreen("help", self._help, self._paint, rule=rule))

    def _help(self, width: int) -> list[Line]:
        named = (
            ("pane.enter", "Open the study."),
            ("table.filter", 'Filter by name and state, as "running"; with a slash by path.'),
            ("pane.back", "Show all again."),
            ("app.suspend", "Back to the shell; `fg` shows the list again."),
            ("app.quit", "Leave; studies run on."),
        )
        acts = [(" ".join(self._keys_of(act)), act.help) for act in study_list.STUDY_ACTS]
        others = [(" ".join(self._keymap.keys(id_)), words) for id_, words in named]
        return [
            line((f"{'' if below else keys:<{_KEYS}}", "accent"), (part, "text"))
            for keys, words in others[:1] + acts + others[1:]
            for below, part in enumerate(wrapped(words, width - _KEYS))
        ]

    # --- the methods of actions.study_list.StudyActs ---------------------------------------------

    def _run(self, act: study_list.StudyAct) -> None:
        """Runs an act on the cursor's study, or shows why it can't be done."""
        entry = self._chosen
        if entry is None:
            return
        self._cursor = entry.folder
        reason = _READONLY if self._readonly else act.why_not(entry)
        if reason:
            self.say(f"{act.title} {plain(entry.name)}: {reason}", "warning")
        else:
            act.run(self, entry)

    def say(self, text: str, role: str = "text") -> None:
        """Shows a message for some seconds."""
        self._status_line.say(text, role, time.monotonic())
        self._draw()

    def ask(self, question: Question) -> None:
        """Opens a question; if it asks for a word, as a prompt."""
        self._status_line.question = question
        if question.word:
            self._prompt_line.begin(self._status_line.typed(question))
        self._draw()

    def menu(self, menu: Menu) -> None:
        """Opens a menu on the two last lines."""
        self._status_line.menu = menu
        self._draw()

    def send(self, folder: Path, request: Request, words: str) -> None:
        """Asks the engine of a study from another thread, and shows the words or an error."""
        self._work(lambda: str(asked(folder, request).get("error", "")), words)

    def start(self, folder: Path) -> None:
        """Starts an engine on a study from another thread."""
        self.say(f"{plain(folder.name)}: starting an engine …")
        self._work(lambda: self._started(folder), f"{plain(folder.name)}: an engine runs it again")

    def delete(self, folder: Path) -> None:
        """Deletes a study from another thread."""
        self._studies.forget(folder)

        def work() -> str:
            delete_study(folder)
            return ""

        self._work(work, f"{plain(folder.name)}: deleted")

    def _started(self, folder: Path) -> str:
        restart = self._restart_of(folder)
        return NO_START if restart is None else restart()

    def _work(self, work: Callable[[], str], words: str) -> None:
        """Does work that returns a problem, or ""; shows it, or the words."""

        def done() -> None:
            try:
                problem = work()
            except (StoreError, StudyFileError) as error:
                problem = str(error)
            said, role = (problem, "error") if problem else (words, "info")
            self.app.call_from_thread(self._worked, said, role)

        self._working.submit(done)

    def _worked(self, text: str, role: str) -> None:
        self._studies.refresh()
        self.say(text, role)
