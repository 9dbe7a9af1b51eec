"""What a task of Ray does on a node: it asks a process of tuitune there."""

import os
import subprocess
import sys

from tuitune.ipc import entry

_PATIENCE = 40.0  # s
_HIDES = "CUDA_VISIBLE_DEVICES"


def ask_node(question: bytes) -> tuple[bytes, str]:
    """The answer of `engine.node_check` on this node; or b"", and why there is none."""
    command = entry.command(sys.executable, "engine.node_check")
    # Ray 2.49 hides all GPUs from a task that asks for none.
    env = {name: value for name, value in os.environ.items() if value or name != _HIDES}
    try:
        done = subprocess.run(
            command, input=question, capture_output=True, timeout=_PATIENCE, check=False, env=env
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return b"", f"tuitune does not run there ({error})"
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it died"]
        return b"", f"tuitune does not run there ({lines[-1]})"
    return done.stdout, ""
