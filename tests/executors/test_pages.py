from __future__ import annotations

import subprocess
import sys

CODE = """
import hashlib, os
from tuitune.zygote import pages

held = [os.urandom(1 << 20) for _ in range(100)]
before = hashlib.sha256(b"".join(held)).digest()
pages.gather()
assert hashlib.sha256(b"".join(held)).digest() == before
if os.fork() == 0:
    held[50] = bytes(1 << 20)
    os._exit(hashlib.sha256(b"".join(held)).digest() == before)
assert os.wait()[1] == 0
assert hashlib.sha256(b"".join(held)).digest() == before
print("whole")
"""


def test_what_is_gathered_is_still_there_and_a_child_writes_to_its_own():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.stdout == "whole\n", done.stderr


def test_a_small_process_is_left_alone():
    code = "from tuitune.zygote import pages; pages.gather(); print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "fine\n"
