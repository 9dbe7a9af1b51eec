"""Draws the diagrams of the page about decisions, with the program's own rules: `python docs/diagrams.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from random import Random

import numpy as np

from tuitune.core.pruning.brackets import asha_plan, hyperband_plan, sent_on
from tuitune.core.search.bayes.acquisition import log_expected_improvement
from tuitune.core.search.bayes.encoding import encoding_of
from tuitune.core.search.bayes.gaussian_process import fit, posterior
from tuitune.core.search.bayes.kernel import pairs_of
from tuitune.core.search.bayes.layout import Layout
from tuitune.core.space.parameters import FloatRange
from tuitune.core.space.searchspace import SearchSpace

HERE = Path(__file__).parent
WIDTH = 720
LEAST_GAIN = 1.10  # of twice as many trials on a GPU, as in core/placement/throughput.py
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2933 }
.small { font-size: 11px; fill: #5a6772 }
.line { stroke: #1f2933; fill: none; stroke-width: 1.5 }
.inside { fill: #ffffff }
.grid { stroke: #b8c2cc; stroke-dasharray: 3 3 }
.good { fill: #2b8a3e; stroke: #2b8a3e }
.poor { fill: #c0504d; stroke: #c0504d }
.blue { fill: #2f6fab; stroke: #2f6fab }
.bar { stroke: none }
.band { fill: #2f6fab; opacity: 0.18 }
.curve { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #d7dde3 } .small { fill: #9aa7b3 } .inside { fill: #10161c } .line { stroke: #d7dde3 } .grid { stroke: #55616c }
  .good { fill: #69c97d; stroke: #69c97d } .poor { fill: #e58a86; stroke: #e58a86 }
  .blue { fill: #74b0e6; stroke: #74b0e6 } .band { fill: #74b0e6 }
}
"""


def text(x: float, y: float, words: str, *, kind: str = "", anchor: str = "start") -> str:
    """A line of text; y: of its baseline."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x: float, y: float, to_x: float, to_y: float, kind: str = "line") -> str:
    """A straight line."""
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" class="{kind}"/>'


def bar(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A filled rectangle; y: of its top."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" '
        f'class="bar {kind}"/>'
    )


def dot(x: float, y: float, kind: str) -> str:
    """A filled circle."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="{kind}"/>'


def path(points: Iterable[tuple[float, float]], kind: str) -> str:
    """A line through points."""
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="{kind}"/>'


