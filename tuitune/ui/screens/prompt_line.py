"""The input line of a prompt, in the place of the messages."""

from collections.abc import Callable
from typing import Final

from textual import events
from textual.binding import Binding
from textual.widgets import Input

from tuitune.ui.state.status_line import Prompt, StatusLine

_EDITS: Final = {
    key: binding.action
    for binding in Input.BINDINGS
    if isinstance(binding, Binding) and binding.action != "submit"
    for key in binding.key.split(",")
}


def edited(line: Input, key: str) -> bool:
    """Does at once what this key does in a line of text; whether it is such a key.

    Textual types letters at once, but lets other keys go to the screen and the app first: letters
    that come together with them would be typed before.
    """
    name, _, selects = _EDITS.get(key, "").partition("(")
    if name:
        getattr(line, f"action_{name}")(*[True] if selects else [])
    return bool(name)


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

    def on_key(self, event: events.Key) -> None:
        """Ends the prompt at once, so that a key right behind belongs to the screen."""
        prompt = self._status_line.prompt
        if prompt is None:
            event.prevent_default()  # it is not typed here, and goes on to the screen
        elif event.key in ("escape", "enter", "tab"):
            event.prevent_default()
            self.key(event, prompt)
        elif edited(self, event.key):
            event.stop()
            event.prevent_default()

    def key(self, event: events.Key, prompt: Prompt) -> None:
        """Handles a key that ends or completes the line, or arrived before it had the focus."""
        if event.key == "escape":
            event.stop()
            self._end(prompt.dropped)
        elif event.key == "enter":
            event.stop()
            text = self.value
            self._end(lambda: prompt.done(text))
        elif event.key == "tab":
            event.stop()
            if prompt.complete is not None:
                self.value = prompt.complete(self.value)
                self.cursor_position = len(self.value)
        elif edited(self, event.key):
            event.stop()
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

    def _take_keys(self) -> None:
        if self._status_line.prompt is not None:
            self.screen.set_focus(self)  # focus() is later: perhaps after the prompt's end

    def _end(self, then: Callable[[], None] | None) -> None:
        self._status_line.prompt = None
        self._status_line.question = None
        self.display = False
        self.screen.set_focus(None)
        if then is not None:
            then()
        self._move_screen()
