"""Cost of a report and of a trial, after 100 and after 100,000 reports."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import whole_studies
from table import Benchmark, Figure

if TYPE_CHECKING:
    from table import Place

REPORTS, TRIALS, EACH = 100_000, 5_000, 20

SPANS = {"first": (100, 10_000), "middle": (50_000, 60_000), "last": (90_000, 100_000)}

FIGURES = {
    **{
        name: Figure(f"a report, those from {low:,} to {high:,}", "us")
        for name, (low, high) in SPANS.items()
    },
    "report_growth": Figure("the last of these over the first", "x", 1.5),
    "trial_200": Figure("a trial of 20 reports, trials 1 to 200", "ms"),
    "trial_5000": Figure("a trial of 20 reports, trials 4,801 to 5,000", "ms"),
    "trial_growth": Figure("the second over the first", "x", 1.5),
}


def ours(place: Place) -> dict[str, float]:
    cost = whole_studies.study(place, "reports", REPORTS, ["search.trials=1"])
    at = {mark["n"]: mark["wall"] for mark in cost.of("step")}
    figures = {
        name: (at[high] - at[low]) / (high - low) * 1e6 for name, (low, high) in SPANS.items()
    }
    figures["report_growth"] = figures["last"] / figures["first"]

    settings = [f"search.trials={TRIALS}", "search.concurrency=2", "trial.cpus=0"]
    cost = whole_studies.study(place, "trials", EACH, settings)
    starts = [mark["time"] for mark in cost.of("trial")]
    figures["trial_200"] = pace(starts[:200])
    figures["trial_5000"] = pace(starts[-200:])
    figures["trial_growth"] = figures["trial_5000"] / figures["trial_200"]
    return figures


def pace(starts: list[float]) -> float:
    """The median of the milliseconds from a trial's start to the next one's but one, halved.

    Of two that run side by side, the one after the next takes the same slot; a median, since a
    snapshot now and then is not growth.
    """
    gaps = [later - earlier for earlier, later in zip(starts, starts[2:], strict=False)]
    return statistics.median(gaps) / 2 * 1000


BENCHMARK = Benchmark(FIGURES, {"ours": ours})
