"""Cost of the app: opening, standing idle, answering a key; beside other programs."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import tree
from table import Benchmark, Figure

sys.path.append(str(Path(__file__).parents[1]))

import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from table import Place

SIZES = {"80x24": (80, 24), "140x45": (140, 45), "200x60": (200, 60)}
STEADY = 20.0  # s that it is watched
SETTLE = 4.0  # s before that, for curves of old and the like
STARTS = 7
MEGABYTE = 1 << 20
EMPTY = [sys.executable, str(tree.MEASURED / "app_empty.py")]
TYPICAL, HEAVY = 4.0, 500.0  # reports a second
FIGURES = {
    "paint": Figure("first paint of 10,000 trials, CPU", "s", 0.4),
    "empty": Figure("first paint of an empty app of Textual's, CPU", "s"),
    "attach": Figure("`attach` to its first paint, wall", "s", 1.0),
    "cpu": Figure("steady, 16 of 10,000 trials running, 8 devices, 120x40, CPU", "%", 2.0),
    "memory": Figure("memory, PSS", "MB", 80.0),
    "bytes 80x24": Figure("written at 80x24", "kB/s", 5.0),
    "bytes 140x45": Figure("written at 140x45", "kB/s", 10.0),
    "bytes 200x60": Figure("written at 200x60", "kB/s", 15.0),
    "remote 80x24": Figure("written over SSH at 80x24", "kB/s", 2.5),
    "remote 140x45": Figure("written over SSH at 140x45", "kB/s", 5.0),
    "remote 200x60": Figure("written over SSH at 200x60", "kB/s", 7.5),
    "idle": Figure("written when nothing changes", "kB/s", 0.0),
    "key p50": Figure("key to paint, 500 reports a second, median", "ms", 20.0),
    "key p95": Figure("key to paint, 500 reports a second, p95", "ms", 50.0),
    "sort": Figure("a sort of 10,000, CPU above that of a plain key", "ms", 20.0),
    "filter": Figure("a letter of a filter over 10,000, CPU above that of a plain key", "ms", 20.0),
}


def _variables(place: Place, *, remote: bool = False) -> dict[str, str]:
    """A terminal of 256 colours in UTF-8, with or without a connection over SSH."""
    connection = {"SSH_CONNECTION": "10.0.0.1 4000 10.0.0.2 22"} if remote else {}
    return {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "XDG_STATE_HOME": str(place.folder / "state"),
        "XDG_CONFIG_HOME": str(place.folder / "config"),
        **connection,
    }


@contextlib.contextmanager
def fed(folder: Path, rate: float) -> Iterator[None]:
    """Somebody who stores reports as an engine would, on another core."""
    script = str(tree.MEASURED / "app_world.py")
    feeder = subprocess.Popen(
        [sys.executable, script, "feed", str(folder), str(rate)], stdout=subprocess.PIPE
    )
    try:
        assert feeder.stdout is not None
        feeder.stdout.readline()
        yield
    finally:
        feeder.kill()
        feeder.wait()


def build(place: Place) -> Path:
    folder = place.folder / "runs" / "study"
    subprocess.run(
        [sys.executable, str(tree.MEASURED / "app_world.py"), "build", str(folder)], check=True
    )
    return folder


def opener(place: Place, command: Sequence[str], sign: bytes) -> Callable[..., terminal.Terminal]:
    """Starts a program at a size and waits until `sign` is on its screen."""

    def opened(size: str, *, remote: bool = False) -> terminal.Terminal:
        columns, lines = SIZES.get(size) or tuple(map(int, size.split("x")))
        variables = _variables(place, remote=remote)
        program = terminal.start(command, columns, lines, variables, place.core)
        if not program.pump(terminal.PATIENCE, lambda t: sign in t.text):
            program.close()
            raise RuntimeError(f"{command[0]} painted nothing: {program.text[-500:]!r}")
        return program

    return opened


def measure(place: Place, command: Sequence[str], sign: bytes, *, keys: bool) -> dict[str, float]:
    """All figures of one program on the fed study."""
    folder = build(place)
    opened = opener(place, [*command, str(folder)], sign)
    figures: dict[str, float] = {}
    with fed(folder, TYPICAL):
        figures |= _opening(opened, "paint", "attach")
        figures |= _steady(opened)
        for size in SIZES:
            figures[f"bytes {size}"] = _rate(opened(size))
            figures[f"remote {size}"] = _rate(opened(size, remote=True))
    figures["idle"] = _rate(opened("120x40"))
    if keys:
        with fed(folder, HEAVY):
            figures |= _latency(opened("120x40"))
        figures |= _work(opened("120x40"))
    return figures


def _opening(
    opened: Callable[..., terminal.Terminal], paint: str, wall: str = ""
) -> dict[str, float]:
    """The median of several starts, after one that reads all files from the disk, by these names."""
    opened("120x40").close()
    walls, paints = [], []
    for _ in range(STARTS):
        program = opened("120x40")
        walls.append(time.monotonic() - program.began)
        paints.append(program.cpu())
        program.close()
    figures = {paint: statistics.median(paints)}
    return {**figures, wall: statistics.median(walls)} if wall else figures


def _steady(opened: Callable[..., terminal.Terminal]) -> dict[str, float]:
    program = opened("120x40")
    try:
        program.pump(SETTLE)
        before, start = program.cpu(), time.monotonic()
        program.pump(STEADY)
        used = (program.cpu() - before) / (time.monotonic() - start)
        return {"cpu": 100 * used, "memory": program.pss() / MEGABYTE}
    finally:
        program.close()


def _rate(program: terminal.Terminal) -> float:
    """kB a second, once it stands."""
    try:
        program.pump(SETTLE)
        before, start = program.written, time.monotonic()
        program.pump(STEADY / 2)
        return (program.written - before) / (time.monotonic() - start) / 1000
    finally:
        program.close()


def _latency(program: terminal.Terminal) -> dict[str, float]:
    """The cursor, down and up again."""
    try:
        program.pump(SETTLE)
        times = []
        for number in range(200):
            program.pump(0.013 * (number % 7))
            times.append(1000 * program.latency("jk"[number // 10 % 2]))
        times.sort()
        return {"key p50": statistics.median(times), "key p95": times[int(0.95 * len(times))]}
    finally:
        program.close()


def _work(program: terminal.Terminal) -> dict[str, float]:
    """CPU of a sort and of a filter's letters, less that of as many keys that move the cursor."""
    try:
        program.pump(SETTLE)
        plain = _cpu_of(program, "jk" * 10) / 20
        sort = _cpu_of(program, ">" * 20) / 20
        program.press("/")
        program.pump(0.5)
        letters = _cpu_of(program, "optimizer=adamw lr<1") / 20
        return {"sort": 1000 * (sort - plain), "filter": 1000 * (letters - plain)}
    finally:
        program.close()


