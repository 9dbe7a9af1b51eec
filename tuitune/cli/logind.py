"""Would this machine end a study's engine when its user logs out?"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ASK = (
    "busctl",
    "get-property",
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
    "KillUserProcesses",
)
SCOPE = ("systemd-run", "--user", "--scope", "--quiet", "--collect")
PATIENCE = 2.0  # s
WORDS = (
    "this machine ends your processes when you log out (logind's KillUserProcesses); "
    "`loginctl enable-linger` lets studies run on"
)


@dataclass(frozen=True, slots=True)
class SessionScope:
    """How an engine is started so that it outlives its user's session, and what that still needs.

    `prefix` goes before its command. `words` is empty where nothing is missing.
    """

    prefix: tuple[str, ...] = ()
    words: str = ""


def scope(root: Path = Path("/")) -> SessionScope:
    """Ask logind, where there is one; root's processes are never ended."""
    if os.getuid() == 0 or not (root / "run/systemd/system").is_dir() or not _would_kill(root):
        return SessionScope()
    lingers = (root / "var/lib/systemd/linger" / _user()).exists()
    has_manager = bool(os.environ.get("XDG_RUNTIME_DIR")) and shutil.which(SCOPE[0]) is not None
    return SessionScope(SCOPE if has_manager else (), "" if lingers and has_manager else WORDS)


def _would_kill(root: Path) -> bool:
    """Whether we are of a session, and what is of a session ends with it."""
    try:
        group = root / "proc/self/cgroup"
        if "/session-" not in group.read_text(encoding="utf-8", errors="replace"):
            return False
        asked = subprocess.run(ASK, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.stdout.split() == ["b", "true"]


def _user() -> str:
    import pwd  # noqa: PLC0415 - only where logind ends processes

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
