"""Texts about a trial: what it does, its rung, its value, its place and its times."""

import time
from collections.abc import Sequence

from tuitune.core.events import AnyFact, Exited, Promoted, TrialState, Verdict
from tuitune.messages.states import CAUSES, WORDS, Shown, shown
from tuitune.messages.text import duration, number, ordinal, plain
from tuitune.store.rows import TrialRow
from tuitune.ui.render.glyphs import shown_state
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot


def doing(context: RenderContext, row: TrialRow) -> str:
    """What a trial does or waits for, or why it has ended."""
    snapshot = context.snapshot
    if shown_state(row, engine_gone=snapshot.engine_gone) == Shown.LOST:
        where = f"{resource(snapshot)} {row.checkpoint}" if row.checkpoint else "the start"
        return f"its engine ended; the next one continues it from {where}"
    acting = _acting(context, row)
    if acting:
        return acting
    if row.at_rung:
        return f"is held at {_rung(snapshot, row)} until it is promoted"
    note = "" if row.state == TrialState.RUNNING else plain(row.note)
    return note or WORDS[shown(row.state)].clause


def _acting(context: RenderContext, row: TrialRow) -> str:
    """What is being done to its process; "" if it just runs, or there is none."""
    now = context.snapshot.now
    if row.kill_at is not None:
        key = context.keymap.shown("trial.undo")
        back = "" if context.readonly else f"; {key} undoes that"
        return f"will be killed in {duration(row.kill_at - now)}{back}"
    if row.activity == "starting":
        return f"is starting, {duration(now - (row.launched or now))}"
    if row.ending is not None:
        force = "" if row.due is None else f"; ended by force in {duration(row.due - now)}"
        return f"is stopping: {CAUSES[row.ending]}{force}"
    if row.activity == "frozen":
        return "is frozen: it can't save, so it keeps its slot and its memory"
    if row.activity == "parked":
        return f"is parked: {plain(row.note)}"
    return ""


def standing(snapshot: Snapshot, row: TrialRow, facts: Sequence[tuple[int, AnyFact]]) -> str:
    """As "rung 1 (epoch 3), 9th of 33 there, next check at epoch 9"; "" without rungs."""
    rungs = snapshot.study.rungs
    if not rungs or row.bracket >= len(rungs):
        return ""
    steps = rungs[row.bracket]
    words = [f"bracket {row.bracket}"] if len(rungs) > 1 else []
    words.append(_rung(snapshot, row) if row.rung is not None else "no rung yet")
    rank = _last_rank(facts)
    if rank and row.rung is not None:
        words.append(f"{ordinal(rank[0])} of {rank[1]} there")
    next_step = _next_check(snapshot, row, steps)
    if next_step and row.state in {TrialState.RUNNING, TrialState.WAITING, TrialState.PAUSED}:
        words.append(f"next check at {resource(snapshot)} {next_step}")
    return ", ".join(words)


def value(snapshot: Snapshot, row: TrialRow) -> str:
    """As "0.0815 at epoch 40, best 0.0801"; "" without a report."""
    if not row.step and row.value is None:
        return ""
    best = f", best {number(row.best)}" if row.best is not None and row.best != row.value else ""
    limit = snapshot.spec.pruning.max
    of = f"/{limit}" if limit else ""
    return f"{number(row.value)} at {resource(snapshot)} {row.step or 0}{of}{best}"


def place(snapshot: Snapshot, row: TrialRow) -> str:
    """Where it runs or ran: device, process, attempts, checkpoint; "" before its start."""
    where = row.device or row.node
    words = [plain(where)] if where else []
    if row.pid is not None and not snapshot.engine_gone:
        words.append(f"pid {row.pid}")
    if row.attempt:
        words.append(f"{row.attempt} attempt{'s' if row.attempt > 1 else ''}")
    if row.checkpoint is not None:
        where = f" on {row.saved_on} alone" if row.saved_on else ""
        words.append(f"checkpoint at {resource(snapshot)} {row.checkpoint}{plain(where)}")
    return ", ".join(words)


def times(snapshot: Snapshot, row: TrialRow) -> str:
    """When it started, and how long it has run; "" before its start."""
    if row.started is None:
        return ""
    begun = f"started {clock(row.started, snapshot.now)}"
    if row.ended is not None:
        took, ended = duration(row.ended - row.started), ago(snapshot.now - row.ended)
        return f"{begun}, took {took}, ended {ended}"
    if row.state == TrialState.RUNNING and not snapshot.engine_gone:
        return f"{begun}, {ago(snapshot.now - row.started)}"
    return begun


def ago(seconds: float) -> str:
    """Rounded to minutes from one minute to an hour, so that it is seldom repainted."""
    minutes = int(seconds // 60)
    return f"{minutes}m ago" if 1 <= minutes < 60 else f"{duration(seconds)} ago"


def clock(moment: float, now: float) -> str:
    """The local time of the day, with the date if it is not today."""
    then, today = time.localtime(moment), time.localtime(now)
    same_day = then[:3] == today[:3]
    return time.strftime("%H:%M:%S" if same_day else "%d %b %H:%M", then)


def _last_rank(facts: Sequence[tuple[int, AnyFact]]) -> tuple[int, int] | None:
    """(rank, entries) of the newest verdict that has them."""
    for _, fact in reversed(facts):
        if isinstance(fact, Verdict | Promoted) and fact.rank and fact.n:
            return fact.rank, fact.n
    return None


def last_words(facts: Sequence[tuple[int, AnyFact]]) -> str:
    """The last output of the newest attempt that has ended; "" if none was recorded."""
    newest = next((fact for _, fact in reversed(facts) if isinstance(fact, Exited)), None)
    return newest.tail if newest is not None else ""


def resource(snapshot: Snapshot) -> str:
    """The name of the resource, as "epoch"; "report" if the study gives none."""
    return plain(snapshot.spec.pruning.unit)


def _rung(snapshot: Snapshot, row: TrialRow) -> str:
    """As "rung 1 (epoch 3)"; rungs are numbered from 0."""
    number, rungs = row.rung or 0, snapshot.study.rungs
    steps = rungs[row.bracket] if row.bracket < len(rungs) else ()
    step = f" ({resource(snapshot)} {steps[number]})" if number < len(steps) else ""
    return f"rung {number}{step}"


def _next_check(snapshot: Snapshot, row: TrialRow, steps: Sequence[int]) -> int | None:
    following = 0 if row.rung is None else row.rung + 1
    return steps[following] if following < len(steps) else snapshot.spec.pruning.max
