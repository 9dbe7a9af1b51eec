"""Memory in huge pages: nothing is lost, and a fork has its own."""

from __future__ import annotations

import subprocess
import sys

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


def test_what_was_moved_is_still_there_and_a_child_writes_to_its_own():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.stdout == "whole\n", done.stderr


def test_a_small_process_is_left_alone():
    code = "from tuitune.zygote import targets; targets.use_huge_pages(); print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "fine\n"
