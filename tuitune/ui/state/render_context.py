"""What does a pane's function get? All that it may read, and nothing that it could change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from tuitune.ui.render.glyphs import Glyphs
    from tuitune.ui.state.keymap import Keymap
    from tuitune.ui.state.selection import Selection
    from tuitune.ui.state.snapshot import Snapshot
    from tuitune.ui.state.status_line import StatusLine
    from tuitune.ui.table.order import Order


class RenderContext(Record, frozen=True):
    """One moment: the study, the user's view of it, and how this terminal draws."""

    snapshot: Snapshot
    selection: Selection
    order: Order  # the trials that the table shows, in its order
    glyphs: Glyphs
    status_line: StatusLine  # what the two last lines are busy with
    keymap: Keymap  # which key does what, for the panes that name keys
    readonly: bool = False
