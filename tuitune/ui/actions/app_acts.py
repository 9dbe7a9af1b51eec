"""Actions on the app itself: help, command line, a picture of the screen, leaving."""

from typing import Final

from tuitune.ui.actions.action import Action, AppActions, Argument
from tuitune.ui.actions.command_line import command_line
from tuitune.ui.render.themes import THEMES

_FORMS: Final = ("csv", "json")


def _show_palette(app: AppActions) -> None:
    """Opens the command line instead in ASCII mode: the palette has a frame of other characters."""
    if app.context().glyphs.ascii:
        command_line(app)
    else:
        app.show("palette")


def _export_to(app: AppActions, text: str) -> None:
    form, _, path = text.partition(" ")
    if form not in _FORMS:
        app.say(f"format {form} isn't supported: csv or json", "warning")
        return
    app.write(form, path.strip())


def _next_theme(app: AppActions) -> None:
    names = [*THEMES]
    _set_theme(app, names[(names.index(app.context().theme.name) + 1) % len(names)])


def _set_theme(app: AppActions, name: str) -> None:
    if name not in THEMES:
        app.say(f"no theme {name}: {', '.join(THEMES)}", "warning")
        return
    app.set_theme(name)
    app.say(f'theme {name}; `theme = "{name}"` in the key file keeps it')


def _interrupt(app: AppActions) -> None:
    """Ends nothing: Ctrl+C by mistake must not end days of training."""
    shown = app.context().keymap.shown
    leave = f"{shown('app.quit')} leaves the app; the study continues"
    app.say(f"{leave}; {shown('study.stop')} stops the study", "info")


ACTIONS: Final = (
    Action("app.help", ("?", "f1"), "help", "Show all keys.", "App", lambda app: app.show("help")),
    Action(
        "app.commands",
        (":",),
        "command line",
        "Run an action by its name; some take a number, a file or a trial.",
        "App",
        command_line,
    ),
    Action("app.palette", ("ctrl+p",), "palette", "Choose from all actions.", "App", _show_palette),
    Action(
        "app.summary",
        ("i",),
        "summary",
        "Show the best configuration, the top five, counts, times and files.",
        "App",
        lambda app: app.show("summary"),
    ),
    Action(
        "app.keys",
        (),
        "keys and their file",
        "Show the file of keys, and the names of all actions.",
        "App",
        lambda app: app.show("keys"),
    ),
    Action(
        "app.shot",
        (),
        "picture",
        "Write the screen to an SVG file.",
        "App",
        lambda app: app.write("svg", ""),
        argument=Argument("[FILE]", lambda app, path: app.write("svg", path)),
    ),
    Action(
        "app.export",
        (),
        "export the trials",
        "Write all trials to a file, as CSV or JSON.",
        "App",
        lambda app: app.write("csv", ""),
        argument=Argument("csv|json [FILE]", _export_to, lambda _: _FORMS),
    ),
    Action(
        "app.redraw",
        ("ctrl+r",),
        "redraw",
        "Draw the whole screen again, after another program has written on it.",
        "App",
        lambda app: app.redraw(),
    ),
    Action(
        "app.theme",
        ("ctrl+t",),
        "theme",
        "The next colours: dark, light, high contrast, the terminal's own 16.",
        "App",
        _next_theme,
        argument=Argument("NAME", _set_theme, lambda _: [*THEMES]),
    ),
    Action(
        "app.suspend",
        ("ctrl+z",),
        "suspend",
        "Back to the shell; `fg` shows the app again. The study runs on.",
        "App",
        lambda app: app.suspend(),
    ),
    Action(
        "app.interrupt",
        ("ctrl+c",),
        "how to leave",
        "Say how to leave the app, and how to stop the study.",
        "App",
        _interrupt,
    ),
    Action(
        "app.studies",
        ("ctrl+o",),
        "studies",
        "Show this machine's studies; from a study that is opened there, esc comes back.",
        "App",
        lambda app: app.studies(),
    ),
    Action(
        "app.quit",
        ("q",),
        "leave",
        "Close the app. The study continues; `tuitune attach` opens the app again.",
        "App",
        lambda app: app.leave(),
    ),
)
