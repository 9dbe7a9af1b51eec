"""`simulate`: a recorded study replayed under other pruning."""

from __future__ import annotations

import contextlib
import gc
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from tuitune.cli.console import print_json
from tuitune.cli.studies import open_study
from tuitune.messages.text import duration, number, plain, table, trial_names, which
from tuitune.simulation.recorded import read
from tuitune.simulation.replay import Comparison, compare
from tuitune.store.errors import StoreError
from tuitune.store.folder import DOCUMENT
from tuitune.studyfile import StudyFileError, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tuitune.cli.studies import StudyFolder
    from tuitune.simulation.replay import Side

_CHANGEABLE = ("pruning.", "search.concurrency=")


def simulate_study(text: str | None, runs: Path, overrides: Sequence[str], *, as_json: bool) -> int:
    """Compare the study with its simulation under these overrides; the exit status."""
    refused = [word for word in overrides if not word.startswith(_CHANGEABLE)]
    if refused:
        print(
            f"--set {refused[0]}: a simulation can change keys of [pruning], as "
            f"pruning.reduction=4, and search.concurrency only",
            file=sys.stderr,
        )
        return 2
    study = open_study(text, runs)
    if study is None:
        return 2
    try:
        changed = load(study.path / DOCUMENT, overrides=overrides, check_target=False)
        with _without_collections():
            metric = study.spec.objective.metric
            recording = read(study.reader.history(metric), metric)
            if not any(record.points for record in recording.trials):
                words = f"{study.name}: no trial has reported yet: nothing to simulate"
                print(words, file=sys.stderr)
                return 2
            comparison = compare(study.spec, changed, recording)
    except (StoreError, StudyFileError) as error:
        print(error, file=sys.stderr)
        return 2
    if as_json:
        print_json({"study": study.name, "set": overrides, **asdict(comparison)})
    else:
        print(_words(study, overrides, comparison, len(recording.trials)))
    return 0


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """No garbage collection: all objects live to the end, and scanning them doubles the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _words(
    study: StudyFolder, overrides: Sequence[str], comparison: Comparison, trials: int
) -> str:
    then, now = comparison.then, comparison.now
    unit = study.spec.pruning.unit
    saved = 1 - now.steps / then.steps if then.steps else 0.0
    rows = [
        ["", "recorded", "simulated", ""],
        [f"{unit}s", str(then.steps), str(now.steps), f"{saved:.0%} saved"],
        ["time", duration(then.seconds), duration(now.seconds), ""],
        ["stopped", str(then.stopped), str(now.stopped), f"of {trials} trials"],
        ["best", _best(then), _best(now), study.spec.objective.metric],
    ]
    changes = ", ".join(overrides) or "as it was"
    lines = [plain(f"{study.name}, {changes}:"), table(rows), _good(comparison)]
    if comparison.unknown:
        lines.append(
            f"{len(comparison.unknown)} trials would have gone on beyond the end of their record; "
            f"they count up to there, and enter no later rung."
        )
    if comparison.unplayed:
        lines.append(
            f"the simulated study was over ({comparison.ended or 'nothing was left to do'}) before "
            f"{len(comparison.unplayed)} of the {trials} trials had begun: its column is of the "
            f"others alone, and can't be compared with the recorded one"
        )
    return "\n".join(lines)


def _best(side: Side) -> str:
    if side.best is None:
        return "-"
    return f"{number(side.value)} {which(side.best, partial=side.partial)}"


def _good(comparison: Comparison) -> str:
    lost = f"{len(comparison.lost)} would have been stopped"
    if comparison.lost:
        shown = trial_names(comparison.lost[:10])
        lost += f" ({shown}{', …' if len(comparison.lost) > 10 else ''})"
    if comparison.lost_unknown:
        lost += f", and for {len(comparison.lost_unknown)} it is unknown"
    return f"of the best tenth ({len(comparison.good)} trials) {lost}"
