"""An Optuna objective as a trial: its suggest calls get the trial's configuration."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

from tuitune.trial.api import Trial
from tuitune.trial.current import current


class ObjectiveTrial:
    """What an objective needs of an Optuna trial.

    The study file has the ranges, so those of the objective are not looked at. A trial that is to
    stop leaves its objective at `report`; `should_prune` is never true.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.number = trial.number
        self.params = trial.config
        self.user_attrs: dict[str, Any] = {}

    def _suggest(self, name: str, *_: object, **__: object) -> Any:
        if name not in self.params:
            raise KeyError(
                f"the objective suggests {name}, which the study file doesn't have; "
                "write it in [space]"
            )
        return self.params[name]

    suggest_float = suggest_int = suggest_categorical = _suggest
    suggest_uniform = suggest_loguniform = suggest_discrete_uniform = _suggest

    def report(self, value: float, step: int) -> None:
        """Report an intermediate value. Optuna's steps count from 0, those of a study from 1."""
        values: dict[str, Any] = {self._trial.metric or "value": value}
        if self._trial.resource is not None:
            values[self._trial.resource] = step + 1
        self._trial.report(values)

    def should_prune(self) -> bool:
        """False: `report` ends a trial that is to stop."""
        return False

    def set_user_attr(self, key: str, value: object) -> None:
        """Keep an attribute for the objective itself."""
        self.user_attrs[key] = value


def main() -> None:
    """Run `FILE:FUNCTION`, an objective, without the part of its file that starts a study."""
    file, _, name = sys.argv[1].rpartition(":") if len(sys.argv) > 1 else ("", "", "")
    if not file:
        sys.exit("usage: python -m tuitune.integrations.optuna FILE:FUNCTION")
    path = Path(file)
    sys.path[0] = str(path.absolute().parent)
    sys.argv = [file, *sys.argv[2:]]
    objective = runpy.run_path(file, run_name=path.stem).get(name)
    if not callable(objective):
        sys.exit(f"{file} has no function {name}")
    trial = current()
    value = objective(ObjectiveTrial(trial))
    trial.report({trial.metric or "value": value})


if __name__ == "__main__":
    main()
