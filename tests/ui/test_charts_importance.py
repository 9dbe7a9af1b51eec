"""The importance chart: its bars, what it says of the forest, and where its figures come from."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest
from pictures import context, row, snapshot, text
from searches import search
from stored_study import finished, store
from workshop import wait_until

from tuitune.core.search.importance import Importance, ParameterImportance
from tuitune.model_process.importance import compute
from tuitune.store.journal import Journal
from tuitune.store.rows import StudyRow
from tuitune.ui.charts import importance
from tuitune.ui.render.lines import Size
from tuitune.ui.state.source import Source

SIZE = Size(60, 14)


def shown(seen):
    drawing = importance.draw(seen, SIZE)
    return drawing.title + drawing.note + "\n" + text(drawing.lines)


def test_the_most_important_parameter_comes_first():
    words = shown(context(search(150)))
    bars = [line.split()[0] for line in words.splitlines() if "━" in line]
    assert bars[0] == "lr"
    assert "R2 0." in words
    assert "48 extremely randomised trees" in words
    assert "don't trust it" not in words
    assert "of 1" in next(line for line in words.splitlines() if "momentum" in line)


def test_why_there_are_no_bars():
    rows = [row(number, "c") for number in range(3)]
    assert "needs 8 finished trials, has 3" in shown(context(snapshot(rows)))
    same = [row(number, "c", value=1.0) for number in range(20)]
    assert "rank equal" in shown(context(snapshot(same)))
    fixed = {"lr": 0.01, "layers": 1, "optimizer": "sgd"}
    one = [row(number, "c", config=fixed) for number in range(9)]
    assert "no parameter has taken more than one value" in shown(context(snapshot(one)))


def test_a_useless_and_a_weak_forest_are_named():
    random = Random(1)
    noise = [
        row(n, "c", config={"lr": 10 ** random.uniform(-4, -1)}, value=random.random())
        for n in range(40)
    ]
    assert "predicts nothing: don't trust it" in shown(context(snapshot(noise)))
    pic = snapshot(noise)
    pic.sources.importance = lambda: Importance(40, 40, (ParameterImportance("lr", 0.5, 40),), 0.3)
    assert "a weak model" in shown(context(pic))


def test_the_chart_is_drawn_again_when_there_is_another_answer():
    pic = search(120)
    seen = context(pic)
    first = importance.key(seen)
    pic.rows.append(row(120, "c", config=pic.rows[0].config, value=0.1))
    pic.counts["COMPLETE"] += 1
    assert importance.key(seen) == first
    pic.rows += [row(121 + n, "c", config=pic.rows[n].config, value=0.1) for n in range(20)]
    pic.counts["COMPLETE"] += 20
    assert importance.key(seen) != first


@pytest.fixture
def folder(tmp_path):
    journal = store(tmp_path)
    journal.write([], [finished(number) for number in range(40)], StudyRow())
    journal.close()
    return tmp_path


def opened(folder) -> Source:
    source = Source(folder, "study.toml", 100.0)
    source.fill()
    return source


def awaited(source: Source) -> Importance:
    def computed() -> Importance | None:
        source.refresh(100.0)
        found = source.snapshot.sources.importance()
        return found if source._queries._computing is None else None

    return wait_until(computed, "the importance")


def test_without_an_engine_the_app_has_it_computed_in_a_process_and_keeps_it_in_memory(folder):
    before = (folder / "study.db").read_bytes()
    source = opened(folder)
    assert source.snapshot.sources.importance() is None
    version = source.snapshot.version
    found = awaited(source)
    assert [one.name for one in found.parameters] == ["lr", "width"]
    assert found.parameters[0].rise > 10 * abs(found.parameters[1].rise)
    assert found.finished == 40
    assert source.snapshot.version > version  # so that it is painted
    assert source.snapshot.sources.importance() is found
    source.close()
    assert (folder / "study.db").read_bytes() == before


def test_a_study_that_can_not_be_written_shows_the_same(folder):
    for name in ("study.db", "."):
        (folder / name).chmod(0o555 if name == "." else 0o444)
    source = opened(folder)
    try:
        assert awaited(source).parameters[0].name == "lr"
    finally:
        source.close()
        folder.chmod(0o755)


def test_what_an_engine_has_stored_is_shown_at_once(folder):
    stored = Importance(40, 40, (ParameterImportance("lr", 1.0, 40),), 0.9, 0.9, 48)
    journal = Journal.open(folder / "study.db", "loss")
    journal.keep_importance(stored)
    source = opened(folder)
    assert source.snapshot.sources.importance() == stored
    assert source._queries._computing is None
    source.close()
    journal.close()


def test_what_another_version_has_stored_is_computed_again(folder):
    journal = Journal.open(folder / "study.db", "loss")
    journal.put("importance", '{"forest": 3}')
    assert journal.importance() is None
    journal.close()
    source = opened(folder)
    assert awaited(source).finished == 40
    source.close()


def test_a_failure_is_told_and_not_tried_again_before_there_are_more_trials(folder):
    source = opened(folder)
    (folder / "study.toml").write_text("[nonsense")
    found = awaited(source)
    assert found.why.startswith("can't be computed: ")
    assert "study.toml" in found.why
    source.snapshot.version += 1
    assert source.snapshot.sources.importance() is found
    assert source._queries._computing is None
    source.close()


def test_the_app_never_loads_numpy(folder):
    code = (
        "import sys, time; from pathlib import Path; from tuitune.ui.state.source import Source\n"
        "from tuitune.ui.charts import importance\n"
        "source = Source(Path(sys.argv[1]), 'study.toml', 100.0)\n"
        "while source.snapshot.sources.importance() is None:\n"
        "    time.sleep(0.02); source.refresh(100.0)\n"
        "sys.exit('numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def test_the_process_has_one_answer(folder):
    assert compute(folder, 40) == compute(folder, 40)
