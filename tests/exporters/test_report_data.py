"""The data in a report: its axes, curves and texts, in a page that nothing breaks out of."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
import time
from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from tuitune.core.search.importance import Importance, ParameterImportance
from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study.ranking import best_of
from tuitune.exporters.destination import DestinationError
from tuitune.exporters.report.html import Told, html_report
from tuitune.store.reader import Report
from tuitune.store.rows import StudyRow, TrialRow

LIBRARY = "var Plotly = '</script>$data<!--';"
HOSTILE = "</script><script>alert('\"$data ${title} &amp; é界\u2028\x00\r\n<!--"
ROW = TrialRow(0, "COMPLETE", {"lr": 0.1}, "sobol", "point 0", value=0.5, step=9, started=1.0)  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def _plotly(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A package of this name, with a script in the place of the library."""
    folder = tmp_path_factory.mktemp("packages")
    script = folder / "plotly" / "package_data" / "plotly.min.js"
    script.parent.mkdir(parents=True)
    script.write_text(LIBRARY)
    (folder / "plotly" / "__init__.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield


def spec(*parameters: Any, mode: Any = "min", metric: str = "loss") -> StudySpec:
    return StudySpec(
        name="toy",
        objective=Objective(metric, mode),
        trial=TrialSpec(target="toy.py:train"),
        space=SearchSpace(parameters or (FloatRange("lr", 1e-4, 1e-1, log=True),)),
        search=SearchSpec(method="sobol", trials=20),
        pruning=PruningSpec(method="asha", resource="epoch", max=27),
        limits=Limits(),
        file="/studies/toy.toml",
    )


def page(
    rows: Sequence[TrialRow] = (), reports: Sequence[Report] = (), name: str = "toy", **more: Any
) -> str:
    """The report of these trials. more: other fields of `Told`."""
    study = more.pop("spec", spec())
    number, partial = best_of(study, rows)
    best = next((row for row in rows if row.number == number), None)
    fields = {"row": StudyRow(), "importance": None, "state": "finished", **more}
    return html_report(Told(name, study, rows=rows, best=(best, partial), **fields), reports)


def block(text: str, name: str) -> str:
    """The text of a script of this id: all up to the first end of a script."""
    (found,) = re.findall(rf'<script type="[a-z/]+" id="{name}">(.*?)</script', text, re.DOTALL)
    return found


def data(*arguments: Any, **more: Any) -> Any:
    return json.loads(block(page(*arguments, **more), "data"), parse_constant=pytest.fail)


# --- the page ----------------------------------------------------------------------------------


def test_no_text_of_a_study_ends_its_script_or_begins_another() -> None:
    row = replace(ROW, config={"lr": HOSTILE}, error=HOSTILE, note=HOSTILE, device=HOSTILE)
    study = spec(Choice("lr", (HOSTILE, "b")), metric=HOSTILE)
    reports = [Report(1, 1.0, 0, 0, 1, 0.5, {HOSTILE: 0.5})]
    text = page([row], reports, HOSTILE, spec=study)
    assert text.count("<script") == page().count("<script")
    found = json.loads(block(text, "data"))
    assert (found["study"], found["metric"]) == (HOSTILE, HOSTILE)
    own = found["trials"][0]
    assert [own["error"], own["note"], own["device"], own["config"]["lr"]] == 4 * [HOSTILE]
    assert found["parameters"][0]["values"] == [HOSTILE, "b"]
    assert found["curves"] == {HOSTILE: {"0": [[1], [0.5]]}}
    (title,) = re.findall(r"<title>(.*?)</title>", text, re.DOTALL)
    assert unescape(title) == f"{HOSTILE} - tuitune"
    assert "<" not in title


def test_the_library_is_in_the_page_as_it_is() -> None:
    text = page([ROW])
    assert gzip.decompress(base64.b64decode(block(text, "library"))).decode() == LIBRARY
    assert LIBRARY not in text
    assert "://" not in re.sub(r"http://www\.w3\.org/\S+", "", text)  # nothing is loaded


def test_two_reports_of_one_state_have_the_same_library() -> None:
    assert block(page([ROW]), "library") == block(page(), "library")


def test_without_plotly_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DestinationError, match=r"pip install 'tuitune\[report\]'"):
        page([ROW])


