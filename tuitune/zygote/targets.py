"""Importing targets, and making the process that has imported them cheap to fork."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_PREFIX = "tuitune_target_"
_HUGE = 1 << 21  # bytes of a huge page
_WORTH_IT = 64 << 20  # bytes: a small process forks fast as it is
_MADV_COLLAPSE = 25  # madvise(2), Linux 6.1 and later
_WRITTEN = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0\s*(?:\[heap\])?$")


def load(target: str, folder: str) -> Callable[..., Any]:
    """The function of "file.py:function" in `folder`, or of "package.module:function".

    Or the one that "file.pickle:function" holds.

    Raises whatever its module raises, ImportError, AttributeError.
    """
    place, _, name = target.rpartition(":")
    if place.endswith(".pickle"):
        return _unpickled(Path(folder, place))
    module = (
        _load_file(Path(folder, place)) if place.endswith(".py") else importlib.import_module(place)
    )
    function = getattr(module, name)
    if not callable(function):
        raise TypeError(f"{target}: {name} is a {type(function).__name__}, not a function")
    return function  # type: ignore[no-any-return]


def _unpickled(path: Path) -> Callable[..., Any]:
    """A function that `tuitune.run` has stored by value. Raises whatever its modules raise."""
    import pickle  # noqa: PLC0415 - seldom needed

    with path.open("rb") as file:
        return pickle.load(file)  # type: ignore[no-any-return]  # noqa: S301 - the user's own


def open_path(folder: str) -> None:
    """Let targets import what is in the working folder, as a script there could."""
    if folder not in sys.path:
        sys.path.insert(0, folder)


def sources(folder: str) -> list[str]:
    """The files under `folder` that were imported, except installed packages there."""
    root = os.path.realpath(folder) + os.sep
    real_folder = cache(os.path.realpath)  # torch has thousands of modules, in few folders

    def real(file: str) -> str:
        if os.path.islink(file):  # noqa: PTH114 - a Path would take longer
            return os.path.realpath(file)
        place, name = os.path.split(file)
        return f"{real_folder(place)}{os.sep}{name}"

    files = {
        real(file)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] != "tuitune"
        and isinstance(file := getattr(module, "__file__", None), str)
    }
    return sorted(file for file in files if file.startswith(root) and "site-packages" not in file)


def _load_file(path: Path) -> ModuleType:
    file = str(path.resolve())
    for name in (path.stem, f"{_PREFIX}{path.stem}"):
        if getattr(sys.modules.get(name), "__file__", None) == file:
            return sys.modules[name]
    open_path(str(path.resolve().parent))
    # A file may be called random.py, and must not take the place of Python's own.
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"{_PREFIX}{path.stem}" if taken else path.stem
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def use_huge_pages() -> None:
    """Move this process's memory into huge pages, where the kernel can.

    A fork copies the tables of all pages that a process has written, and its end frees them again:
    with torch loaded, two thirds of what a short trial costs. Two megabytes in one huge page need
    one entry instead of 512. A child still copies only the small pages that it writes.
    """
    regions = list(_anonymous())
    if sum(end - start for start, end in regions) < _WORTH_IT:
        return
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for start, end in regions:
        advise(start, end - start, _MADV_COLLAPSE)  # if refused, nothing changes


def _anonymous() -> Iterator[tuple[int, int]]:
    """(start, end) of writable memory that no file backs, in whole huge pages."""
    place = "/proc/self/maps"  # pathlib would have to be imported
    with open(place, encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
        for line in maps:
            found = _WRITTEN.match(line.rstrip())
            if found is not None:
                start = -(-int(found[1], 16) // _HUGE) * _HUGE
                end = int(found[2], 16) // _HUGE * _HUGE
                if start < end:
                    yield start, end
