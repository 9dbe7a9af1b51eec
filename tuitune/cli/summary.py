"""How did a study end?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from tuitune.cli.text import configuration_toml, duration, number
from tuitune.study.state import STATES

if TYPE_CHECKING:
    from tuitune.study import Study


def summary(study: Study) -> str:
    """Counts, time, and the best configuration as TOML."""
    state, spec = study.state, study.spec
    found = Counter(trial.state for trial in state.trials)
    counts = ", ".join(f"{found[name]} {name}" for name in STATES if found[name])
    why = f" ({state.exhausted})" if state.exhausted else ""
    lines = [f"{spec.name}: {counts or 'no trials'} in {duration(state.elapsed)}{why}"]
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
    found = Counter(trial.state for trial in study.state.trials)
    record = {
        "event": "summary",
        "study": study.spec.name,
        "counts": {name: found[name] for name in STATES},
        "best": best
        and {
            "trial": best.number,
            "value": best.counted(study.spec.objective),
            "config": best.config,
            "partial": partial,
        },
    }
    return msgspec.json.encode(record).decode()
