"""A file system for fsspec that is slow, tears and fails, as a file tells it at each call."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

BEHAVIOUR = "TOY_BEHAVIOUR"  # the variable with the path of that file
ENTRY_POINTS = "[fsspec.specs]\ntoy = toy_storage.ToyFileSystem\n"


class ToyFileSystem(LocalFileSystem):
    """Local files. Told "slow 0.2", "full", "denied", or "tear 3": the third write is torn."""

    protocol = "toy"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return LocalFileSystem._strip_protocol(str(path).removeprefix("toy://"))

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        self._write(rpath, Path(lpath).read_bytes())

    def pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        self._write(path, value)

    def _write(self, path: str, text: bytes) -> None:
        what, _, number = told().partition(" ")
        if what == "slow":
            time.sleep(float(number))
        elif what == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        elif what == "denied":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        elif what in ("tear", "cut"):
            tell(f"{what} {int(number) - 1}")
            if int(number) == 1:
                Path(path).write_bytes(text[: len(text) // 2])
                if what == "tear":
                    raise ConnectionResetError("the connection was reset")
                return
        Path(path).write_bytes(text)


def told() -> str:
    return Path(os.environ[BEHAVIOUR]).read_text()


def tell(text: str) -> None:
    """Let the next calls behave so; "" is well. "cut 3": as "tear 3", and nobody is told."""
    Path(os.environ[BEHAVIOUR]).write_text(text)


def register() -> None:
    """For this process."""
    fsspec.register_implementation("toy", ToyFileSystem, clobber=True)
