"""`tuitune` and `python -m tuitune`."""

from __future__ import annotations

import sys


def main() -> None:
    """Hand the words over to the commands; a first word that ends in .toml means `run` it."""
    if sys.platform != "linux":
        sys.exit(
            "tuitune runs on Linux: it needs its process control (sessions, subreapers, /proc)"
        )
    from tuitune.cli.main import commands  # noqa: PLC0415 - the check above comes first

    words = sys.argv[1:]
    first = next((i for i, word in enumerate(words) if not word.startswith("-")), None)
    if first is not None and words[first].endswith(".toml"):
        words.insert(0, "run")
    commands(words, prog_name="tuitune")


if __name__ == "__main__":
    main()
