"""Makes the pictures of the README from a real study: `python docs/screenshots.py`.

Runs spaces/digits.toml in a folder of its own, opens the app on it while it runs, and writes what
is on the screen as SVG beside this file.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.core.events import ENDED
from tuitune.store.errors import StoreError
from tuitune.ui.app import TuituneApp
from tuitune.ui.configuration import configured
from tuitune.ui.screens.study import StudyScreen
from tuitune.ui.state.options import Options
from tuitune.ui.state.source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)  # from another host; any monospace does
STUDY = HERE.parent / "spaces" / "digits.toml"
ENDED_FIRST = 24  # trials that have ended when the first picture is taken
PICTURES: Sequence[tuple[str, str, tuple[int, int], Sequence[str]]] = (
    ("app", "dark", (140, 45), ("g", "j", "j", "j")),
    ("light", "light", (140, 45), ("g", "j", "j", "j", "B")),
    ("small", "dark", (80, 24), ("g", "j", "j")),
    ("wide", "dark", (200, 60), ("g", "j", "j", "j")),
)


async def take(folder: Path) -> None:
    for name, theme, size, keys in PICTURES:
        source = Source(folder, "spaces/digits.toml", time.time())
        options = Options(theme=theme)
        study = StudyScreen(source, configured(), options)
        app = TuituneApp(study, options)
        async with app.run_test(size=size) as pilot:
            while sum(row.state in ENDED for row in study.snapshot.rows) < ENDED_FIRST:
                await pilot.pause(0.1)
            await pilot.press(*keys)
            await pilot.pause(0.6)
            picture = app.export_screenshot(title="tuitune spaces/digits.toml")
            (HERE / f"{name}.svg").write_text(FONTS.sub("", picture))


def opened(folder: Path) -> bool:
    try:
        Source(folder, "", time.time()).close()
    except (OSError, StoreError):
        return False
    return True


def main() -> None:
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "tuitune", str(STUDY), "--no-ui", "--runs", runs]
        study = subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.DEVNULL)
        while not opened(Path(runs) / "digits"):
            time.sleep(0.1)
        asyncio.run(take(Path(runs) / "digits"))
        study.wait()


if __name__ == "__main__":
    main()
