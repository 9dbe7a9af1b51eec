"""What does a pane's function get? All that it may read, and nothing that it could change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.ui.actions.keymap import Keymap
    from tuitune.ui.render.glyphs import Glyphs
    from tuitune.ui.render.lines import Line, Size
    from tuitune.ui.state.bottom import Bottom
    from tuitune.ui.state.picture import Picture
    from tuitune.ui.state.view import View
    from tuitune.ui.table.order import Order

    Pane = Callable[["Look", Size], list[Line]]


class Look(Record, frozen=True):
    """One moment: the study, the user's view of it, and how this terminal draws."""

    picture: Picture
    view: View
    order: Order  # the trials that the table shows, in its order
    glyphs: Glyphs
    bottom: Bottom  # what the two last lines are busy with
    keymap: Keymap  # which key does what, for the panes that name keys
    readonly: bool = False
