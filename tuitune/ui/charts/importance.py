"""The importance chart: a bar for each parameter, and the quality of the forest behind them."""

from typing import Final

from tuitune.core.search.importance import FINISHED, LEAST, Importance, ParameterImportance
from tuitune.messages.parameters import by_importance, caution, is_useless, score
from tuitune.ui.charts.frame import Drawing, message
from tuitune.ui.render.lines import Line, Size, fit, wrapped
from tuitune.ui.state.render_context import RenderContext

_ACTIONS: Final = (("chart.importance", "curve"),)
_TITLE: Final = "Importance by permutation"


def key(context: RenderContext) -> object:
    """Changes when the chart has to be drawn again."""
    return context.snapshot.sources.importance(), min(_finished(context), LEAST)


def draw(context: RenderContext, size: Size) -> Drawing:
    """The bars; a message until there are enough finished trials."""
    found = context.snapshot.sources.importance()
    if found is not None and found.parameters:
        note = f"forest of {found.finished} trials"
        return Drawing(_TITLE, _lines(context, found, size.width), note, _ACTIONS)
    finished = _finished(context)
    if found is not None:
        why = found.why
    elif finished < LEAST:
        why = f"needs {LEAST} finished trials, has {finished}"
    else:
        why = f"is being computed from {finished} trials"
    return message(_TITLE, _ACTIONS, why)


def _finished(context: RenderContext) -> int:
    return sum(context.snapshot.counts.get(state, 0) for state in FINISHED)


def _lines(context: RenderContext, found: Importance, width: int) -> list[Line]:
    """The score of the forest, a bar for each parameter, the longest first, and the method."""
    useless = is_useless(found)
    quality = ((f"  {score(found)}", "warning" if useless else "text"),)
    lines: list[Line] = [quality, _verdict(found), ()]
    names = min(max(len(one.name) for one in found.parameters), max(8, width // 3))
    longest = max(1e-9, *(one.rise for one in found.parameters))
    role = "faint" if useless else "line-a"
    for one in by_importance(found):
        rise = max(0.0, one.rise)
        bar = context.glyphs.full * round((width - names - 10) * rise / longest)
        name, figure = (f"  {fit(one.name, names)} ", "text"), (f"{rise:5.2f} ", "muted")
        lines.append((name, figure, (bar, role), *_partial(one, found.configurations)))
    explained = wrapped(_method(context, found), max(10, width - 4))
    return [*lines, (), *(((f"  {text}", "faint"),) for text in explained)]


def _partial(one: ParameterImportance, configurations: int) -> Line:
    """How many configurations have a conditional parameter; empty if all have it."""
    if one.present == configurations:
        return ()
    return ((f"  in {one.present} of {configurations}", "faint"),)


def _verdict(found: Importance) -> Line:
    if text := caution(found):
        return ((f"  {text}", "warning bold" if is_useless(found) else "warning"),)
    return (("  bars: rise of the error when permuted", "muted"),)


def _method(context: RenderContext, found: Importance) -> str:
    ranked = "rung, then metric" if context.snapshot.spec.pruner.milestones else "the metric"
    return (
        f"permutation importance, {found.trees} extremely randomised trees, of ranks by {ranked}; "
        f"{found.configurations} configurations, figures of those that a tree has not seen"
    )
