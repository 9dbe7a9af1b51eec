"""The pane of the devices: the load of each, and the trials on it."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tuitune.messages.reasons import reason_words
from tuitune.messages.text import duration, plain, trial_name
from tuitune.ui.panes.pane import Memo, Pane, Place, rule
from tuitune.ui.render.glyphs import history, meter
from tuitune.ui.render.lines import Line, Segment, Size, fit, joined, line, padded, width_of
from tuitune.ui.text import device as text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.placement.snapshots import DeviceSample
    from tuitune.ui.panes.pane import Room
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

_NAME = "devices"
_WIDE_FROM = 96  # cells from which a device has its power and its history
_TWO_TRIALS, _ONE_TRIAL = len("#3 #14"), len("#13 +1")
_USERS = len(" pid 8812 alice")  # cells reserved for processes of other users
_STALE_AFTER = 5.0  # s without a sample after which its age is shown


def wanted(snapshot: Snapshot, most: int) -> int:
    """The number of lines for all devices, without the title: two GPUs on one beyond `most`."""
    newest = [samples[-1] for samples in snapshot.devices.values() if samples]
    nodes = sum(_is_node(sample) for sample in newest)
    if nodes:
        return min(nodes, most)
    cards = sum(sample.kind != "host" for sample in newest)
    return cards if 1 <= cards <= most else max(1, (cards + 1) // 2)


class DevicesPane:
    """Utilisation and memory of each device, and the trials on it."""

    def __init__(self) -> None:
        self._shown = Memo[list[Line]]()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The title with the host, and the GPUs; without GPUs the host."""
        snapshot, selection = context.snapshot, context.selection
        newest = tuple(samples[-1] for samples in snapshot.devices.values() if samples)
        newest = tuple(map(_free, newest)) if snapshot.engine_gone else newest
        age = snapshot.now - max((sample.time for sample in newest), default=0.0)
        stale = duration(age) if newest and age > _STALE_AFTER else ""
        view = selection.focus, selection.zoomed, size, context.glyphs.ascii, context.boxed
        zoomed = selection.zoomed == _NAME
        key = (newest, stale, view, snapshot.engine.state, zoomed and snapshot.version)
        return self._shown.get(key, partial(_lines, context, size, newest, stale))


def _lines(
    context: RenderContext, size: Size, newest: Sequence[DeviceSample], stale: str
) -> list[Line]:
    cards = sorted((s for s in newest if s.kind != "host"), key=lambda s: (s.index or 0, s.device))
    hosts = [sample for sample in newest if sample.kind == "host" and not sample.node]
    nodes = [sample for sample in newest if _is_node(sample)]
    if nodes:
        return _of_nodes(context, size, nodes, cards, stale)
    zoomed = context.selection.zoomed == _NAME
    right = f"last seen {stale} ago" if stale else _title_figures(cards, hosts)
    titled = context.boxed or zoomed
    title = rule(context, _NAME, "GPUs" if cards else "Host", size.width, right=right)
    shown = [title] if titled else []
    if not newest:
        gone = context.snapshot.engine_gone
        words = "not running; no live readings" if gone else "waiting for the first readings"
        return [*shown, line((words, "muted"))][: size.height]
    if zoomed:
        from tuitune.ui.panes.device_blocks import device_blocks  # noqa: PLC0415 - not at first

        room = size._replace(height=size.height - len(shown))
        heads = [(card, _card(context, card, size.width)) for card in cards]
        heads += [(host, _host(context, host, size.width)) for host in hosts]
        return [*shown, *device_blocks(context, heads, room)]
    if len(shown) + len(cards) <= size.height:
        shown += [_card(context, sample, size.width) for sample in cards]
    else:
        shown += _pairs(context, cards, size.width)
    if not cards:
        shown += [_host(context, sample, size.width) for sample in hosts]
    return _within(shown, size.height)


def _of_nodes(
    context: RenderContext,
    size: Size,
    nodes: Sequence[DeviceSample],
    cards: Sequence[DeviceSample],
    stale: str,
) -> list[Line]:
    """The nodes; shown alone, each with its GPUs."""
    from tuitune.ui.panes.device_nodes import (  # noqa: PLC0415 - few studies have nodes
        by_trouble,
        node_figures,
        node_lines,
    )

    by_node: dict[str, list[DeviceSample]] = {}
    for card in cards:
        by_node.setdefault(card.node, []).append(card)
    zoomed = context.selection.zoomed == _NAME
    right = f"last seen {stale} ago" if stale else node_figures(nodes, cards)
    shown = []
    if context.boxed or zoomed:
        shown = [rule(context, _NAME, "Nodes", size.width, right=right)]
    room = max(1, size.height - len(shown))
    nodes = by_trouble(nodes)
    lines = node_lines(nodes, by_node, context.glyphs, size.width, room)
    if not zoomed:
        return [*shown, *lines]
    for node, own in zip(nodes, lines, strict=False):
        shown += [own, *(_card(context, card, size.width) for card in by_node.get(node.node, ()))]
    return _within(shown, size.height)


