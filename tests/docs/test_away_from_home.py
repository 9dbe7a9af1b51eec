"""The guide to SLURM, containers and shared disks: its batch script does what it says."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
from workshop import wait_until

GUIDE = Path(__file__).parents[2] / "docs" / "away-from-home.md"
# stands for tuitune: it writes its words, and ends with a status once it gets SIGTERM
TUITUNE = """#!/bin/bash
trap 'exit 130' TERM
echo "$@" > started
while [ ! -e finished ]; do sleep 0.02; done
"""


@pytest.mark.parametrize(("ended_by", "status"), [("SIGTERM", 130), ("finished", 0)])
def test_the_batch_script_queues_its_job_again_only_after_an_interrupted_study(
    tmp_path: Path, ended_by: str, status: int
):
    (script,) = re.findall(r"```bash\n(#!/bin/bash.*?)```", GUIDE.read_text(), re.DOTALL)
    requeue = 'echo "$@" > requeued\n'
    files = {"job.sh": script, "tuitune": TUITUNE, "scontrol": f"#!/bin/bash\n{requeue}"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o700)
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "7"}
    job = subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, env=variables)
    wait_until((tmp_path / "started").exists, "the study")
    if ended_by == "SIGTERM":
        job.send_signal(signal.SIGTERM)
    else:
        (tmp_path / "finished").touch()
    assert job.wait(timeout=60) == status
    assert (tmp_path / "requeued").exists() == (status == 130)
    assert (tmp_path / "started").read_text() == "study.toml --no-ui --steal\n"
