"""Which keys are worth a look now? Those of the focused pane, or of what is open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.ui.render.layout import CURVE, DETAIL, DEVICES, LOG, TRIALS, WHY
from tuitune.ui.render.lines import Line, fit, line
from tuitune.ui.render.memo import Memo
from tuitune.ui.state.choices import fitting, menu_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuitune.ui.render.lines import Size
    from tuitune.ui.state.render_context import RenderContext

    Named = Sequence[tuple[str, str]]

# (action, its word), the most useful first: what doesn't fit the width is left out
FIRST: Final[Named] = (("app.help", "help"),)
MORE: Final[Named] = (("pane.zoom", "zoom"), ("app.commands", "command"))
LAST: Final[Named] = (("app.quit", "leave"),)
ACTS: Final[Named] = (
    ("trial.pause", "pause"),
    ("trial.resume", "resume"),
    ("trial.kill", "kill"),
    ("trial.undo", "undo"),
)
PANES: Final[Mapping[str, Named]] = {
    TRIALS: (
        *ACTS,
        ("table.filter", "filter"),
        ("table.sort", "sort"),
        ("trial.mark", "mark"),
        ("pane.enter", "detail"),
        ("log.open", "log"),
        ("trial.add", "add"),
        ("trial.copy", "copy"),
        ("move.best", "best"),
    ),
    DEVICES: (("study.more", "more at a time"), ("study.fewer", "fewer"), ("study.pause", "pause")),
    CURVE: (
        ("chart.log", "log"),
        ("chart.metric", "metric"),
        ("chart.overlay", "overlay"),
        ("chart.right", "read"),
        ("chart.best", "best so far"),
        ("chart.importance", "importance"),
        ("chart.parallel", "coordinates"),
        ("chart.slice", "parameter"),
        ("chart.rungs", "rungs"),
    ),
    DETAIL: (*ACTS, ("trial.copy", "copy")),
    WHY: (("why.whole", "whole study"), *ACTS),
    LOG: (("log.find", "find"), ("log.find_up", "next"), ("log.wrap", "wrap"), *ACTS),
}


class KeysPane:
    """One line, remembered while nothing is open."""

    def __init__(self) -> None:
        self._shown = Memo[list[Line]]()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        status_line, gone = context.status_line, context.snapshot.engine_gone
        if status_line.prompt or status_line.menu or status_line.question:
            return lines(context, size)
        key = context.selection.focus, context.readonly, gone, size
        return self._shown.get(key, partial(lines, context, size))


def lines(context: RenderContext, size: Size) -> list[Line]:
    """One line, as it is now."""
    status_line = context.status_line
    if status_line.prompt is not None:
        hint = status_line.prompt.hint
        words = hint(status_line.typed_so_far) if hint else "enter takes it, esc leaves it"
        role = "warning" if status_line.question is not None else "muted"
        return [line((fit(words, size.width).rstrip(), role))]
    if status_line.menu is not None:
        return [menu_lines(status_line.menu, size.width)[1]]
    if status_line.question is not None:
        return [line(("enter", "bold"), (" is no", "muted"))]
    actions = [*FIRST, *PANES.get(context.selection.focus, ()), *MORE]
    shown = [(context.keymap.shown(id_), word) for id_, word in actions if _is_of_use(context, id_)]
    last = [(context.keymap.shown(id_), word) for id_, word in LAST]
    return [fitting(shown, size.width, last)]


def _is_of_use(context: RenderContext, id_: str) -> bool:
    """What steers is not, without an engine and for who only looks on."""
    steers = id_ in context.keymap.dangerous
    return not (steers and (context.readonly or context.snapshot.engine_gone))
