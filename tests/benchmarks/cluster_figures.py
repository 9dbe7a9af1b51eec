"""Figures of studies on a Ray cluster beside local ones, and beside Ray Tune on the same cluster.

`python cluster_figures.py [NAME]...`; Ray Tune is measured where `ray[tune]` is installed, torch too.
The cluster's raylets run on this machine. Medians of REPEATS pairs, taken in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tree
from ray.cluster_utils import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

REPEATS = 3
LIGHT, TORCH, PEERS = 3_000, 1_000, 8  # trials
REPORTS, WAITING, CALLS = 100_000, 1_000, 500
MANY, WATCHED = 200, 20.0  # trials at once; s
PATIENCE = 300.0  # s
TICKS = os.sysconf("SC_CLK_TCK")


class Bench:
    """A cluster, and a folder in which studies run one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marks_path = folder / "marks.jsonl"
        os.environ |= {
            "BENCH_MARKS": str(self.marks_path),
            "OMP_NUM_THREADS": "1",
            "XDG_STATE_HOME": str(folder / "state"),
        }
        for name in ("light", "torched", "slow_reports"):
            shutil.copy(tree.MEASURED / f"{name}.py", folder)
        self.cluster = Cluster()
        self.cluster.add_node(num_cpus=0, include_dashboard=False)
        self.cluster.add_node(num_cpus=2)
        self.numbers = iter(range(10_000))

    def file(self, kind: str, reports: int) -> Path:
        """A study file of this target, whose trials report so often."""
        text = (tree.MEASURED / "light.toml").read_text().replace("light.py", f"{kind}.py")
        env = f'env = {{ BENCH_REPORTS = "{reports}" }}'
        text = text.replace("[trial]", f"[trial]\n{env}\ngpus = 0")
        found = self.folder / f"study{next(self.numbers)}.toml"
        found.write_text(text)
        return found

    def command(self, file: Path, settings: Sequence[str], *, on_ray: bool) -> list[str]:
        """That runs a study to its end."""
        sets = [word for setting in settings for word in ("--set", setting)]
        where = ["--on", self.cluster.address] if on_ray else []
        return [sys.executable, "-m", "tuitune", str(file), "--no-ui", *sets, *where]

    def marks(self) -> list[dict[str, Any]]:
        """What trials have marked, in the order of time."""
        lines = self.marks_path.read_text().splitlines() if self.marks_path.exists() else []
        return sorted(map(json.loads, lines), key=lambda mark: mark["time"])

    def run(self, command: Sequence[str]) -> tuple[float, list[dict[str, Any]], str]:
        """(when it began, the marks of its trials, its output). Raises RuntimeError."""
        self.marks_path.unlink(missing_ok=True)
        began = time.time()
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        return began, self.marks(), done.stdout

    def study(
        self, settings: Sequence[str], kind: str = "light", reports: int = 1, *, on_ray: bool
    ) -> tuple[float, list[dict[str, Any]]]:
        """When a study began, and the marks of its trials."""
        file = self.file(kind, reports)
        began, marks, _ = self.run(self.command(file, settings, on_ray=on_ray))
        return began, marks

    def empty(self, calls: int) -> tuple[float, float]:
        """Seconds to an empty actor's first answer, and of an awaited empty call."""
        script = str(tree.MEASURED / "ray_calls.py")
        began, _, output = self.run([sys.executable, script, self.cluster.address, str(calls)])
        found = json.loads(output.splitlines()[-1])
        return found["first"] - began, found["call"]

    def ray_tune(self, trials: int, *, torch: bool) -> float:
        """Trials a second of Ray Tune, two at a time."""
        script = str(tree.MEASURED / "on_ray_tune.py")
        words = [sys.executable, script, self.cluster.address, str(trials), str(int(torch))]
        return rate(self.run(words)[1])

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.cluster.shutdown()


def rate(marks: Sequence[Mapping[str, Any]]) -> float:
    """Trials started a second, from the first start to the last."""
    starts = [mark["time"] for mark in marks if mark["event"] == "trial"]
    return (len(starts) - 1) / (starts[-1] - starts[0])


def each_report(marks: Sequence[Mapping[str, Any]], clock: str = "wall") -> float:
    """Microseconds that a report takes in the trial. clock: "wall", or "cpu" for its own work."""
    (mark,) = [mark for mark in marks if mark["event"] == "reports"]
    return mark[clock] / mark["n"] * 1e6


def medians(measure: Callable[[], Sequence[float]]) -> list[float]:
    """Of what REPEATS measurements give."""
    found = [measure() for _ in range(REPEATS)]
    return [statistics.median(column) for column in zip(*found, strict=True)]


def show(words: str, value: str, bound: str) -> None:
    print(f"{words:62}{value:>32}   {bound:14} load {os.getloadavg()[0]:.1f}", flush=True)


