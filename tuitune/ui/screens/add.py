"""The form for a trial added by hand: a line for each parameter, checked while typing."""

from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from tuitune.control.requests import Add
from tuitune.core import space
from tuitune.messages.text import configuration_words, trial_name
from tuitune.ui.actions.action import AppActions
from tuitune.ui.app import passed_on
from tuitune.ui.screens.prompt_line import edited
from tuitune.ui.state.form import Field, Form, filled, read_form, typed

_KEYS = "enter adds the trial   up and down go to another line   ctrl+u empties a line   esc leaves"


class Line(Input):
    """The input of a parameter."""

    def on_key(self, event: events.Key) -> None:
        """Does at once what a key does in the form or in its line: letters may be right behind."""
        is_done = isinstance(self.screen, AddScreen) and self.screen.takes(event)
        if is_done or edited(self, event.key):
            event.stop()
            event.prevent_default()


class Row(Vertical):
    """A parameter: its name, its input, and below them its domain or a problem."""

    def __init__(self, parameter: space.Parameter, text: str) -> None:
        super().__init__()
        self.parameter = parameter
        known = parameter.values if isinstance(parameter, space.Choice) else ()
        self.line = Line(
            text,
            compact=True,
            select_on_focus=False,
            disabled=isinstance(parameter, space.Fixed),
            suggester=SuggestFromList([typed(value) for value in known]) if known else None,
        )
        self.below = Static(classes="below")

    def compose(self) -> ComposeResult:
        """Name and input next to each other, the text below."""
        with Horizontal():
            yield Static(Content(self.parameter.name), classes="name")
            yield self.line
        yield self.below

    def show(self, field: Field) -> None:
        """Shows the problem of the field, or its possible values."""
        self.below.update(Content(field.below()))
        self.set_class(bool(field.problem), "wrong")
        self.set_class(not field.exists, "absent")


class AddScreen(Screen[None]):
    """The form, filled with the configuration of the cursor's trial."""

    DEFAULT_CSS: ClassVar[str] = """
    AddScreen { background: $background; }
    AddScreen > Static { height: 1; color: $accent; text-style: bold; }
    AddScreen > #foot { dock: bottom; color: $foreground-muted; text-style: none; }
    Row { height: 2; }
    Row Horizontal { height: 1; }
    Row .name { width: 22; height: 1; text-style: bold; }
    Row Input { width: 1fr; height: 1; border: none; padding: 0; background: $surface; }
    Row .below { height: 1; padding-left: 22; color: $foreground-muted; }
    Row.wrong .below { color: $error; text-style: bold; }
    Row.absent .name { text-style: dim; }
    """

    def __init__(self, app: AppActions) -> None:
        super().__init__()
        self._actions = app
        self._space = app.snapshot.spec.space
        like = app.snapshot.row(app.selection.cursor)
        texts = filled(self._space, like.config if like is not None else {})
        self._like = "" if like is None else f", filled with {trial_name(like.number)}"
        self._rows = [Row(p, texts.get(p.name, "")) for p in self._space.parameters]

    def compose(self) -> ComposeResult:
        """The title, a row for each parameter, the keys."""
        yield Static(Content(f"A new trial{self._like}"))
        with VerticalScroll(can_focus=False) as scroll:
            scroll.styles.scrollbar_size_vertical = 0 if self._actions.context().glyphs.ascii else 1
            yield from self._rows
        yield Static(_KEYS, id="foot")

    def on_mount(self) -> None:
        """Focuses the first parameter that is not fixed."""
        self._show(self._form())
        first = next((row for row in self._rows if not row.line.disabled), None)
        if first is not None:
            self.set_focus(first.line)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Checks the whole form, since parameters depend on one another."""
        event.stop()
        self._show(self._form())

    def on_key(self, event: events.Key) -> None:
        """Other keys than its own are for the input."""
        if self.takes(event):
            event.stop()

    def takes(self, event: events.Key) -> bool:
        """Closes the form, sends it or changes the line; whether the key does one of that."""
        if passed_on(self, event):
            return True
        if event.key == "escape":
            self.dismiss()
        elif event.key == "enter":
            self._submit()
        elif event.key in ("up", "down"):
            (self.focus_next if event.key == "down" else self.focus_previous)()
        else:
            return False
        return True

    def _form(self) -> Form:
        return read_form(self._space, {row.parameter.name: row.line.value for row in self._rows})

    def _show(self, form: Form) -> None:
        for row, field in zip(self._rows, form.fields, strict=True):
            row.show(field)
        self.query_one("#foot", Static).update(Content(form.problem or _KEYS))

    def _submit(self) -> None:
        """Sends the configuration if it is valid; else focuses the first invalid line."""
        form = self._form()
        wrong = next(
            (row for row, f in zip(self._rows, form.fields, strict=True) if f.problem), None
        )
        if wrong is not None:
            self.set_focus(wrong.line)
        if form.problem:  # that of a field, or of a constraint, which the foot shows
            return
        self.dismiss()
        self._actions.send(Add(form.config), self._added)

    def _added(self, answer: dict[str, Any]) -> None:
        name, words = trial_name(answer["trial"]), configuration_words(answer["config"])
        self._actions.say(f"{name} will be {words}, once there is room", "info")
