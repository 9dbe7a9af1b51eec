"""Nodes of a cluster as lines: one each, those in trouble first, and the rest as a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.messages.text import plain, trial_count
from tuitune.ui.render.glyphs import meter
from tuitune.ui.render.lines import Line, Segment, fit, joined, line, width_of
from tuitune.ui.text import device as text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tuitune.core.placement.snapshots import DeviceSample
    from tuitune.ui.render.glyphs import Glyphs

    Cards = Mapping[str, Sequence[DeviceSample]]  # the GPUs, by node

_NAME_WIDTH = 12


def by_trouble(nodes: Iterable[DeviceSample]) -> list[DeviceSample]:
    """Those in trouble first, then by their names."""
    return sorted(nodes, key=lambda node: (not node.note, node.name))


def node_lines(
    nodes: Sequence[DeviceSample], cards: Cards, glyphs: Glyphs, width: int, height: int
) -> list[Line]:
    """At most `height` lines, in the order of `nodes`; the last one counts those without one."""
    longest = min(_NAME_WIDTH, max((len(node.name) for node in nodes), default=0))
    lines = [_node(node, cards.get(node.node, ()), glyphs, width, longest) for node in nodes]
    if len(lines) <= height:
        return lines
    left = len(lines) - height + 1
    trouble = sum(bool(node.note) for node in nodes[height - 1 :])
    words = f"+ {left} nodes" + (f", {trouble} in trouble" if trouble else "")
    return [*lines[: height - 1], line((words, "warning" if trouble else "muted"))]


def node_figures(nodes: Sequence[DeviceSample], cards: Sequence[DeviceSample]) -> str:
    """As "64 nodes   480/512 GPUs   512 CPU slots   2 in trouble"."""
    slots = sum(node.slots or 0.0 for node in nodes)
    used = sum(bool(card.trials) for card in cards)
    trouble = sum(bool(node.note) for node in nodes)
    parts = [
        f"{len(nodes)} nodes",
        f"{used}/{len(cards)} GPUs" if cards else "",
        f"{slots:g} CPU slots",
        f"{trouble} in trouble" if trouble else "",
    ]
    return "   ".join(filter(None, parts))


def _node(
    node: DeviceSample, cards: Sequence[DeviceSample], glyphs: Glyphs, width: int, longest: int
) -> Line:
    """Its name, GPUs used of all, mean utilisation, memory, slots, and how many trials it has."""
    busy = [card.utilisation for card in cards if card.utilisation is not None]
    mean = sum(busy) / len(busy) if busy else node.utilisation
    of_cards = [card for card in cards if card.memory_used is not None and card.memory_total]
    used = sum(card.memory_used or 0 for card in of_cards) if of_cards else node.memory_used
    total = sum(card.memory_total or 0 for card in of_cards) if of_cards else node.memory_total
    gpus = f"{sum(bool(card.trials) for card in cards)}/{len(cards)} GPUs" if cards else ""
    slots = f"{text.whole(node.slots_used)}/{text.whole(node.slots)}"
    count = len(node.trials)
    trials = trial_count(count) if count else ""
    segments = [
        Segment(9, line((fit(plain(node.name), longest), "title"))),
        Segment(8, line((f"{gpus:>9}", "" if gpus else "muted"))) if gpus else None,
        Segment(
            7,
            line(
                *meter(mean, 16 if width >= 96 else 6, glyphs, "load"),
                (f"{text.percent(mean):>5}", ""),
            ),
        ),
        Segment(5, line((f"{text.of_gib(used, total):>13}", ""))),
        Segment(6, line((f"{slots:>7}", ""), (" slots", "muted"))),
        Segment(8, line((f"{trials:>10}", "accent"))) if trials else None,
    ]
    made = joined([part for part in segments if part is not None], width, 2)
    room = width - width_of(made) - 2
    if node.note and room < 12:  # why it is in trouble counts more than its figures
        made = joined([part for part in segments[:2] if part is not None], width, 2)
        room = width - width_of(made) - 2
    words = fit(plain(node.note), max(0, room)).rstrip() if node.note else ""
    return (*made, ("  ", ""), (words, "warning")) if words else made
