"""GPUs that are set aside because they fail trials: a file each, for this machine and this user.

The files lie beside the locks and count until the machine is started again, unless they are
cleared before.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tuitune.core.gpu_reasons import GpuAside
from tuitune.devices.locks import LocksError, lock_folder
from tuitune.ipc.files import boot_id, replace_file

ALL = "all"


class _Record(msgspec.Struct, frozen=True):
    boot: str
    index: int
    uuid: str
    why: GpuAside


class Aside(NamedTuple):
    """A GPU that is set aside; `number` as nvidia-smi counted then."""

    number: int
    uuid: str
    why: GpuAside


def listed_here(environment: Mapping[str, str]) -> list[Aside]:
    """GPUs that are set aside on this machine; none where there is no folder of locks."""
    try:
        return Quarantine(lock_folder(environment)).listed()
    except LocksError:
        return []


class Quarantine:
    """The files of this user in a folder of locks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = os.getuid()
        self._boot = boot_id()
        self._read: dict[str, tuple[int, Aside | None]] = {}  # by name: when it was changed

    def listed(self) -> list[Aside]:
        """All that are set aside, by index."""
        found = [self._at(path) for path in self._folder.glob(f"tuitune-*.{self._user}.aside")]
        return sorted((aside for aside in found if aside is not None), key=lambda a: a.number)

    def why(self, uuid: str) -> GpuAside | None:
        """Why this GPU is set aside; None if it is not."""
        aside = self._at(self._path(uuid))
        return None if aside is None else aside.why

    def add(self, index: int, uuid: str, why: GpuAside) -> None:
        """Set a GPU aside. Raises OSError."""
        record = _Record(self._boot, index, uuid, why)
        replace_file(self._path(uuid), msgspec.json.encode(record))

    def clear(self, which: str) -> list[Aside]:
        """End it for "all", or for a GPU by its number or the start of its UUID. Raises OSError.

        Returns those that were set aside.
        """
        found = [
            aside
            for aside in self.listed()
            if which in {ALL, str(aside.number)} or aside.uuid.startswith(which or "-")
        ]
        for aside in found:
            self._path(aside.uuid).unlink(missing_ok=True)
        return found

    def _path(self, uuid: str) -> Path:
        return self._folder / f"tuitune-{uuid}.{self._user}.aside"

    def _at(self, path: Path) -> Aside | None:
        """The record of a file that is this user's own, and of this start of the machine."""
        try:
            status = path.lstat()
            if status.st_uid != self._user:
                return None
            known = self._read.get(path.name)
            if known is None or known[0] != status.st_mtime_ns:
                record = msgspec.json.decode(path.read_bytes(), type=_Record)
                aside = Aside(record.index, record.uuid, record.why)
                known = status.st_mtime_ns, aside if record.boot == self._boot else None
                self._read[path.name] = known
        except (OSError, msgspec.MsgspecError):
            return None
        return known[1]
