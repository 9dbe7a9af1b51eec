"""A process that writes a study's database until it is killed or fails; run by the tests.

`python store_writer.py DATABASE [FILE_LIMIT]`: prints the journal's number after each write that
returned, and the StoreError that ended it, if any.
"""

from __future__ import annotations

import os
import random
import resource
import sys
from pathlib import Path

from tuitune.core import events as ev
from tuitune.store.errors import StoreError
from tuitune.store.journal import Journal
from tuitune.store.rows import TrialRow


def fact(seq: int) -> ev.AnyFact:
    """What a writer puts under this number."""
    if seq % 5 == 0:
        return ev.Proposed(float(seq), seq, {"x": seq}, "sobol", "w" * (seq % 300))
    return ev.Reported(float(seq), seq % 7, 1, seq, {"loss": 1 / seq, "accuracy": float(seq)})


def row(seq: int) -> TrialRow:
    return TrialRow(seq % 7, "RUNNING", {"x": seq}, step=seq, value=1 / seq)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def write_on(journal: Journal) -> None:
    dice = random.Random(journal.seq)
    while True:
        first = journal.seq + 1
        last = journal.seq + dice.choice((1, 2, 10, 200))
        journal.write([fact(seq) for seq in range(first, last + 1)], [row(last)])
        say(str(journal.seq))
        if dice.random() < 0.05:
            journal.snapshot(str(journal.seq).encode() * 1000)


def main(path: Path, limit: int | None) -> None:
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        write_on(Journal.open(path, "loss"))
    except StoreError as error:
        say(f"error: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
