"""Two parameters at once: each trial coloured by its rank, or the mean rank of all places."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Final, NamedTuple

from tuitune.core.study.ranking import merit
from tuitune.store.rows import TrialRow
from tuitune.ui.charts.axis import UNIT, Axis, Tick, ranked_axes
from tuitune.ui.charts.frame import Drawing, Frame, epoch, frame, message, some, special, too_small
from tuitune.ui.charts.slices import SPREAD_DOWN, across_category
from tuitune.ui.panes.pane import Memo
from tuitune.ui.render.lines import Line, Size
from tuitune.ui.render.themes import HEATS
from tuitune.ui.state.render_context import RenderContext

_MOST: Final = 800  # trials that are ranked, evenly spaced
_LEAST: Final = 4  # trials with a value and both parameters
_NAME: Final = 12  # cells of a label of the y axis
_NODES: Final = (32, 20)  # at which the mean rank is computed, across and down
_REACH: Final = 0.25  # of an axis: how far a single trial would count; less with more trials
_SEEN: Final = 0.3  # least weight of the trials around a place that is drawn
_POINTS: Final = 80  # trials that the contour marks
_UPPER: Final = "\N{UPPER HALF BLOCK}"


class _Pair(NamedTuple):
    """The two axes, the more important one across, and which pair it is, from 1."""

    x: Axis
    y: Axis
    number: int
    of: int


class _Placed(NamedTuple):
    """A trial: positions on the two axes, and its rank, 0 for the best and 1 for the worst."""

    row: TrialRow
    x: float
    y: float
    rank: float


class _Field(NamedTuple):
    """The mean rank at each node, from 0 for the best of them to 1; None where no trial is near."""

    across: int
    down: int
    values: list[float | None]


class _Kind(NamedTuple):
    """What the charts differ in, besides what is drawn. levels: signs of ranks without colours."""

    name: str
    action: str
    levels: str  # the best last
    words: str  # of the legend


_RANK: Final = _Kind(
    "Rank",
    "chart.rank",
    "".join(str(HEATS - level) for level in range(HEATS)),
    "each of {} trials by its rank",
)
_CONTOUR: Final = _Kind(
    "Contour", "chart.contour", " .:-=+*#%", "mean rank of the trials nearby, of {}"
)


class RankChart:
    """Each trial over two parameters, coloured by its rank."""

    def __init__(self) -> None:
        self._placed = Memo[list[_Placed]]()

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again."""
        return _key(context)

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        """A sign for each trial; a message where too few have both parameters."""
        return _drawn(context, size, _RANK, self._placed, partial(_put_ranks, context))


