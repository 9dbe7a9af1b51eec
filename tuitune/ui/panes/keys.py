"""Which keys are worth a look now? Those of the focused pane, or of what is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.ui.layout import CURVE, DETAIL, DEVICES, LOG, TRIALS, WHY
from tuitune.ui.lines import cut, fit, line, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuitune.ui.lines import Line, Size
    from tuitune.ui.look import Look

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


def lines(look: Look, size: Size) -> list[Line]:
    """One line."""
    bottom = look.bottom
    if bottom.prompt is not None:
        hint = bottom.prompt.hint
        words = hint(bottom.typed_so_far) if hint else "enter takes it, esc leaves it"
        role = "warning" if bottom.question is not None else "muted"
        return [line((fit(words, size.width).rstrip(), role))]
    if bottom.menu is not None:
        named = [(choice.key, choice.title) for choice in bottom.menu.choices]
        return [_fitting([*named, ("esc", "none")], size.width)]
    if bottom.question is not None:
        return [line(("enter", "bold"), (" is no", "muted"))]
    actions = [*FIRST, *PANES.get(look.view.focus, ()), *MORE]
    shown = [(look.keymap.shown(id_), word) for id_, word in actions]
    last = [(look.keymap.shown(id_), word) for id_, word in LAST]
    return [_fitting(shown, size.width, last)]


def _fitting(named: Named, width: int, last: Named = ()) -> Line:
    """As many as there is room for; `last` is always there."""
    spans: list[tuple[str, str]] = []
    end = tuple(span for key, word in last for span in _part("  ", key, word))
    left = width - width_of(end)
    for key, word in named:
        part = _part("  " if spans else "", key, word)
        if width_of(part) > left:
            continue
        left -= width_of(part)
        spans += part
    return cut((*spans, *end), width)


def _part(gap: str, key: str, word: str) -> Line:
    return line((gap, ""), (key, "accent"), (f" {word}", "muted"))
