"""The pane of the devices: the load of each, and the trials on it."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tuitune.messages.reasons import reason_words
from tuitune.messages.text import duration, plain, trial_name
from tuitune.ui.panes.pane import Memo, Pane, Place, rule
from tuitune.ui.render.glyphs import bar, history, load_role
from tuitune.ui.render.lines import Line, Segment, Size, fit, joined, line, padded, width_of
from tuitune.ui.text import device as text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.placement.snapshots import DeviceSample
    from tuitune.ui.panes.pane import Room
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot

_NAME = "devices"
_WIDE_FROM = 110  # columns from which each device has its own line
_TWO_TRIALS, _ONE_TRIAL = len("#3 #14"), len("#13 +1")
_USERS = len(" pid 8812 alice")  # cells reserved for processes of other users
_STALE_AFTER = 5.0  # s without a sample after which its age is shown


def wanted(snapshot: Snapshot, width: int) -> int:
    """The number of lines for all devices, without the title."""
    cards = sum(
        1 for samples in snapshot.devices.values() if samples and samples[-1].kind != "host"
    )
    host = 1 if "host" in snapshot.devices or not cards else 0
    return host + (cards if width >= _WIDE_FROM else (cards + 1) // 2)


class DevicesPane:
    """Utilisation and memory of each device, and the trials on it."""

    def __init__(self) -> None:
        self._shown = Memo[list[Line]]()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The title, the GPUs, then the host."""
        snapshot = context.snapshot
        newest = tuple(samples[-1] for samples in snapshot.devices.values() if samples)
        newest = tuple(map(_free, newest)) if snapshot.engine_gone else newest
        age = snapshot.now - max((sample.time for sample in newest), default=0.0)
        stale = duration(age) if newest and age > _STALE_AFTER else ""
        key = (
            newest,
            stale,
            context.selection.focus,
            size,
            context.glyphs.ascii,
            snapshot.engine.state,
        )
        return self._shown.get(key, partial(_lines, context, size, newest, stale))


def _lines(
    context: RenderContext, size: Size, newest: Sequence[DeviceSample], stale: str
) -> list[Line]:
    cards = sorted((s for s in newest if s.kind != "host"), key=lambda s: (s.index or 0, s.device))
    hosts = [sample for sample in newest if sample.kind == "host"]
    title = "GPUs" if cards else "Host"
    right = _kinds(cards) if cards else _slots(hosts)
    right = f"last seen {stale} ago" if stale else right
    shown = [rule(context, _NAME, title, size.width, right=right)]
    if not newest:
        gone = context.snapshot.engine_gone
        words = "not running; no live readings" if gone else "waiting for the first readings"
        return [*shown, line((f" {words}", "muted"))][: size.height]
    if size.width >= _WIDE_FROM:
        shown += [_card(context, sample, size.width) for sample in cards]
    else:
        shown += _pairs(context, cards, size.width)
    shown += [_host(context, sample, size.width) for sample in hosts]
    if len(shown) > size.height:
        more = f" + {len(shown) - size.height + 1} more lines of devices"
        shown = [*shown[: size.height - 1], line((more, "muted"))]
    return shown[: max(1, size.height)]


def _free(sample: DeviceSample) -> DeviceSample:
    """The sample without trials: when no engine runs there are none."""
    return replace(sample, trials=(), slots_used=0.0, trials_cpu=None, engine_cpu=None)


