"""A disk that is nearly full: nothing is launched, that is said, and it goes on when there is room."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from workshop import Workshop

SCRIPT = """
mount -t tmpfs -o size=40m none "$1"
dd if=/dev/zero of="$1/ballast" bs=1M count=39 2>/dev/null
runs=$1; shift
{ "$@" study.toml --no-ui --runs "$runs"; echo "status $?"; } > out.txt 2>&1 &
until grep -q "too full" out.txt; do sleep 0.1; done
test ! -e "$runs/study/trials/0000"
rm "$runs/ballast"
wait
cat out.txt
"""


def test_nothing_is_launched_on_a_full_disk(workshop: Workshop):
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/tmp"]
    if shutil.which("unshare") is None or subprocess.run(probe, check=False).returncode:
        pytest.skip("mounting needs a user namespace, which is forbidden here")
    workshop.study("def train(trial):\n    trial.report(loss=1.0)\n", trials=2)
    runs = workshop.path / "runs"
    runs.mkdir()
    workshop.waits = 0.1
    command = ["unshare", "-rm", "sh", "-ec", SCRIPT, "sh", str(runs), *workshop.command()]
    done = workshop.call(command, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "launching goes on" in done.stdout
    assert "2 complete" in done.stdout
    assert "status 0" in done.stdout
