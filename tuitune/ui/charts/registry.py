"""The charts of the pane "curve", in the order in which help lists them."""

# ruff: noqa: PLC0415 - charts are imported when first shown, to keep the first paint fast

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from tuitune.ui.charts.curve import CurveChart
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuitune.ui.charts.frame import Drawing
    from tuitune.ui.charts.window import Window
    from tuitune.ui.render.lines import Size
    from tuitune.ui.state.render_context import RenderContext


class Chart(Protocol):
    """A chart of one study: a module, or an object that caches what it computed."""

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again."""

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        """The chart, or a message why there is none."""


@runtime_checkable
class Zoomable(Protocol):
    """A chart whose x axis can be zoomed and panned."""

    def window(self, context: RenderContext, size: Size) -> Window | None:
        """What its x axis shows in a drawing of this size; None without a chart."""


class View(Record, frozen=True):
    """A chart that can be chosen. key, title, help: of the action "chart.NAME" that shows it."""

    name: str
    make: Callable[[], Chart]
    key: str
    title: str
    help: str
    zooms: bool = False


def _grid() -> Chart:
    from tuitune.ui.charts.grid import GridChart

    return GridChart()


def _best() -> Chart:
    from tuitune.ui.charts.best import BestChart

    return BestChart()


def _importance() -> Chart:
    from tuitune.ui.charts import importance

    return importance


def _slice() -> Chart:
    from tuitune.ui.charts import slices

    return slices


def _rank() -> Chart:
    from tuitune.ui.charts.pairs import RankChart

    return RankChart()


def _contour() -> Chart:
    from tuitune.ui.charts.pairs import ContourChart

    return ContourChart()


def _parallel() -> Chart:
    from tuitune.ui.charts import parallel

    return parallel


def _timeline() -> Chart:
    from tuitune.ui.charts.timeline import Timeline

    return Timeline()


def _rungs() -> Chart:
    from tuitune.ui.charts.rungs import Rungs

    return Rungs()


CURVE: Final = "curve"
VIEWS: Final = (
    View(CURVE, CurveChart, "", "curve", "Show the curves of the metric.", zooms=True),
    View(
        "grid",
        _grid,
        "M",
        "all metrics",
        "Show the curves of all metrics side by side; again: the curve.",
        zooms=True,
    ),
    View(
        "best",
        _best,
        "B",
        "best so far",
        "Show every trial and the best so far, by trial, then by time, then the curve again.",
    ),
    View(
        "importance",
        _importance,
        "I",
        "importance",
        "Show which parameters matter, by a model of the trials.",
    ),
    View(
        "slice",
        _slice,
        "D",
        "one parameter",
        "Show one parameter against the metric; again: the next parameter.",
    ),
    View(
        "rank",
        _rank,
        "K",
        "rank",
        "Show each trial over two parameters, coloured by its rank; again: the next two.",
    ),
    View(
        "contour",
        _contour,
        "V",
        "contour",
        "Show where two parameters are good, the most important first; again: the next two.",
    ),
    View(
        "parallel",
        _parallel,
        "C",
        "coordinates",
        "Show all parameters side by side, one line for each trial, the best tenth apart.",
    ),
    View(
        "timeline",
        _timeline,
        "W",
        "timeline",
        "Show what ran where and when: a line for each slot.",
        zooms=True,
    ),
    View(
        "rungs",
        _rungs,
        "H",
        "rungs",
        "Show the rungs, and how many trials are held at each.",
    ),
)
BY_NAME: Final[Mapping[str, View]] = {view.name: view for view in VIEWS}


def chart_named(name: str) -> Chart:
    """A new chart of this name, one for each study. Raises KeyError."""
    return BY_NAME[name].make()
