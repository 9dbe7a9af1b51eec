"""What a forked process could not live with: a GPU in use, and threads of the import."""

from __future__ import annotations

import array
import ctypes
import os
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

# opened by CUDA, by ROCm, and by whatever uses a GPU under WSL
_DEVICES = {"/dev/nvidia-uvm": "CUDA", "/dev/kfd": "HIP", "/dev/dxg": "a GPU of WSL"}
_UNTOUCHED = (3, 34)  # CUDA_ERROR_NOT_INITIALIZED, CUDA_ERROR_STUB_LIBRARY
_TASKS = "/proc/self/task"
# Arrow drops its threads in a forked child and starts new ones when it needs them; the name is that
# of its allocator's thread, which does the same.
_FORKABLE = r"(libarrow\.so[.\d]*|jemalloc_bg_thd)$"
_RUNTIME = r"(libc|libpython[\d.]*|libpthread|libstdc\+\+|libm|libdl|librt|libgcc_s|ld-\S+?)[.-]"
_LOOKS, _BETWEEN_LOOKS = 15, 0.02  # at threads of which nothing is known, and s between two
_MOST_STACK = 1 << 16  # bytes of a thread's stack that are read
_MOST_NAMED = 3
_REMEDY = "let the function that trains do that, not the import"


def why_not_forked(library: str) -> str | None:
    """Why this process can't be forked after the import, and the mend; None if it can.

    `library`: what `gpu_in_use` says.
    """
    if library:
        return f"the import initialises {library}, which a forked process can't share; {_REMEDY}"
    _end_progress_monitors()
    names = _threads()
    if not names:
        return None
    kinds = Counter(names).most_common()
    listed = [name if count == 1 else f"{count} of {name}" for name, count in kinds[:_MOST_NAMED]]
    more = len(names) - sum(count for _, count in kinds[:_MOST_NAMED])
    what = ", ".join([*listed, *([f"{more} more"] if more else [])])
    threads = f"the thread {what}" if len(names) == 1 else f"{len(names)} threads ({what})"
    return f"the import starts {threads}, which a forked process would lack; {_REMEDY}"


def gpu_in_use() -> str:
    """The library by which the import has touched a GPU, as "CUDA"; empty if it has not."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "HIP" if torch.version.hip else "CUDA"
    opened = next((name for file in _open_files() if (name := library_of(file))), "")
    if opened or any(map(_is_initialised, _mapped("libcuda.so"))):
        return opened or "CUDA"
    return "torch.cuda" if torch is not None and _spoils_forks(torch) else ""


def library_of(file: str) -> str:
    """The library that has this device open once it is in use; empty for other files."""
    return next((name for device, name in _DEVICES.items() if file.startswith(device)), "")


def _is_initialised(libcuda: str) -> bool:
    """Whether cuInit was called in this process, though it may have failed."""
    try:
        code = ctypes.CDLL(libcuda).cuDeviceGetCount(ctypes.byref(ctypes.c_int()))
    except (OSError, AttributeError):
        return False
    return code not in _UNTOUCHED


def _spoils_forks(torch: ModuleType) -> bool:
    """Whether torch refuses CUDA in a forked process, as after some calls that count devices."""
    is_spoilt = getattr(torch.cuda, "_is_in_bad_fork", None)
    if is_spoilt is None or not (torch.version.cuda or torch.version.hip):
        return False
    child = os.fork()
    if child == 0:
        os._exit(1 if is_spoilt() else 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def _mapped(library: str) -> set[str]:
    """Paths of files with this name that are mapped into this process."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if library in line}
    return {path for path in paths if path.rpartition("/")[2].startswith(library)}


def _end_progress_monitors() -> None:
    """End the threads that tqdm's bars have left behind; its next bar starts another."""
    for thread in threading.enumerate():
        if type(thread).__module__ == "tqdm._monitor":
            thread.tqdm_cls.monitor = None  # type: ignore[attr-defined]
            thread.exit()  # type: ignore[attr-defined]


def _threads() -> list[str]:
    """Names of the threads that a forked process would lack.

    One of which nothing is known is looked at again. It may have been joined: Python says so a
    moment before the kernel has ended it, on a loaded machine many milliseconds. And a thread of a
    numerical library goes on running for some milliseconds after its work.
    """
    names: list[str] = []
    for look in range(_LOOKS):
        time.sleep(_BETWEEN_LOOKS if look else 0)
        names = [name for name in map(_name_of, _other_tasks()) if not re.match(_FORKABLE, name)]
        if "" not in names:
            break
    return [name or "of a library" for name in names]


def _other_tasks() -> list[int]:
    """The kernel's ids of all threads but this one."""
    return sorted({int(name) for name in os.listdir(_TASKS)} - {threading.get_native_id()})  # noqa: PTH208


def _name_of(task: int) -> str:
    """As "Thread-1 (watch) of train", "libgomp.so.1" or "worker"; empty if nothing is known."""
    for thread in threading.enumerate():
        if thread.native_id == task:
            made_by = getattr(thread, "_target", None) or type(thread)
            return f"{thread.name} of {getattr(made_by, '__module__', '?')}"
    try:
        name = Path(_TASKS, str(task), "comm").read_text(encoding="utf-8", errors="replace").strip()
        if re.match(_FORKABLE, name):
            return name
        own = Path("/proc/self/comm").read_text(encoding="utf-8", errors="replace").strip()
        return " and ".join(_libraries_of(task)) or (name if name != own else "")
    except (OSError, ValueError, IndexError):  # it has just ended, or runs, or is not shown
        return ""


class _Region(NamedTuple):
    """One mapping of this process's memory."""

    start: int
    end: int
    is_code: bool
    file: str  # its name without the folder


def _libraries_of(task: int) -> list[str]:
    """The libraries whose functions a waiting thread is in, by the addresses on its stack."""
    pointer = _stack_of(task)
    regions = list(_regions())
    end = next((region.end for region in regions if region.start <= pointer < region.end), pointer)
    memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        stack = os.pread(memory, min(end - pointer, _MOST_STACK) // 8 * 8, pointer)
    finally:
        os.close(memory)
    code = [region for region in regions if region.is_code and ".so" in region.file]
    words = set(array.array("Q", stack))
    found = {region.file for region in code if any(region.start <= w < region.end for w in words)}
    return sorted(name for name in found if not re.match(_RUNTIME, name))


def _stack_of(task: int) -> int:
    """The stack pointer of a thread that waits. ValueError if it runs."""
    fields = Path(_TASKS, str(task), "syscall").read_text(encoding="ascii").split()
    if len(fields) == 1:  # it says "running"
        raise ValueError(task)
    return int(fields[-2], 16)


def _regions() -> Iterator[_Region]:
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
        for line in maps:
            place, rights, _, _, _, *path = line.split(maxsplit=5)
            start, end = (int(number, 16) for number in place.split("-"))
            file = path[0].strip().rpartition("/")[2] if path else ""
            yield _Region(start, end, "x" in rights, file)


def _open_files() -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except OSError:  # the listing's own descriptor
            continue
    return found
