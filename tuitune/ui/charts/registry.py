"""The charts of the pane "curve", in the order in which help lists them.

Most are imported when they are first shown, to keep the first paint fast.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, Protocol, runtime_checkable

from tuitune.ui.charts import curve, frame
from tuitune.ui.charts.window import Window
from tuitune.ui.render.lines import Size
from tuitune.ui.state.records import Record
from tuitune.ui.state.render_context import RenderContext


class Chart(Protocol):
    """A chart of one study: a module, or an object that caches what it computed."""

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again."""

    def draw(self, context: RenderContext, size: Size) -> frame.Drawing:
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


def _of(module: str, name: str = "") -> Callable[[], Chart]:
    """Makes the chart of a module when it is first shown: its class of this name, or itself."""

    def make() -> Chart:
        found: Any = import_module(f"tuitune.ui.charts.{module}")
        chart: Chart = getattr(found, name)() if name else found
        return chart

    return make


CURVE: Final = "curve"
VIEWS: Final = (
    View(CURVE, curve.CurveChart, "", "curve", "Show the curves of the metric.", zooms=True),
    View(
        "grid",
        _of("grid", "GridChart"),
        "M",
        "all metrics",
        "Show the curves of all metrics side by side; again: the curve.",
        zooms=True,
    ),
    View(
        "best",
        _of("best", "BestChart"),
        "B",
        "best so far",
        "Show every trial and the best so far, by trial, then by time, then the curve again.",
    ),
    View(
        "importance",
        _of("importance"),
        "I",
        "importance",
        "Show which parameters matter, by a model of the trials.",
    ),
    View(
        "slice",
        _of("slices"),
        "D",
        "one parameter",
        "Show one parameter against the metric; again: the next parameter.",
    ),
    View(
        "rank",
        _of("pairs", "RankChart"),
        "K",
        "rank",
        "Show each trial over two parameters, coloured by its rank; again: the next two.",
    ),
    View(
        "contour",
        _of("pairs", "ContourChart"),
        "V",
        "contour",
        "Show where two parameters are good, the most important first; again: the next two.",
    ),
    View(
        "parallel",
        _of("parallel"),
        "C",
        "coordinates",
        "Show all parameters side by side, one line for each trial, the best tenth apart.",
    ),
    View(
        "timeline",
        _of("timeline", "Timeline"),
        "W",
        "timeline",
        "Show what ran where and when: a line for each slot.",
        zooms=True,
    ),
    View(
        "rungs",
        _of("rungs", "Rungs"),
        "H",
        "rungs",
        "Show the rungs, and how many trials are held at each.",
    ),
)
BY_NAME: Final[Mapping[str, View]] = {view.name: view for view in VIEWS}


def chart_named(name: str) -> Chart:
    """A new chart of this name, one for each study. Raises KeyError."""
    return BY_NAME[name].make()
