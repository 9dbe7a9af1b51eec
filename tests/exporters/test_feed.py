"""What a destination gets of a study, and in which order: a list plays the tool."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from installed import toy_package, unpack
from msgspec.structs import replace
from stored_study import finished, store

from tuitune.core import events as ev
from tuitune.exporters.destination import DestinationError, batches, has_ended, has_failed
from tuitune.exporters.feeding import Feed, NotBegunError, feeding
from tuitune.exporters.registry import DESTINATIONS, Place, destination_kind, missing, place_of
from tuitune.store import reader as store_reader
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader
from tuitune.store.rows import TrialRow


class Kept:
    """A destination that keeps all that it is given; `fails`: the call that raises."""

    def __init__(self, reached: int = 0) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails = ""
        self.kept = reached

    def reached(self) -> int:
        return self.kept

    def begin(self, trial: TrialRow) -> None:
        self._call("begin", trial.number)

    def report(self, reports: list[store_reader.Report]) -> None:
        for one in reports:
            self._call("report", one.trial, one.step)

    def update(self, trial: TrialRow) -> None:
        self._call("update", trial.number, str(trial.state))

    def flush(self, reached: int) -> None:
        self._call("flush", reached)
        self.kept = reached

    def close(self) -> None:
        self._call("close")

    def _call(self, *call: Any) -> None:
        if call[0] == self.fails:
            raise ConnectionError("nobody answers\nin two lines")
        self.calls.append(call)

    def taken(self) -> list[tuple[Any, ...]]:
        """What was called since this was asked last."""
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = store(tmp_path / "study")
    yield made
    made.close()


@pytest.fixture
def reader(journal: Journal, tmp_path: Path) -> Iterator[Reader]:
    made = Reader.open(tmp_path / "study" / "study.db")
    yield made
    made.close()


def reported(trial: int, step: int) -> ev.Reported:
    return ev.Reported(1.0, trial, 0, step, {"loss": 1 / step})


def running(trial: int) -> TrialRow:
    return replace(finished(trial), state="RUNNING", ended=None, started=1.0)


def ended(trial: int, state: str = "COMPLETE") -> TrialRow:
    return replace(finished(trial), state=state, started=1.0)


def test_a_trial_begins_once_and_is_updated_after_its_reports(journal, reader) -> None:
    to = Kept()
    feed = Feed(reader, to)
    journal.write([reported(0, 1), reported(1, 1)], [running(0), running(1)])
    assert feed.step() == 0
    assert to.taken() == [
        ("begin", 0), ("begin", 1), ("report", 0, 1), ("report", 1, 1),
        ("update", 0, "RUNNING"), ("update", 1, "RUNNING"), ("flush", 2),
    ]  # fmt: skip
    journal.write([reported(1, 2)], [ended(1)])
    feed.all()
    assert to.taken() == [("report", 1, 2), ("update", 1, "COMPLETE"), ("flush", 3)]
    feed.all()
    assert to.taken() == []  # nothing is new, and nothing is flushed


def test_a_trial_that_has_not_started_is_not_told_of(journal, reader) -> None:
    to = Kept()
    feed = Feed(reader, to)
    journal.write([], [TrialRow(0, "WAITING", {"lr": 0.1}), running(1)])
    feed.all()
    assert [call for call in to.taken() if call[0] != "flush"] == [
        ("begin", 1), ("update", 1, "RUNNING"),
    ]  # fmt: skip
    journal.write([], [running(0)])
    feed.all()
    assert to.taken()[:2] == [("begin", 0), ("update", 0, "RUNNING")]


def test_what_was_flushed_before_is_not_given_again(journal, reader) -> None:
    journal.write([reported(0, 1)], [running(0)])
    journal.write([reported(1, 1)], [ended(1)])
    to = Kept(reached=1)
    Feed(reader, to).all()
    assert to.taken() == [
        ("begin", 1), ("report", 1, 1), ("update", 1, "COMPLETE"), ("flush", 2),
    ]  # fmt: skip
    Feed(reader, to).all()
    assert to.taken() == []


@settings(max_examples=12)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=4, max_size=16),
    st.integers(1, 7),
    st.integers(1, 3),
)
def test_in_whatever_parts_it_comes_each_report_comes_once_and_before_the_end(
    tmp_path_factory, moves, most, part
) -> None:
    """moves: trials that report, each with whether it ends with that; most: reports of a look."""
    folder = tmp_path_factory.mktemp("study")
    journal, steps, sent = store(folder), dict.fromkeys(range(4), 0), []
    over: set[int] = set()
    for trial, ends in moves:
        if trial in over:
            continue
        steps[trial] += 1
        sent.append((trial, steps[trial]))
        journal.write([reported(*sent[-1])], [ended(trial) if ends else running(trial)])
        over |= {trial} if ends else set()
    reader, to = Reader.open(folder / "study.db"), Kept()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuitune.store.reader.MOST", most)
        patch.setattr("tuitune.exporters.feeding.MOST", most)
        patch.setattr("tuitune.exporters.feeding._PART", part)
        left: list[int] = []
        Feed(reader, to).all(left.append)
    journal.close()
    reader.close()
    assert [call[1:] for call in to.calls if call[0] == "report"] == sent
    assert left == sorted(left, reverse=True)
    for trial in over:
        own = [call for call in to.calls if call[0] != "flush" and call[1] == trial]
        assert own[0] == ("begin", trial)
        assert own[-1] == ("update", trial, "COMPLETE")
        assert len([call for call in own if call[0] == "begin"]) == 1
    assert to.kept == len(sent)


def test_a_failure_loses_nothing_for_the_next_who_writes(journal, reader) -> None:
    journal.write([reported(0, 1)], [running(0)])
    for call in ("begin", "report", "update", "flush"):
        to = Kept()
        to.fails = call
        with pytest.raises(ConnectionError):
            Feed(reader, to).all()
        assert to.kept == 0
        to.fails = ""
        to.taken()
        Feed(reader, to).all()
        assert to.taken() == [
            ("begin", 0), ("report", 0, 1), ("update", 0, "RUNNING"), ("flush", 1),
        ]  # fmt: skip


# --- opening a destination ---------------------------------------------------------------------

TOY = """
from tuitune.exporters.registry import DestinationKind