# --- trials ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "order"), [("min", [2, 0, 1, 3]), ("max", [2, 1, 0, 3])])
def test_trials_have_their_places_the_best_first(mode: Any, order: list[int]) -> None:
    rows = [
        replace(ROW, number=0, state="PRUNED", value=0.1, rung=1),
        replace(ROW, number=1, state="PRUNED", value=0.2, rung=1),
        replace(ROW, number=2, value=0.5),
        replace(ROW, number=3, state="FAILED", value=None),
    ]
    found = data(rows, spec=spec(mode=mode))
    assert [row["trial"] for row in sorted(found["trials"], key=lambda row: row["order"])] == order
    assert (found["best"], found["partial"], found["mode"]) == (2, False, mode)
    assert found["counts"] == {"PRUNED": 2, "COMPLETE": 1, "FAILED": 1}


def test_a_study_without_trials_and_one_without_numbers_have_no_best() -> None:
    empty = data()
    assert (empty["best"], empty["trials"], empty["curves"], empty["counts"]) == (None, [], {}, {})
    lost = data([replace(ROW, state="FAILED", value=None, started=None)])
    assert (lost["best"], lost["trials"][0]["seconds"]) == (None, None)
    half = data([replace(ROW, state="RUNNING")], state="running")
    assert (half["best"], half["partial"]) == (0, True)


def test_seconds_of_a_trial_are_never_less_than_none() -> None:
    now = time.time()
    rows = [
        replace(ROW, number=0, started=10.0, ended=15.5),
        replace(ROW, number=1, started=10.0, ended=9.0),  # the clock was set back
        replace(ROW, number=2, state="RUNNING", started=now - 100.0, ended=None),
    ]
    seconds = [row["seconds"] for row in data(rows)["trials"]]
    assert seconds[:2] == [5.5, 0.0]
    assert seconds[2] >= 100.0


def test_values_that_are_no_numbers_are_null() -> None:
    rows = [replace(ROW, config={"lr": math.inf}, value=-math.inf), replace(ROW, number=1)]
    found = data(rows)["trials"]
    assert (found[0]["config"], found[0]["value"]) == ({"lr": None}, None)


def test_the_time_of_a_running_study_goes_on_and_of_another_does_not() -> None:
    row = StudyRow(opened=time.time() - 50.0, elapsed=100.0, rungs=((1, 3), (3, 9)))
    assert data(row=row)["elapsed"] == 100.0
    assert data(row=row, state="running")["elapsed"] >= 150.0
    assert data(row=StudyRow(elapsed=100.0))["elapsed"] is None
    assert data(row=row)["rungs"] == [1, 3, 9]


# --- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "axis"),
    [
        (FloatRange("p", 0.1, 0.9), ("number", False, 0.1, 0.9)),
        (FloatRange("p", 1e-4, 0.1, log=True), ("number", True, 1e-4, 0.1)),
        (IntRange("p", 1, 64, log=True), ("number", True, 1, 64)),
        (IntRange("p", -3, 64), ("number", False, -3, 64)),
        (PowerRange("p", 4, 64), ("number", True, 4, 64)),
        (Choice("p", (1, 2, 7)), ("number", False, 1, 7)),
        (Choice("p", (1, 2, 8)), ("number", True, 1, 8)),
        (Choice("p", (64, 0, 8)), ("number", False, 0, 64)),
        (Choice("p", (0.5, 64)), ("number", True, 0.5, 64)),
        (Choice("p", ("a", "b")), ("category", False, None, None)),
        (Choice("p", (1, "b")), ("category", False, None, None)),
        (Choice("p", (True, False)), ("category", False, None, None)),
        (Fixed("p", 3), ("number", False, None, None)),
        (Fixed("p", "x"), ("category", False, None, None)),
        (Sampled("p", "toy.py:draw"), ("category", False, None, None)),
    ],
)
def test_each_kind_of_parameter_has_its_axis(parameter: Any, axis: tuple[Any, ...]) -> None:
    (found,) = data(spec=spec(parameter))["parameters"]
    assert found["name"] == "p"
    assert (found["kind"], found["log"], found["low"], found["high"]) == axis


