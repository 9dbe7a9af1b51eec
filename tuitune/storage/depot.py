"""The storage of one study, a folder or a URL that fsspec knows, and the copies in it."""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tuitune.core.study.checkpoints import Keep
from tuitune.trial.checkpoints import CHECKPOINTS

_LOGS = "logs"
_FULL = (errno.ENOSPC, errno.EDQUOT)
LIST = ".json"  # ends the name of a copy's list, which is written last
_NAME = re.compile(r"(\d{8,})-(\d{4,})-([0-9a-f]{8})")


class Copy(NamedTuple):
    """A copy of a trial's checkpoint; sorted, the newest is the last."""

    step: int
    attempt: int  # that has saved it
    token: str  # no other copy has it

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.step:08d}-{self.attempt:04d}-{self.token}"


def new_copy(step: int, attempt: int) -> Copy:
    """A copy with a name that no other has."""
    return Copy(step, attempt, secrets.token_hex(4))


def parsed(name: str) -> Copy | None:
    """The copy whose folder, or whose list, has this name; None for another name."""
    found = _NAME.fullmatch(name.removesuffix(LIST))
    return None if found is None else Copy(int(found[1]), int(found[2]), found[3])


def whole(names: Iterable[str]) -> list[Copy]:
    """The copies among these names that have their list, the newest first."""
    found = (parsed(name) for name in names if name.endswith(LIST))
    return sorted((copy for copy in found if copy is not None), reverse=True)


class Contents(msgspec.Struct, frozen=True):
    """A copy's list."""

    configuration: str  # `digest` of the trial's
    files: dict[str, tuple[int, int]]  # by place: size in bytes, time of change in ns
    folders: list[str]  # without the one that holds all


