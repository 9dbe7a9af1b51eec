"""Help texts: the keys of all actions, the signs, and the key file."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Final, get_args

from tuitune.messages.states import WORDS
from tuitune.ui.actions.action import Action, Group
from tuitune.ui.configuration import key_file
from tuitune.ui.render.lines import Line, cut, fit, line, padded
from tuitune.ui.state.render_context import RenderContext

_KEYS = 12  # cells for an action's keys
TITLE = 19  # cells for its title, which its help follows
_COLUMN: Final = 66  # cells from which a text has a second column
_SIGN: Final = 39  # cells of a sign and its meaning
_GAP: Final = 2
_READONLY: Final = "not with --readonly"


def help_lines(context: RenderContext, actions: Iterable[Action], width: int) -> list[Line]:
    """The signs, then the keys of the focused pane and of each group, in columns where they fit."""
    columns = 2 if width >= 2 * _COLUMN else 1
    column = (width - _GAP * (columns - 1)) // columns
    blocks = [*_blocks(context, tuple(actions), column)]
    lines = [one for block in blocks for one in (*block, ())]
    half = _cut_at(blocks, (len(lines) + 1) // 2) if columns == 2 else len(lines)
    left, right = lines[:half], lines[half:]
    height = max(len(left), len(right))
    pairs = zip(_filled(left, height), _filled(right, height), strict=True)
    both = [(*padded(one, column), (" " * _GAP, ""), *padded(two, column)) for one, two in pairs]
    return [*_legend(context, width), (), *(both if columns == 2 else left)]


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
    lines = [line((title, "title bold"))]
    for reason in sorted(shared):
        lines += [line((words, "faint")) for words in wrap(f"grey: {reason}", width)]
    for action, reason in zip(actions, reasons, strict=True):
        lines += _entry(context, action, reason, width, shown="" if reason in shared else reason)
    return lines


def _entry(
    context: RenderContext, action: Action, reason: str, width: int, *, shown: str
) -> list[Line]:
    """Keys, title, and the help or the reason why it can't be done now. shown: the reason or ""."""
    keys = " ".join(context.keymap.keys(action.id)) or context.keymap.shown(action.id)
    roles = ("faint", "faint", "faint") if reason else ("accent", "text", "muted")
    widths = (_KEYS, TITLE, max(12, width - _KEYS - TITLE - 2))
    texts = (keys, action.title, shown or action.help)
    wrapped = (wrap(text, cells) for text, cells in zip(texts, widths, strict=True))
    return [
        line(
            (fit(key, widths[0]) + " ", roles[0]),
            (fit(title, widths[1]) + " ", roles[1]),
            (words, roles[2]),
        )
        for key, title, words in zip_longest(*wrapped, fillvalue="")
    ]


def _why_not(context: RenderContext, action: Action) -> str:
    """The reason why it can't be done now; "" if it can."""
    if action.dangerous and context.readonly:
        return _READONLY
    return action.why_not(context) if action.why_not else ""


def _legend(context: RenderContext, width: int) -> list[Line]:
    """The signs of states and of lines, in as many columns as fit."""
    glyphs = context.glyphs
    signs = [
        line((f"{glyphs.states[state]} {state:<8}", words.role), (f" {words.meaning}", "muted"))
        for state, words in WORDS.items()
    ]
    others = ((glyphs.best, "best", "of all trials"), (glyphs.mark, "marked", "by space, v or *"))
    signs += [
        line((f"{sign} {word:<8}", "accent"), (f" {what}", "muted")) for sign, word, what in others
    ]
    columns = max(1, width // _SIGN)
    room = width // columns
    rows = -(-len(signs) // columns)
    lines: list[Line] = [line(("Signs", "title bold"))]
    for row in range(rows):
        cells = (padded(one, room) for one in signs[row::rows])
        lines.append(cut(tuple(span for cell in cells for span in cell), width))
    return lines


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
        room = max(12, width - _ID - _ID_KEYS - 2)
        for number, words in enumerate(wrap(action.help, room)):
            id_, shown = ("", "") if number else (action.id, keys)
            lines.append(
                line(
                    (fit(id_, _ID) + " ", "text"),
                    (fit(shown, _ID_KEYS) + " ", "accent"),
                    (words, "muted"),
                )
            )
    return [cut(one, width) for one in lines]
