"""Records a short study in the app as an animated SVG for the README: `python docs/recording.py`.

Runs spaces/digits.toml, presses keys while it runs, and writes docs/recording.svg. A frame is taken
every 0.8 s; each different line is in the file once, and frames are columns of references to them.
"""

from __future__ import annotations

import asyncio
import html
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from screenshots import HERE, ROOT, running
from textual.strip import Strip

from tuitune.ui.app import TuituneApp
from tuitune.ui.configuration import configured
from tuitune.ui.render.themes import THEMES, rgb
from tuitune.ui.screens.study import StudyScreen
from tuitune.ui.state.options import Options
from tuitune.ui.state.source import Source

SIZE = (100, 28)
WIDE, HIGH = 8.4, 17  # of a cell, in pixels
_SHORT = 4  # cells of a text, up to which fonts of another width do no harm
EVERY = 0.8  # s between two frames
SPEED = 2.2  # times as fast as it was
REST = 3.0  # s that the last frame stays
# what is pressed, and when, in s
KEYS: Mapping[float, Sequence[str]] = {
    6: ("j",), 7: ("j",), 8: ("j",), 9: ("k",),
    11: ("B",),
    16: ("M",),
    19: ("3", "right", "right", "right"), 20: ("right", "right"), 21: ("right", "right"),
    23: ("V", "z"),
    27: ("z", "3"), 28: ("escape", "g"),
    30: ("1", "z"),
    33: ("z", "escape"), 34: ("g",),
}  # fmt: skip
LAST = 42.0  # s
THEME = THEMES["dark"]
GROUND, TEXT = rgb(int(THEME.ground)), rgb(int(THEME.colours["text"]))


async def frames(folder: Path) -> list[list[Strip]]:
    """What is on the screen, every 0.8 s."""
    options = Options(theme=THEME.name)
    study = StudyScreen(Source(folder, "spaces/digits.toml", time.time()), configured(), options)
    app = TuituneApp(study, options)
    taken: list[list[Strip]] = []
    async with app.run_test(size=SIZE) as pilot:
        while not any(row.step for row in study.snapshot.rows):
            await pilot.pause(0.1)
        start, left = time.monotonic(), sorted(KEYS.items())
        while (now := time.monotonic() - start) < LAST:
            while left and left[0][0] <= now:
                await pilot.press(*left.pop(0)[1])
            await pilot.pause(EVERY)
            taken.append([*app.screen._compositor.render_strips()])  # noqa: SLF001 - as Textual's own pictures
    return taken


def colour(style: Style | None, *, ground: bool) -> str:
    """A colour of a style as "#rrggbb"."""
    found = None if style is None else style.bgcolor if ground else style.color
    if found is None or found.type == ColorType.DEFAULT:
        return GROUND if ground else TEXT
    if found.number is not None:
        return rgb(found.number)
    return "#" + "".join(f"{part:02x}" for part in found.triplet or (0, 0, 0))


def drawn(strip: Strip, classes: dict[str, str]) -> str:
    """A line as SVG, at the top left corner. classes: of the text colours so far, by their style."""
    backs: list[str] = []
    texts: list[str] = []
    column = 0
    for segment in Segment.simplify(strip):
        text, style = segment.text, segment.style
        ground = colour(style, ground=True)
        if ground != GROUND:
            x, width = column * WIDE, len(text) * WIDE + 0.5
            backs.append(f'<path fill="{ground}" d="M{x:.1f} 0h{width:.1f}v{HIGH}h-{width:.1f}z"/>')
        lead = len(text) - len(text.lstrip())
        if text.strip():
            words = text.strip()
            rule = f"fill:{colour(style, ground=False)}"
            rule += ";font-weight:700" if style is not None and style.bold else ""
            name = classes.setdefault(rule, f"c{len(classes)}")
            wide = f' textLength="{len(words) * WIDE:.0f}"' if len(words) > _SHORT else ""
            x = f"{(column + lead) * WIDE:.0f}"
            texts.append(f'<tspan class="{name}" x="{x}"{wide}>{html.escape(words)}</tspan>')
        column += len(text)
    return "".join(backs) + (f'<text y="13">{"".join(texts)}</text>' if texts else "")


def film(taken: Iterable[Sequence[Strip]]) -> str:
    """The frames above one another, of which a window shows one after the other."""
    lines: dict[str, str] = {}
    classes: dict[str, str] = {}
    shown: list[tuple[str, int]] = []  # a frame, and how many times it follows itself
    for frame in taken:
        uses = []
        for at, strip in enumerate(frame):
            content = drawn(strip, classes)
            if content:
                name = lines.setdefault(content, f"l{len(lines)}")
                uses.append(f'<use href="#{name}" y="{at * HIGH}"/>')
        text = "".join(uses)
        if shown and shown[-1][0] == text:
            shown[-1] = (text, shown[-1][1] + 1)
        else:
            shown.append((text, 1))
    width, height = round(SIZE[0] * WIDE), SIZE[1] * HIGH
    seconds = [count * EVERY / SPEED for _, count in shown]
    seconds[-1] += REST
    total, at = sum(seconds), 0.0
    steps = []
    for number, lasts in enumerate(seconds):
        steps.append(f"{100 * at / total:.2f}%{{transform:translateY({-number * height}px)}}")
        at += lasts
    rules = "".join(f".{name}{{{rule}}}" for rule, name in classes.items())
    strips = "".join(
        f'<g transform="translate(0 {number * height})">{text}</g>'
        for number, (text, _) in enumerate(shown)
    )
    named = "".join(f'<g id="{name}">{content}</g>' for content, name in lines.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="-8 -8 {width + 16} {height + 16}">'
        f"<style>text{{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"white-space:pre}}{rules}@keyframes film{{{''.join(steps)}}}"
        f".film{{animation:film {total:.2f}s steps(1,end) infinite}}</style>"
        f'<defs>{named}<clipPath id="window"><path d="M0 0h{width}v{height}h-{width}z"/></clipPath>'
        f'</defs><rect x="-8" y="-8" width="{width + 16}" height="{height + 16}" rx="8" '
        f'fill="{GROUND}"/><g clip-path="url(#window)"><g class="film">{strips}</g></g></svg>'
    )


def main() -> None:
    """Run the study, record it, and write the file."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as runs,
        running(ROOT / "spaces" / "digits.toml", Path(runs)) as folder,
    ):
        taken = asyncio.run(frames(folder))
    (HERE / "recording.svg").write_text(film(taken))


if __name__ == "__main__":
    main()
