"""Studies in a container: their process ids mean nothing outside, and their first process is all."""

from __future__ import annotations

import subprocess

import pytest
import terminal
from workshop import Workshop, wait_until

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
CODE = """
import time

def train(trial):
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    for step in range(start, 2000):
        time.sleep(0.02)
        trial.report(
            step=step + 1, loss=1.0, save=lambda place: (place / "step").write_text(str(step + 1))
        )
"""

pytestmark = pytest.mark.skipif(
    subprocess.run([*CONTAINER, "true"], check=False, capture_output=True).returncode != 0,
    reason="no process may be put into a namespace of its own here",
)


def reported(workshop: Workshop) -> bool:
    begun = (workshop.folder() / "trials").exists()
    return begun and any(trial["value"] for trial in workshop.trials())


def test_commands_from_outside_see_the_study_run_and_go_on_with_it_once_it_is_killed(
    workshop: Workshop,
):
    file = workshop.study(CODE)
    inside = subprocess.Popen(
        [*CONTAINER, *workshop.command(file, "--no-ui")],
        cwd=workshop.path,
        env=workshop.environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: reported(workshop), "a report")
        assert workshop.show()["state"] == "running"
        follower = workshop.start(file, "--no-ui")
        assert follower.stdout is not None
        assert "an engine runs it already" in follower.stdout.readline()
        follower.kill()
    finally:
        inside.kill()
        inside.wait()
    workshop.start(file, "--no-ui")  # at once, though the last heartbeat is recent
    wait_until(workshop.engine, "an engine out here")


def test_closing_the_app_that_is_a_containers_first_process_does_not_end_the_study(
    workshop: Workshop,
):
    command = [*CONTAINER, *workshop.command(workshop.study(CODE))]
    seen = terminal.start(command, 100, 30, workshop.environment, folder=workshop.path)
    try:
        assert seen.pump(terminal.PATIENCE, lambda _: reported(workshop))
        assert seen.pump(terminal.PATIENCE, lambda t: b"#0" in t.text)
        seen.press("q")
        assert seen.pump(terminal.PATIENCE, lambda t: b"Ctrl-C stops it" in t.text)
        assert workshop.show()["state"] == "running"
        seen.press("\x03")
        assert seen.pump(terminal.PATIENCE, terminal.Terminal.ended)
    finally:
        seen.close()
    assert seen.status == 130
    assert {trial["state"] for trial in workshop.trials()} == {"WAITING"}
    assert all("goes on from step" in trial["note"] for trial in workshop.trials())
