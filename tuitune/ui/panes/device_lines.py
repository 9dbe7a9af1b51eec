"""Lines of single devices: their figures, the trials on them, and who else uses them."""

from collections.abc import Iterable, Sequence
from itertools import islice

from tuitune.core.placement.snapshots import DeviceSample
from tuitune.messages.reasons import reason_words
from tuitune.messages.text import trial_name
from tuitune.ui.render.glyphs import history, meter
from tuitune.ui.render.lines import Line, Segment, Size, fit, joined, line, width_of
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.text import device as text

_WIDE_FROM = 96  # cells from which a device has its power and its history
_TWO_TRIALS, _ONE_TRIAL = len("#3 #14"), len("#13 +1")
_USERS = len(" pid 8812 alice")  # cells reserved for processes of other users


def alone(
    context: RenderContext, samples: Iterable[DeviceSample], size: Size, above: int
) -> list[Line]:
    """Each device with its histories and trials, below so many lines of the pane."""
    from tuitune.ui.panes.device_blocks import device_blocks  # noqa: PLC0415 - not at first

    room = size._replace(height=size.height - above)
    heads = [
        (one, (host_line if one.kind == "host" else card_line)(context, one, size.width))
        for one in samples
    ]
    return device_blocks(context, heads, room)


def small_card(context: RenderContext, sample: DeviceSample, width: int) -> Line:
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


def card_line(context: RenderContext, sample: DeviceSample, width: int) -> Line:
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


def host_line(context: RenderContext, sample: DeviceSample, width: int) -> Line:
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
