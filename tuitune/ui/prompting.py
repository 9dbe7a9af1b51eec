"""How is a line typed? It stands where the messages do, for as long as a prompt is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events

    from tuitune.ui.app import StudyApp
    from tuitune.ui.state.status_line import Prompt


class Prompting:
    """The line to type on, and what becomes of what is typed. `line` is the app's to show."""

    def __init__(self, app: StudyApp) -> None:
        self.line = Input(id="line", compact=True, select_on_focus=False)
        self._app = app
        self._status_line = app.status_line

    def stand(self, y: int) -> None:
        """On this line of the screen, behind the prompt's sign."""
        self.line.styles.offset = (1, y)

    def begin(self, prompt: Prompt) -> None:
        self._status_line.prompt, self._status_line.typed_so_far = prompt, prompt.text
        self.line.display = True
        with self.line.prevent(Input.Changed):
            self.line.value = prompt.text
        self.line.cursor_position = len(prompt.text)
        # when all keys that came with this one are here
        self._app.call_after_refresh(self._take_keys)
        self._app.paint()

    def key(self, event: events.Key, prompt: Prompt) -> None:
        """Those that the line leaves, and those that came before it was there: a paste, a burst."""
        line = self.line
        if event.key == "escape":
            event.stop()
            self._end(prompt.dropped)
        elif event.key == "tab" and prompt.complete is not None:
            line.value = prompt.complete(line.value)
            line.cursor_position = len(line.value)
        elif event.key == "enter":
            self.submitted(line.value)
        elif event.key == "backspace":
            line.action_delete_left()
        elif event.is_printable and event.character is not None:
            line.insert_text_at_cursor(event.character)

    def changed(self, text: str) -> None:
        prompt = self._status_line.prompt
        if prompt is None:
            return
        self._status_line.typed_so_far = text
        if prompt.seen is not None:
            prompt.seen(text)
            self._app.move()
        else:
            self._app.paint()

    def submitted(self, text: str) -> None:
        prompt = self._status_line.prompt
        if prompt is not None:
            self._end(lambda: prompt.done(text))

    def _take_keys(self) -> None:
        if self._status_line.prompt is not None:
            self.line.focus()

    def _end(self, then: Callable[[], None] | None) -> None:
        self._status_line.prompt = None
        self._status_line.question = None
        self.line.display = False
        self._app.set_focus(None)
        if then is not None:
            then()
        self._app.move()
