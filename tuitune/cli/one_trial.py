"""What `show STUDY 7` prints of a trial."""

import time
from collections.abc import Iterator

from tuitune.cli import studies, trials_table
from tuitune.cli.best import value_words
from tuitune.core.events import TrialState
from tuitune.messages import configuration
from tuitune.messages.states import WORDS
from tuitune.messages.text import plain, trial_name, usage_words
from tuitune.store.rows import TrialRow
from tuitune.ui import logs
from tuitune.ui.render.glyphs import shown_state
from tuitune.ui.render.lines import Line, line


def trial_lines(study: studies.StudyFolder, row: TrialRow, *, engine_gone: bool) -> Iterator[Line]:
    """A trial's state and value, its configuration, where and when it ran, and its files."""
    yield _head(study, row, engine_gone=engine_gone)
    for one in configuration.configuration_toml(row.config).splitlines():
        yield line(f"  {one}")
    for label, words in _facts(study, row, engine_gone=engine_gone):
        yield line((f"{label}: ", "muted"), words)
    for one in row.error.strip().splitlines():
        yield line((plain(one), "error"))


def _head(study: studies.StudyFolder, row: TrialRow, *, engine_gone: bool) -> Line:
    state = shown_state(row, engine_gone=engine_gone)
    spans = [
        (f"{plain(study.name)} {trial_name(row.number)}: ", "bold"),
        (state, WORDS[state].role),
    ]
    if row.value is not None:
        spans.append((f", {plain(value_words(study, row))}", "bold"))
    return line(*spans)


def _facts(
    study: studies.StudyFolder, row: TrialRow, *, engine_gone: bool
) -> Iterator[tuple[str, str]]:
    """Labels and texts; only of what is known."""
    name = plain(study.name)
    if row.note and row.state not in {TrialState.COMPLETE, TrialState.FAILED}:
        yield "why", plain(row.note)
    yield "proposed by", plain(f"{row.origin}: {row.why}" if row.why else row.origin)
    if row.started is not None:
        yield "started", _times(row, row.started, engine_gone=engine_gone)
    place = " ".join(filter(None, (row.node, row.device)))
    if place:
        yield "on", plain(place)
    if row.gpu_seconds:
        yield "GPUs", usage_words(row.gpu_seconds, row.energy)
    checkpoint = study.checkpoint(row.number)
    if checkpoint is not None:
        yield "checkpoint", plain(studies.short_path(checkpoint))
    log = logs.log_file(study.path, row.number)
    if log.exists():
        yield "log", plain(studies.short_path(log))
    yield "decisions", f"tuitune show {name} --why {row.number}"


def _times(row: TrialRow, started: float, *, engine_gone: bool) -> str:
    """As "2026-03-01 12:00:00, 1m40s, 2 attempts"."""
    words = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started))]
    took = trials_table.lasted(row, None if engine_gone else time.time())
    if took != "-":  # it runs now, or has ended
        words.append(took)
    if row.attempt > 1:
        words.append(f"{row.attempt} attempts")
    return ", ".join(words)
