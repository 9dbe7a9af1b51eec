"""CPU of drawing each view of the search once, at 80x20, for 10,000 trials.

python tests/benchmarks/charts.py [TRIALS]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "ui"))

from pictures import context
from searches import search

from tuitune.store.reader import Report
from tuitune.ui.charts.registry import BY_NAME as CHARTS
from tuitune.ui.panes.curve import CurvePane
from tuitune.ui.render.lines import Size

SIZE = Size(80, 20)
TIMES = 30
METRICS = 6  # of the grid
BOUND = 5.0  # ms


def cpu(work) -> float:
    """Milliseconds of one call."""
    start = time.process_time()
    for _ in range(TIMES):
        work()
    return (time.process_time() - start) / TIMES * 1000


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    picture = search(trials)
    more = [f"metric {number}" for number in range(1, METRICS)]
    picture.metrics = ("val_loss", *more)
    picture.sources._curves = {
        (trial, name): picture.curves.points(trial) for trial in range(trials) for name in more
    }
    print(f"{'view':12} {'redraw ms':>9} {'nothing new ms':>14}   bound {BOUND:g} ms a redraw")
    for chart in CHARTS:
        pane, at = CurvePane(), context(picture, chart=chart, cursor=trials - 2, marks={3, 5, 9})
        pane.lines(at, SIZE)
        for _ in range(trials // 1000 + 1):  # the rungs of a large study are entered in parts
            pane.lines(at, SIZE)
        drawn = pane._charts[chart]
        redraw = cpu(lambda drawn=drawn, at=at: drawn.draw(at, SIZE))
        idle = cpu(lambda pane=pane, at=at: pane.lines(at, SIZE))
        print(f"{chart:12} {redraw:9.2f} {idle:14.3f}")
    pane, at = CurvePane(), context(picture, cursor=trials - 2, marks={3, 5, 9})
    steps = iter(range(30, 1_000_000))

    def tick() -> None:
        picture.curves.add(Report(0, 0.0, trials - 2, 1, next(steps), 0.5, {}))
        pane.lines(at, SIZE)

    print(f"{'a report of the trial under the cursor':38} {cpu(tick):.2f} ms")


if __name__ == "__main__":
    main()