def drawing(height: int, title: str, *parts: str) -> str:
    """A whole picture. title: for those who can't see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def stopped_at(
    trials: list[list[float]], rungs: tuple[int, ...], reduction: int
) -> list[int | None]:
    """The rung at which each trial ends; None: it comes to the maximum. trials: losses by rung."""
    entries: dict[int, list[float]] = {rung: [] for rung in rungs}
    ended: list[int | None] = []
    for losses in trials:
        end = None
        for rung, loss in zip(rungs, losses, strict=True):
            seen = entries[rung]
            seen.append(loss)
            if sorted(seen).index(loss) >= max(1, sent_on(len(seen), reduction)):
                end = rung
                break
        ended.append(end)
    return ended


def rungs_drawing() -> str:
    """Trials one after the other, each as far as it came."""
    most, left, row = 27, 90, 15
    rungs = asha_plan(1, most, 3, 1).steps[0]
    random = Random(11)
    final = [random.random() for _ in range(24)]
    losses = [[loss + random.gauss(0, 0.4 / rung) for rung in rungs] for loss in final]
    ended = stopped_at(losses, rungs, 3)

    def x_of(step: int) -> float:
        return left + 40 + math.log(step, most) * (WIDTH - left - 130)

    parts, bottom = [], 40 + row * len(losses)
    for step in (*rungs, most):
        parts.append(line(x_of(step), 30, x_of(step), bottom, "grid"))
        name = "max, epoch 27" if step == most else f"rung, epoch {step}"
        parts.append(text(x_of(step), 20, name, anchor="middle"))
    for number, end in enumerate(ended):
        y = 34 + row * number
        kind = "good" if end is None else "poor"
        parts.append(text(left - 8, y + 10, f"#{number}", kind="small", anchor="end"))
        parts.append(bar(left, y, x_of(end or most) - left, row - 5, kind))
    counts = {step: sum((end or most) >= step for end in ended) for step in (*rungs, most)}
    words = ", ".join(f"{count} came to epoch {step}" for step, count in counts.items())
    parts.append(text(left, bottom + 22, f"{words}.", kind="small"))
    return drawing(bottom + 34, "24 trials under ASHA: most end at the first rungs", *parts)


def brackets_drawing() -> str:
    """The brackets of Hyperband with their rungs and shares of the trials."""
    plan, most = hyperband_plan(1, 81, 3), 81

    def x_of(step: int) -> float:
        return 150 + math.log(step, most) * 400

    parts = [text(x_of(step), 22, str(step), anchor="middle") for step in (1, 3, 9, 27, 81)]
    parts.append(text(20, 22, "epoch"))
    parts.append(text(WIDTH - 20, 22, "of the trials", anchor="end"))
    for number, steps in enumerate(plan.steps):
        y = 52 + 34 * number
        share = plan.weights[number] / sum(plan.weights)
        parts += [text(20, y + 4, f"bracket {number}"), line(x_of(1), y, x_of(most), y, "grid")]
        parts += [dot(x_of(step), y, "poor") for step in steps]
        parts += [dot(x_of(most), y, "good")]
        parts.append(text(WIDTH - 20, y + 4, f"{share:.0%}", anchor="end"))
    parts.append(
        text(
            20, 230, "red: a rung, where poor trials end or wait; green: the maximum", kind="small"
        )
    )
    return drawing(242, "The brackets of Hyperband for max = 81", *parts)


def model_drawing() -> str:
    """What the Gaussian process believes after six trials, and where it tries next."""
    encoding = encoding_of(SearchSpace((FloatRange("x", 0.0, 1.0),)))
    at = np.array([0.05, 0.2, 0.34, 0.42, 0.7, 0.95])
    loss = np.cos(9 * at) + 0.8 * at
    values = (loss - loss.mean()) / loss.std()
    rows, levels = encoding.snapped(at[:, None]), np.zeros(len(at), dtype=int)
    layout = Layout((0,))
    found = fit(pairs_of(layout, rows, levels, 1), values)
    grid = np.linspace(0, 1, 161)
    believed = posterior(layout, found, rows, levels, values)
    mean, deviation = believed.belief(encoding.snapped(grid[:, None]), 0)
    promise = np.exp(log_expected_improvement(mean, deviation, values.min()))

    def x_of(x: float) -> float:
        return 60 + x * (WIDTH - 100)

    def y_of(z: float) -> float:
        return 150 - z * 48

    xs = [x_of(x) for x in grid]
    upper = [(x, y_of(z)) for x, z in zip(xs, mean + 2 * deviation, strict=True)]
    lower = [(x, y_of(z)) for x, z in zip(xs, mean - 2 * deviation, strict=True)]
    band = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *reversed(lower)])
    best = int(promise.argmax())
    hill = [(x, 330 - 60 * p / promise.max()) for x, p in zip(xs, promise, strict=True)]
    return drawing(
        360,
        "A Gaussian process over one parameter, and the expected improvement",
        f'<polygon points="{band}" class="band"/>',
        path([(x, y_of(z)) for x, z in zip(xs, mean, strict=True)], "curve blue"),
        *(dot(x_of(x), y_of(z), "blue") for x, z in zip(at, values, strict=True)),
        path(hill, "curve good"),
        line(xs[best], 30, xs[best], 330, "grid"),
        text(xs[best] + 6, 40, "the next trial"),
        text(60, 20, "loss: six trials, the expected value, twice the uncertainty", kind="small"),
        text(60, 262, "expected improvement", kind="small"),
        line(60, 331, WIDTH - 40, 331),
        text(WIDTH - 40, 350, "the parameter", kind="small", anchor="end"),
    )


def packing_drawing() -> str:
    """The work of so many trials on one GPU, and what a further doubling must bring."""
    work = {1: 1.0, 2: 1.75, 4: 2.4, 8: 2.5}
    parts = [text(40, 20, "work per second on one GPU, one trial alone = 1", kind="small")]
    for place, (trials, total) in enumerate(work.items()):
        x, height = 70 + place * 160, total * 75
        needed = work[trials // 2] * LEAST_GAIN if trials > 1 else 0
        kind = "good" if total >= needed else "poor"
        parts.append(bar(x, 240 - height, 80, height, kind))
        parts.append(text(x + 40, 260, f"{trials} trial{'s' * (trials > 1)}", anchor="middle"))
        parts.append(text(x + 40, 228, f"{total:g}", kind="inside", anchor="middle"))
        if needed:
            parts.append(line(x - 14, 240 - needed * 75, x + 94, 240 - needed * 75, "line"))
    parts += [
        line(40, 240, WIDTH - 20, 240),
        text(
            40, 284, "line: a tenth more than half as many do; 8 trials stay below it", kind="small"
        ),
    ]
    return drawing(296, "How many trials share a GPU", *parts)


PICTURES: Mapping[str, Callable[[], str]] = {
    "rungs.svg": rungs_drawing,
    "brackets.svg": brackets_drawing,
    "model.svg": model_drawing,
    "packing.svg": packing_drawing,
}


def main() -> None:
    """Write every picture."""
    for name, picture in PICTURES.items():
        (HERE / name).write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
