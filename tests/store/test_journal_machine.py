"""A journal and its readers beside plain lists, through writes that fail, restarts and power cuts."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from msgspec.structs import replace

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.store.errors import StoreError
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader
from tuitune.store.rows import Progress, TrialRow

TRIALS = st.integers(0, 3)
VALUES = st.sampled_from([0.5, 1.0, -2.0, math.inf])
FACTS = st.one_of(
    st.builds(ev.Ask, st.just(1.0), TRIALS),
    st.builds(ev.Warned, st.just(2.0), TRIALS, st.just(1), st.sampled_from(["slow", "é"])),
    st.builds(
        ev.Reported,
        st.floats(0, 100),
        TRIALS,
        st.just(1),
        st.integers(0, 9),
        st.dictionaries(st.sampled_from(["loss", "acc"]), VALUES),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(ev.PauseAsked, st.just(3.0), st.lists(TRIALS, max_size=2).map(tuple)),
    st.builds(ev.StopAsked, st.just(4.0), st.booleans(), st.just("asked")),
)
ROWS = st.builds(
    TrialRow,
    TRIALS,
    st.sampled_from(list(TrialState)),
    st.dictionaries(st.sampled_from(["lr", "n"]), VALUES, max_size=2),
    st.just("random"),
    value=st.none() | VALUES,
    step=st.none() | st.integers(0, 9),
)
PROGRESS = st.builds(
    Progress,
    TRIALS,
    st.none() | VALUES,
    st.none() | st.integers(0, 9),
    st.none() | VALUES,
    st.none() | st.integers(0, 3),
    st.floats(0, 100),
)
BROKEN = ev.Proposed(1.0, 0, {"x": 2**70}, "random", "")
LATER = Bundle("later")  # readers that were opened at some time, and what each has seen


class Follower:
    """A reader, and what it knows by asking for what has changed again and again."""

    def __init__(self, path: Path) -> None:
        self.reader = Reader.open(path)
        self.seq: int | None = None
        self.rows: dict[int, TrialRow] = {}
        self.reports: list[int] = []  # their numbers
        self.first = 0  # since when it has been asking

    def look(self) -> None:
        found = self.reader.changes(self.seq)
        if self.seq is None:
            self.first = found.seq
        self.seq = found.seq
        self.rows |= {row.number: row for row in found.rows}
        self.reports += [report.seq for report in found.reports]


class JournalMachine(RuleBasedStateMachine):
    """The model: a list of facts, the newest row of each trial, a snapshot and small texts."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "study.db"
        self.facts: list[tuple[int, ev.AnyFact]] = []
        self.rows: dict[int, TrialRow] = {}
        self.seq = 0
        self.kept: tuple[int, bytes] | None = None
        self.texts: dict[str, str] = {}
        self.followers: list[Follower] = []

    @initialize()
    def begin(self) -> None:
        self.journal = Journal.open(self.path, "loss")

    @rule(
        facts=st.lists(FACTS, max_size=4),
        rows=st.lists(ROWS, max_size=3, unique_by=lambda r: r.number),
        progress=st.lists(PROGRESS, max_size=3, unique_by=lambda p: p.number),
    )
    def write(self, facts, rows, progress) -> None:
        whole = {row.number for row in rows}
        known = [p for p in progress if p.number in self.rows and p.number not in whole]
        self.journal.write(facts, rows, progress=known)
        if not facts and not rows and not known:
            return
        first = self.seq + 1
        self.facts += enumerate(facts, first)
        self.seq += len(facts) or 1  # rows without facts take a number, too
        for row in rows:
            born = self.rows[row.number].born if row.number in self.rows else first
            self.rows[row.number] = replace(row, born=born, changed=self.seq)
        for one in known:
            row = replace(self.rows[one.number], **one._asdict())
            self.rows[one.number] = replace(row, changed=self.seq)

    @rule(facts=st.lists(FACTS, max_size=2), rows=st.lists(ROWS, max_size=1))
    def write_what_can_not_be_kept(self, facts, rows) -> None:
        with pytest.raises(StoreError, match="can't be kept"):
            self.journal.write([*facts, BROKEN], rows)

    @rule()
    def write_nothing(self) -> None:
        self.journal.write([], [])

    @rule()
    def another_engine(self) -> None:
        self.journal.close()
        self.journal = Journal.open(self.path, "loss")

    @rule(blob=st.binary(max_size=9))
    def keep(self, blob) -> None:
        self.journal.snapshot(blob)
        self.kept = self.seq, blob

    @rule()
    def forget(self) -> None:
        self.journal.drop_snapshot()
        self.kept = None

    @rule(key=st.sampled_from(["a", "b"]), value=st.text(st.characters(codec="utf-8"), max_size=5))
    def put(self, key, value) -> None:
        self.journal.put(key, value)
        self.texts[key] = value

    @rule(target=LATER)
    def follow(self):
        if len(self.followers) > 2:
            return multiple()
        self.followers.append(Follower(self.path))
        return self.followers[-1]

    @rule(follower=LATER)
    def catch_up(self, follower) -> None:
        follower.look()
        assert follower.seq == self.seq
        assert follower.rows == self.rows
        reports = [n for n, fact in self.facts if isinstance(fact, ev.Reported)]
        assert follower.reports == [n for n in reports if n > follower.first]

    @rule()
    def cut_the_power(self) -> None:
        """What was committed is in a copy of the files as they are, without an orderly end."""
        other = Path(tempfile.mkdtemp(dir=self.folder)) / "study.db"
        for file in self.folder.glob("study.db*"):
            shutil.copy(file, other.parent)
        journal = Journal.open(other, "loss")
        try:
            assert list(journal.history()) == [fact for _, fact in self.facts]
            assert journal.seq == self.seq
        finally:
            journal.close()
            shutil.rmtree(other.parent)

    @invariant()
    def the_journal_has_all_facts_in_order(self) -> None:
        if not hasattr(self, "journal"):
            return
        assert self.journal.seq == self.seq
        assert list(self.journal.history()) == [fact for _, fact in self.facts]

    @invariant()
    def a_restart_reads_the_snapshot_and_what_came_after_it(self) -> None:
        if not hasattr(self, "journal"):
            return
        blob, facts = self.journal.restore()
        since, kept = self.kept or (0, None)
        assert blob == kept
        assert list(facts) == [fact for seq, fact in self.facts if seq > since]
        for key in ("a", "b"):
            assert self.journal.get(key) == self.texts.get(key)

    @invariant()
    def readers_find_each_trials_facts(self) -> None:
        for follower in self.followers[:1]:
            reader = follower.reader
            assert reader.facts() == self.facts
            assert reader.newest_number() == self.seq
            half = self.seq // 2
            assert reader.facts(half) == [pair for pair in self.facts if pair[0] > half]
            for trial, row in self.rows.items():  # a trial's first row comes with its first fact
                own = [(n, f) for n, f in self.facts if concerns(f, trial) and n >= row.born]
                assert reader.facts_of(trial) == own

    def teardown(self) -> None:
        for follower in self.followers:
            follower.reader.close()
        if hasattr(self, "journal"):
            self.journal.close()
        shutil.rmtree(self.folder)


def concerns(fact, trial) -> bool:
    """Whether it is of this trial, or of several with this one; reports are read by themselves."""
    if isinstance(fact, ev.Reported):
        return False
    return trial in getattr(fact, "trials", ()) or getattr(fact, "trial", None) == trial


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=12, stateful_step_count=12)
