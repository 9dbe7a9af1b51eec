"""Benchmarks of tuitune beside a floor and its peers: see README.md."""

from __future__ import annotations

import argparse
import compileall
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import app
import asha_alone
import flatness
import memory
import opening
import tree
import whole_studies
from table import Place, missed, show

import tuitune

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from table import Benchmark

ALL = {
    "whole_studies": whole_studies.BENCHMARK,
    "asha_alone": asha_alone.BENCHMARK,
    "opening": opening.BENCHMARK,
    "memory": memory.BENCHMARK,
    "flatness": flatness.BENCHMARK,
    "app": app.BENCHMARK,
}


def once(measure: Callable[[Place], Mapping[str, float]], core: int) -> Mapping[str, float]:
    """One measurement in a folder that is empty before and gone after."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return measure(Place(Path(folder), core))


def run(benchmark: Benchmark, repeats: int, core: int) -> dict[str, list[Mapping[str, float]]]:
    """Measure the subjects in turn: a busy minute of the machine affects all of them."""
    results: dict[str, list[Mapping[str, float]]] = {name: [] for name in benchmark.subjects}
    for number in range(1, repeats + 1):
        for name, measure in benchmark.subjects.items():
            load = os.getloadavg()[0]
            print(f"{number} of {repeats}: {name} (load {load:.1f})", file=sys.stderr, flush=True)
            try:
                results[name].append(once(measure, core))
            except (RuntimeError, OSError) as error:
                print(f"{name}: {error}", file=sys.stderr)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*ALL, []], metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--core", type=int, default=0, help="what is measured is pinned to it")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for code in (Path(tuitune.__file__).parent, tree.MEASURED):
        compileall.compile_dir(code, quiet=1)  # as pip does where it installs
    others = os.sched_getaffinity(0) - {options.core}
    os.sched_setaffinity(0, others or {options.core})
    for name in options.names or ALL:
        benchmark = ALL[name]
        results = run(benchmark, options.repeats, options.core)
        print(f"\n## {name}\n\n{show(benchmark, results)}\n", flush=True)
        for words in missed(benchmark, results["ours"]):
            print(f"exceeds its bound: {words}", flush=True)


if __name__ == "__main__":
    main()
