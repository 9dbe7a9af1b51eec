"""Makes the pictures of the README and the docs from real studies: `python docs/screenshots.py [NAME]...`.

Runs spaces/digits.toml, a study whose trials fail in two ways, and one on eight GPUs that the tests'
library pretends; opens the app on each, and writes what is on the screen as SVG beside this file.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from tuitune.core.events import ENDED
from tuitune.store.errors import StoreError
from tuitune.ui.app import TuituneApp
from tuitune.ui.configuration import configured
from tuitune.ui.screens.study import StudyScreen
from tuitune.ui.state.options import Options
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.state.source import Source

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.append(str(ROOT / "tests"))

from nvml_world import World, build  # noqa: E402 - the tests' pretended GPUs

PATIENCE = 120.0  # s
FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)  # from another host; any monospace does
SEARCH = """
[objective]
metric = "val_loss"
mode = "min"
[trial]
target = "train.py:train"
{more}
[space]
lr = {{ low = 1e-4, high = 1.0, log = true }}
weight_decay = {{ low = 1e-6, high = 1e-2, log = true }}
layers = {{ low = 1, high = 6 }}
act = ["relu", "gelu", "tanh", "swish"]
dropout = {{ low = 0.0, high = 0.5 }}
[search]
method = "random"
trials = {trials}
[pruning]
method = "asha"
resource = "epoch"
max = 27
"""
# Fails with an activation that it doesn't know, and with a learning rate that is too large.
FAILING = """
import math, random, time

def train(trial):
    c, noise = trial.config, random.Random(trial.number)
    if c["act"] == "swish":
        raise ValueError("unknown activation 'swish': one of relu, gelu, tanh")
    for epoch in range(1, trial.max_resource + 1):
        time.sleep(0.02)
        if c["lr"] > 0.3:
            raise FloatingPointError("the loss is nan")
        loss = 0.2 + 0.3 * abs(math.log10(c["lr"]) + 2.5) + 1.5 / (epoch + 1) + noise.gauss(0, 0.01)
        accuracy = max(0.0, 1 - loss / 2)
        trial.report(epoch=epoch, val_loss=loss, accuracy=accuracy,
                     lr=c["lr"] * 0.97**epoch, grad_norm=loss * noise.uniform(1, 3))
        print(f"epoch {epoch}  val_loss {loss:.4f}  accuracy {accuracy:.4f}", flush=True)
"""
# Says to the pretended driver what it holds, and runs until its pruner stops it.
ON_GPUS = """
import math, os, random, time

def train(trial):
    c, noise = trial.config, random.Random(trial.number)
    gpu = os.environ["CUDA_VISIBLE_DEVICES"].rpartition("-")[2]
    line = f"process gpu={gpu} pid={os.getpid()} memory={9000 + 3000 * c['layers']} live=1\\n"
    with open(os.environ["NVML_WORLD"] + ".live", "a") as live:
        live.write(line)
    for epoch in range(1, trial.max_resource + 1):
        time.sleep(noise.uniform(0.3, 0.8))
        loss = 0.2 + 0.3 * abs(math.log10(c["lr"]) + 2.5) + 1.5 / (epoch + 1) + noise.gauss(0, 0.01)
        trial.report(epoch=epoch, val_loss=loss)
        print(f"epoch {epoch}  val_loss {loss:.4f}", flush=True)
