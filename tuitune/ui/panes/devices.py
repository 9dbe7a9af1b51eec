"""The pane of the devices: the load of each, and the trials on it."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from tuitune.core.placement.snapshots import DeviceSample
from tuitune.messages.text import duration, plain
from tuitune.ui.actions.action import AppActions
from tuitune.ui.actions.nodes import ACTIONS, DEVICES, move, open_node, to
from tuitune.ui.panes import device_lines, pane
from tuitune.ui.render.lines import Line, Size, line, padded
from tuitune.ui.state.device_samples import at, is_node, newest, nodes_of
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.text import device as text

_STALE_AFTER = 5.0  # s without a sample after which its age is shown


def wanted(snapshot: Snapshot, most: int) -> int:
    """The number of lines for all devices, without the title: two GPUs on one beyond `most`."""
    samples = newest(snapshot)
    nodes = sum(map(is_node, samples))
    if nodes:
        return min(nodes, most)
    cards = sum(sample.kind != "host" for sample in samples)
    return cards if 1 <= cards <= most else max(1, (cards + 1) // 2)


class DevicesPane:
    """Utilisation and memory of each device, and the trials on it."""

    def __init__(self) -> None:
        self._shown = pane.Memo[list[Line]]()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The title with the host, and the GPUs; without GPUs the host."""
        snapshot, selection = context.snapshot, context.selection
        samples = newest(snapshot)
        samples = tuple(map(_free, samples)) if snapshot.engine_gone else samples
        age = snapshot.now - max((sample.time for sample in samples), default=0.0)
        stale = duration(age) if samples and age > _STALE_AFTER else ""
        chosen = selection.focus, selection.zoomed, selection.node, selection.node_opened
        view = chosen, size, context.glyphs.ascii, context.boxed
        zoomed = selection.zoomed == DEVICES
        key = (samples, stale, view, snapshot.engine.state, zoomed and snapshot.version)
        return self._shown.get(key, partial(_lines, context, size, samples, stale))


def _lines(
    context: RenderContext, size: Size, samples: Sequence[DeviceSample], stale: str
) -> list[Line]:
    if any(map(is_node, samples)):
        from tuitune.ui.panes.device_nodes import of_nodes  # noqa: PLC0415 - few studies have nodes

        return of_nodes(context, size, samples, stale)
    cards = sorted((s for s in samples if s.kind != "host"), key=lambda s: (s.index or 0, s.device))
    hosts = [sample for sample in samples if sample.kind == "host"]
    zoomed = context.selection.zoomed == DEVICES
    right = f"last seen {stale} ago" if stale else _title_figures(cards, hosts)
    titled = context.boxed or zoomed
    title = pane.rule(context, DEVICES, "GPUs" if cards else "Host", size.width, right=right)
    shown = [title] if titled else []
    if not samples:
        gone = context.snapshot.engine_gone
        words = "not running; no live readings" if gone else "waiting for the first readings"
        return [*shown, line((words, "muted"))][: size.height]
    if zoomed:
        return [*shown, *device_lines.alone(context, [*cards, *hosts], size, len(shown))]
    if len(shown) + len(cards) <= size.height:
        shown += [device_lines.card_line(context, sample, size.width) for sample in cards]
    else:
        shown += _pairs(context, cards, size.width)
    if not cards:
        shown += [device_lines.host_line(context, sample, size.width) for sample in hosts]
    return within(shown, size.height)


def within(shown: list[Line], height: int) -> list[Line]:
    """As many lines as the pane has; the last one counts those that are missing."""
    if len(shown) > height:
        more = f"+ {len(shown) - height + 1} more lines of devices"
        shown = [*shown[: height - 1], line((more, "muted"))]
    return shown[: max(1, height)]


def _free(sample: DeviceSample) -> DeviceSample:
    """The sample without trials: when no engine runs there are none."""
    return replace(sample, trials=(), slots_used=0.0, trials_cpu=None, engine_cpu=None)


def _pairs(context: RenderContext, cards: Sequence[DeviceSample], width: int) -> list[Line]:
    """Two devices per line, the first half of them in the left column."""
    left, right = cards[: (len(cards) + 1) // 2], cards[(len(cards) + 1) // 2 :]
    half = (width - 2) // 2
    made: list[Line] = []
    for number, card in enumerate(left):
        one = padded(device_lines.small_card(context, card, half), half)
        if number < len(right):
            one = (
                *one,
                ("  ", ""),
                *device_lines.small_card(context, right[number], width - half - 2),
            )
        made.append(one)
    return made


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


def _where(room: pane.Room, snapshot: Snapshot) -> pane.Place | None:
    """The place of the pane; a box adds a line for its title."""
    if snapshot.engine_gone and not any(snapshot.devices.values()):
        return None
    most = room.height // (5 if room.columns == 1 else 4)
    lines = max(1, min(wanted(snapshot, most), most))
    return pane.Place("above", lines + room.boxed)


def _click(app: AppActions, click: pane.Click) -> None:
    """Moves the cursor to a node; a double click opens it."""
    nodes, size = nodes_of(newest(app.snapshot)), app.size_of(DEVICES)
    if not nodes or app.selection.node_opened:
        return
    from tuitune.ui.panes.device_nodes import window  # noqa: PLC0415 - see above

    above = 1 if app.context().boxed or app.selection.zoomed == DEVICES else 0
    start, count = window(len(nodes), at(nodes, app.selection.node), size.height - above)
    place = click.line - above
    if 0 <= place < count:
        to(app, nodes, start + place)
        if click.double:
            open_node(app)


PANE = pane.Pane(
    DEVICES,
    "the devices",
    DevicesPane,
    _where,
    ACTIONS,
    bare=True,
    hints=(
        ("devices.open", "open"),
        ("study.more", "more at a time"),
        ("study.fewer", "fewer"),
        ("study.pause", "pause"),
    ),
    click=_click,
    wheel=move,
)
