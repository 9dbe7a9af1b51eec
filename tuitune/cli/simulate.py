"""`simulate`: a recorded study replayed under other pruning."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tuitune.cli import console, studies
from tuitune.cli.arguments import Refusal
from tuitune.messages.text import duration, number, plain, table, trial_names, which
from tuitune.simulation import recorded, replay
from tuitune.store import errors, folder
from tuitune.store.collector import collector_paused
from tuitune.studyfile import load

_CHANGEABLE = ("pruning.", "search.concurrency=")


def simulate_study(text: str | None, runs: Path, overrides: Sequence[str], *, as_json: bool) -> int:
    """Compare the study with its simulation under these overrides; the exit status."""
    refused = [word for word in overrides if not word.startswith(_CHANGEABLE)]
    if refused:
        raise Refusal(
            f"--set {refused[0]}: a simulation can change keys of [pruning], as "
            f"pruning.reduction=4, and search.concurrency only"
        )
    study = studies.open_study(text, runs)
    changed = load(study.path / folder.DOCUMENT, overrides=overrides, check_target=False)
    with collector_paused():
        metric = study.spec.objective.metric
        with errors.consistent(study.path / folder.DATABASE):
            recording = recorded.read(study.reader.history(metric), metric)
        if not any(record.points for record in recording.trials):
            raise Refusal(f"{study.name}: no trial has reported yet: nothing to simulate")
        comparison = replay.compare(study.spec, changed, recording)
    if as_json:
        console.print_json(
            {"study": study.name, "set": overrides, **msgspec.to_builtins(comparison)}
        )
    else:
        print(_words(study, overrides, comparison, len(recording.trials)))
    return 0


def _words(
    study: studies.StudyFolder, overrides: Sequence[str], comparison: replay.Comparison, trials: int
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


def _best(side: replay.Side) -> str:
    if side.best is None:
        return "-"
    return f"{number(side.value)} {which(side.best, partial=side.partial)}"


def _good(comparison: replay.Comparison) -> str:
    lost = f"{len(comparison.lost)} would have been stopped"
    if comparison.lost:
        shown = trial_names(comparison.lost[:10])
        lost += f" ({shown}{', …' if len(comparison.lost) > 10 else ''})"
    if comparison.lost_unknown:
        lost += f", and for {len(comparison.lost_unknown)} it is unknown"
    return f"of the best tenth ({len(comparison.good)} trials) {lost}"