def _within(shown: list[Line], height: int) -> list[Line]:
    """As many lines as the pane has; the last one counts those that are missing."""
    if len(shown) > height:
        more = f"+ {len(shown) - height + 1} more lines of devices"
        shown = [*shown[: height - 1], line((more, "muted"))]
    return shown[: max(1, height)]


def _is_node(sample: DeviceSample) -> bool:
    return sample.kind == "host" and bool(sample.node)


def _free(sample: DeviceSample) -> DeviceSample:
    """The sample without trials: when no engine runs there are none."""
    return replace(sample, trials=(), slots_used=0.0, trials_cpu=None, engine_cpu=None)


def _pairs(context: RenderContext, cards: Sequence[DeviceSample], width: int) -> list[Line]:
    """Two devices per line, the first half of them in the left column."""
    left, right = cards[: (len(cards) + 1) // 2], cards[(len(cards) + 1) // 2 :]
    half = (width - 2) // 2
    made: list[Line] = []
    for number, card in enumerate(left):
        one = padded(_small_card(context, card, half), half)
        if number < len(right):
            one = (*one, ("  ", ""), *_small_card(context, right[number], width - half - 2))
        made.append(one)
    return made


def _small_card(context: RenderContext, sample: DeviceSample, width: int) -> Line:
    index = Segment(9, line((text.index(sample), "title")))
    if sample.foreign or sample.note:
        return _with_users([index], sample, width, 1)
    power = text.power(sample)
    segments = [
        index,
        Segment(
            7,
            line(
                *meter(sample.utilisation, 7 if width >= 38 else 5, context.glyphs, "load"),
                (f"{text.percent(sample.utilisation):>5}", ""),
            ),
        ),
        Segment(6, line((f"{text.gib(sample.memory_used)} GiB", text.memory_role(sample)))),
        Segment(5, line((text.temperature(sample, context.glyphs), text.heat(sample)))),
        Segment(4, line((f"{power[0]:>5}", power[1]))),
    ]
    least = _TWO_TRIALS if width >= 38 else _ONE_TRIAL
    return _with_packing(_with_trials(segments, sample, width, 1, least), sample, width, 1)


def _card(context: RenderContext, sample: DeviceSample, width: int) -> Line:
    wide = width >= _WIDE_FROM
    busy, used = (22, 16) if wide else (10, 8)
    memory = text.share(sample.memory_used, sample.memory_total)
    power, full = text.power(sample), text.memory_role(sample)
    segments = [
        Segment(9, line((text.index(sample), "title"))),
        Segment(
            8,
            line(
                *meter(sample.utilisation, busy, context.glyphs, "load"),
                (f"{text.percent(sample.utilisation):>5}", ""),
            ),
        ),
        Segment(7, line(("mem ", "faint"), *meter(memory, used, context.glyphs, "memory"))),
        Segment(8, line((f"{text.of_gib(sample.memory_used, sample.memory_total):>9}", full))),
        Segment(6, line((f"{text.temperature(sample, context.glyphs):>5}", text.heat(sample)))),
    ]
    if wide:
        segments += [
            Segment(5, line((f"{power[0]:>5}", power[1]))),
            Segment(4, line(*_labelled(context, sample, 16))),
        ]
    if sample.foreign or sample.note:
        return _with_users(segments, sample, width, 2)
    return _with_packing(_with_trials(segments, sample, width, 2), sample, width, 2)


def _with_users(segments: list[Segment], sample: DeviceSample, width: int, gap: int) -> Line:
    """The trials on the device, and the processes of other users."""
    made = _with_trials(segments, sample, width - _USERS, gap, _ONE_TRIAL)
    return (*made, (" " * gap, ""), _users(sample, width - width_of(made) - gap))


def _with_packing(made: Line, sample: DeviceSample, width: int, gap: int) -> Line:
    """How the trials share the device and what that gains; only the gain if room is short.

    Where its clock is held down: by what.
    """
    room = width - width_of(made) - gap
    if sample.slowed:
        words = fit(f"slowed: {', '.join(sample.slowed)}", max(0, room)).rstrip()
        return (*made, (" " * gap, ""), (words, "warning")) if words else made
    sharing = reason_words(sample.packed)
    for words in (sharing, sharing.rpartition(", ")[2]):
        if 0 < len(words) <= room:
            return (*made, (" " * gap, ""), (words, "muted"))
    return made


def _host(context: RenderContext, sample: DeviceSample, width: int) -> Line:
    wide = width >= _WIDE_FROM
    memory = text.share(sample.memory_used, sample.memory_total)
    cells = 16 if wide else 8
    load = "-" if sample.load is None else f"{sample.load:.1f}"
    cores = "" if sample.trials_cpu is None else f"trials {sample.trials_cpu:.1f} cores"
    engine = "" if sample.engine_cpu is None else f"engine {sample.engine_cpu:.0%}"
    slots = f"{text.whole(sample.slots_used)}/{text.whole(sample.slots)}"
    segments = [
        Segment(
            9,
            line(
                ("cpu ", "faint"),
                *meter(sample.utilisation, cells, context.glyphs, "load"),
                (f"{text.percent(sample.utilisation):>5}", ""),
            ),
        ),
        Segment(8, line((slots, ""), (" slots", "muted"))),
        Segment(7, line(("mem ", "faint"), *meter(memory, cells, context.glyphs, "memory"))),
        Segment(7, line((text.of_gib(sample.memory_used, sample.memory_total), ""))),
        Segment(6, line(("load ", "muted"), (load, text.strained(sample)))),
        Segment(4, line((cores, "muted"))),
        Segment(2, line((engine, "muted"))),
        Segment(3, line((text.disk(sample), "warning"))),
        Segment(5, line(*_labelled(context, sample, 16 if wide else 5)[0 if wide else 1 :])),
    ]
    least = _TWO_TRIALS if width >= 80 else _ONE_TRIAL
    return _with_trials(segments, sample, width, 2 if wide else 1, least)


def _with_trials(
    segments: list[Segment], sample: DeviceSample, width: int, gap: int, least: int = _TWO_TRIALS
) -> Line:
    """The segments, followed by as many trials as fit.

    least: cells for trials; segments are left out to make room for them.
    """
    wanted = min(len(_trials(sample.trials, width)), least)
    left = joined(segments, width - wanted - gap, gap)
    words = _trials(sample.trials, width - width_of(left) - gap)
    return (*left, (" " * gap, ""), (words, "accent")) if words else left


def _trials(trials: Sequence[int], room: int) -> str:
    """As "#3 #4 +2"; "" if not even one fits."""
    names = [trial_name(number) for number in trials]
    for shown in range(len(names), 0, -1):
        more = f" +{len(names) - shown}" if shown < len(names) else ""
        words = " ".join(names[:shown]) + more
        if len(words) <= room:
            return words
    return ""


def _users(sample: DeviceSample, room: int) -> tuple[str, str]:
    """The processes of other users and the note of the sample: why no trial is placed here."""
    reasons = (", ".join(sample.foreign), sample.note)
    return fit(" - ".join(filter(None, reasons)), room).rstrip(), "warning"


def _labelled(context: RenderContext, sample: DeviceSample, width: int) -> Line:
    """The history of the use, and how many seconds it shows."""
    seconds = width if context.glyphs.ascii else 2 * width
    return (f"{seconds} s ", "faint"), (_history(context, sample, width), "info")


def _history(context: RenderContext, sample: DeviceSample, width: int) -> str:
    kept = context.snapshot.devices[sample.device]
    newest = islice(kept, max(0, len(kept) - 2 * width), None)
    return history([s.utilisation for s in newest], width, context.glyphs)


def _title_figures(cards: Sequence[DeviceSample], hosts: Sequence[DeviceSample]) -> str:
    """As "4 x A100   cpu 62%   ram 24/128 GiB"; without GPUs the host's name and its slots."""
    if not cards:
        host = hosts[0] if hosts else None
        slots = "" if host is None or host.slots is None else f"{host.slots:g} CPU slots"
        return "   ".join(filter(None, (plain(host.name) if host else "", slots)))
    names = {text.short_name(sample.name) for sample in cards}
    figures = [f"{len(cards)} x {' / '.join(sorted(names))}"]
    for host in hosts[:1]:
        memory = text.of_gib(host.memory_used, host.memory_total)
        figures += [f"cpu {text.percent(host.utilisation)}", f"ram {memory}", text.disk(host)]
    return "   ".join(filter(None, figures))


def _where(room: Room, snapshot: Snapshot) -> Place | None:
    """With a line for its title in a box; without boxes it needs none."""
    if snapshot.engine_gone and not any(snapshot.devices.values()):
        return None
    most = room.height // (5 if room.columns == 1 else 4)
    lines = max(1, min(wanted(snapshot, most), most))
    return Place("above", lines + room.boxed)


PANE = Pane(
    _NAME,
    "the devices",
    DevicesPane,
    _where,
    bare=True,
    hints=(
        ("study.more", "more at a time"),
        ("study.fewer", "fewer"),
        ("study.pause", "pause"),
    ),
)
