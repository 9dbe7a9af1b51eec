"""Somebody else has taken the name of the folder of our sockets: the study runs and is steered."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from workshop import Workshop

NOBODY = 65534
CODE = """
import time

def train(trial):
    while True:
        trial.report(loss=trial.config["x"])
        time.sleep(0.01)
"""
# Where others can't see it: in a name space of its own.
SCRIPT = """
mount --bind "$1" "/tmp/tuitune-$(id -u)"; shift
"$@" study.toml --no-ui > out.txt 2>&1 &
until test -s runs/study/trials/0000/config.json; do sleep 0.05; done
stat -c "%u %a" "$(dirname "$(tail -n 1 runs/study/.sockets)")"
"$@" kill study 0
"$@" stop study
wait $! || echo "status $?"
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")
def test_a_study_whose_folder_of_sockets_is_taken(workshop: Workshop):
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("mounting is forbidden here")
    Path("/tmp/tuitune-0").mkdir(mode=0o700, exist_ok=True)
    theirs = workshop.path / "theirs"
    theirs.mkdir(mode=0o777)
    os.chown(theirs, NOBODY, NOBODY)
    workshop.study(CODE)
    before = set(Path("/tmp").glob("tuitune-0-*"))
    command = ["unshare", "-m", "sh", "-ec", SCRIPT, "sh", str(theirs), *workshop.command()]
    done = workshop.call(command, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "0 700",
        "study: killing #0",
        (
            "study: stopping; waiting for 2 running trials to save and leave, for at most 20s plus "
            "the time of a save; --now does not wait"
        ),
        "status 130",
    ]
    assert list(theirs.iterdir()) == []
    assert not (workshop.folder() / ".sockets").exists()
    assert set(Path("/tmp").glob("tuitune-0-*")) <= before