def _cpu_of(program: terminal.Terminal, keys: str) -> float:
    before = program.cpu()
    for key in keys:
        program.press(key)
        program.pump(0.1)
    return program.cpu() - before


def ours(place: Place) -> Mapping[str, float]:
    command = [sys.executable, "-m", "tuitune", "attach"]
    empty = _opening(opener(place, EMPTY, b"here"), "empty")
    return {**empty, **measure(place, command, b" help", keys=True)}


def on_nodes(place: Place) -> Mapping[str, float]:
    """On 64 nodes of 8 GPUs in place of one machine with 8."""
    os.environ["BENCH_NODES"] = "64"
    try:
        command = [sys.executable, "-m", "tuitune", "attach"]
        return measure(place, command, b" help", keys=False)
    finally:
        del os.environ["BENCH_NODES"]


def widgets(place: Place) -> Mapping[str, float]:
    command = [sys.executable, str(tree.MEASURED / "app_of_widgets.py")]
    return measure(place, command, b"q leave", keys=False)


def monitor(name: str, place: Place) -> Mapping[str, float]:
    """A system monitor at its defaults: it knows no study, so only what it writes is told."""
    opened = opener(place, [name], b"")
    figures = {f"bytes {size}": _rate(opened(size)) for size in SIZES}
    return {**figures, **_steady(opened)}


def _monitors() -> dict[str, Callable[[Place], Mapping[str, float]]]:
    return {
        name: functools.partial(monitor, name) for name in ("btop", "htop") if shutil.which(name)
    }


BENCHMARK = Benchmark(
    FIGURES, {"ours": ours, "64 nodes": on_nodes, "widgets": widgets, **_monitors()}
)