class ContourChart:
    """Where two parameters are good: the mean rank of the trials near each place."""

    def __init__(self) -> None:
        self._placed = Memo[list[_Placed]]()
        self._field = Memo[_Field]()

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again."""
        return _key(context)

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        """Coloured places, and signs for trials; a message where too few have both parameters."""

        def put(made: Frame, pair: _Pair, found: Sequence[_Placed]) -> None:
            field = self._field.get(_data(context), partial(_field, pair, found))
            _put_field(context, made, field)
            for one in some(found, _POINTS):
                sign = "." if context.is_bare else "\N{MIDDLE DOT}"
                _write_on(made, _cell(made, pair, one), sign, "")

        return _drawn(context, size, _CONTOUR, self._placed, put)


def _drawn(
    context: RenderContext,
    size: Size,
    kind: _Kind,
    placed: Memo[list[_Placed]],
    put: Callable[[Frame, _Pair, list[_Placed]], None],
) -> Drawing:
    """placed: the trials of the last drawing. put: draws those that have both parameters."""
    pair = _chosen(context)
    if pair is None:
        return message(kind.name, (), "needs two parameters that take more than one value")
    title = f"{kind.name} of {pair.y.name} over {pair.x.name} ({pair.number} of {pair.of})"
    actions = ((kind.action, "next two"),)
    found = placed.get(_data(context), partial(_rank, context, pair))
    if len(found) < _LEAST:
        why = f"needs {_LEAST} trials with a value and both parameters, has {len(found)}"
        return message(title, actions, why)
    made = _framed(context, size, pair)
    if made is None:
        return too_small(title)
    put(made, pair, found)
    _write_special(context, made, pair)
    lines = made.lines(pair.x.below(made.canvas.width), "")
    return Drawing(title, [*lines, _legend(context, kind, len(found))], "", actions)


def _put_ranks(context: RenderContext, made: Frame, pair: _Pair, found: Sequence[_Placed]) -> None:
    for one in reversed(found):  # the best on top
        level = _level(one.rank)
        sign = _RANK.levels[level] if context.is_bare else context.glyphs.live
        made.canvas.write(*_cell(made, pair, one), sign, f"heat-{level}")


def _key(context: RenderContext) -> object:
    return epoch(context), context.selection.pair, context.snapshot.ranked, context.theme.is_plain


def _data(context: RenderContext) -> object:
    """Changes when other trials, or their ranks, are drawn."""
    return epoch(context)[:1], context.selection.pair, context.snapshot.ranked


def _chosen(context: RenderContext) -> _Pair | None:
    """The pairs come in the order of the importance of both; None without two parameters."""
    found = ranked_axes(context.snapshot)
    pairs = sorted(combinations(range(len(found)), 2), key=lambda pair: (sum(pair), pair))
    if not pairs:
        return None
    number = min(context.selection.pair, len(pairs) - 1)
    x, y = pairs[number]
    return _Pair(found[x], found[y], number + 1, len(pairs))


def _rank(context: RenderContext, pair: _Pair) -> list[_Placed]:
    """The trials that have a value and both parameters, the best first."""
    objective = context.snapshot.spec.objective
    valued = [row for row in context.snapshot.rows if row.value is not None]
    rows = sorted(some(valued, _MOST), key=lambda row: merit(row, objective))
    configs = [row.config for row in rows]
    last = max(1, len(rows) - 1)
    return [
        _Placed(row, x, y, place / last)
        for place, (row, x, y) in enumerate(
            zip(rows, pair.x.all(configs), pair.y.all(configs), strict=True)
        )
        if x is not None and y is not None
    ]


def _framed(context: RenderContext, size: Size, pair: _Pair) -> Frame | None:
    """A frame with the labels of both axes; None if it is too small."""
    most = (size.height - 2) // 4  # without the labels below, and the legend
    labels = [Tick(at, name[:_NAME]) for at, name in pair.y.ticks(max(2, most))]
    return frame(size._replace(height=size.height - 1), UNIT, UNIT, context.glyphs, labels)


def _cell(made: Frame, pair: _Pair, one: _Placed) -> tuple[int, int]:
    """(column, line) of a trial; spread within a category, the same in every drawing."""
    x = across_category(pair.x, one.row.number, one.x)
    y = across_category(pair.y, one.row.number, one.y, SPREAD_DOWN)
    return made.across(x) // 2, made.down(y) // 4


def _level(rank: float) -> int:
    """0 for the worst, HEATS - 1 for the best."""
    return min(HEATS - 1, int((1 - rank) * HEATS))


def _write_special(context: RenderContext, made: Frame, pair: _Pair) -> None:
    """The signs of the cursor's and of the best trial."""
    for row, sign, role in special(context):
        x, y = pair.x.at(row.config), pair.y.at(row.config)
        if x is not None and y is not None:
            _write_on(made, _cell(made, pair, _Placed(row, x, y, 0.0)), sign, role)


def _write_on(made: Frame, cell: tuple[int, int], sign: str, role: str) -> None:
    """Writes a sign over what the cell is filled with; without a role, one that is seen on it."""
    below = made.canvas.role_at(*cell)
    filled = below.rpartition("on-heat-")[2] if "on-heat-" in below else ""
    if not filled:
        made.canvas.write(*cell, sign, role or "text")
        return
    seen = "hole bold" if int(filled) > HEATS // 2 else "text bold"
    made.canvas.write(*cell, sign, f"{seen} on-heat-{filled}")


