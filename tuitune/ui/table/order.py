"""Order of the trials in the table, its cursor, and the visible lines.

Each update moves only trials that have changed. The cursor follows its trial. Until the user moves
it, it stays within the first lines, where the best trials are: it returns to the first line only
when its trial falls below them, so that it doesn't jump when two trials lead in turn.
"""

from bisect import bisect_left, bisect_right
from typing import Any

from tuitune.core.events import TrialState
from tuitune.messages import failures
from tuitune.store.rows import TrialRow
from tuitune.ui.state.render_context import Selection
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.table.sorting import TIME, rank_of

NEAR = 5  # first lines, within which an untouched cursor stays on its trial
_FEW = 8  # if more than one in so many trials has changed, sorting all is cheaper


class Order:
    """The trials that are shown. numbers: in their order. lines: how many are visible at once."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.lines = 20
        self._ranks: list[Any] = []  # the ranks of `numbers`, ascending
        self._placed: dict[int, Any] = {}  # the rank of each trial
        self._running: set[int] = set()  # trials whose ranks grow with time
        self._made_for: tuple[object, ...] = ()
        self._snapshot: Snapshot | None = None
        self._cursor: tuple[int | None, int] = (None, 0)  # trial and line after the last update
        # the trial under the cursor, if the user has not moved it
        self._untouched: int | None = None
        self._hidden: int | None = None  # the trial of the cursor, while it is filtered out
        # the errors, while a filter shows nothing but several failed trials
        self.failures: list[failures.FailureGroup] = []
        self._grouped: object = None

    def position(self, number: int | None) -> int | None:
        """The line of a trial, from 0; None if it is not shown."""
        if number is None or number not in self._placed:
            return None
        return self._line(number, self._placed[number])

    def hold(self) -> None:
        """Keeps the cursor on its trial from now on."""
        self._untouched = None

    def follow(self, snapshot: Snapshot, selection: Selection) -> None:
        """Applies changes of the snapshot, the sort or the filter."""
        made_for = (selection.sort, selection.filter.tests, snapshot.engine.state)
        touched = snapshot.changed | self._running
        asked = made_for != self._made_for or snapshot is not self._snapshot
        if asked or len(touched) * _FEW > len(snapshot.rows):
            self._made_for, self._snapshot = made_for, snapshot
            self._sort_all(snapshot, selection)
        elif touched:
            self._move(touched, snapshot, selection)
        self._group(snapshot, selection)
        self._follow_cursor(selection, asked=asked)
        self._follow_window(selection)

    def _group(self, snapshot: Snapshot, selection: Selection) -> None:
        """Groups the failed trials by their error, again when another one is shown."""
        key = selection.filter.tests, len(self.numbers), snapshot.counts.get(TrialState.FAILED)
        if key == self._grouped:
            return
        self._grouped, rows = key, snapshot.rows
        failed = all(rows[number].state == TrialState.FAILED for number in self.numbers)
        several = bool(selection.filter.tests) and len(self.numbers) > 1
        self.failures = []
        if several and failed:
            shown = set(self.numbers)
            kept = [row for row in rows if row.state != TrialState.FAILED or row.number in shown]
            self.failures = failures.failure_groups(kept)

    def _sort_all(self, snapshot: Snapshot, selection: Selection) -> None:
        rank, tests = rank_of(selection.sort, snapshot.spec, snapshot.now), selection.filter.tests
        shown = snapshot.rows
        for test in tests:
            shown = [row for row in shown if test(row, snapshot)]
        ranks = list(map(rank, shown))
        numbers = [row.number for row in shown]
        # rows are ordered by number, and the sort is stable
        places = sorted(range(len(shown)), key=ranks.__getitem__)
        self.numbers = [numbers[place] for place in places]
        self._ranks = [ranks[place] for place in places]
        self._placed = dict(zip(numbers, ranks, strict=True))
        moving = selection.sort.key == TIME
        self._running = {row.number for row in shown if _runs(row)} if moving else set()

    def _move(self, touched: set[int], snapshot: Snapshot, selection: Selection) -> None:
        rank, matches = (
            rank_of(selection.sort, snapshot.spec, snapshot.now),
            selection.filter.matches,
        )
        for number in touched:
            row = snapshot.row(number)
            if row is None:
                continue
            self._place(number, rank(row) if matches(row, snapshot) else None)
            if selection.sort.key == TIME:
                (self._running.add if _runs(row) else self._running.discard)(number)

    def _place(self, number: int, rank: Any) -> None:
        """Moves a trial to the line of its rank; removes it if the rank is None."""
        before = self._placed.pop(number, None)
        if before is not None:
            line = self._line(number, before)
            del self._ranks[line], self.numbers[line]
        if rank is not None:
            line = self._line(number, rank)
            self._ranks.insert(line, rank)
            self.numbers.insert(line, number)
            self._placed[number] = rank

    def _line(self, number: int, rank: Any) -> int:
        """The line of a trial of this rank; equal ranks are ordered by number."""
        first = bisect_left(self._ranks, rank)
        return bisect_left(self.numbers, number, first, bisect_right(self._ranks, rank, first))

    # --- the cursor and the window ---------------------------------------------------------------

    def _follow_cursor(self, selection: Selection, *, asked: bool) -> None:
        """asked: the user has sorted or filtered, which may show a hidden trial again."""
        before, line = self._cursor
        if selection.cursor != before:  # the user has moved it
            self._untouched = self._hidden = None
        if selection.marks or selection.anchor is not None or selection.zoomed is not None:
            self._untouched = None  # the user works with this trial
        if asked and self._hidden is not None and self._hidden in self._placed:
            selection.cursor, self._hidden = self._hidden, None
        elif selection.cursor is None or selection.cursor == self._untouched:
            at = self.position(selection.cursor)
            if asked or at is None or at >= NEAR:
                selection.cursor = self.numbers[0] if self.numbers else None
            self._untouched = selection.cursor
        elif selection.cursor not in self._placed:
            self._hidden = selection.cursor if self._hidden is None else self._hidden
            selection.cursor = self._nearest(line)

    def _nearest(self, line: int) -> int | None:
        return self.numbers[min(line, len(self.numbers) - 1)] if self.numbers else None

    def _follow_window(self, selection: Selection) -> None:
        """Scrolls so that the cursor, or the top of the table, stays where it is on the screen."""
        before, line = self._cursor
        now = self.position(selection.cursor) or 0
        if selection.top > 0 and selection.cursor == before:
            selection.top += now - line
        selection.top = window(selection.top, now, len(self.numbers), self.lines)
        self._cursor = (selection.cursor, now)


def window(top: int, cursor: int, count: int, lines: int) -> int:
    """The first visible line of `count`: the cursor is visible, and no line is left empty."""
    top = max(min(top, cursor), cursor - lines + 1)
    return max(0, min(top, count - lines))


def _runs(row: TrialRow) -> bool:
    return row.started is not None and row.ended is None
