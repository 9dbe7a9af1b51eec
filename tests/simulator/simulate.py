"""The command of the simulator: random studies, with all invariants checked after each event.

python tests/simulator --seeds 0:1000           prints a report; exit 0 where all holds
python tests/simulator --plant lost-report      plants a bug first; exit 1 is expected
python tests/simulator --plant list             the bugs that can be planted
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field

from simulator.fuzzer import Report, run_seed
from simulator.planted_bugs import BUGS

SHOWN = 5  # seeds whose violations are printed in full


@dataclass
class Summary:
    reports: list[Report] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def broken(self) -> list[Report]:
        return [report for report in self.reports if report.violations]

    def lines(self) -> list[str]:
        def total(name: str) -> float:
            return sum(getattr(report, name) for report in self.reports)

        lines = [
            f"seed {report.seed}: {problem}"
            for report in self.broken[:SHOWN]
            for problem in report.violations[:3]
        ]
        return [
            *lines,
            f"{'seeds':<12}{len(self.reports):>10}",
            f"{'trials':<12}{total('trials'):>10}",
            f"{'engines':<12}{total('engines'):>10}",
            f"{'events':<12}{total('events'):>10}",
            f"{'facts':<12}{total('facts'):>10}",
            f"{'hours':<12}{total('seconds') / 3600:>10.1f} on the studies' clocks",
            f"{'seconds':<12}{self.seconds:>10.1f} on ours",
            f"{'violations':<12}{len(self.broken):>10} seeds",
        ]


def simulate(seeds: range, *, first: bool = False) -> Summary:
    """Run these seeds; `first`: only up to the first one that breaks something."""
    summary = Summary()
    start = time.perf_counter()
    for seed in seeds:
        report = run_seed(seed)
        summary.reports.append(report)
        if first and report.violations:
            break
    summary.seconds = time.perf_counter() - start
    return summary


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python tests/simulator")
    parser.add_argument("--seeds", default="0:1000", metavar="FIRST:END", help="default: 0:1000")
    parser.add_argument("--plant", metavar="NAME", help="a known bug to plant; `list` names them")
    said = parser.parse_args(words)
    if said.plant == "list":
        for name, plant in BUGS.items():
            print(f"{name:<28} {plant.__doc__}")
        return 0
    if said.plant is not None and said.plant not in BUGS:
        parser.error(f"no plant {said.plant}; `--plant list` names them")
    first, _, end = said.seeds.partition(":")
    seeds = range(int(first), int(end or int(first) + 1))
    if said.plant is None:
        summary = simulate(seeds)
    else:
        with BUGS[said.plant]():
            summary = simulate(seeds, first=True)
    print("\n".join(summary.lines()))
    return 1 if summary.broken else 0
