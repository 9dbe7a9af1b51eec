"""Nodes of a cluster as lines: one each, those in trouble first, and the rest as a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.messages.text import plain, trial_count
from tuitune.ui.actions.nodes import DEVICES
from tuitune.ui.panes import device_lines, pane
from tuitune.ui.render.glyphs import Glyphs, history, meter
from tuitune.ui.render.lines import Line, Size, fit, line, marked, padded, width_of
from tuitune.ui.state.device_samples import Node, at, nodes_of
from tuitune.ui.text import device as text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tuitune.core.placement.snapshots import DeviceSample
    from tuitune.ui.state.render_context import RenderContext

    Cells = Mapping[str, Line]  # by the name of the column

_GAP: Final = 2
_NAME: Final = 24  # most cells of a name
_WIDE_FROM: Final = 110  # cells from which its memory is drawn, too
_LEAST_TROUBLE: Final = 30  # cells for the trouble of a node; figures are left out for it
_WIDER_FROM: Final = 130  # cells from which each GPU and the power are shown, too
_ORDER: Final = ("name", "gpus", "load", "each", "memory", "heat", "power", "slots", "trials")
_LESSER: Final = ("slots", "memory", "load", "trials", "gpus")  # left out in this order
_RIGHT: Final = frozenset({"gpus", "heat", "power", "slots", "trials"})


def of_nodes(
    context: RenderContext, size: Size, samples: Iterable[DeviceSample], stale: str
) -> list[Line]:
    """The nodes; shown alone, with their GPUs where all fit, or one of them with its GPUs."""
    selection, glyphs = context.selection, context.glyphs
    nodes = nodes_of(samples)
    chosen = at(nodes, selection.node)
    zoomed = selection.zoomed == DEVICES
    right = f"last seen {stale} ago" if stale else node_figures(nodes)
    if zoomed and selection.node_opened:
        place = f"{chosen + 1} of {len(nodes)} nodes"
        return _opened(context, size, nodes[chosen], right if stale else place)
    shown = []
    if context.boxed or zoomed:
        shown = [pane.rule(context, DEVICES, "Nodes", size.width, right=right)]
    room = size._replace(height=max(1, size.height - len(shown)))
    cursor = nodes[chosen].name if selection.focus == DEVICES else None
    lines = node_lines(nodes, cursor, glyphs, room)
    if not zoomed or sum(1 + len(node.cards) for node in nodes) > room.height:
        return [*shown, *lines]
    for node, own in zip(nodes, lines, strict=True):
        shown += [own, *(device_lines.card_line(context, card, size.width) for card in node.cards)]
    return shown


def _opened(context: RenderContext, size: Size, node: Node, right: str) -> list[Line]:
    """A node with its GPUs, their histories and their trials."""
    shown = [pane.rule(context, DEVICES, f"Node {node.name}", size.width, right=right)]
    if node.trouble:
        words = fit(node.trouble, size.width, end=context.glyphs.cut).rstrip()
        shown.append(line((words, "warning")))
    return [*shown, *device_lines.alone(context, [*node.cards, node.sample], size, len(shown))][
        : size.height
    ]


def node_lines(nodes: Sequence[Node], cursor: str | None, glyphs: Glyphs, size: Size) -> list[Line]:
    """A line for each node around the cursor; the last one counts those without a line.

    cursor: the name of a node; None: it is not shown.
    """
    every = [_cells(node, glyphs, size.width) for node in nodes]
    widths = {
        name: max((width_of(cells.get(name, ())) for cells in every), default=0) for name in _ORDER
    }
    place = 0 if cursor is None else at(nodes, cursor)
    start, count = window(len(nodes), place, size.height)
    lines = []
    for number in range(start, start + count):
        one = _line(every[number], nodes[number].trouble, widths, size.width, glyphs.cut)
        chosen = cursor is not None and number == place
        lines.append(marked(padded(one, size.width), "on-cursor") if chosen else one)
    left = [*nodes[:start], *nodes[start + count :]]
    if left:
        trouble = sum(bool(node.trouble) for node in left)
        words = f"+ {len(left)} node{'s' if len(left) > 1 else ''}"
        lines.append(
            line((words, "muted"), (f", {trouble} in trouble" if trouble else "", "warning"))
        )
    return lines


def window(count: int, place: int, height: int) -> tuple[int, int]:
    """(the first node with a line, how many have one): all, or what a line for the rest leaves."""
    if count <= height:
        return 0, count
    room = max(1, height - 1)
    return max(0, min(place - room // 2, count - room)), room


def node_figures(nodes: Sequence[Node]) -> str:
    """As "64 nodes   480/512 GPUs   512 CPU slots   2 in trouble"."""
    slots = sum(node.sample.slots or 0.0 for node in nodes)
    cards = [card for node in nodes for card in node.cards]
    used = sum(bool(card.trials) for card in cards)
    trouble = sum(bool(node.trouble) for node in nodes)
    parts = [
        f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}",
        f"{used}/{len(cards)} GPUs" if cards else "",
        f"{slots:g} CPU slots",
        f"{trouble} in trouble" if trouble else "",
    ]
    return "   ".join(filter(None, parts))


def _cells(node: Node, glyphs: Glyphs, width: int) -> Cells:
    """Its name, GPUs used of all, mean utilisation, memory, slots, and how many trials it has."""
    sample, cards, wide = node.sample, node.cards, width >= _WIDE_FROM
    busy = [card.utilisation for card in cards if card.utilisation is not None]
    mean = sum(busy) / len(busy) if busy else sample.utilisation
    of_cards = [card for card in cards if card.memory_used is not None and card.memory_total]
    holders = of_cards or [sample]
    used = sum(one.memory_used or 0 for one in holders) if holders[0].memory_total else None
    total = sum(one.memory_total or 0 for one in holders) or None
    name = plain(sample.name)
    gpus = f"{sum(bool(card.trials) for card in cards)}/{len(cards)}"
    slots = f"{text.whole(sample.slots_used)}/{text.whole(sample.slots)}"
    load: Line = ()
    memory: Line = ()
    if mean is not None:
        load = line(
            *meter(mean, 16 if wide else 8, glyphs, "load"), (f"{text.percent(mean):>5}", "")
        )
    if total is not None:
        drawn = meter(text.share(used, total), 12, glyphs, "memory") if wide else ()
        words = f"{text.gib(used):>5}/{text.gib(total)} GiB"
        memory = line(*drawn, (words, ""))
    return {
        "name": line((fit(name, min(_NAME, len(name)), end=glyphs.cut), "title")),
        "gpus": line((gpus, ""), (" GPUs", "muted")) if cards else (),
        "load": load,
        "memory": memory,
        **(_more(cards, glyphs) if width >= _WIDER_FROM else {}),
        "slots": line((slots, ""), (" slots", "muted")) if sample.slots else (),
        "trials": line((trial_count(len(sample.trials)), "accent")) if sample.trials else (),
    }


def _more(cards: Sequence[DeviceSample], glyphs: Glyphs) -> Cells:
    """The utilisation of each GPU, the temperature of the hottest, and the power of all."""
    each = [card.utilisation for card in cards for _ in range(1 if glyphs.ascii else 2)]
    hottest = max(cards, key=lambda card: card.temperature or 0.0, default=None)
    power = sum(card.power or 0.0 for card in cards)
    cells = {"each": line((history(each, len(cards), glyphs), "info"))}
    if hottest is not None and hottest.temperature is not None:
        cells["heat"] = line((text.temperature(hottest, glyphs), text.heat(hottest)))
    return {**cells, "power": line((f"{power / 1000:.1f} kW", "muted"))} if power else cells


def _line(cells: Cells, trouble: str, widths: Mapping[str, int], width: int, end: str) -> Line:
    """The cells in columns, as many as fit; what is wrong counts more than the figures."""
    least = min(len(trouble), _LEAST_TROUBLE) + _GAP if trouble else 0
    shown = [name for name in _ORDER if widths[name]]
    for lesser in _LESSER:
        if sum(widths[name] + _GAP for name in shown) - _GAP + least <= width:
            break
        shown = [name for name in shown if name != lesser]
    while trouble and len(shown) > 1 and not cells.get(shown[-1]):
        shown.pop()  # what is wrong stands where it has nothing to say
    spans: list[tuple[str, str]] = []
    for name in shown:
        cell = cells.get(name, ())
        missing = " " * (widths[name] - width_of(cell))
        before, after = (missing, "") if name in _RIGHT else ("", missing)
        spans += line((" " * _GAP if spans else "", ""), (before, ""), *cell, (after, ""))
    room = width - width_of(tuple(spans)) - _GAP
    if trouble and room > 0:
        spans += line((" " * _GAP, ""), (fit(trouble, room, end=end).rstrip(), "warning"))
    return tuple(spans)
