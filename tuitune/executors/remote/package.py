"""The training code on its way to nodes that do not see it."""

import asyncio
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from tuitune.core.sizes import size
from tuitune.executors.remote.protocol import Code, Piece

MOST: Final = 100_000_000  # bytes of all files
_PIECE = 1 << 17  # bytes
_LEFT_OUT = frozenset({"runs", ".git", ".venv"})  # outside of git
_GIT = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")


def code_of(file: Path) -> Code:
    """What a node compares to know whether it sees this study file. Raises OSError."""
    status = file.stat()
    return Code(str(file), status.st_ino, status.st_size, status.st_mtime_ns)


def is_seen(code: Code) -> bool:
    """Whether this is the same file here, and not another one at its path."""
    try:
        return code_of(Path(code.file)) == code
    except OSError:
        return False


class Package:
    """The files of a folder that git doesn't ignore; outside of git all but _LEFT_OUT."""

    def __init__(self, folder: Path, but: Path) -> None:
        """but: the study folder, which is left out."""
        self.folder = folder
        self._but = but
        self._file: IO[bytes] | None = None
        self._packing: asyncio.Task[IO[bytes]] | None = None  # once, for all nodes

    async def piece(self, offset: int) -> Piece:
        """Its bytes from this one on; without any, why it can't travel."""
        if self._packing is None:
            self._packing = asyncio.create_task(asyncio.to_thread(self._pack))
        try:
            file = await self._packing
        except OSError as error:
            return Piece(offset, b"", 0, f"{self.folder} can't be copied there: {error.strerror}")
        except _TooLargeError as error:
            return Piece(offset, b"", 0, str(error))
        whole = os.fstat(file.fileno()).st_size
        return Piece(offset, os.pread(file.fileno(), _PIECE, offset), whole)

    def close(self) -> None:
        """Remove it."""
        if self._file is not None:
            self._file.close()

    def _pack(self) -> IO[bytes]:
        names = list(self._names())
        total = sum((self.folder / name).lstat().st_size for name in names)
        if total > MOST:
            raise _TooLargeError(
                f"this node does not see {self.folder}, which has {size(total)} of files, of which "
                f"{size(MOST)} may be copied: put the study file where all nodes see it, or keep "
                f"data elsewhere"
            )
        file = self._file = tempfile.TemporaryFile()  # noqa: SIM115 - until `close`
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as packed:
            for name in names:
                packed.add(self.folder / name, name, recursive=False)
        file.flush()
        return file

    def _names(self) -> Iterator[str]:
        listed = subprocess.run(_GIT, cwd=self.folder, capture_output=True, check=False)
        if listed.returncode:
            yield from self._all_names(self.folder, _LEFT_OUT)
            return
        for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
            path = self.folder / name
            if path.is_dir() and not path.is_symlink():  # a repository within this one
                yield from self._all_names(path, frozenset({".git"}))
            elif os.path.lexists(path) and not path.is_relative_to(self._but):
                yield name

    def _all_names(self, folder: Path, but: frozenset[str]) -> Iterator[str]:
        for place, inner, names in os.walk(folder):
            at = Path(place)
            links = [name for name in inner if (at / name).is_symlink()]
            inner[:] = [
                name
                for name in inner
                if name not in but and name not in links and at / name != self._but
            ]
            yield from (str((at / name).relative_to(self.folder)) for name in (*names, *links))


class _TooLargeError(Exception):
    """More than MOST; str() says so, and the mend."""