def start(bench: Bench) -> None:
    """From the command to the first trial."""

    def once() -> Sequence[float]:
        began, marks = bench.study(["search.trials=1"], on_ray=True)
        ours, (empty, _) = marks[0]["time"] - began, bench.empty(0)
        return ours, empty, ours - empty

    ours, empty, more = medians(once)
    values = f"{ours:.2f} s, {empty:.2f} s: + {more:.2f} s"
    show("command to first trial, over an empty actor's first answer", values, "+ 1.0 s")


def throughput(bench: Bench) -> None:
    """Trials a second, with two slots."""
    for kind, trials, torch in (("light", LIGHT, False), ("torched", TORCH, True)):
        two = [f"search.trials={trials}", "search.concurrency=2", "trial.cpus=1"]

        def once(kind: str = kind, two: list[str] = two) -> Sequence[float]:
            there = rate(bench.study(two, kind, on_ray=True)[1])
            local = ["search.concurrency=2", "trial.cpus=0", two[0]]
            here = rate(bench.study(local, kind, on_ray=False)[1])
            return there, here, there / here

        there, here, share = medians(once)
        values = f"{there:.1f}/s, {here:.1f}/s: {share:.2f}"
        show(f"{kind} trials, two at a time, of the local executor's", values, "0.7")
        if importlib.util.find_spec("pyarrow"):  # which Ray Tune needs, and plain Ray does not
            theirs = bench.ray_tune(PEERS, torch=torch)
            show("- of Ray Tune's", f"{theirs:.2f}/s: {there / theirs:.0f} x", "50 x")


def reports(bench: Bench) -> None:
    """A report in the trial, and one that waits for its verdict."""
    judged = ["search.trials=1", "pruning.method=asha"]

    def once() -> Sequence[float]:
        more = [*judged, f"pruning.max={REPORTS + 1}"]
        there = bench.study(more, reports=REPORTS, on_ray=True)[1]
        here = bench.study(more, reports=REPORTS, on_ray=False)[1]
        return [each_report(marks, clock) for clock in ("wall", "cpu") for marks in (there, here)]

    there, here, cpu_there, cpu_here = medians(once)
    values = f"{there:.1f} us, {here:.1f} us: {there / here:.2f}"
    show("a report between rungs, of a local one", values, "1.2")
    values = f"{cpu_there:.1f} us, {cpu_here:.1f} us: {cpu_there / cpu_here:.2f}"
    show("- its CPU in the trial", values, "1.2")
    dense = [*judged, "pruning.reduction=1.0005", f"pruning.max={WAITING + 1}"]

    def waits() -> Sequence[float]:
        ours = each_report(bench.study(dense, reports=WAITING, on_ray=True)[1]) / 1e3
        call = bench.empty(CALLS)[1] * 1e3
        return ours, call, ours / call

    ours, call, ratio = medians(waits)
    values = f"{ours:.2f} ms, {call:.2f} ms: {ratio:.1f} x"
    show("a report that waits, over an awaited empty call", values, "4 x")


def many(bench: Bench) -> None:
    """Many trials that report now and then: the processes around them, and the memory of each."""
    node = bench.cluster.add_node(num_cpus=MANY)
    settings = [f"search.trials={MANY}", f"search.concurrency={MANY}", "trial.cpus=1"]
    command = bench.command(bench.file("slow_reports", 0), settings, on_ray=True)
    bench.marks_path.unlink(missing_ok=True)
    engine = subprocess.Popen(command, cwd=bench.folder, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while len(bench.marks()) < MANY:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(bench.marks())} of {MANY} trials have started")
            time.sleep(0.5)
        time.sleep(10.0)
        own = [process for process in tree.family(engine.pid) if command_of(process)]
        bridges = [one for one in own if "ray.bridge" in command_of(one)]
        watched = [engine.pid, *bridges]
        before = sum(map(spent, watched))
        time.sleep(WATCHED)
        cores = (sum(map(spent, watched)) - before) / WATCHED
        pids = [mark["pid"] for mark in bench.marks()]
        each = statistics.median(tree.memory(pid)[0] for pid in pids)
        agents = [pid for pid in processes() if "engine.agent" in command_of(pid)]
        actors = [tree.memory(pid)[0] + tree.memory(parent_of(pid))[0] for pid in agents]
        bridge = tree.memory(bridges[0])[0]
    finally:
        engine.send_signal(signal.SIGINT)
        engine.wait(60)
        bench.cluster.remove_node(node)
    show(f"{MANY} trials, a report every 2 s: engine and bridge", f"{cores:.3f} cores", "0.05")
    show("- PSS of a trial", f"{each:.1f} MB", "4")
    pss = f"{max(actors):.0f}, {bridge:.0f} MB"
    show("- PSS of the larger agent with its actor, of the bridge", pss, "100, 100")


def processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def spent(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


PARTS = {"start": start, "throughput": throughput, "reports": reports, "many": many}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*PARTS, []], metavar="NAME", help=", ".join(PARTS)
    )
    names = parser.parse_args().names or [*PARTS]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder))
        try:
            for name in names:
                PARTS[name](bench)
        finally:
            bench.close()


if __name__ == "__main__":
    main()
