"""The screen of a study: shows the contents of the store and runs actions."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from tuitune.core.events import ENDED
from tuitune.store.errors import StoreError
from tuitune.ui.app import TuituneApp, passed_on, show_title
from tuitune.ui.panes import bottom, layout, log, status, trials
from tuitune.ui.panes.pane import BARE, BOX, RULED, Click, Edges, Framed, failure, frame_role
from tuitune.ui.render import glyphs, line_pane, themes
from tuitune.ui.render.lines import Box, Line, Size, line
from tuitune.ui.render.paint import Paint, dress
from tuitune.ui.screens.prompt_line import PromptLine
from tuitune.ui.services import Services
from tuitune.ui.state import keymap, status_line
from tuitune.ui.state.render_context import TRIALS, RenderContext, Selection
from tuitune.ui.table.order import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual import events
    from textual.app import ComposeResult

    from tuitune.control.requests import Request
    from tuitune.ui.actions.action import Action
    from tuitune.ui.configuration import Configuration
    from tuitune.ui.state.options import Options, Restart, TrainOn
    from tuitune.ui.state.snapshot import Snapshot
    from tuitune.ui.state.source import Source

    Draw = Callable[[RenderContext, Size], list[Line]]


class StudyScreen(Screen[None]):
    """The screen of one study. It owns the user's selection; the study is only read."""

    def __init__(  # noqa: PLR0913 - what a study is shown and acted on with
        self,
        source: Source,
        configuration: Configuration,
        options: Options,
        restart: Restart | None = None,
        train: TrainOn | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """restart, train: start an engine, or a study of one trial; None where that can't be."""
        super().__init__()
        self.keymap = configuration.keymap
        self.actions: Mapping[str, Action] = {one.id: one for one in configuration.actions}
        self.readonly = options.readonly
        self.snapshot: Snapshot = source.snapshot
        self.selection = Selection()
        self.order = Order()
        self.status_line = status_line.StatusLine()
        self._tick_seconds = options.tick
        self._source = source
        self._clock = clock
        self._prompt_line = PromptLine(self.status_line, self.paint, self.move)
        self._services = Services(self, self, source, restart, train)
        self._paint = Paint(themes.THEMES[options.theme])
        self._glyphs = glyphs.ASCII if options.ascii else glyphs.FULL
        self._numbered = {pane.name: pane for pane in configuration.panes}
        hints = {pane.name: pane.hints for pane in configuration.panes}
        self._draw: dict[str, Draw] = {
            layout.STATUS: status.StatusPane().lines,
            **{pane.name: pane.make().lines for pane in configuration.panes},
            layout.FLASH: bottom.flash_lines,
            layout.KEYS: bottom.KeysPane(hints).lines,
            **dict.fromkeys(layout.BARS, _bar),
        }
        self._panes = {name: line_pane.LinePane(name, self._paint) for name in self._draw}
        self._frames = {name: Framed() for name in self._numbered}
        self._boxes: dict[str, Box] = {}
        self._shown: object = None
        self._begun = False
        self._away = False  # the list of studies is over it
        self._terminal = Size(0, 0)

    # --- the screen ------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """All panes, placed later, and the input of prompts."""
        yield from self._panes.values()
        yield self._prompt_line

    def on_mount(self) -> None:
        """Reads only what the first paint shows; the rest follows after it."""
        self._begun = True
        self._terminal = Size(*self.app.size)
        self.order.follow(self.snapshot, self.selection)
        seen = self.order.numbers[: self.app.size.height]
        self._read(lambda: self._source.complete(seen))
        self.paint()
        self.call_after_refresh(self._painted)
        self.set_interval(self._tick_seconds, self._tick)

    def on_screen_resume(self) -> None:
        """Follows the study again."""
        self._away = False

    def _painted(self) -> None:
        """Reads what was left out for the first paint."""
        self._read(self._source.fill)
        self.move()
        gc.freeze()  # the collector need not scan ten thousand trials that stay
        gc.enable()
        self._services.fetch_curves()

    def on_resize(self, event: events.Resize) -> None:
        """Places the panes for the new size."""
        self._terminal = Size(*event.size)
        self.paint()

    def _tick(self) -> None:
        """Reads changes and paints them; does nothing if there are none."""
        if self._away:
            return
        if not self.selection.frozen:
            self._read(lambda: self._source.refresh(self._clock()))
            self.order.follow(self.snapshot, self.selection)
        if "log" in self._boxes:
            self._services.follow_log(log.shown_trial(self.context()))
        self._show_title()
        expired = self.status_line.expire(time.monotonic())
        # times are shown in whole seconds; without an engine they don't advance
        snapshot = self.snapshot
        moment = (snapshot.version, 0 if snapshot.engine_gone else int(snapshot.now))
        if expired or moment != self._shown:
            self._shown = moment
            self.paint()

    def _show_title(self) -> None:
        snapshot = self.snapshot
        done = sum(snapshot.counts.get(state, 0) for state in ENDED) + snapshot.held
        show_title(self.app, f"{snapshot.name}: {snapshot.engine.state} {done}/{snapshot.total}")

    def _read(self, read: Callable[[], None]) -> None:
        """Calls a function that reads from the store, and shows its error."""
        try:
            read()
        except StoreError as error:
            self.say(str(error), "error")

    def paint(self) -> None:
        """Draws every pane and paints what has changed."""
        if not self._begun or self._terminal.width == 0:  # not on a screen yet
            return
        self._place_panes(*self._terminal)
        context = self.context()
        for name, box in self._boxes.items():
            size = self._inner(name, box)
            try:
                lines = self._draw[name](context, size)
            except Exception as error:  # noqa: BLE001 - a pane that fails takes no other with it
                lines = failure(context, name, error, size)
            if name in self._numbered:
                whole, role = Size(box.width, box.height), frame_role(context, name)
                edges = self._edges(name)
                lines = self._frames[name].lines(lines, whole, edges, context.glyphs, role)
            self._panes[name].show(lines, box.width, box.height)

    def _inner(self, name: str, box: Box) -> Size:
        """The size of what a pane draws, its title included: all but the rest of its frame."""
        if name not in self._numbered:
            return Size(box.width, box.height)
        edges = self._edges(name)
        return Size(box.width - 2 * edges.left, box.height - edges.below)

    def _edges(self, name: str) -> Edges:
        if self._is_boxed:
            return BOX
        return BARE if self._numbered[name].bare and self.selection.zoomed != name else RULED

    @property
    def _is_boxed(self) -> bool:
        return layout.is_boxed(*self._terminal)

    def context(self) -> RenderContext:
        """The present state, as panes and `why_not` functions read it."""
        return RenderContext(
            snapshot=self.snapshot,
            selection=self.selection,
            order=self.order,
            glyphs=self._glyphs,
            status_line=self.status_line,
            keymap=self.keymap,
            readonly=self.readonly,
            theme=self._paint.theme,
            boxed=self._is_boxed,
        )

    def _place_panes(self, width: int, height: int) -> None:
        selection = self.selection
        panes, snapshot = self._numbered.values(), self.snapshot
        boxes = layout.arrange(width, height, panes, snapshot, selection.zoomed)
        if (
            selection.zoomed is None and selection.focus not in boxes
        ):  # it has no place at this size
            boxes = layout.arrange(width, height, panes, snapshot, selection.focus)
        table = boxes.get(TRIALS)
        if table is not None:  # below its title, its errors and its heads
            room = self._inner(TRIALS, table)
            self.order.lines = max(1, room.height - trials.lines_above(self.order, room))
        if boxes == self._boxes:
            return
        self._boxes = boxes
        for name, pane in self._panes.items():
            pane.place(boxes.get(name))
        flash = boxes.get(layout.FLASH)
        if flash is not None:
            self._prompt_line.stand(flash.y)

    # --- the keyboard and the mouse --------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Passes the key to an open prompt, question or menu, else runs its action."""
        if passed_on(self, event):
            return
        if self.status_line.prompt is not None:
            self._prompt_line.key(event, self.status_line.prompt)
            return
        event.stop()
        event.prevent_default()
        self._press(event.key, event.character)

    def _press(self, key: str, character: str | None) -> None:
        if self.status_line.takes(key, character):
            self.paint()
            return
        action = self.keymap.find(key, character, self.selection.focus)
        if action is not None:
            self.act(action)

    def act(self, name: str, argument: str = "") -> None:
        """Runs the action of this id, or shows why it can't be. argument: typed after its name."""
        action = self.actions[name]
        if action.dangerous:
            self.order.hold()  # so that the next key acts on the same trial
        reason = action.why_not(self.context()) if action.why_not else ""
        if action.dangerous and self.readonly:
            reason = "this app changes nothing (--readonly)"
        if reason:
            self.say(f"{action.title}: {reason}", "warning")
        elif argument and action.argument is not None:
            action.argument.run(self, argument)
        else:
            action.run(self)
        self.paint()

    def on_line_pane_clicked(self, event: line_pane.LinePane.Clicked) -> None:
        """Focuses the pane and passes it the click."""
        event.stop()
        if event.pane in (layout.FLASH, layout.KEYS) and self.status_line.prompt is None:
            key = bottom.key_at(self._panes[event.pane].line(event.line), event.column)
            if key:
                self._press(keymap.key_named(key), None)
        pane = self._numbered.get(event.pane)
        if pane is not None:
            self.selection.focus = pane.name
            if pane.click is not None:
                column = event.column - self._edges(pane.name).left
                pane.click(self, Click(column, event.line, event.double))
        self.paint()

    def on_line_pane_wheeled(self, event: line_pane.LinePane.Wheeled) -> None:
        """Scrolls the pane under the mouse, even if another has the focus."""
        event.stop()
        pane = self._numbered.get(event.pane)
        if pane is None:
            return
        if pane.wheel_at is not None:
            pane.wheel_at(self, event.lines, event.column - self._edges(pane.name).left)
        elif pane.wheel is not None:
            pane.wheel(self, event.lines)
        self.paint()

    def action_interrupt(self) -> None:
        """Shows how to leave, at Ctrl+C on another screen."""
        self.act("app.interrupt")

    # --- the methods of actions.action.AppActions

    def size_of(self, pane: str) -> Size:
        """The size of a pane in cells; (0, 0) if it is not on the screen."""
        box = self._boxes.get(pane)
        return Size(0, 0) if box is None else self._inner(pane, box)

    def say(self, text: str, role: str = "text") -> None:
        """Shows a message for 4 s, a warning or an error for 8 s."""
        self.status_line.say(text, role, time.monotonic())
        self.paint()

    def ask(self, question: status_line.Question) -> None:
        """Opens a question; if it asks for a word, as a prompt."""
        self.status_line.question = question
        if question.word:
            self._prompt_line.begin(self.status_line.typed(question))
        self.paint()

    def menu(self, menu: status_line.Menu) -> None:
        """Opens a menu on the two last lines."""
        self.status_line.menu = menu
        self.paint()

    def prompt(self, prompt: status_line.Prompt) -> None:
        """Opens a prompt in the place of the messages."""
        self._prompt_line.begin(prompt)

    def send(self, request: Request, then: Callable[[dict[str, Any]], None]) -> None:
        """Sends a request from another thread; shows an error."""
        self._services.send(request, then)

    def copy(self, text: str, what: str) -> None:
        """Copies to the clipboard of the terminal and to a file."""
        self.app.copy_to_clipboard(text)
        self._services.keep_copy(text, what)

    def show(self, screen: str) -> None:
        """Opens a screen of `screens.registry` over this one."""
        from tuitune.ui.screens.registry import screen_named  # noqa: PLC0415 - not for the first paint

        self.app.push_screen(screen_named(screen, self, self._paint))

    def write(self, kind: str, path: str) -> None:
        """Writes a file. kind: "svg", "csv" or "json". path: "" for one in the current folder."""
        self._services.write(kind, path)

    def restart(self) -> None:
        """Starts an engine from another thread."""
        self._services.restart()

    def train(self, trial: int, to: int) -> None:
        """Starts a study that trains it on, from another thread."""
        self._services.train(trial, to)

    def move(self) -> None:
        """Updates order and window of the table for the selection, and paints."""
        self.order.follow(self.snapshot, self.selection)
        self.paint()

    def redraw(self) -> None:
        """Paints every cell again."""
        self.refresh(layout=True)

    def set_theme(self, name: str) -> None:
        """Draws everything in other colours."""
        self._paint.change(themes.THEMES[name])
        dress(self.app, self._paint.theme)
        for pane in self._panes.values():
            pane.forget()
        self.paint()

    def suspend(self) -> None:
        """Stops this process; the shell's `fg` continues it."""
        self.app.action_suspend_process()

    def back(self) -> None:
        """Goes back to the list of studies, if the study was opened from it."""
        if len(self.app.screen_stack) > 1 and isinstance(self.app, TuituneApp):
            self.app.run_worker(self.app.show_studies(self.snapshot.folder))

    def studies(self) -> None:
        """Shows the list of studies."""
        self._away = True
        if isinstance(self.app, TuituneApp):
            self.app.run_worker(self.app.show_studies(self.snapshot.folder))

    def leave(self) -> None:
        """Closes the app; the study runs on."""
        self.app.exit()

    def on_unmount(self) -> None:
        """Drops unsent requests and closes the database."""
        self._services.close()
        self._source.close()


def _bar(context: RenderContext, size: Size) -> list[Line]:
    """The bar between two columns."""
    return [line((context.glyphs.bar, "rule"))] * size.height
