"""How did a study end?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from tuitune.cli.text import configuration_toml, duration, number
from tuitune.study.state import STATES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tuitune.study import Study


def summary(study: Study) -> str:
    """Counts, time, and the best configuration as TOML."""
    state, spec = study.state, study.spec
    found = counts(trial.state for trial in state.trials)
    counted = ", ".join(f"{n} {name}" for name, n in found.items() if n)
    why = f" ({state.exhausted})" if state.exhausted else ""
    lines = [f"{spec.name}: {counted or 'no trials'} in {duration(state.elapsed)}{why}"]
    best, partial = study.best()
    if best is None:
        lines.append(f"no trial has reported {spec.objective.metric}")
        return "\n".join(lines)
    value = f"{spec.objective.metric} {number(best.counted(spec.objective))}"
    lines.append(f"best{' (partial)' if partial else ''}: trial {best.number}, {value}")
    lines.append("")
    lines.append(configuration_toml(best.config).rstrip())
    return "\n".join(lines)


def summary_json(study: Study) -> str:
    """The same as one JSON object, under the event "summary"."""
    best, partial = study.best()
    value = None if best is None else best.counted(study.spec.objective)
    record = {
        "event": "summary",
        "study": study.spec.name,
        "counts": counts(trial.state for trial in study.state.trials),
        "best": best and best_record(best.number, value, best.config, partial=partial),
    }
    return msgspec.json.encode(record).decode()


def counts(states: Iterable[str]) -> dict[str, int]:
    """How many trials are in each of all states."""
    found = Counter(states)
    return {state: found[state] for state in STATES}


def best_record(
    trial: int, value: float | None, config: dict[str, Any], *, partial: bool
) -> dict[str, Any]:
    """The best trial as the commands' JSON has it."""
    return {"trial": trial, "value": value, "config": config, "partial": partial}
