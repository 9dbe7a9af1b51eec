"""Help texts: the keys of all actions, the signs, and the key file."""

from __future__ import annotations

from collections import Counter
from textwrap import wrap
from typing import TYPE_CHECKING, Final, get_args

from tuitune.messages.states import WORDS
from tuitune.ui.actions.action import Group
from tuitune.ui.configuration import key_file
from tuitune.ui.render.lines import Line, cut, fit, line, padded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuitune.ui.actions.action import Action
    from tuitune.ui.state.render_context import RenderContext

_KEYS = 12  # cells for an action's keys
TITLE = 20  # cells for its title, if its help follows
_SENTENCES_FROM = 60  # cells of a column from which the help of each action is shown
_READONLY: Final = "not with --readonly"


def help_lines(context: RenderContext, actions: Iterable[Action], width: int) -> list[Line]:
    """In two columns: the keys of the focused pane, those of each group, and the signs."""
    gap = 2
    column = (width - gap) // 2
    blocks = [*_blocks(context, tuple(actions), column), _legend(context)]
    lines = [one for block in blocks for one in (*block, ())]
    half = _cut_at(blocks, (len(lines) + 1) // 2)
    left, right = lines[:half], lines[half:]
    height = max(len(left), len(right))
    pairs = zip(_filled(left, height), _filled(right, height), strict=True)
    return [(*padded(one, column), (" " * gap, ""), *padded(two, column)) for one, two in pairs]


def _blocks(context: RenderContext, actions: Sequence[Action], width: int) -> Iterable[list[Line]]:
    """Blocks of actions, without those of panes that don't have the focus."""
    focused = [action for action in actions if action.pane == context.selection.focus]
    if focused:
        yield _block(context, f"In this pane ({context.selection.focus})", focused, width)
    for group in get_args(Group):
        found = [action for action in actions if action.group == group and action.pane is None]
        if found:
            yield _block(context, group, found, width)


def _block(context: RenderContext, title: str, actions: Sequence[Action], width: int) -> list[Line]:
    """A title and actions; a reason that several of them share is shown once, above them."""
    reasons = [_why_not(context, action) for action in actions]
    shared = {reason for reason, count in Counter(reasons).items() if reason and count > 1}
    notes = [
        line((words, "faint"))
        for reason in sorted(shared)
        for words in wrap(f"grey: {reason}", width)
    ]
    entries = (
        _entry(context, action, reason, width, shown="" if reason in shared else reason)
        for action, reason in zip(actions, reasons, strict=True)
    )
    return [line((title, "title bold")), *notes, *entries]


def _entry(context: RenderContext, action: Action, reason: str, width: int, *, shown: str) -> Line:
    """Keys, title, and the help or the reason why it can't be done now. shown: the reason or ""."""
    keys = " ".join(context.keymap.keys(action.id)) or context.keymap.shown(action.id)
    key = (fit(keys, _KEYS) + " ", "faint" if reason else "accent")
    role = "faint" if reason else "text"
    room = width - _KEYS - 1
    if width < _SENTENCES_FROM:
        text = f"{action.title}: {shown}" if shown else action.title
        return line(key, (fit(text, room), role))
    words = fit(shown or action.help, max(0, room - TITLE - 1))
    return line(
        key, (fit(action.title, TITLE) + " ", role), (words, "faint" if reason else "muted")
    )


def _why_not(context: RenderContext, action: Action) -> str:
    """The reason why it can't be done now; "" if it can."""
    if action.dangerous and context.readonly:
        return _READONLY
    return action.why_not(context) if action.why_not else ""


def _legend(context: RenderContext) -> list[Line]:
    signs = [
        line(
            (f"{context.glyphs.states[state]} {state:<8}", words.role),
            (f"  {words.meaning}", "muted"),
        )
        for state, words in WORDS.items()
    ]
    others = (
        (context.glyphs.cursor, "cursor"),
        (context.glyphs.mark, "mark"),
        (context.glyphs.best, "best"),
    )
    marks = [span for sign, word in others for span in ((sign, "accent"), (f" {word}  ", "muted"))]
    return [line(("Signs", "title bold")), *signs, tuple(marks)]


def _cut_at(blocks: Sequence[Sequence[Line]], half: int) -> int:
    """The end of the block that is nearest to half of all lines."""
    ends: list[int] = []
    total = 0
    for block in blocks:
        total += len(block) + 1
        ends.append(total)
    return min(ends, key=lambda end: abs(end - half))


def _filled(lines: Sequence[Line], height: int) -> list[Line]:
    return [*lines, *([()] * (height - len(lines)))]


_ID, _ID_KEYS = 24, 18  # cells in `key_lines`


def key_lines(context: RenderContext, actions: Iterable[Action], width: int) -> list[Line]:
    """The path of the key file, an example, and all actions with their keys."""
    file = key_file()
    there = "it exists" if file.exists() else "it does not exist yet"
    lines = [
        line((f"{file} ", "bold"), (f"({there})", "muted")),
        (),
        line(("[keys]", "info")),
        line(('"trial.pause" = ["p", "f5"]', "info"), ("      # [] removes all its keys", "muted")),
        (),
    ]
    for action in actions:
        keys = " ".join(context.keymap.keys(action.id))
        words = fit(action.help, max(0, width - _ID - _ID_KEYS - 2)).rstrip()
        lines.append(
            line(
                (fit(action.id, _ID) + " ", "text"),
                (fit(keys, _ID_KEYS) + " ", "accent"),
                (words, "muted"),
            )
        )
    return [cut(one, width) for one in lines]
