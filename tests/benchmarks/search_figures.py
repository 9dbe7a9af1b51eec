"""Quality of our searchers and their peers on recorded tasks: see README.md.

    search_figures.py run --mode full|mf|study [--searcher ours] [--workers 4] --seeds 0:5 --out F
    search_figures.py tables F…            the figures of these files and of the peers' stored ones
    search_figures.py asks                 milliseconds an ask
    search_figures.py real --tasks digits,boosting,transformer --seeds 0:5 --out F   real training

gap: 0 is the best known, 1 what random search has after as many trials (mf, study: after its whole
clock, every trial to the end); the median over seeds, then the geometric mean over tasks, each
within 0.05 and 10. wins: of all pairs of runs with the same task and seed, how many ours wins; a
tie is half a win. mf is the bench's own loop, study is the real engine under a simulated clock.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import search_bench

Run = dict[str, Any]
Cell = tuple[str, int]  # task, seed

POINTS = {
    "full": ("10", "25", "50"),
    "mf": ("0.125", "0.25", "0.5", "1.0"),
    "study": ("0.125", "0.25", "0.5", "1.0"),
}
ASK_SIZES = (50, 200, 500, 1000, 3000)
FULL_TRAININGS = 30


# --- runs ----------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> None:
    search_bench.bench_folder()
    tasks, loop, adapters = (importlib.import_module(m) for m in ("tasks", "run", "adapters"))
    adapters.REGISTRY |= {name: (ours, {}) for name, ours in search_bench.OURS.items()}
    for words in options.set:  # a choice of ours to try: package.module.NAME=value
        name, value = words.split("=", 1)
        module, constant = name.rsplit(".", 1)
        setattr(importlib.import_module(module), constant, json.loads(value))
    first, last = (int(word) for word in options.seeds.split(":"))
    for name in tasks.OPEN if options.tasks == "open" else options.tasks.split(","):
        task = tasks.get(name)
        if options.mode != "full" and not task.has_curves:
            continue
        for seed in range(first, last):
            result: Run = {
                "mode": options.mode,
                "task": name,
                "searcher": options.searcher,
                "seed": seed,
            }
            if options.mode == "full":
                result |= loop.run_full(
                    options.searcher, task, seed, options.trials, options.workers
                )
            elif options.mode == "mf":
                result |= loop.run_mf(options.searcher, task, seed, FULL_TRAININGS)
            else:
                method = search_bench.METHODS[options.searcher]
                how = (options.style, method, options.pruning)
                result |= search_bench.run_study(task, seed, FULL_TRAININGS, *how)
                result["searcher"] += f", {options.pruning} {options.style}"
            with options.out.open("a") as file:
                file.write(json.dumps(result) + "\n")


# --- tables --------------------------------------------------------------------------------------


def read(files: list[Path]) -> list[Run]:
    lines = [line for file in files for line in file.read_text().splitlines()]
    runs = [json.loads(line) for line in lines if line.startswith("{")]
    return [one for one in runs if "at" in one]


class Gaps:
    """best: the lowest loss that anybody ever had, of a task."""

    def __init__(self, runs: list[Run], calibration: dict[str, Any], summary: Any) -> None:
        self._random: dict[tuple[str, str], float] = {}
        self._calibration, self._summary = calibration, summary
        self._best: dict[tuple[str, bool], float] = {}
        for name, words in calibration.items():
            self._best[name, True] = words["best"]
            self._best[name, False] = min(words["best"], words.get("best_curve", math.inf))
        ends = defaultdict(list)
        for one in runs:
            known = (one["task"], one["mode"] == "full")
            losses = [loss for loss in one["at"].values() if loss is not None]
            self._best[known] = min([self._best[known], *losses])
            if one["mode"] == "mf" and one["searcher"] == "random":
                ends[one["task"]].append(one["at"]["1.0"])
        self._ends = {name: median(losses) for name, losses in ends.items()}

    def known(self, one: Run) -> bool:
        return one["mode"] == "full" or one["task"] in self._ends

    def gap(self, one: Run, point: str) -> float:
        name, full = one["task"], one["mode"] == "full"
        best, loss = self._best[name, full], one["at"].get(point)
        if full:
            chance = self._summary.random_median(self._calibration[name], int(point))
        else:
            chance = self._ends[name]
        return math.inf if loss is None else (loss - best) / (chance - best)


def geometric(gaps: list[float]) -> float:
    return math.exp(mean(math.log(min(max(gap, 0.05), 10.0)) for gap in gaps))


def tables(options: argparse.Namespace) -> None:
    folder = search_bench.bench_folder()
    summary = importlib.import_module("summary")
    calibration = json.loads((folder / "data" / "calibration.json").read_text())
    peers = sorted((folder / "results").glob("*.jsonl"))
    runs = read([*peers, *options.files])
    gaps = Gaps(runs, calibration, summary)
    groups: dict[tuple[str, int], dict[str, dict[Cell, Run]]] = defaultdict(dict)
    for one in runs:
        if one["mode"] == "full" and "50" not in one["at"] and "25" not in one["at"]:
            continue
        mode = "mf" if one["mode"] == "study" else one["mode"]
        if gaps.known(one):
            named = groups[mode, one["workers"]].setdefault(one["searcher"], {})
            named[one["task"], one["seed"]] = one
    for (mode, workers), searchers in sorted(groups.items()):
        print(f"\n{mode}, {workers} workers" if workers > 1 else f"\n{mode}, 1 worker")
        for ours in (name for name in searchers if name.startswith("ours")):
            for line in compared(ours, searchers, POINTS[mode], gaps):
                print(line)
            print(by_task(searchers[ours], POINTS[mode][1:], gaps))


def compared(
    ours: str, searchers: dict[str, dict[Cell, Run]], points: tuple[str, ...], gaps: Gaps
) -> list[str]:
    """Ours by itself, then beside each other searcher on the tasks that both have."""
    head = "".join(f"{'at ' + point:>18}" for point in points)
    lines = [f"{ours:<22}{'tasks':>6}{head}{'wins at the end':>18}{'ms an ask':>12}"]
    for name, theirs in sorted(searchers.items()):
        shared = {task for task, _ in searchers[ours]} & {task for task, _ in theirs}
        if not shared:
            continue
        cells = []
        for point in points:
            mine = overall(searchers[ours], shared, point, gaps)
            other = overall(theirs, shared, point, gaps)
            there = f"{other:.2f}" if other is not None else "-"
            cells.append(there if name == ours else f"{there} (ours {mine or math.nan:.2f})")
        end = points[-1]
        pairs = [c for c in searchers[ours] if c in theirs and end in theirs[c]["at"]]
        won = [score(searchers[ours][cell]["at"][end], theirs[cell]["at"][end]) for cell in pairs]
        share = f"{mean(won):.0%} of {len(won)}" if won and name != ours else ""
        asked = f"{median(one['ask_ms'] for one in theirs.values()):.3g}"
        columns = "".join(f"{cell:>18}" for cell in cells)
        lines.append(f"  {name:<20}{len(shared):>6}{columns}{share:>18}{asked:>12}")
    return lines


def overall(runs: dict[Cell, Run], tasks: set[str], point: str, gaps: Gaps) -> float | None:
    """None where the runs end before that point."""
    medians = []
    for task in tasks:
        here = [one for (name, _), one in runs.items() if name == task]
        if any(point not in one["at"] for one in here):
            return None
        medians.append(median(gaps.gap(one, point) for one in here))
    return geometric(medians)


def score(mine: float, theirs: float | None) -> float:
    if theirs is None or mine < theirs - 1e-12:
        return 1.0
    return 0.5 if abs(mine - theirs) <= 1e-12 else 0.0


def by_task(runs: dict[Cell, Run], points: tuple[str, ...], gaps: Gaps) -> str:
    tasks = sorted({task for task, _ in runs})
    words = []
    for task in tasks:
        found = [
            overall({c: r for c, r in runs.items() if c[0] == task}, {task}, p, gaps)
            for p in points
        ]
        words.append(f"{task} " + "/".join(f"{gap or math.nan:.2f}" for gap in found))
    return f"  by task at {'/'.join(points)}: " + ", ".join(words)


# --- asks ----------------------------------------------------------------------------------------


def asks(options: argparse.Namespace) -> None:
    """Ten mixed parameters, four trials running, refits included: CPU time, mean of the asks."""
    for size in ASK_SIZES:
        spent = search_bench.ask_seconds(size, options.asks)
        print(
            f"{size:>5} outcomes: mean {1e3 * mean(spent):.1f} ms, median {1e3 * median(spent):.1f}"
            f", longest {1e3 * max(spent):.1f}",
            flush=True,
        )


# --- real training -------------------------------------------------------------------------------


def real(options: argparse.Namespace) -> None:
    """Best at the end, mean with a 90 % interval over seeds, and the shares of proposals on ends."""
    room = importlib.import_module("real_training")
    room.torch.set_num_threads(1)
    first, last = (int(word) for word in options.seeds.split(":"))
    for name in options.tasks.split(","):
        task = room.TASKS[name]()
        for method in options.methods.split(","):
            runs = []
            for seed in range(first, last):
                runs.append(room.run_real(task, method, seed, options.trials))
                with options.out.open("a") as file:
                    words = {"real": name, "method": method, "seed": seed, **runs[-1]}
                    file.write(json.dumps(words) + "\n")
            best = [one["best"] for one in runs]
            half = 1.645 * stdev(best) / math.sqrt(len(best)) if len(best) > 1 else math.nan
            on_end = {
                key: f"{sum(one['ends'][key][0] for one in runs if key in one['ends']):d}"
                f"/{sum(one['ends'][key][1] for one in runs if key in one['ends']):d}"
                for key in sorted({key for one in runs for key in one["ends"]})
            }
            print(
                f"{name:<12}{method:<8}best {mean(best):.4f} +- {half:.4f} of {len(best)}, "
                f"{mean(one['parts'] for one in runs):.0f} parts; on an end: {on_end}",
                flush=True,
            )


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="search_figures.py")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run")
    one.add_argument("--mode", choices=list(POINTS), default="full")
    one.add_argument("--searcher", default="ours", help=f"{', '.join(search_bench.OURS)} or a peer")
    one.add_argument("--tasks", default="open")
    one.add_argument("--trials", type=int, default=50)
    one.add_argument("--workers", type=int, default=1)
    one.add_argument("--seeds", default="0:5")
    one.add_argument("--style", choices=["promote", "stop"], default="promote")
    one.add_argument("--pruning", choices=["asha", "model", "hyperband"], default="asha")
    one.add_argument("--set", nargs="*", default=[], metavar="MODULE.NAME=JSON")
    one.add_argument("--out", type=Path, required=True)
    one.set_defaults(command=run)
    two = commands.add_parser("tables")
    two.add_argument("files", nargs="*", type=Path)
    two.set_defaults(command=tables)
    three = commands.add_parser("asks")
    three.add_argument("--asks", type=int, default=40)
    three.set_defaults(command=asks)
    four = commands.add_parser("real")
    four.add_argument("--tasks", default="digits,boosting,transformer")
    four.add_argument("--methods", default="bayes,tpe,random")
    four.add_argument("--trials", type=int, default=40)
    four.add_argument("--seeds", default="0:5")
    four.add_argument("--out", type=Path, required=True)
    four.set_defaults(command=real)
    options = parser.parse_args(words)
    began = time.perf_counter()
    options.command(options)
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