def test_values_of_a_choice_are_spelled_as_trials_have_them() -> None:
    values = ("a", 1, True, [0.9, 0.99], {"x": 1})
    (found,) = data(spec=spec(Choice("p", values)))["parameters"]
    assert found["values"] == ["a", "1", "true", "[0.9,0.99]", '{"x":1}']


@pytest.mark.parametrize(
    ("importance", "note", "names"),
    [
        (None, "Too few trials have finished.", None),
        (Importance(9, why="all trials are equal"), "all trials are equal", []),
        (
            Importance(40, 40, (ParameterImportance("lr", 0.5, 40),), 0.9, 0.8, 100),
            (
                "How much worse a model of the trials gets without a parameter; by 40 trials, "
                "R2 0.90, rank correlation 0.80."
            ),
            ["lr"],
        ),
    ],
)
def test_importance_says_how_far_it_can_be_trusted(importance: Any, note: str, names: Any) -> None:
    found = data(importance=importance)
    assert found["importance_note"] == note
    listed = found["importance"]
    assert (listed and [one["name"] for one in listed]) == names


def test_a_weak_model_is_warned_of() -> None:
    parameters = (ParameterImportance("lr", 0.5, 40),)
    weak = data(importance=Importance(40, 40, parameters, 0.3, 0.8, 100))["importance_note"]
    assert weak.endswith("; a weak model: trust large figures only.")
    useless = data(importance=Importance(40, 40, parameters, 0.05, 0.8, 100))["importance_note"]
    assert useless.endswith("the model predicts nothing: don't trust it.")


# --- curves ------------------------------------------------------------------------------------


def reported(*metrics: dict[str, float], trial: int = 0) -> list[Report]:
    return [Report(n, 1.0, trial, 0, n, None, one) for n, one in enumerate(metrics, 1)]


def test_a_later_report_replaces_those_at_its_step_and_after_it() -> None:
    steps = [1, 2, 3, 2, 3]
    found = [Report(n, 1.0, 0, 0, s, None, {"loss": n / 10}) for n, s in enumerate(steps, 1)]
    assert data([ROW], found)["curves"] == {"loss": {"0": [[1, 2, 3], [0.1, 0.4, 0.5]]}}


def test_numbers_of_curves_have_six_digits_and_odd_ones_are_null() -> None:
    found = reported({"loss": 1 / 3}, {"loss": math.nan}, {"loss": -math.inf}, {"loss": 1e300 / 3})
    assert data([ROW], found)["curves"]["loss"]["0"][1] == [0.333333, None, None, 3.33333e299]


def test_the_objective_has_a_curve_among_twelve_metrics_however_late_it_comes() -> None:
    many = reported({f"m{n:02}": 1.0 for n in range(30)}, {"loss": 0.5, "m29": 2.0})
    found = data([ROW], many)["curves"]
    assert list(found) == ["loss", *(f"m{n:02}" for n in range(11))]


@settings(max_examples=15)
@given(st.integers(1, 3000), st.integers(41, 500))
def test_long_curves_are_thinned_and_keep_their_ends(length: int, points: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuitune.exporters.report.html._POINTS", points)
        found = reported(*({"loss": float(n)} for n in range(length)))
        steps, values = data([ROW], found)["curves"]["loss"]["0"]
    assert len(steps) <= max(points, 40)
    assert len(steps) == length or len(steps) >= max(points, 40) // 2
    assert (steps[0], steps[-1]) == (1, length)
    assert [float(f"{step - 1:.6g}") for step in steps] == values


def test_metrics_of_several_trials_are_told_apart() -> None:
    rows = [ROW, replace(ROW, number=1)]
    found = reported({"loss": 1.0}) + reported({"loss": 2.0}, {"accuracy": 3.0}, trial=1)
    assert data(rows, found)["curves"] == {
        "loss": {"0": [[1], [1.0]], "1": [[1], [2.0]]},
        "accuracy": {"1": [[2], [3.0]]},
    }