def _legend(context: RenderContext, kind: _Kind, count: int) -> Line:
    """The colours from the worst to the best, and the signs. count: trials."""
    glyphs = context.glyphs
    signs = kind.levels if context.is_bare else glyphs.full * HEATS
    ramp = tuple((sign, f"heat-{level}") for level, sign in enumerate(signs))
    return (
        (" worst ", "muted"),
        *ramp,
        (" best  ", "muted"),
        (f"{glyphs.best} best", "success bold"),
        (f"  {glyphs.cursor} cursor", "accent bold"),
        (f"  {kind.words.format(count)}", "muted"),
    )


# --- the mean rank -------------------------------------------------------------------------------


def _field(pair: _Pair, found: Sequence[_Placed]) -> _Field:
    """Trials are counted at their nearest node, and spread by a Gaussian along axes of numbers.

    The mean of ranks with these weights is a Nadaraya-Watson estimate; Knutsson, Westin 1993,
    "Normalized and differential convolution".
    """
    across, down = _nodes(pair.x, _NODES[0]), _nodes(pair.y, _NODES[1])
    weights, sums = [0.0] * (across * down), [0.0] * (across * down)
    for one in found:
        node = min(down - 1, int(one.y * down)) * across + min(across - 1, int(one.x * across))
        weights[node] += 1.0
        sums[node] += one.rank
    reach = _REACH * len(found) ** (-1 / 6)
    for axis, step, count in ((pair.x, 1, across), (pair.y, across, down)):
        if axis.scale is not None:
            taps = _taps(reach * count)
            weights = _spread(weights, taps, step, count)
            sums = _spread(sums, taps, step, count)
    means = [s / w if w >= _SEEN else None for s, w in zip(sums, weights, strict=True)]
    known = [mean for mean in means if mean is not None]
    low, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    return _Field(
        across, down, [None if m is None else (m - low) / span if span else 0.5 for m in means]
    )


def _nodes(axis: Axis, most: int) -> int:
    return most if axis.scale is not None else len(axis.names)


def _taps(sigma: float) -> list[float]:
    """Half of a Gaussian, from its centre outwards, where it is 1."""
    return [math.exp(-0.5 * (i / sigma) ** 2) for i in range(int(2.5 * sigma) + 1)]


def _spread(values: Sequence[float], taps: Sequence[float], step: int, count: int) -> list[float]:
    """Each value spread over its neighbours along one axis, `count` nodes that are `step` apart."""
    made = [0.0] * len(values)
    for node, value in enumerate(values):
        if not value:
            continue
        place = node // step % count
        for away, tap in enumerate(taps):
            if place + away < count:
                made[node + away * step] += value * tap
            if away and place >= away:
                made[node - away * step] += value * tap
    return made


def _put_field(context: RenderContext, made: Frame, field: _Field) -> None:
    """Colours every cell, with two colours on top of one another where there are enough."""
    canvas, bare = made.canvas, context.is_bare
    halves = 1 if bare else 2
    rows = canvas.height * halves
    edges = [(level + 1) / HEATS for level in range(HEATS - 1)]
    levels = [None if at is None else HEATS - 1 - bisect_left(edges, at) for at in field.values]
    nodes = [int((column + 0.5) / canvas.width * field.across) for column in range(canvas.width)]
    lines: list[list[int | None]] = []
    for row in range(rows):
        start = int((rows - row - 0.5) / rows * field.down) * field.across
        lines.append([levels[start + node] for node in nodes])
    for line in range(canvas.height):
        upper, lower = lines[line * halves], lines[line * halves + halves - 1]
        for column, (one, other) in enumerate(zip(upper, lower, strict=True)):
            if one is not None or other is not None:
                canvas.write(column, line, *_filled(one, other, bare=bare))


def _filled(upper: int | None, lower: int | None, *, bare: bool) -> tuple[str, str]:
    """(sign, role) of a cell; at least one of its halves is filled."""
    if bare:
        return _CONTOUR.levels[upper or 0], f"heat-{upper}"
    if upper is None:
        return "\N{LOWER HALF BLOCK}", f"heat-{lower}"
    if lower is None:
        return _UPPER, f"heat-{upper}"
    return (
        (" ", f"on-heat-{upper}") if upper == lower else (_UPPER, f"heat-{upper} on-heat-{lower}")
    )
