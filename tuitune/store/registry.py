"""Which studies has this user run on this machine?"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from tuitune.store.filesystem import is_file

DATABASE = "study.db"


def remember(folder: Path) -> bool:
    """Lists this study for `ls` and for finding it by name from anywhere.

    False where the user's state folder can't be written: a study runs without it too.
    """
    import hashlib  # noqa: PLC0415 - it loads OpenSSL: only who remembers a study pays

    folder = folder.resolve()
    try:
        place = _place()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        entry = place / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.json"
        aside = entry.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps({"folder": str(folder)}), encoding="utf-8")
        aside.replace(entry)
    except (OSError, RuntimeError, ValueError):  # no home, not writable, an odd path
        return False
    _forget_removed(place)
    return True


def known_studies() -> list[Path]:
    """The folders of all studies that are still there, the one run last first."""
    try:
        entries = sorted(_place().glob("*.json"), key=_age)
    except (OSError, RuntimeError):
        return []
    folders = (_folder(entry) for entry in entries)
    return [folder for folder in folders if folder is not None and is_file(folder / DATABASE)]


def _place() -> Path:
    from platformdirs import user_state_path  # noqa: PLC0415 - only commands that need it pay

    return user_state_path("tuitune", appauthor=False) / "studies"


def _age(entry: Path) -> float:
    try:
        return -entry.stat().st_mtime
    except OSError:
        return 0.0


def _folder(entry: Path) -> Path | None:
    try:
        return Path(json.loads(entry.read_text(encoding="utf-8"))["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _forget_removed(place: Path) -> None:
    """Drops studies that were deleted; one whose disk isn't mounted now is kept."""
    for entry in place.glob("*.json"):
        folder = _folder(entry)
        with contextlib.suppress(OSError):
            if folder is None or (folder.parent.is_dir() and not (folder / DATABASE).exists()):
                entry.unlink()
