"""Targets that are imported, and the memory of the process that has imported them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tuitune
from tuitune.zygote.forking import library_of

ROOT = str(Path(tuitune.__file__).parents[1])

CODE = """
import hashlib, os
from tuitune.zygote import targets

held = [os.urandom(1 << 20) for _ in range(100)]
before = hashlib.sha256(b"".join(held)).digest()
targets.use_huge_pages()
assert hashlib.sha256(b"".join(held)).digest() == before
if os.fork() == 0:
    held[50] = bytes(1 << 20)
    os._exit(hashlib.sha256(b"".join(held)).digest() == before)
assert os.wait()[1] == 0
assert hashlib.sha256(b"".join(held)).digest() == before
print("whole")
"""


def test_a_target_is_imported_in_its_working_folder(bench):
    bench.write("data.txt", "0.5")
    bench.write(
        "train.py", "loss = float(open('data.txt').read())\ndef train(_):\n    return loss\n"
    )
    bench.open()
    bench.run(bench.order())
    assert bench.values() == [0.5]


def test_what_was_moved_is_still_there_and_a_child_writes_to_its_own():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.stdout == "whole\n", done.stderr


def test_a_small_process_is_left_alone():
    code = "from tuitune.zygote import targets; targets.use_huge_pages(); print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "fine\n"


LOAD = """
import sys
from tuitune.zygote import targets

targets.open_path(sys.argv[2])
function = targets.load(sys.argv[1], sys.argv[2])
print(function(), *[file.rpartition("/")[2] for file in targets.sources(sys.argv[2])])
"""


@pytest.mark.parametrize(
    ("target", "printed"),
    [
        ("random.py:here", "ours random.py"),  # a file may have the name of a module of Python's
        ("package.module:here", "theirs __init__.py module.py"),
        ("uses.py:here", "theirs __init__.py module.py uses.py"),
    ],
)
def test_a_function_is_found_in_a_file_or_in_a_module(tmp_path: Path, target: str, printed: str):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "module.py").write_text("def here():\n    return 'theirs'\n")
    (tmp_path / "random.py").write_text("def here():\n    return 'ours'\n")
    (tmp_path / "uses.py").write_text("from package.module import here\n")
    command = [sys.executable, "-P", "-c", LOAD, target, str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert (done.stdout, done.stderr) == (f"{printed}\n", "")


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("train.py:absent", "AttributeError: module 'train' has no attribute 'absent'"),
        ("train.py:NUMBER", "TypeError: train.py:NUMBER: NUMBER is a int, not a function"),
        ("absent.py:train", "FileNotFoundError"),
        ("absent.module:train", "ModuleNotFoundError: No module named 'absent'"),
    ],
)
def test_what_is_no_function_raises(tmp_path: Path, target: str, error: str):
    (tmp_path / "train.py").write_text("NUMBER = 3\n")
    command = [sys.executable, "-P", "-c", LOAD, target, str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert error in done.stderr


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it starts none on one core")
def test_a_library_that_keeps_threads_is_named():
    work = "numpy.ones((500, 500)) @ numpy.ones((500, 500))"  # all threads have begun after it
    ask = "from tuitune.zygote import forking; print(forking.why_not_forked(library=''))"
    code = f"import numpy; {work}; {ask}"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "3", "PYTHONPATH": ROOT}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    threads = r"(the thread|\d+ threads \(\d+ of) \S*openblas\S*\.so\S*"
    words = rf"the import starts {threads}, which a forked process would lack; "
    assert re.match(words, done.stdout), done.stdout


def test_a_thread_that_is_about_to_end_is_none_that_a_fork_lacks():
    # as one that has been joined, which the kernel still lists on a loaded machine
    ends = "import _thread, time; _thread.start_new_thread(time.sleep, (0.1,))"
    ask = "from tuitune.zygote import forking; print(forking.why_not_forked(library=''))"
    done = subprocess.run(
        [sys.executable, "-c", f"{ends}; {ask}"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    assert done.stdout == "None\n"


FORKING = "from tuitune.zygote import forking; print(forking.gpu_in_use())"
TORCH = """
import os
from types import SimpleNamespace as Space
version = Space(cuda={built}, hip=None)
in_child = []
os.register_at_fork(after_in_child=lambda: in_child.append(True))
cuda = Space(is_initialized=lambda: False, _is_in_bad_fork=lambda: bool({counted} and in_child))
"""


def gpu_in_use(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{FORKING}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ROOT, **environment},
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("calls", "library"), [("", ""), ("cuInit(0)", "CUDA"), ("cuDeviceGetCount(0)", "")]
)
def test_cuda_is_in_use_once_it_was_initialised(shims: dict[str, Path], calls: str, library: str):
    load = f"import ctypes; cuda = ctypes.CDLL({str(shims['new'] / 'libcuda.so.1')!r})"
    call = f"; cuda.{calls}" if calls else ""
    assert gpu_in_use(f"{load}{call}") == library


@pytest.mark.parametrize(
    ("file", "library"),
    [
        ("/dev/nvidia-uvm", "CUDA"),
        ("/dev/kfd", "HIP"),
        ("/dev/dxg", "a GPU of WSL"),
        ("/dev/nvidiactl", ""),  # which NVML opens
        ("/home/me/dev/kfd", ""),
    ],
)
def test_a_device_that_is_open_tells_what_uses_it(file: str, library: str):
    assert library_of(file) == library


@pytest.mark.parametrize(
    ("built", "counted", "library"),
    [("'12.6'", True, "torch.cuda"), ("'12.6'", False, ""), ("None", True, "")],
)
def test_torch_that_refuses_cuda_in_a_forked_process_is_not_forked(
    tmp_path: Path, built: str, counted: bool, library: str
):
    (tmp_path / "torch.py").write_text(TORCH.format(built=built, counted=counted))
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    assert gpu_in_use("import torch", PYTHONPATH=path) == library
