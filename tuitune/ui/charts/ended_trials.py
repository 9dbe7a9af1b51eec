"""Which trials do the views of the whole search look at, and which of them are good?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from tuitune.core.events import ENDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

T = TypeVar("T")

STEADY: Final = 500  # redraws while a study grows to any size: a large one is drawn more rarely


def ended(snapshot: Snapshot) -> int:
    return sum(snapshot.counts.get(state, 0) for state in ENDED)


def epoch(context: RenderContext) -> object:
    """Another one whenever a view of all that has ended is worth drawing again."""
    snapshot = context.snapshot
    done = ended(snapshot)
    return done // max(1, done // STEADY), snapshot.best, snapshot.partial, context.selection.cursor


def some(rows: Sequence[T], most: int) -> Sequence[T]:
    """Evenly so many of them at most, the last one among them."""
    stride = -(-len(rows) // most) if rows else 1
    return rows[len(rows) - 1 :: -stride][::-1] if stride > 1 else rows