def opened(source, where):
    raise ConnectionError("nobody answers\\nin two lines" + "x" * 500)

def silent(source, where):
    raise OSError

LOUD = DestinationKind(opened, "{folder}/x", "a file", is_path=True)
SILENT = DestinationKind(silent, "{study}", "a project", variable="TOY_PLACE")
INSIDE = DestinationKind(opened, "{study}", "a project", "no_such_package.inside", "toy-package")
"""
ENTRY_POINTS = """[tuitune.destinations]
loud = toy_feeds:LOUD
silent = toy_feeds:SILENT
inside = toy_feeds:INSIDE
"""


@pytest.fixture
def _toy_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack(toy_package("toy_feeds", ENTRY_POINTS, toy_feeds=TOY), tmp_path / "installed")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))


def words_of(folder: Path, place: Place) -> str:
    with pytest.raises(DestinationError) as caught, feeding(folder, place):
        pass
    return str(caught.value)


@pytest.mark.usefixtures("_toy_tools")
def test_an_error_of_a_tool_is_one_line_with_its_name_and_place(journal, tmp_path) -> None:
    journal.write([ev.Proposed(1.0, 0, {"lr": 0.1}, "sobol", "point 0")], [running(0)])
    said = words_of(tmp_path / "study", Place("loud", "there"))
    assert said == "loud: there: ConnectionError: nobody answers"
    assert words_of(tmp_path / "study", Place("silent", "there")) == "silent: there: OSError"


@pytest.mark.usefixtures("_toy_tools")
def test_a_package_that_is_not_installed_is_named_also_if_it_is_within_another() -> None:
    words = (
        "inside: no_such_package.inside is not installed where tuitune is; pip install toy-package"
    )
    assert missing("inside") == words
    assert missing("loud") == ""


@pytest.mark.usefixtures("_toy_tools")
def test_the_place_of_a_tool_comes_from_the_command_the_environment_or_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, base = Path("/runs/digits"), Path("/studies")
    monkeypatch.delenv("TOY_PLACE", raising=False)
    assert place_of("silent", "", folder, base) == Place("silent", "digits")
    monkeypatch.setenv("TOY_PLACE", "elsewhere")
    assert place_of("silent", "", folder, base) == Place("silent", "elsewhere")
    assert place_of("silent", "given", folder, base) == Place("silent", "given")
    assert place_of("loud", "given", folder, base) == Place("loud", "/studies/given")
    monkeypatch.setenv("HOME", "/home/anna")
    assert place_of("loud", "~/given", folder, base) == Place("loud", "/home/anna/given")
    nobody = place_of("loud", "~no-such-user/given", folder, base)
    assert nobody == Place("loud", "/studies/~no-such-user/given")  # as a shell leaves it


def test_a_study_without_facts_has_not_begun(journal, tmp_path) -> None:
    with (
        pytest.raises(NotBegunError, match="study: has not begun yet"),
        feeding(tmp_path / "study", Place("tensorboard", "x")),
    ):
        pass


def test_a_tool_that_nobody_knows_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DestinationError, match=r'there is no "tensorbord"; there are csv, tensor'):
        destination_kind("tensorbord", ("csv",))
    assert set(DESTINATIONS) == {"tensorboard", "wandb", "mlflow", "optuna"}


@pytest.mark.parametrize(
    ("state", "over", "failed"),
    [
        ("WAITING", False, False),
        ("RUNNING", False, False),
        ("PAUSED", False, False),
        ("COMPLETE", True, False),
        ("PRUNED", True, False),
        ("FAILED", True, True),
        ("KILLED", True, True),
    ],
)
def test_pruned_trials_have_ended_and_not_failed(state: Any, over: bool, failed: bool) -> None:
    row = replace(finished(0), state=state)
    assert (has_ended(row), has_failed(row)) == (over, failed)


@given(st.lists(st.integers(), max_size=30), st.integers(1, 9))
def test_batches_are_full_but_for_the_last(items: list[int], most: int) -> None:
    found = list(batches(iter(items), most))
    assert [item for one in found for item in one] == items
    assert all(len(one) == most for one in found[:-1])
    assert len(found) == math.ceil(len(items) / most)
