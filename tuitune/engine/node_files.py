"""The files of a study on a node: its trials' folders, its storage, its training code."""

import asyncio
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tuitune.engine.uploads import Stores
from tuitune.executors.base import TargetError
from tuitune.executors.remote import mark, protocol
from tuitune.executors.remote.protocol import Piece
from tuitune.storage.depot import Depot, StorageError
from tuitune.store.folder import node_folder


class NodeFiles(NamedTuple):
    """What an agent has found."""

    study_folder: Path  # that of the engine, where this node sees it; else one of this node alone
    shared: bool  # it is the engine's
    stores: Stores | None


def find_files(study_folder: str, files: protocol.Files, agent: str) -> NodeFiles:
    """Look for the study's files on this node. Raises StorageError, OSError."""
    folder, stores = Path(study_folder), None
    if files.storage:
        there = Path(files.storage, files.study)
        if files.storage_mark and not mark.answer(there, files.storage_mark, agent):
            raise StorageError("it is not the folder that the engine sees there")
        depots = [Depot(place, files.study) for place in (files.storage, *files.earlier)]
        stores = Stores(depots[0], tuple(depots[1:]))
        stores.now.check()
    shared = not files.mark or mark.answer(folder, files.mark, agent)
    if not shared:
        folder = node_folder(files.study)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return NodeFiles(folder, shared, stores)


class CodeCopy:
    """A copy of the folder in which the engine's trials would run."""

    def __init__(self, place: Path, ask: Callable[[int], None]) -> None:
        """place: of the copy. ask: for the piece from this byte on."""
        self._place = place
        self._ask = ask
        self._packed = place.with_suffix(".tar")
        self._whole: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def made(self) -> Path:
        """The folder, once all of it has come. Raises TargetError, OSError."""
        self._packed.write_bytes(b"")
        self._ask(0)
        await self._whole
        await asyncio.to_thread(self._unpack)
        return self._place

    def take(self, piece: Piece) -> None:
        """What was asked for."""
        if piece.problem:
            self._whole.set_exception(TargetError(piece.problem))
            return
        with self._packed.open("ab") as file:
            file.write(piece.data)
        end = piece.offset + len(piece.data)
        if end < piece.size:
            self._ask(end)
        else:
            self._whole.set_result(None)

    def _unpack(self) -> None:
        with tarfile.open(self._packed) as packed:
            packed.extractall(self._place, filter="fully_trusted")  # noqa: S202 - the user's own
        self._packed.unlink()
