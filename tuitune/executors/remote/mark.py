"""Whether a node sees a folder as the engine does: each end writes a file, and sees the other's."""

import secrets
from pathlib import Path

_MARK = ".nodes-"  # how the names of the files begin


class Mark:
    """The engine's end: its file in a folder."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{_MARK}{secrets.token_hex(8)}"
        self._file = folder / self.name

    def make(self) -> None:
        """Write it, in place of those that an engine has left that was killed. Raises OSError."""
        for left in self._file.parent.glob(f"{_MARK}*"):
            left.unlink(missing_ok=True)
        self._file.write_text("", encoding="utf-8")

    def is_answered(self, agent: str) -> bool:
        """Whether this agent has written its own file into the same folder."""
        answer = self._file.with_name(f"{self.name}.{agent}")
        if not answer.exists():
            return False
        answer.unlink()
        return True

    def remove(self) -> None:
        """Remove the file and all answers to it."""
        for left in self._file.parent.glob(f"{self.name}*"):
            left.unlink(missing_ok=True)


def answer(folder: Path, mark: str, agent: str) -> bool:
    """An agent's end: whether it sees the engine's file, beside which it writes its own."""
    try:
        if not (folder / mark).is_file():
            return False
        (folder / f"{mark}.{agent}").write_text("", encoding="utf-8")
    except OSError:  # as where this user may not enter or write there
        return False
    return True