def digest(configuration: Any) -> str:
    """Tells configurations apart: a journal that was put back may give a trial another one."""
    text = json.dumps(configuration, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def contents(folder: Path, configuration: str) -> Contents:
    """What is in this folder; links to files count as these. Raises OSError."""

    def gone(error: OSError) -> None:
        raise error

    files: dict[str, tuple[int, int]] = {}
    folders = []
    for place, inner, names in os.walk(folder, onerror=gone):
        at = Path(place)
        folders += [str((at / name).relative_to(folder)) for name in inner]
        for name in names:
            status = (at / name).stat()
            files[str((at / name).relative_to(folder))] = (status.st_size, status.st_mtime_ns)
    return Contents(configuration, files, folders)


class StorageError(Exception):
    """A storage can't be used; str() says which one, and why."""


class TornError(StorageError):
    """A copy is not what its list says."""


def check_scheme(url: str) -> None:
    """Raises StorageError if fsspec, or a package that it needs, does not know this URL."""
    with _of_fsspec(url):
        from fsspec.core import get_filesystem_class, split_protocol  # noqa: PLC0415 - the same

        get_filesystem_class(split_protocol(url.rpartition("::")[2])[0])


@contextlib.contextmanager
def _of_fsspec(place: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        is_here = find_spec("fsspec") is not None
        why = str(error) if is_here else "fsspec is not installed: pip install 'tuitune[ray]'"
        raise StorageError(why) from error
    except Exception as error:
        raise StorageError(f"{place} can't be used: {_words(error)}") from error


class Depot:
    """All calls block, and raise StorageError for whatever the file system raises.

    A copy is written to a folder of its own, file by file, and its list after it: without that it
    does not count. Nothing that counts is ever written again.
    """

    def __init__(self, place: str, study: str) -> None:
        """study: the name of its folder there."""
        self.place = place
        with _of_fsspec(place):
            from fsspec.core import url_to_fs  # noqa: PLC0415 - few studies need it

            self._fs, root = url_to_fs(place)
        self._root = f"{root.rstrip('/')}/{study}"

    def check(self) -> None:
        """Write a file there, read it, and remove it."""
        name, text = f"{self._root}/.check-{secrets.token_hex(8)}", secrets.token_bytes(16)
        with self._told("can't be written"):
            self._fs.makedirs(self._root, exist_ok=True)
            self._fs.pipe_file(name, text)
            found = self._fs.cat_file(name)
            self._fs.rm(name)
        if found != text:
            raise StorageError(f"{self.place}: what is written there can't be read back")

    # --- checkpoints -----------------------------------------------------------------------------

    def keep(self, trial: int, attempt: int, folder: Path, configuration: str) -> Copy:
        """Copy a checkpoint there.

        folder: its name is the step. Raises FileNotFoundError where it has been removed meanwhile.
        """
        copy = new_copy(int(folder.name), attempt)
        place = f"{self._checkpoints(trial)}/{copy.name}"
        about = contents(folder, configuration)
        try:
            with self._told("a checkpoint can't be copied there"):
                self._write(folder, place, about)
        except BaseException as error:
            with contextlib.suppress(StorageError):  # else it is removed with the next
                self._remove(trial, [f"{copy.name}{LIST}", copy.name])
            # which is why it could not be copied
            if contents(folder, configuration) != about:
                raise _gone(folder) from error
            raise
        return copy

    def _write(self, folder: Path, place: str, about: Contents) -> None:
        self._fs.makedirs(place, exist_ok=True)
        for name in about.files:
            target = f"{place}/{name}"
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._fs.put_file(str(folder / name), target)
        self._check_whole(place, about)
        if contents(folder, about.configuration) != about:
            raise _gone(folder)
        text = msgspec.json.encode(about)
        self._fs.pipe_file(f"{place}{LIST}", text)
        if self._fs.cat_file(f"{place}{LIST}") != text:
            raise TornError(f"{self.place}: the list of a checkpoint has arrived in part only")

    def _check_whole(self, place: str, about: Contents) -> None:
        self._fs.invalidate_cache(place)
        found = self._fs.find(place, detail=True)
        sizes = {name[len(place) :].lstrip("/"): info["size"] for name, info in found.items()}
        wrong = [name for name, (size, _) in about.files.items() if sizes.get(name) != size]
        if wrong:
            raise TornError(f"{self.place}: {wrong[0]} has arrived in part only")

    def newest(self, trial: int, configuration: str, but: int | None, known: int) -> Iterator[Copy]:
        """Whole copies of this configuration up to step `known`, newest first; none of `but`."""
        for copy in whole(self._names(trial)):
            is_wanted = copy.step != but and copy.step <= known
            about = self._about(trial, copy) if is_wanted else None
            if about is not None and about.configuration == configuration:
                yield copy

    def bring(self, trial: int, copy: Copy, place: Path) -> None:
        """Write the copy to this folder, which is empty. Raises OSError, TornError."""
        about = self._about(trial, copy)
        if about is None:
            raise TornError(f"{self.place}: the list of {copy.name} is gone")
        for folder in about.folders:
            (place / folder).mkdir(parents=True, exist_ok=True)
        source = f"{self._checkpoints(trial)}/{copy.name}"
        for name, (size, changed) in about.files.items():
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._told("a checkpoint can't be read"):
                self._fs.get_file(f"{source}/{name}", str(target))
            if target.stat().st_size != size:
                raise TornError(f"{self.place}: {copy.name}/{name} is torn")
            os.utime(target, ns=(changed, changed))

    def leave(self, trial: int, keep: Keep) -> None:
        """Remove the copies that do not stay; and those that were cut off, if no attempt runs."""
        names = self._names(trial)
        listed = whole(names)
        by_step = {copy.step: copy for copy in reversed(listed) if self._about(trial, copy)}
        there = [by_step[step] for step in sorted(by_step, reverse=True)]
        counting = [copy for copy in there if copy.step <= keep.known][: keep.count]
        later = [copy for copy in there if copy.step > keep.known and keep.live]
        stay = {*counting, *later}
        gone = set(listed) - stay if keep.live else {parsed(name) for name in names} - stay
        self._remove(trial, [name for name in names if parsed(name) in gone])

    def _about(self, trial: int, copy: Copy) -> Contents | None:
        """None: its list is torn or gone."""
        name = f"{self._checkpoints(trial)}/{copy.name}{LIST}"
        try:
            with self._told("the list of a checkpoint can't be read", or_absent=True):
                text = self._fs.cat_file(name)
            return msgspec.json.decode(text, type=Contents)
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def _remove(self, trial: int, names: list[str]) -> None:
        """Lists first: what they stand for counts no more."""
        for name in sorted(names, key=lambda name: not name.endswith(LIST)):
            with (
                contextlib.suppress(FileNotFoundError),
                self._told("a copy can't be removed", or_absent=True),
            ):
                self._fs.rm(f"{self._checkpoints(trial)}/{name}", recursive=True)

    def _names(self, trial: int) -> list[str]:
        place = self._checkpoints(trial)
        try:
            with self._told("its checkpoints can't be listed", or_absent=True):
                self._fs.invalidate_cache(place)
                found = self._fs.ls(place, detail=False)
        except FileNotFoundError:
            return []
        return [name.rstrip("/").rpartition("/")[2] for name in found]

    def _checkpoints(self, trial: int) -> str:
        return f"{self._root}/{trial:04d}/{CHECKPOINTS}"

    # --- logs ------------------------------------------------------------------------------------

    def keep_log(self, trial: int, attempt: int, log: Path, start: int) -> None:
        """Copy what an attempt has printed, from byte `start` on."""
        place = f"{self._root}/{trial:04d}/{_LOGS}"
        with log.open("rb") as source:
            source.seek(start)
            with self._told("a log can't be copied there"):
                self._fs.makedirs(place, exist_ok=True)
                with self._fs.open(f"{place}/{attempt:04d}.log", "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)

    def log(self, trial: int, attempt: int) -> bytes:
        """What an attempt has printed; empty where that is not known."""
        try:
            with self._told("a log can't be read", or_absent=True):
                name = f"{self._root}/{trial:04d}/{_LOGS}/{attempt:04d}.log"
                text: bytes = self._fs.cat_file(name)
        except FileNotFoundError:
            return b""
        return text

    @contextlib.contextmanager
    def _told(self, what: str, *, or_absent: bool = False) -> Iterator[None]:
        """Let a StorageError be raised for any error. or_absent: but for FileNotFoundError."""
        try:
            yield
        except StorageError:
            raise
        except Exception as error:
            if or_absent and isinstance(error, FileNotFoundError):
                raise
            raise StorageError(f"{self.place}: {what}: {_words(error)}") from error


def _gone(folder: Path) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)


def _words(error: Exception) -> str:
    """One line."""
    if isinstance(error, OSError) and error.strerror:
        return "no space is left there" if error.errno in _FULL else error.strerror
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__
