"""A database outlives its writer's death, a full disk and a folder that can't be written."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from store_writer import fact, row

from tuitune.store.errors import StoreError
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader

HERE = Path(__file__).parent
WRITER = [sys.executable, str(HERE / "store_writer.py")]
ENVIRONMENT = {"PYTHONPATH": str(HERE.parents[1]), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

OPENER = """
import sys
from pathlib import Path
from tuitune.store.journal import Journal
print("go", flush=True)
for number in range(10_000):
    Journal.open(Path(sys.argv[1]) / f"{number}.db", "loss").close()
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def kill_after(process: subprocess.Popen[str], lines: int) -> list[str]:
    """What the process said until it was killed, once it had said so many lines."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    return [line.strip() for line in said if line.endswith("\n")]


def assert_whole(path: Path, acknowledged: int) -> None:
    """Everything that was acknowledged is there, in order, and rows agree with facts."""
    reader = Reader.open(path)  # first: a reader alone can open what a dead writer left
    facts = reader.facts()
    assert len(facts) >= acknowledged
    assert facts == [(seq, fact(seq)) for seq in range(1, len(facts) + 1)]
    trials = reader.trials()
    assert all(trial.config == {"x": trial.changed} for trial in trials)
    assert all(trial.value == row(trial.changed).value for trial in trials)
    assert max((trial.changed for trial in trials), default=0) == len(facts)
    reader.close()
    journal = Journal.open(path, "loss")
    assert journal.seq == len(facts)
    blob, rest = journal.restore()
    seq = int(blob[: len(blob) // 1000]) if blob else 0
    assert list(rest) == [fact(number) for number in range(seq + 1, len(facts) + 1)]
    assert journal._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    journal.close()


def test_kill_9_of_the_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    dice = random.Random(0)
    acknowledged = 0
    for _ in range(12):
        said = kill_after(start(*WRITER, str(path)), dice.randint(1, 60))
        assert int(said[0]) > acknowledged
        acknowledged = int(said[-1])
        assert_whole(path, acknowledged)


def test_kill_9_while_databases_are_made_leaves_none_that_cannot_be_opened(tmp_path: Path) -> None:
    for round_ in range(4):
        folder = tmp_path / str(round_)
        folder.mkdir()
        process = start(sys.executable, "-c", OPENER, str(folder))
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        while not (folder / f"{3 + round_}.db").exists():
            assert process.poll() is None
        process.kill()
        process.communicate()
        for path in folder.glob("*.db"):
            journal = Journal.open(path, "loss")
            journal.write([fact(1)], [row(1)])
            journal.close()
            assert_whole(path, 1)


def test_a_file_that_may_not_grow_is_said_and_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    process = start(*WRITER, str(path), str(400_000))
    said, _ = process.communicate(timeout=60)
    *numbers, error = said.splitlines()
    assert process.returncode == 0, said
    assert error.startswith(f"error: {path}: ")
    assert "full, over quota or broken" in error
    assert_whole(path, int(numbers[-1]))


def mounted(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a shell script where it may mount file systems of its own, or skips the test."""
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/tmp"]
    if shutil.which("unshare") is None or subprocess.run(probe, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    return subprocess.run(
        ["unshare", "-rm", "sh", "-ec", script, "sh", *arguments],
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
        text=True,
        timeout=60,
    )


def test_a_full_disk_is_said_and_stays_whole(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=900k none "$1"; "$2" "$3" "$1/study.db"; cp "$1"/* "$4"'
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    done = mounted(script, str(disk), *WRITER, str(kept))
    *numbers, error = done.stdout.splitlines()
    assert "no space is left on its disk" in error, done.stderr
    assert_whole(kept / "study.db", int(numbers[-1]))


def test_a_read_only_disk_is_said_and_can_still_be_read(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    journal = Journal.open(path, "loss")
    journal.write([fact(1)], [row(1)])
    journal.close()
    read = (
        "from tuitune.store.reader import Reader; from pathlib import Path; import sys; "
        "print(len(Reader.open(Path(sys.argv[1])).facts()))"
    )
    script = (
        'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; '
        '"$2" "$3" "$1/study.db"; "$2" "$3" "$1/other.db"; "$2" -c "$4" "$1/study.db"'
    )
    done = mounted(script, str(tmp_path), *WRITER, read)
    existing, new, count = done.stdout.splitlines()
    assert "can be written, or choose another place with --runs" in existing, done.stderr
    assert "can be written, or choose another place with --runs" in new
    assert count == "1"


def test_a_connection_that_may_not_write_is_said(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    journal = Journal.open(path, "loss")
    journal._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match=r"study\.db: it can't be written.*--runs DIR"):
        journal.write([fact(1)], [row(1)])
    with pytest.raises(StoreError, match="can't be written"):
        journal.put("source", "here")
    journal._db.execute("PRAGMA query_only = OFF")
    journal.write([fact(1)], [row(1)])
    journal.close()
    assert_whole(path, 1)


def test_readers_beside_a_writer_always_see_whole_groups(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    process = start(*WRITER, str(path))
    assert process.stdout is not None
    acknowledged = int(process.stdout.readline())
    reader = Reader.open(path)
    seen: list[int] = []
    while len(seen) < 3000:
        new = reader.facts(since=len(seen))
        assert len(seen) + len(new) >= acknowledged
        seen += [number for number, _ in new]
        for trial in reader.trials():
            assert trial.config == {"x": trial.changed}
        acknowledged = int(process.stdout.readline())
    assert seen == list(range(1, len(seen) + 1))
    process.kill()
    process.communicate()
    reader.close()
    assert_whole(path, acknowledged)


def test_a_reader_that_holds_on_never_stops_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    journal = Journal.open(path, "loss")
    journal.write([fact(1)], [row(1)])
    held = sqlite3.connect(path, isolation_level=None, timeout=0)
    held.execute("BEGIN")
    assert held.execute("SELECT count(*) FROM reports").fetchone() == (1,)
    for seq in range(2, 200):
        journal.write([fact(seq)], [row(seq)])
    assert held.execute("SELECT max(seq) FROM reports").fetchone() == (1,)
    journal.close()
    held.close()
    assert_whole(path, 199)
