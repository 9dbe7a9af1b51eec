"""The input of panes: the user's selection, and the state of the app at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from tuitune.ui.render.themes import DARK, Theme
from tuitune.ui.state.records import Holder, Record
from tuitune.ui.table import filtering, sorting

if TYPE_CHECKING:
    from tuitune.messages.failures import FailureGroup
    from tuitune.ui.render.glyphs import Glyphs
    from tuitune.ui.state.keymap import Keymap
    from tuitune.ui.state.snapshot import Snapshot
    from tuitune.ui.state.status_line import StatusLine

TRIALS: Final = "trials"  # the pane that has the focus first


class Selection(Holder):
    """What the user has chosen to see; changed only by keys and mouse."""

    focus: str = TRIALS
    zoomed: str | None = None
    node: str | None = None  # the node under the cursor of the devices; None: the first
    node_opened: bool = False  # the devices alone are those of this node

    cursor: int | None = None  # the trial under the cursor
    top: int = 0  # the first visible line of the table
    marks: set[int] = msgspec.field(default_factory=set)
    anchor: int | None = None  # the trial at which an open range of marks begins
    kept: frozenset[int] = frozenset()  # the marks before the range was opened
    sort: sorting.Sort = sorting.BY_VALUE
    filter: filtering.Filter = filtering.ALL
    wide: bool = False  # the table shows parameters before other columns
    first_column: int = 0  # index of the first visible one of the columns that scroll
    hidden: frozenset[str] = frozenset()  # keys of columns that are not shown
    frozen: bool = False  # the screen is not updated

    metric: str | None = None  # None: the objective
    chart: str = "curve"  # of `charts.registry`
    log_y: bool = False
    by_time: bool = False  # "best" is drawn over time, not over trials
    parameter: str | None = None  # of the chart "slice"
    overlay: bool = True  # the curves of marked trials are drawn too
    inspected: int | None = None  # the step at which the curves' values are read out
    span: tuple[float, float] | None = None  # the part of the x axis that is shown; None: all
    pair: int = 0  # which two parameters "rank" and "contour" show, by importance
    grid: tuple[int, int] | None = None  # columns and lines of charts; None: as fits
    page: int = 0  # of the grid

    # by pane: lines above the first visible one
    scrolled: dict[str, int] = msgspec.field(default_factory=dict)
    log_trial: int | None = None  # None: the cursor's
    wrap: bool = False  # long lines of the log are wrapped
    find: str = ""  # the text highlighted in the log
    # (trial, byte) up to which the log is shown; None: the end, also as it grows
    log_end: tuple[int, int] | None = None
    all_why: bool = False  # "why" shows the whole study, not the cursor's trial


class ShownTrials(Protocol):
    """The trials that the table shows."""

    numbers: list[int]  # in the order of the lines
    failures: list[FailureGroup]  # their errors, while they are several failed ones and no others

    def position(self, number: int | None) -> int | None:
        """The line of a trial, from 0; None if it is not shown."""


class RenderContext(Record, frozen=True):
    """All that panes read; they must not change it."""

    snapshot: Snapshot
    selection: Selection
    order: ShownTrials  # the trials that the table shows, in its order
    glyphs: Glyphs
    status_line: StatusLine  # what the last two lines show
    keymap: Keymap  # for the panes that name keys
    readonly: bool = False
    theme: Theme = DARK
    boxed: bool = False  # whether panes have boxes, or rules above them

    @property
    def is_bare(self) -> bool:
        """Whether signs tell what colours would: the terminal has few of them, or only ASCII."""
        return self.theme.is_plain or self.glyphs.ascii