def _pairs(context: RenderContext, cards: Sequence[DeviceSample], width: int) -> list[Line]:
    """Two devices per line, the first half of them in the left column."""
    left, right = cards[: (len(cards) + 1) // 2], cards[(len(cards) + 1) // 2 :]
    half = (width - 1) // 2
    made: list[Line] = []
    for number, card in enumerate(left):
        one = padded(_small_card(context, card, half), half)
        if number < len(right):
            bar_between = (context.glyphs.bar, "rule")
            one = (*one, bar_between, *_small_card(context, right[number], width - half - 1))
        made.append(one)
    return made


def _small_card(context: RenderContext, sample: DeviceSample, width: int) -> Line:
    index = Segment(9, line((text.index(sample), "title")))
    if sample.foreign or sample.note:
        return _with_users([index], sample, width, 1)
    meter = _busy(context, sample, 7 if width >= 38 else 5)
    power = text.power(sample)
    segments = [
        index,
        Segment(7, line(*meter, (f"{text.percent(sample.utilisation):>4}", ""))),
        Segment(6, line((f"{text.gib(sample.memory_used)}G", text.memory_role(sample)))),
        Segment(5, line((text.temperature(sample), text.heat(sample)))),
        Segment(4, line((f"{power[0]:>5}", power[1]))),
    ]
    least = _TWO_TRIALS if width >= 38 else _ONE_TRIAL
    return _with_packing(_with_trials(segments, sample, width, 1, least), sample, width, 1)


def _card(context: RenderContext, sample: DeviceSample, width: int) -> Line:
    name = text.short_name(sample.name)
    memory = text.share(sample.memory_used, sample.memory_total)
    power = text.power(sample)
    segments = [
        Segment(9, line((f" {text.index(sample)} {fit(name, 8)}", "title"))),
        Segment(
            8,
            line(("util ", "muted"), *bar(sample.utilisation, 16, context.glyphs, role="success")),
        ),
        Segment(8, line((f"{text.percent(sample.utilisation):>4}", ""))),
        Segment(
            7,
            line(
                ("mem ", "muted"), *bar(memory, 12, context.glyphs, role=text.memory_role(sample))
            ),
        ),
        Segment(
            7, line((f"{text.gib(sample.memory_used):>3}/{text.gib(sample.memory_total)}G", ""))
        ),
        Segment(6, line((f"{text.temperature(sample):>4}", text.heat(sample)))),
        Segment(5, line((f"{power[0]:>5}", power[1]))),
        Segment(4, line((_history(context, sample, 10), "info"))),
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


def _busy(context: RenderContext, sample: DeviceSample, width: int) -> Line:
    return bar(sample.utilisation, width, context.glyphs, role="success")


def _host(context: RenderContext, sample: DeviceSample, width: int) -> Line:
    wide = width >= _WIDE_FROM
    slots = text.share(sample.slots_used, sample.slots)
    memory = text.share(sample.memory_used, sample.memory_total)
    cells = 12 if wide else 8
    load = "-" if sample.load is None else f"{sample.load:.1f}"
    cores = "" if sample.trials_cpu is None else f"trials {sample.trials_cpu:.1f} cores"
    engine = "" if sample.engine_cpu is None else f"engine {sample.engine_cpu:.0%}"
    segments = [
        Segment(9, line((" cpu ", "muted"), *bar(slots, cells, context.glyphs, role="success"))),
        Segment(9, line((f"{text.whole(sample.slots_used)}/{text.whole(sample.slots)} slots", ""))),
        Segment(6, line(("load ", "muted"), (load, text.strained(sample)))),
        Segment(
            7, line(("mem ", "muted"), *bar(memory, cells, context.glyphs, role=load_role(memory)))
        ),
        Segment(7, line((f"{text.gib(sample.memory_used)}/{text.gib(sample.memory_total)}G", ""))),
        Segment(4, line((cores, "muted"))),
        Segment(2, line((engine, "muted"))),
        Segment(3, line((text.disk(sample), "warning"))),
        Segment(5, line((_history(context, sample, 10 if wide else 5), "info"))),
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


def _history(context: RenderContext, sample: DeviceSample, width: int) -> str:
    kept = context.snapshot.devices[sample.device]
    newest = islice(kept, max(0, len(kept) - 2 * width), None)
    return history([s.utilisation for s in newest], width, context.glyphs)


def _kinds(cards: Sequence[DeviceSample]) -> str:
    names = {text.short_name(sample.name) for sample in cards}
    return f"{len(cards)} x {' / '.join(sorted(names))}"


def _slots(hosts: Sequence[DeviceSample]) -> str:
    if not hosts or hosts[0].slots is None:
        return ""
    return f"{plain(hosts[0].name)}  {hosts[0].slots:g} CPU slots"


def _where(room: Room, snapshot: Snapshot) -> Place:
    most = room.height // (5 if room.columns == 1 else 4)
    return Place("above", 1 + max(1, min(wanted(snapshot, room.width), most)))


PANE = Pane(
    _NAME,
    "the devices",
    DevicesPane,
    _where,
    hints=(
        ("study.more", "more at a time"),
        ("study.fewer", "fewer"),
        ("study.pause", "pause"),
    ),
)
