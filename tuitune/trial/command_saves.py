"""Checkpoints of a command that knows nothing of tuitune, made of the files that it saves."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from pathlib import Path

from tuitune.ipc import process_tree
from tuitune.trial import checkpoints, saved_files, wire
from tuitune.trial.channel import SocketChannel

SETTLED = 2.0  # s without a change, after which a file counts as whole
_LOOK = 0.1  # s between two looks
_SHARE = 20  # copying takes at most one part in so many of a trial's time
_STEPS = 1000  # reports whose time is known
_SUSPENDING = 0.01  # s until a suspended process does nothing more


class Saves:
    """What a running command has saved, and the checkpoints made of it.

    A match is whole while no process has it open to write; the newest one, if it is a folder, must
    not have changed for SETTLED seconds besides. The newest whole one is copied SETTLED seconds
    after its change, or after the first of many changes. Copies, on a thread, take a small share of
    the time only. What is there when the command has ended is linked and not copied.
    """

    def __init__(self, order: wire.Order, channel: SocketChannel) -> None:
        self._folder = order.folder
        self._pattern = order.saves or ""
        self._attempt = order.attempt
        self._order = order
        self._every = order.checkpoint_every
        self._checkpoint = order.resume_path
        self._channel = channel
        # the newest one that is among the checkpoints
        self._kept: saved_files.SavedFile | None = None
        self._seen: saved_files.SavedFile | None = None  # the newest one at the last look
        self._seen_at = 0.0
        self._look_at = 0.0
        self._next_at = 0.0  # when the next copy may begin
        self._changing_since = 0.0  # 0: what is there is kept
        # whole when the command was suspended to be ended
        self._trusted: saved_files.SavedFile | None = None
        self._copying: _Copy | None = None
        self._steps: deque[tuple[float, int]] = deque([(0.0, order.resume_step or 0)], _STEPS)

    def begin(self) -> None:
        """Put back what the checkpoint holds, before the command starts. Raises OSError.

        Newer files of an earlier attempt are removed, since they may be torn.
        """
        checkpoints.clear_remains(Path(self._folder, checkpoints.CHECKPOINTS), self._order)
        with contextlib.suppress(FileNotFoundError):
            reports_itself(self._folder).unlink()
        saved_files.restore(self._folder, self._pattern, self._checkpoint)
        self._kept = self._seen = saved_files.newest(self._folder, self._pattern)

    @property
    def is_any(self) -> bool:
        """Whether there is anything to go on from."""
        return self._seen is not None

    def note_step(self, step: int, now: float) -> None:
        """A report of a further step came at `now`, in Unix seconds."""
        self._steps.append((now, step))

    def has_saved_since(self, step: int) -> bool:
        """Whether the newest file was written after the report of this step."""
        return self._seen is not None and self._step_of(self._seen) >= step

    def tend(self, *, at_once: bool) -> None:
        """Look for what is new, and copy what is due; to be called several times a second."""
        now = time.monotonic()
        if now < self._look_at and not at_once:
            return
        self._finish_copy(wait=False)
        found = self._look(now)
        looked = time.monotonic()
        self._look_at = looked + max(_LOOK, _SHARE * (looked - now))  # a folder may be large
        if self._copying is not None or now < max(self._next_at, self._changing_since + SETTLED):
            return
        saved = self._whole(found, now)
        if saved is not None:
            self._send(wire.Saving(self._step_of(saved)))
            self._copying = _Copy(self._folder, saved, self._step_of(saved), self._attempt)

    def suspend(self, leader: int, *, hurry: bool) -> bool:
        """Suspend the command, of this session, if what it has saved is whole; else it runs on.

        `hurry`: an earlier folder will do where the newest one may not be whole yet.
        """
        if self._copying is not None or not self._may_end(hurry=hurry):
            return False
        process_tree.kill_session(leader, signal.SIGSTOP)
        time.sleep(_SUSPENDING)
        if self._may_end(hurry=hurry):
            return True
        process_tree.kill_session(leader, signal.SIGCONT)
        return False

    def end(self, *, by_signal: bool) -> None:
        """The command has ended: keep what is there, unless a signal may have cut it off.

        What is older than the newest match can't have been cut off.
        """
        self._finish_copy(wait=True)
        now = time.monotonic()
        for saved in self._look(now):
            is_cut_off = by_signal and saved == self._seen and not self._is_settled(saved, now)
            if (is_cut_off and saved != self._trusted) or saved_files.is_torn(self._folder, saved):
                continue
            step = self._step_of(saved)
            self._send(wire.Saving(step))
            problem = _kept(self._folder, saved, step, self._attempt, link=True)
            self._tell(saved, step, problem)
            return

    def _look(self, now: float) -> list[saved_files.SavedFile]:
        """The matches that are newer than what is among the checkpoints, newest first."""
        if reports_itself(self._folder).exists():
            return []
        found = saved_files.by_age(self._folder, self._pattern)
        first = found[0] if found else None
        if first != self._seen:
            self._seen, self._seen_at = first, now
        kept = self._kept
        if kept is not None:
            place, kept_age = kept.place, saved_files.age(kept)
            found = [
                s
                for s in found
                if s != kept and (s.place == place or saved_files.age(s) > kept_age)
            ]
        self._changing_since = (self._changing_since or now) if found else 0.0
        return found

    def _may_end(self, *, hurry: bool) -> bool:
        """Whether nothing is lost if the command ends now; then remembers what is whole."""
        now = time.monotonic()
        found = self._look(now)
        if not found:
            return True
        whole = self._whole(found, now)
        is_last_resort = hurry and Path(self._folder, found[0].place).is_dir()
        if whole is None or (whole != found[0] and not is_last_resort):
            return False
        self._trusted = whole
        return True

    def _whole(
        self, found: list[saved_files.SavedFile], now: float
    ) -> saved_files.SavedFile | None:
        """The newest that is whole."""
        return next((saved for saved in found if self._is_whole(saved, now)), None)

    def _is_settled(self, saved: saved_files.SavedFile, now: float) -> bool:
        return saved == self._seen and now - self._seen_at >= SETTLED

    def _is_whole(self, saved: saved_files.SavedFile, now: float) -> bool:
        path = os.path.realpath(f"{self._folder}/{saved.place}")
        is_newest = saved == self._seen
        if is_newest and Path(path).is_dir() and not self._is_settled(saved, now):
            return False
        return not saved_files.is_being_written(path) and not saved_files.is_torn(
            self._folder, saved
        )

    def _step_of(self, saved: saved_files.SavedFile) -> int:
        """The step of the newest report at the time that the file was written."""
        steps = self._steps
        gap = steps[-1][0] - steps[-2][0] if len(steps) > 1 else 0.0
        # A report is printed a little before it is read, and a file's time may be one tick old.
        until = saved.mtime + max(0.01, min(0.05, gap / 10))
        return next((step for at, step in reversed(steps) if at <= until), steps[0][1])

    def _finish_copy(self, *, wait: bool) -> None:
        copying = self._copying
        if copying is None or (copying.is_alive() and not wait):
            return
        copying.join()
        self._copying = None
        self._next_at = time.monotonic() + min(self._every, _SHARE * copying.seconds)
        self._tell(copying.saved, copying.step, copying.problem)

    def _tell(self, saved: saved_files.SavedFile, step: int, problem: str | None) -> None:
        """Send that a checkpoint is whole, or why not; empty: the file has changed meanwhile."""
        if problem is None:
            self._kept = saved
            self._changing_since = 0.0
            self._send(wire.Checkpoint(step))
        else:
            self._send(wire.Saving(step, problem or f"{saved.place} was written again meanwhile"))

    def _send(self, message: wire.Saving | wire.Checkpoint) -> None:
        with contextlib.suppress(OSError):  # the engine is gone, and the copy is whole anyway
            self._channel.send(wire.encode(message))


def reports_itself(folder: str) -> Path:
    """The file that a script writes which asks for its trial: it saves by itself, too."""
    return Path(folder, ".reports-itself")


class _Copy(threading.Thread):
    """A checkpoint being copied, while the command runs on."""

    def __init__(self, folder: str, saved: saved_files.SavedFile, step: int, attempt: int) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self.saved = saved
        self.step = step
        self._attempt = attempt
        self.seconds = 0.0
        self.problem: str | None = None
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        self.problem = _kept(self._folder, self.saved, self.step, self._attempt, link=False)
        self.seconds = time.monotonic() - began


def _kept(
    folder: str, saved: saved_files.SavedFile, step: int, attempt: int, *, link: bool
) -> str | None:
    """Write the checkpoint. Returns None, or what went wrong: empty if the file has changed."""
    try:
        with checkpoints.written(Path(folder, checkpoints.CHECKPOINTS), step, attempt) as aside:
            saved_files.copy(f"{folder}/{saved.place}", f"{aside}/{saved.place}", link=link)
            _check_same(folder, saved)
    except _ChangedError:
        return ""
    except OSError as error:
        return wire.one_line(error)
    return None


class _ChangedError(Exception):
    """The file was written again while it was copied."""


def _check_same(folder: str, saved: saved_files.SavedFile) -> None:
    if saved_files.look(folder, saved.place) != saved:
        raise _ChangedError
