"""The commands in a window of a terminal: keys go in, what stands on the screen comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyte
import terminal
from workshop import PATIENCE, Workshop, wait_until

from tuitune.store.reader import Reader

# What the emulator takes for text: questions to the terminal, keyboard modes, of another kind than
# it knows.
UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$[a-z]")
LAST_OF_SCREEN = b"\x1b[?1049l"  # back to the normal screen
HALF_PAINTED = 2026 << 5  # the mode of a synchronised update, as pyte keeps it

# Says in a file what it has reported, until a file says that it may end.
TRAIN = """
import pathlib, time

def train(trial):
    print("begun", trial.number)
    with open(f"told-{trial.number}", "a") as told:
        for step in range(1, 100_000):
            trial.report(loss=trial.config["x"] + 1 / step)
            print(step, file=told, flush=True)
            if pathlib.Path("end").exists():
                return
            time.sleep(0.01)
"""
DONE = """
def train(trial):
    for step in range(1, 6):
        trial.report(loss=trial.config["x"] / step)
"""
PLAIN_TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@dataclass
class Window:
    """A program in a terminal of this size, and its screen as somebody would see it."""

    terminal: terminal.Terminal
    screen: pyte.Screen

    def __post_init__(self) -> None:
        self._stream = pyte.ByteStream(self.screen)
        self._part = b""
        self.terminal.heard = self._heard

    def shown(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, *words: str, gone: str = "") -> None:
        """Waits until all of the words are on a whole screen, and `gone` is not."""

        def there(_: object) -> bool:
            if HALF_PAINTED in self.screen.mode:
                return False
            shown = self.shown()
            return all(word in shown for word in words) and not (gone and gone in shown)

        if not self.terminal.pump(PATIENCE, there):
            raise AssertionError(f"{words} did not come; the screen shows\n{self.shown()}")

    def while_read(self, condition: Callable[[], object], what: str) -> None:
        """Waits for something beside the screen, which is read meanwhile."""
        assert self.terminal.pump(PATIENCE, lambda _: bool(condition())), what

    def press(self, keys: str) -> None:
        self.terminal.press(keys)

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        self.screen.erase_in_display(2)
        self.terminal.resize(columns, lines)

    def left(self) -> str:
        """Waits for its end; what it leaves on the normal screen."""
        self.while_read(self.terminal.ended, "the app's end")
        self.terminal.pump(0.2)
        return self.terminal.text.rpartition(LAST_OF_SCREEN)[2].decode()

    def _heard(self, data: bytes) -> None:
        """A sequence that has not come as a whole waits for its rest."""
        data = UNKNOWN.sub(b"", self._part + data)
        whole = data.rfind(b"\x1b") if len(data) - data.rfind(b"\x1b") < 32 else len(data)
        whole = len(data) if whole < 0 or re.search(rb"[a-zA-Z\\\x07]", data[whole:]) else whole
        self._part = data[whole:]
        self._stream.feed(data[:whole])


class Windows:
    """Those on one workshop's studies."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._open: list[Window] = []

    def open(
        self,
        *words: object,
        size: tuple[int, int] = (120, 40),
        variables: Mapping[str, str] | None = None,
    ) -> Window:
        """`tuitune WORDS`, with colours unless the variables say otherwise."""
        homes = {name: str(self._workshop.path / name) for name in ("state", "config")}
        place = {f"XDG_{name.upper()}_HOME": path for name, path in homes.items()} | PLAIN_TERMINAL
        command = ["/usr/bin/env", "-u", "NO_COLOR", "-u", "SSH_CONNECTION"]
        given = {**place, **(variables or {})}
        command += [f"{name}={value}" for name, value in given.items()]
        command += self._workshop.command(*words)
        started = terminal.start(command, *size, {}, folder=self._workshop.path)
        window = Window(started, pyte.Screen(*size))
        self._open.append(window)
        return window

    def close(self) -> None:
        for window in self._open:
            window.terminal.close()


def stored(workshop: Workshop, name: str = "study") -> dict[int, list[int]]:
    """The steps of every trial's reports, as they were stored."""
    reader = Reader.open(workshop.folder(name) / "study.db")
    try:
        rows = reader.changes().rows
        return {row.number: [step for _, step, _ in reader.curve(row.number)] for row in rows}
    finally:
        reader.close()


def told(workshop: Workshop) -> dict[int, list[int]]:
    """The steps that the trials say they have reported."""
    return {
        int(file.name.removeprefix("told-")): [int(line) for line in file.read_text().split()]
        for file in workshop.path.glob("told-*")
    }


def finish(workshop: Workshop) -> None:
    """Lets every trial end, and waits for the engine's end."""
    (workshop.path / "end").touch()
    wait_until(lambda: workshop.engine() is None, "the engine's end")
