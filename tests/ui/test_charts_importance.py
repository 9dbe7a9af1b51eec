"""The model that is asked for importance: it finds what was planted, and says when it knows nothing."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import context, row, snapshot, spec, text
from searches import SPACE, search

from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import Choice, FloatRange
from tuitune.ui.charts.background import Background
from tuitune.ui.charts.forest import Column, correlation, fit, ranks
from tuitune.ui.charts.importance import Importance, asked
from tuitune.ui.render.lines import Size

SIZE = Size(60, 14)


def finished(columns, targets, trees=24):
    work = fit(columns, targets, trees)
    progress = []
    while True:
        try:
            progress.append(next(work))
        except StopIteration as end:
            assert progress == sorted(progress)
            return end.value


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 3), st.integers(0, 1000))
def test_the_planted_parameter_is_found(planted, seed):
    random = Random(seed)
    columns = [Column([random.random() for _ in range(80)]) for _ in range(4)]
    targets = ranks([(value - 0.4) ** 2 for value in columns[planted].values])
    found = finished(columns, targets)
    assert max(range(4), key=found.importance.__getitem__) == planted
    assert found.rank > 0.5
    assert found.r2 > 0.3


def test_names_without_an_order_and_parameters_that_are_not_always_there():
    random = Random(3)
    names = [float(random.randrange(5)) for _ in range(120)]
    own = [random.random() if name == 2 else math.nan for name in names]
    noise = [random.random() for _ in range(120)]
    worth = [0.0 if name in (1, 4) else 1.0 for name in names]
    columns = [Column(names, ordered=False), Column(own), Column(noise)]
    found = finished(columns, ranks(worth))
    assert found.importance[0] > 10 * max(found.importance[1:])
    inner = [5.0 if math.isnan(value) else value for value in own]
    found = finished(columns, inner)
    assert found.importance[1] > found.importance[2]


def test_noise_is_said_to_be_noise():
    random = Random(5)
    columns = [Column([random.random() for _ in range(60)]) for _ in range(3)]
    found = finished(columns, ranks([random.random() for _ in range(60)]))
    assert found.r2 < 0.2


def test_the_same_answer_every_time():
    columns = [Column([float(place % 7) for place in range(30)])]
    targets = ranks([float(place % 7) for place in range(30)])
    assert finished(columns, targets) == finished(columns, targets)


def test_a_constant_metric_and_a_constant_parameter_break_nothing():
    found = finished([Column([1.0] * 12)], [0.5] * 12)
    assert found == ((0.0,), 0.0, 0.0)
    found = finished([Column([1.0] * 12)], ranks([float(place) for place in range(12)]))
    assert found.importance == (0.0,)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_ranks_are_shared_by_equals_and_keep_the_order(values):
    found = ranks(values)
    assert all(0 <= rank <= 1 for rank in found)
    for one, rank in zip(values, found, strict=True):
        for other, rank_of_other in zip(values, found, strict=True):
            assert (one < other) == (rank < rank_of_other)


def test_correlation_is_that_of_pearson():
    assert correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert correlation([1, 1, 1], [1, 2, 3]) == 0


def shown(seen, selection=None):
    selection = selection or Importance()
    selection.key(seen)
    selection.wait()
    selection.key(seen)
    drawing = selection.draw(seen, SIZE)
    return drawing.title + drawing.note + "\n" + text(drawing.lines)


def test_the_view_names_the_most_important_parameter_first():
    words = shown(context(search(150)))
    bars = [line.split()[0] for line in words.splitlines() if "█" in line]
    assert bars[0] == "lr"
    assert "R2 0." in words
    assert "extremely randomised trees" in words
    assert "worthless" not in words
    assert "of 1" in next(line for line in words.splitlines() if "momentum" in line)


def test_too_few_trials_equal_trials_and_a_worthless_model_are_told():
    rows = [row(number, "c") for number in range(3)]
    assert "needs 8 finished trials, has 3" in shown(context(snapshot(rows)))
    same = [row(number, "c", value=1.0) for number in range(20)]
    assert "stand equal" in shown(context(snapshot(same)))
    one = [
        row(number, "c", config={"lr": 0.01, "layers": 1, "optimizer": "sgd"})
        for number in range(9)
    ]
    assert "no parameter has taken more than one value" in shown(context(snapshot(one)))
    random = Random(1)
    noise = [
        row(n, "c", config={"lr": 10 ** random.uniform(-4, -1)}, value=random.random())
        for n in range(40)
    ]
    assert "worthless" in shown(context(snapshot(noise)))


def test_equal_configurations_count_once_with_the_mean_of_their_ranks():
    rows = [row(n, "c", config={"lr": 0.01 if n < 6 else 0.02}, value=float(n)) for n in range(9)]
    question = asked(spec(), rows, 9)
    assert question.names == ("lr",)
    assert question.targets == pytest.approx((2.5 / 8, 7 / 8))


def test_a_diverged_trial_is_the_worst_and_one_parameter_is_enough():
    space = SearchSpace((FloatRange("lr", 0.0, 1.0), Choice("fixed", ("a",))))
    rows = [row(n, "c", config={"lr": n / 30, "fixed": "a"}, value=n / 30) for n in range(30)]
    rows[3] = row(3, "x", config={"lr": 0.1, "fixed": "a"}, value=None)
    question = asked(spec(space=space), rows, 30)
    assert max(question.targets) == question.targets[3]
    assert question.names == ("lr",)


def test_a_new_model_is_made_only_when_enough_has_ended():
    pic = search(120)
    selection = Importance()
    seen = context(pic)
    shown(seen, selection)
    first = selection.key(seen)
    pic.rows.append(row(120, "c", config=pic.rows[0].config, value=0.1))
    pic.counts["COMPLETE"] += 1
    assert selection.key(seen) == first
    pic.rows += [row(121 + n, "c", config=pic.rows[n].config, value=0.1) for n in range(20)]
    pic.counts["COMPLETE"] += 20
    shown(seen, selection)
    assert selection.key(seen) != first


def test_background_work_gives_way_and_ends():
    def work():
        for place in range(50):
            yield place / 50
        return "done"

    running = Background(work())
    running.wait()
    assert running.result == "done"
    assert running.progress == 0.98


def test_every_parameter_of_the_space_is_asked_about():
    assert asked(search(60).spec, search(60).rows, 60).names == tuple(
        parameter.name for parameter in SPACE.parameters
    )
