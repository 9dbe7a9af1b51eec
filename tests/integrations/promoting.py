"""A study that promotes, and the same configurations trained in one go: both must come to the same values."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workshop import Workshop

from tuitune.store.folder import DATABASE, find_study
from tuitune.store.reader import Reader

Curve = list[tuple[int, int, float]]  # attempt, step, value
LAST = 4  # the step at which a trial is complete

STUDY = """
[objective]
metric = "{metric}"
mode = "min"
[space]
{space}
[search]
{search}
concurrency = {concurrency}
[trial]
{target}
cpus = 0.5
[pruning]
method = "{method}"
resource = "{resource}"
max = {last}
"""
SPACE = "x = { low = 0.1, high = 0.5 }"
FOUR = 'method = "random"\ntrials = 4'
PROMOTING = 'min = 1\nreduction = 2\nstyle = "promote"\n'


def write_study(
    workshop: Workshop,
    name: str,
    target: str,
    *,
    metric: str,
    resource: str = "epoch",
    method: str = "asha",
    space: str = SPACE,
    search: str = FOUR,
    last: int = LAST,
) -> str:
    """The name of a study file; `target` is the line of [trial] that says what runs."""
    text = STUDY.format(
        # One after another: which of them pause must not depend on timing.
        concurrency=1 if method == "asha" else 2,
        metric=metric,
        target=target,
        method=method,
        resource=resource,
        space=space,
        search=search,
        last=last,
    )
    workshop.write(f"{name}.toml", text + (PROMOTING if method == "asha" else ""))
    return f"{name}.toml"


def curves(workshop: Workshop, study: str, metric: str) -> dict[int, Curve]:
    reader = Reader.open(find_study(study, workshop.path / "runs") / DATABASE)
    found = {row.number: reader.curve(row.number, metric) for row in reader.trials()}
    reader.close()
    return {
        number: [(attempt, step, value) for attempt, step, value in curve if value is not None]
        for number, curve in found.items()
    }


def run(workshop: Workshop, file: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    done = workshop.run(file, "--no-ui", timeout=280, env=workshop.environment | dict(env))
    logs = sorted((workshop.path / "runs").glob("*/trials/*/output.log"))
    shown = "\n".join(f"{log}\n{log.read_text()[-2000:]}" for log in logs)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{shown}"
    return done


def steps_by_case(
    workshop: Workshop, target: str, cases: Iterable[str], *, resource: str, metric: str, last: int
) -> dict[str, list[int]]:
    """The steps that are reported with the metric, by the value of the parameter `case`."""
    file = write_study(
        workshop,
        "cases",
        target,
        metric=metric,
        resource=resource,
        method="none",
        space=f"case = {json.dumps(list(cases))}",
        search='method = "grid"',
        last=last,
    )
    done = run(workshop, file, {})
    assert "warning" not in done.stdout + done.stderr, done.stdout
    found = curves(workshop, "cases", metric)
    return {
        trial["config"]["case"]: [step for _, step, _ in found[trial["trial"]]]
        for trial in workshop.trials("cases")
    }


def assert_only_complete_trials_wrote(
    workshop: Workshop, name: str
) -> list[tuple[dict[str, Any], Path]]:
    """What a target writes at its end is in no folder of a stopped trial: trials and folders."""
    found = [
        (trial, workshop.path / f"runs/promoted/trials/{trial['trial']:04}")
        for trial in workshop.trials("promoted")
    ]
    for trial, folder in found:
        assert (folder / name).exists() is (trial["state"] == "COMPLETE"), "a stop ends it"
    return found


def assert_promotion_loses_nothing(
    workshop: Workshop,
    target: str,
    *,
    metric: str,
    resource: str = "epoch",
    env: Mapping[str, str] | None = None,
) -> dict[int, Curve]:
    """Each step once, whatever its attempt, with the value that it has without a pause."""
    kinds: dict[str, Any] = {"metric": metric, "resource": resource}
    promoted = write_study(workshop, "promoted", target, **kinds)
    straight = write_study(workshop, "straight", target, method="none", **kinds)
    done = run(workshop, promoted, env or {})
    warnings = [line for line in (done.stdout + done.stderr).splitlines() if "warning" in line]
    assert [line for line in warnings if "imports all again" not in line] == []  # threads: not ours
    run(workshop, straight, env or {})
    states = {trial["trial"]: trial["state"] for trial in workshop.trials("promoted")}
    assert set(states.values()) == {"COMPLETE", "PRUNED"}
    expected = curves(workshop, "straight", metric)
    found = curves(workshop, "promoted", metric)
    assert found.keys() == expected.keys()
    for number, curve in found.items():
        values = [(step, value) for _, step, value in curve]
        steps = [(step, value) for _, step, value in expected[number]]
        assert values == steps[: len(values)], f"trial {number}, {states[number]}: {curve}"
        assert (len(values) == len(steps)) == (states[number] == "COMPLETE")
    assert max(attempt for curve in found.values() for attempt, _, _ in curve) > 0
    return found
