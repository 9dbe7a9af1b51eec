"""The table of trials that `show` prints, and the best trial as its last lines."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tuitune.cli.output import EXPENDABLE, Column, table
from tuitune.core.space import Parameter
from tuitune.core.spec import StudySpec
from tuitune.messages import configuration, failures
from tuitune.messages.states import WORDS, Shown
from tuitune.messages.text import duration, number, plain, trial_count, trial_name
from tuitune.store.exported import usage_record
from tuitune.store.rows import TrialRow
from tuitune.ui.render.glyphs import shown_state
from tuitune.ui.render.lines import Line, cell_len, line
from tuitune.ui.table import cells
from tuitune.ui.table.columns import is_number, searched

_QUIET: Final = frozenset({Shown.PRUNED, Shown.KILLED})
_LEAST_NOTE: Final = 20


def trial_columns(
    spec: StudySpec,
    ranked: Sequence[str],
    rows: Sequence[TrialRow],
    now: float | None,
    best: int | None,
) -> list[Column]:
    """Parameters come in the order of `ranked`, which may lack some, before all that matters less.

    now: None where no engine runs the study, so that nothing goes on. best: a trial.
    """
    states = [shown_state(row, engine_gone=now is None) for row in rows]
    tones = [_tone(row, state, best) for row, state in zip(rows, states, strict=True)]

    def column(  # noqa: PLR0913 - what a column is
        title: str,
        text: Callable[[TrialRow], str],
        weight: int,
        *,
        right: bool = True,
        least: int = 0,
        roles: Sequence[str] = tones,
    ) -> Column:
        return Column(title, list(zip(map(text, rows), roles, strict=True)), weight, right, least)

    parameters = searched(spec.space.parameters, ranked)
    words = [WORDS[state].role for state in states]
    columns = [
        column("trial", lambda row: trial_name(row.number), 99),
        Column("state", list(zip(states, words, strict=True)), 98),
        column(spec.objective.metric, lambda row: cells.metric(row.value), 97, least=9),
        *(_parameter(one, column, 90 - at) for at, one in enumerate(parameters)),
        column(spec.pruning.resource or "reports", lambda row: str(row.step or "-"), 50),
        column("time", lambda row: lasted(row, now), 40),
    ]
    if any(row.gpu_seconds for row in rows):
        columns.append(column("GPU-h", lambda row: number(usage_record(row)["gpu_hours"]), 39))
    note = column("note", _note, EXPENDABLE, right=False, least=_LEAST_NOTE)
    return [*columns, note]


def failure_lines(
    rows: Sequence[TrialRow], spec: StudySpec, ranked: Sequence[str], width: int | None
) -> Iterator[Line]:
    """A block for each error: how many trials have it, what they share, and the trials."""
    by_number = {row.number: row for row in rows}
    for group in failures.failure_groups(rows):
        count = len(group.trials)
        yield ()
        yield line((f"{trial_count(count)}: ", "bold"), (group.error, "error"))
        if group.shared:
            yield line(("  all with ", "muted"), (group.shared, "bold"))
        columns = trial_columns(spec, ranked, [by_number[n] for n in group.trials], None, None)
        shown = [column for column in columns if column.title not in {"state", "note"}]
        for one in table(shown, None if width is None else width - 2)[0]:
            yield (("  ", ""), *one)


def _note(row: TrialRow) -> str:
    return plain(row.error or row.note)


def best_lines(spec: StudySpec, best: TrialRow, *, partial: bool) -> list[Line]:
    """The best trial, its value and its configuration as TOML."""
    toml = configuration.configuration_toml(best.config).splitlines()
    value = f"{spec.objective.metric} {number(best.value)}"
    return [
        best_head(trial_name(best.number), value, partial=partial),
        *(line(f"  {one}") for one in toml),
    ]


def best_head(trial: str, value: str, *, partial: bool) -> Line:
    """As "best (partial): #7, loss 0.1"."""
    words = f"best{' (partial)' if partial else ''}: "
    return line((words, "title bold"), (trial, "accent"), ", ", (plain(value), "bold"))


def _parameter(parameter: Parameter, column: Callable[..., Column], weight: int) -> Column:
    """Its title is cut before its values are, and those only if they are long texts."""
    name, form = parameter.name, cells.form_of(parameter)

    def text(row: TrialRow) -> str:
        value = row.config.get(name)
        return "-" if value is None else plain(cells.parameter(value, form))

    whole = column(plain(name), text, max(51, weight), right=is_number(parameter))
    widest = max(cell_len(text) for text, _ in whole.cells)
    return whole._replace(least=max(3, min(widest, cells.TEXT_WIDTH)))


def _tone(row: TrialRow, state: Shown, best: int | None) -> str:
    if row.number == best:
        return "bold"
    return "quiet" if state in _QUIET else ""


def lasted(row: TrialRow, now: float | None) -> str:
    """How long it has run, as "1m40s"; "-" where that is not known. now: as in `trial_columns`."""
    end = row.ended or (now if row.device else None)  # it holds a device while it runs
    return "-" if row.started is None or end is None else duration(end - row.started)
