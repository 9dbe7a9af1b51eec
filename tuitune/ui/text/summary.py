"""Summary of a study: counts, time, the best configurations, the files."""

from tuitune.core.events import TrialState
from tuitune.core.study.ranking import loss
from tuitune.messages import configuration, states, text
from tuitune.store.folder import DATABASE, DOCUMENT, TRIALS
from tuitune.store.rows import TrialRow
from tuitune.ui.render.lines import Line, cut, fit, line
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot, elapsed

_TOP = 5


def summary_lines(context: RenderContext, width: int) -> list[Line]:
    """The lines of the summary, cut to the width."""
    snapshot = context.snapshot
    blocks = (_state(snapshot), _best(snapshot), _top(snapshot, width), _files(snapshot))
    lines = [one for block in blocks if block for one in (*block, ())]
    return [cut(one, width) for one in lines]


def leaders(snapshot: Snapshot) -> list[TrialRow]:
    """The best five complete trials, best first; of all trials if none is complete."""
    objective = snapshot.spec.objective
    known = [row for row in snapshot.rows if row.value is not None]
    complete = [row for row in known if row.state == TrialState.COMPLETE]
    return sorted(complete or known, key=lambda row: (loss(row.value, objective), row.number))[
        :_TOP
    ]


def _state(snapshot: Snapshot) -> list[Line]:
    counts = [
        line((f"{count} {state}  ", states.WORDS[state].role))
        for state, count in snapshot.shown_counts().items()
    ]
    known = {
        "finished": "finished",
        "running": "running",
        "silent": "running",
        "importing": "starting",
    }
    state = known.get(snapshot.engine.state, "interrupted")
    took = text.duration(elapsed(snapshot))
    ended = text.plain(snapshot.study.exhausted or snapshot.study.halted)
    return [
        line(
            (f"{text.plain(snapshot.name)} ", "bold"),
            f"{state}: {len(snapshot.rows)} of {text.trial_count(snapshot.total)} in {took}",
        ),
        *([line((ended, "muted"))] if ended else []),
        tuple(span for part in counts for span in part),
    ]


def _best(snapshot: Snapshot) -> list[Line]:
    row = snapshot.row(snapshot.best)
    metric = text.plain(snapshot.spec.objective.metric)
    if row is None:
        return [line((f"no trial has reported {metric} yet", "muted"))]
    partial = ", not complete" if snapshot.partial else ""
    head = line(
        ("best  ", "title bold"),
        (f"{text.trial_name(row.number)}  {metric} {text.number(row.value)}", "accent bold"),
        (f"  at step {row.step}{partial}", "muted"),
    )
    toml = configuration.configuration_toml(row.config).splitlines()
    return [head, *(line((f"  {fit(one, 200).rstrip()}", "text")) for one in toml)]


def _top(snapshot: Snapshot, width: int) -> list[Line]:
    rows = leaders(snapshot)
    if not rows:
        return []
    lines = [line((f"the best {len(rows)}", "title bold"))]
    for row in rows:
        start = f"  {text.trial_name(row.number)}  {text.number(row.value):>9}  "
        words = fit(text.configuration_words(row.config), max(0, width - len(start))).rstrip()
        lines.append(line((start, "text"), (words, "muted")))
    return lines


def _files(snapshot: Snapshot) -> list[Line]:
    best = snapshot.row(snapshot.best)
    files = [("folder", str(snapshot.folder)), ("as run", DOCUMENT), ("journal", DATABASE)]
    if best is not None:
        files.append(("best", f"{TRIALS}/{best.number:04d}"))
    return [
        line(("files", "title bold")),
        *(line((f"  {name:<8}", "muted"), fit(path, 300).rstrip()) for name, path in files),
    ]
