"""A zygote that is killed in a real engine: all that it had started ends, and nothing else."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from workshop import Workshop, wait_until

from tuitune.core.search.start import START
from tuitune.ipc.process_tree import children

CODE = """
import os, time
from pathlib import Path

def daemon():
    # Forked twice, in a session of its own and with an empty environment: no marker is left on it
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            Path("part").write_text(str(os.getpid()))
            Path("part").rename("daemon")
            os.execve("/bin/sleep", ["sleep", "600"], {})
        os._exit(0)
    os.wait()

def train(trial):
    trial.report(step=1, loss=trial.config["x"])
    if trial.number == 0 and trial.attempt == 0:
        daemon()
        time.sleep(600)
    while trial.number == 1 and not Path("go").exists():
        time.sleep(0.01)
"""


def of_module(engine: int, module: str) -> list[int]:
    """The engine's own processes that run this module."""
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children(engine)}
    return [pid for pid, line in lines.items() if f"tuitune.{module} ".encode() in line]


def test_a_daemon_without_an_environment_ends_with_its_zygote_and_the_model_lives(
    workshop: Workshop,
):
    file = workshop.study(CODE, trials=START + 2)
    file.write_text(file.read_text().replace('method = "random"', 'method = "tpe"'))
    engine = workshop.start(file, "--no-ui")
    path = workshop.path / "daemon"
    daemon = int(wait_until(lambda: path.exists() and path.read_text(), "the daemon"))
    wait_until(lambda: not Path(f"/proc/{daemon}/environ").read_bytes(), "its empty environment")
    model = wait_until(lambda: of_module(engine.pid, "model_process.main"), "the model's process")
    (zygote,) = of_module(engine.pid, "zygote.main")

    os.kill(zygote, signal.SIGKILL)

    wait_until(lambda: not Path(f"/proc/{daemon}").exists(), "the end of the daemon")
    wait_until(lambda: workshop.trials()[0]["state"] == "COMPLETE", "the second attempt")
    assert of_module(engine.pid, "model_process.main") == model
    (workshop.path / "go").touch()
    output, _ = engine.communicate(timeout=60)
    assert engine.returncode == 0, output
    assert {trial["state"] for trial in workshop.trials()} == {"COMPLETE"}
    assert "model's process" not in output  # it was not started again
    assert not workshop.left_over()
