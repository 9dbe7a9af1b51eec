"""The app over a slow link: keys and the opening, on a pty that delays what goes either way."""

from __future__ import annotations

import collections
import contextlib
import os
import pty
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import termios
import time
import tty
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import terminal
import tree

ROUND_TRIP = 0.2  # s
KEYS = 60
SETTLE = 4.0  # s
SIGN = b"leave"
OWN = 0.05  # s that the app may take for a key itself


def relay(delay: float, command: list[str]) -> int:
    """Runs the command on a pty of its own; all bytes are passed on after so many seconds."""
    pid, inner = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    termios.tcsetwinsize(inner, termios.tcgetwinsize(0))
    tty.setraw(0)
    waiting: collections.deque[tuple[float, int, bytes]] = collections.deque()  # by due time
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    with contextlib.suppress(OSError):  # either side is gone
        while True:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, to, data = waiting.popleft()
                os.write(to, data)
            left = None if not waiting else max(0.0, waiting[0][0] - now)
            for source in select.select([0, inner], [], [], left)[0]:
                data = os.read(source, 1 << 16)
                to = inner if source == 0 else 1
                waiting.append((time.monotonic() + delay, to, data))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def opened(folder: Path, state: Path) -> terminal.Terminal:
    """The app on this study, at the other end of the link."""
    app = [sys.executable, "-m", "tuitune", "attach", str(folder)]
    command = [sys.executable, __file__, "relay", str(ROUND_TRIP / 2), *app]
    variables = {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "SSH_CONNECTION": "10.0.0.1 4000 10.0.0.2 22",
        "XDG_STATE_HOME": str(state),
        "XDG_CONFIG_HOME": str(state),
    }
    program = terminal.start(command, 120, 40, variables)
    if not program.pump(terminal.PATIENCE, lambda t: SIGN in t.text):
        program.close()
        raise RuntimeError(f"the app painted nothing: {program.text[-500:]!r}")
    return program


def main() -> int:
    """Prints the figures; the exit status is 1 where a key took more than its bound."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "runs" / "study"
        build = [sys.executable, str(tree.MEASURED / "app_world.py"), "build", str(folder)]
        subprocess.run(build, check=True)
        opened(folder, Path(place)).close()
        program = opened(folder, Path(place))
        attached = time.monotonic() - program.began
        program.pump(SETTLE)
        times = []
        for number in range(KEYS):
            program.pump(0.013 * (number % 7))
            times.append(program.latency("jk"[number // 10 % 2]))
            program.pump(0.1)
        program.close()
    times.sort()
    middle, late = statistics.median(times), times[int(0.95 * len(times))]
    bound = ROUND_TRIP + OWN
    print(f"load {os.getloadavg()[0]:.1f}; a link with a round trip of {1000 * ROUND_TRIP:.0f} ms")
    print(f"attach to its first paint, 10,000 trials: {attached:.2f} s")
    print(f"key to paint: median {1000 * middle:.0f} ms, p95 {1000 * late:.0f} ms")
    print(f"bound of the median: {1000 * bound:.0f} ms, one round trip and {1000 * OWN:.0f} ms")
    return int(middle > bound)


if __name__ == "__main__":
    if sys.argv[1:2] == ["relay"]:
        sys.exit(relay(float(sys.argv[2]), sys.argv[3:]))
    sys.exit(main())
