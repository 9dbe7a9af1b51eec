"""The input line of a prompt, in the place of the messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events

    from tuitune.ui.state.status_line import Prompt, StatusLine


class PromptLine(Input):
    """The input of an open prompt; hidden without one."""

    def __init__(
        self, status_line: StatusLine, paint: Callable[[], None], move: Callable[[], None]
    ) -> None:
        """paint: called after each change. move: called instead if the prompt handles changes."""
        super().__init__(id="line", compact=True, select_on_focus=False)
        self._status_line = status_line
        self._paint_screen = paint
        self._move_screen = move

    def stand(self, y: int) -> None:
        """Moves the input to this line of the screen, after the sign of the prompt."""
        self.styles.offset = (1, y)

    def begin(self, prompt: Prompt) -> None:
        """Opens the prompt; the input has the focus after the next refresh."""
        self._status_line.prompt, self._status_line.typed_so_far = prompt, prompt.text
        self.display = True
        with self.prevent(Input.Changed):
            self.value = prompt.text
        self.cursor_position = len(prompt.text)
        # after the keys that arrived together with this one
        self.call_after_refresh(self._take_keys)
        self._paint_screen()

    def key(self, event: events.Key, prompt: Prompt) -> None:
        """Handles a key that the input ignores, or that arrived before it had the focus."""
        if event.key == "escape":
            event.stop()
            self._end(prompt.dropped)
        elif event.key == "tab" and prompt.complete is not None:
            self.value = prompt.complete(self.value)
            self.cursor_position = len(self.value)
        elif event.key == "enter":
            self._submit(self.value)
        elif event.key == "backspace":
            self.action_delete_left()
        elif event.is_printable and event.character is not None:
            self.insert_text_at_cursor(event.character)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Passes each change to the prompt."""
        event.stop()
        prompt = self._status_line.prompt
        if prompt is None:
            return
        self._status_line.typed_so_far = event.value
        if prompt.seen is not None:
            prompt.seen(event.value)
            self._move_screen()
        else:
            self._paint_screen()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Closes the prompt and passes the line to it."""
        event.stop()
        self._submit(event.value)

    def _submit(self, text: str) -> None:
        prompt = self._status_line.prompt
        if prompt is not None:
            self._end(lambda: prompt.done(text))

    def _take_keys(self) -> None:
        if self._status_line.prompt is not None:
            self.focus()

    def _end(self, then: Callable[[], None] | None) -> None:
        self._status_line.prompt = None
        self._status_line.question = None
        self.display = False
        self.screen.set_focus(None)
        if then is not None:
            then()
        self._move_screen()