"""


class Picture(NamedTuple):
    """A picture: its file, the study and the keys that lead to it."""

    name: str
    study: str  # "digits", "failing", "gpus" or "nodes"
    theme: str
    size: tuple[int, int]
    keys: Sequence[str]
    when: str = "running"  # or "finished"


PICTURES = (
    Picture("app", "digits", "dark", (140, 45), ("g", "j", "j", "j")),
    Picture("light", "digits", "light", (140, 45), ("g", "j", "j", "j", "B")),
    Picture("small", "digits", "dark", (80, 24), ("g", "j", "j")),
    Picture("wide", "digits", "dark", (200, 60), ("g", "j", "j", "j")),
    Picture("finished", "digits", "dark", (140, 45), ("g", "V", "V"), "finished"),
    Picture("timeline", "digits", "light", (120, 20), ("W", "z"), "finished"),
    Picture("grid", "failing", "dark", (140, 45), ("M", "z", *["right"] * 9), "finished"),
    Picture("contour", "failing", "light", (120, 32), ("V", "V", "z"), "finished"),
    Picture("failures", "failing", "dark", (140, 45), ("/", *"has:error", "enter"), "finished"),
    Picture("gpus", "gpus", "dark", (140, 45), ("g", "j")),
    Picture("gpus-alone", "gpus", "light", (140, 45), ("1", "z")),
    Picture("nodes", "nodes", "dark", (140, 24), ("1", "z", *["down"] * 3)),
)


def is_ready(snapshot: Snapshot, when: str) -> bool:
    """Whether the study is finished, or far enough for a picture of how it runs."""
    if when == "finished":
        return snapshot.engine.state == "finished"
    if any(samples[-1].kind == "gpu" for samples in snapshot.devices.values() if samples):
        return all(len(samples) > 40 for samples in snapshot.devices.values())
    return sum(row.state in ENDED for row in snapshot.rows) >= 24


async def take(folder: Path, title: str, picture: Picture) -> None:
    """Opens the app on a study, presses the keys, and writes the picture."""
    options = Options(theme=picture.theme)
    study = StudyScreen(Source(folder, title, time.time()), configured(), options)
    app = TuituneApp(study, options)
    async with app.run_test(size=picture.size) as pilot:
        end = time.monotonic() + PATIENCE
        while not is_ready(study.snapshot, picture.when) and time.monotonic() < end:
            await pilot.pause(0.1)
        await pilot.pause(1.0)
        await pilot.press(*picture.keys)
        await pilot.pause(0.6)
        shown = app.export_screenshot(title=f"tuitune {title}")
        runs = str(folder.parent)  # of as many letters: the widths of texts are in the picture
        shown = shown.replace(runs, "/home/anna/train".ljust(len(runs), "-")[: len(runs)])
        (HERE / f"{picture.name}.svg").write_text(FONTS.sub("", shown))


def opened(folder: Path) -> bool:
    """Whether the study can be read already."""
    try:
        Source(folder, "", time.time()).close()
    except (OSError, StoreError):
        return False
    return True


@contextmanager
def running(file: Path, runs: Path, **variables: str) -> Iterator[Path]:
    """Runs a study file to its end; gives the folder of the study once it can be read."""
    command = [sys.executable, "-m", "tuitune", str(file), "--no-ui", "--runs", str(runs)]
    environment = {**os.environ, **variables}
    study = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=environment)
    folder = runs / file.stem
    while not opened(folder):
        if study.poll() is not None:
            raise SystemExit(f"{file} could not be run")
        time.sleep(0.1)
    try:
        yield folder
    finally:
        study.terminate()
        study.wait()


def written(folder: Path, name: str, code: str, trials: int, more: str = "") -> Path:
    """A study file, and its training code beside it."""
    place = folder / "files"
    place.mkdir()
    (place / "train.py").write_text(code)
    (place / f"{name}.toml").write_text(SEARCH.format(trials=trials, more=more))
    return place / f"{name}.toml"


def digits(runs: Path, pictures: Sequence[Picture]) -> None:
    """Take pictures of spaces/digits.toml, those of the finished study last."""
    with running(ROOT / "spaces" / "digits.toml", runs) as folder:
        for picture in sorted(pictures, key=lambda one: one.when == "finished"):
            asyncio.run(take(folder, "spaces/digits.toml", picture))


def failing(runs: Path, pictures: Sequence[Picture]) -> None:
    """Take pictures of a study of which some trials fail."""
    with running(written(runs, "mnist", FAILING, 60), runs) as folder:
        for picture in pictures:
            asyncio.run(take(folder, "mnist.toml", picture))


def gpus(runs: Path, pictures: Sequence[Picture]) -> None:
    """Take pictures of a study on eight pretended GPUs, one of which another program uses."""
    world = World(runs / "world.txt", build(runs / "nvml"), "docs-").with_gpus(
        8, name="NVIDIA_H100_80GB_HBM3", limit=700
    )
    file = written(runs, "imagenet", ON_GPUS, 800, "gpus = 1\ncpus = 0.25")
    over = Event()
    mover = Thread(target=move, args=(world, over))
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    world.processes = [{"gpu": 5, "pid": stranger.pid, "memory": 74000}]
    mover.start()
    locks = runs / "locks"
    locks.mkdir()
    locks.chmod(0o1777)
    runs.chmod(0o755)
    variables = {**world.environment, "TUITUNE_LOCKS": str(locks)}
    try:
        with running(file, runs, **variables) as folder:
            for picture in pictures:
                asyncio.run(take(folder, "imagenet.toml", picture))
    finally:
        over.set()
        mover.join()
        stranger.kill()
        stranger.wait()


def nodes(runs: Path, pictures: Sequence[Picture]) -> None:
    """Take pictures of the study of the benchmarks, whose trials and nodes are made up."""
    feeder = [sys.executable, str(ROOT / "tests" / "benchmarks" / "measured" / "app_world.py")]
    folder = runs / "imagenet"
    subprocess.run([*feeder, "build", str(folder)], check=True)
    environment = {**os.environ, "BENCH_NODES": "16"}
    fed = subprocess.Popen(
        [*feeder, "feed", str(folder), "20"], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        for picture in pictures:
            asyncio.run(take(folder, "imagenet.toml", picture))
    finally:
        fed.kill()
        fed.wait()


def move(world: World, over: Event) -> None:
    """Changes the figures of the pretended GPUs as those of real ones change."""
    loads = (96, 91, 88, 60, 97, 100, 74, 93)
    while not over.wait(0.5):
        now = time.monotonic()
        for index, (gpu, load) in enumerate(zip(world.gpus, loads, strict=True)):
            wave = math.sin(now / (3 + index)) + 0.5 * math.sin(now * (1 + index / 5))
            gpu["util"] = max(0, min(100, round(load + 5 * wave)))
            gpu["temp"] = round(40 + load * 0.4 + 2 * wave)
            gpu["power"] = round(min(699, 120 + load * 5.6 + 15 * wave))
        world.write()


def main() -> None:
    """Make the pictures that are named on the command line, else all."""
    named = sys.argv[1:]
    studies: dict[str, Callable[[Path, Sequence[Picture]], None]] = {
        "digits": digits,
        "failing": failing,
        "gpus": gpus,
        "nodes": nodes,
    }
    for name, run in studies.items():
        wanted = [one for one in PICTURES if one.study == name and (not named or one.name in named)]
        if wanted:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as runs:
                run(Path(runs), wanted)


if __name__ == "__main__":
    main()
