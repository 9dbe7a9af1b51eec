"""What the functions of panes read: the user's selection, and all of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from tuitune.ui.state.records import Holder, Record
from tuitune.ui.table.filtering import ALL, Filter
from tuitune.ui.table.sorting import BY_VALUE, Sort

if TYPE_CHECKING:
    from tuitune.ui.render.glyphs import Glyphs
    from tuitune.ui.state.keymap import Keymap
    from tuitune.ui.state.snapshot import Snapshot
    from tuitune.ui.state.status_line import StatusLine

TRIALS: Final = "trials"  # the pane that the keys go to at first
CHARTS: Final = ("curve", "best", "importance", "parallel", "slice", "rungs")


class Selection(Holder):
    """What the user looks at and has chosen: only the user's keys and mouse change it."""

    focus: str = TRIALS
    zoomed: str | None = None

    cursor: int | None = None  # the trial under the cursor, which stays on it when lines move
    top: int = 0  # the first visible line of the table
    marks: set[int] = msgspec.field(default_factory=set)
    anchor: int | None = None  # where a range of marks begins, a trial's number
    kept: frozenset[int] = frozenset()  # the marks from before the range
    sort: Sort = BY_VALUE
    filter: Filter = ALL
    wide: bool = False  # the table shows parameters before all else
    first_column: int = 0  # of those that scroll
    hidden: frozenset[str] = frozenset()  # columns that are not shown
    frozen: bool = False  # the screen is not updated

    metric: str | None = None  # None: the objective
    chart: str = "curve"  # what the curve's pane shows
    log_y: bool = False
    by_time: bool = False  # best so far over time, not over trials
    parameter: str | None = None  # of the chart of one parameter against the metric
    overlay: bool = True  # the curves of marked trials too
    inspected: int | None = None  # the step at which the curves' values are read out

    # lines that a pane is scrolled up by
    scrolled: dict[str, int] = msgspec.field(default_factory=dict)
    log_trial: int | None = None  # None: the cursor's
    wrap: bool = False  # the log's long lines
    find: str = ""  # in the log
    log_end: tuple[int, int] | None = (
        None  # (trial, byte) at which the log's pane ends; None: follows
    )
    all_why: bool = False  # Why tells of the whole study, not of the cursor's trial


class ShownTrials(Protocol):
    """The trials that the table shows."""

    numbers: list[int]  # in the order of the lines

    def position(self, number: int | None) -> int | None:
        """The line of a trial, from 0; None if it is not shown."""


class RenderContext(Record, frozen=True):
    """All that panes read at one moment; they change nothing of it."""

    snapshot: Snapshot
    selection: Selection
    order: ShownTrials  # the trials that the table shows, in its order
    glyphs: Glyphs
    status_line: StatusLine  # what the two last lines show
    keymap: Keymap  # which key does what, for the panes that name keys
    readonly: bool = False
