"""Each device with its history and a line for each trial on it, for the pane shown alone."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from tuitune.core.sizes import size as in_bytes
from tuitune.messages.states import WORDS
from tuitune.messages.text import duration, number, trial_name
from tuitune.ui.charts.canvas import Canvas, Ink
from tuitune.ui.render import glyphs, themes
from tuitune.ui.render.lines import Line, Size, cut, fit, joined_columns, line, padded
from tuitune.ui.table.sorting import duration_of
from tuitune.ui.text import device as text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.placement.snapshots import DeviceSample, TrialUsage
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.render_context import RenderContext

    Head = tuple[DeviceSample, Line]  # a device, and its line of meters

_TALLEST: Final = 5  # lines of a history
_INDENT: Final = "    "
_GAP: Final = 3


def device_blocks(context: RenderContext, heads: Sequence[Head], size: Size) -> list[Line]:
    """The heads, each with two histories and its trials; less of them where room is short."""
    if not heads or size.height <= 0:
        return []
    usage = _host_usage(heads)
    cards = any(sample.kind != "host" for sample, _ in heads)
    trials = [
        _trials(context, sample, usage, size.width) if sample.kind != "host" or not cards else []
        for sample, _ in heads
    ]
    left = size.height - len(heads) - sum(map(len, trials))
    tall = max(0, min(_TALLEST, left // len(heads)))
    gap = left - tall * len(heads) >= len(heads) - 1
    lines: list[Line] = []
    for (sample, head), named in zip(heads, trials, strict=True):
        lines += [()] if gap and lines else []
        lines += [head, *_histories(context, sample, size.width, tall), *named]
    if len(lines) > size.height:
        more = f"{_INDENT}{len(lines) - size.height + 1} more lines"
        lines = [*lines[: size.height - 1], line((more, "muted"))]
    return lines


def _host_usage(heads: Sequence[Head]) -> dict[int, TrialUsage]:
    """By trial, what it uses of the host."""
    samples = (sample for sample, _ in heads if sample.kind == "host")
    return {used.trial: used for sample in samples for used in sample.usage}


def _histories(context: RenderContext, sample: DeviceSample, width: int, tall: int) -> list[Line]:
    """Utilisation and memory side by side, the newest at the right."""
    if tall < 1:
        return []
    kept = context.snapshot.devices[sample.device]
    label = len("memory ")
    room = (width - len(_INDENT) - _GAP) // 2 - label
    if room < 10:
        return []
    per_cell = 1 if context.glyphs.ascii else 2
    newest = list(islice(kept, max(0, len(kept) - per_cell * room), None))
    seconds = duration(newest[-1].time - newest[0].time) if len(newest) > 1 else ""
    busy = [one.utilisation for one in newest]
    memory = [text.share(one.memory_used, one.memory_total) for one in newest]
    ascii_only = context.glyphs.ascii
    drawn = zip(
        _area(busy, Size(room, tall), "load", ascii_only=ascii_only),
        _area(memory, Size(room, tall), "memory", ascii_only=ascii_only),
        strict=True,
    )
    lines: list[Line] = []
    for at, (one, other) in enumerate(drawn):
        names = ("use", "memory") if at == 0 else (seconds, "") if at == tall - 1 else ("", "")
        lines.append(
            (
                (_INDENT + fit(names[0], label), "faint"),
                *padded(one, room + _GAP),
                (fit(names[1], label), "faint"),
                *other,
            )
        )
    return lines


def _area(shares: Sequence[float | None], size: Size, ramp: str, *, ascii_only: bool) -> list[Line]:
    """The shares (0 to 1), filled from below in the colours of a ramp, the newest at the right."""
    ink = Ink("", "#")
    canvas = Canvas(size.width, size.height, ascii_only=ascii_only)
    step = 2 if ascii_only else 1
    start = canvas.across - len(shares) * step
    for at, share in enumerate(shares):
        if share is not None:
            x, bottom = start + at * step, canvas.down - 1
            canvas.path([(x, bottom), (x, bottom - round(max(0.0, min(1.0, share)) * bottom))], ink)
    lines: list[Line] = []
    for at, drawn in enumerate(canvas.lines()):
        height = 1 - (at + 0.5) / size.height
        role = f"{ramp}-{int(height * themes.STEPS)}"
        lines.append(tuple((part, role) for part, _ in drawn))
    return lines


def _trials(
    context: RenderContext, sample: DeviceSample, host: dict[int, TrialUsage], width: int
) -> list[Line]:
    """A line for each trial: what it does, and what it uses."""
    on_device = {used.trial: used for used in sample.usage if sample.kind != "host"}
    cells: list[list[Line]] = []
    for trial in sample.trials:
        row = context.snapshot.row(trial)
        if row is not None:
            cells.append(_trial(context, row, on_device.get(trial), host.get(trial)))
    return [cut(one, width) for one in joined_columns(cells, _INDENT, _GAP)]


def _trial(
    context: RenderContext, row: TrialRow, card: TrialUsage | None, host: TrialUsage | None
) -> list[Line]:
    snapshot = context.snapshot
    shown = glyphs.shown_state(row, engine_gone=snapshot.engine_gone)
    most = snapshot.spec.pruning.max
    resource = snapshot.spec.pruning.unit
    seconds = duration_of(row, snapshot.now)
    return [
        line((trial_name(row.number), "accent")),
        line((f"{context.glyphs.states[shown]} {shown}", WORDS[shown].role)),
        line((f"{resource} {row.step or 0}{f'/{most}' if most else ''}", "text")),
        line((number(row.value) if row.value is not None else "-", "text")),
        _used("gpu ", None if card is None else card.memory),
        _used("ram ", None if host is None else host.memory),
        _said("cpu ", None if host is None or host.cpu is None else f"{host.cpu:.1f} cores"),
        _said("", None if host is None else _processes(host.processes)),
        line((duration(seconds) if seconds is not None else "", "muted")),
    ]


def _used(name: str, amount: int | None) -> Line:
    return _said(name, None if amount is None else in_bytes(amount))


def _said(name: str, words: str | None) -> Line:
    return () if words is None else line((name, "muted"), (words, "text"))


def _processes(count: int) -> str:
    return f"{count} process{'es' if count != 1 else ''}"
