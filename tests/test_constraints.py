"""Constraints as they are read, and what they say of a configuration."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from tuitune.core.space import (
    Choice,
    ConstraintError,
    Fixed,
    FloatRange,
    IntRange,
    Sampled,
    SearchSpace,
    read_constraint,
)
from tuitune.core.space.parameters import from_unit, levels, to_unit, value_at
from tuitune.core.space.priors import quantile

PARAMETERS = {
    p.name: p
    for p in (
        IntRange("width", 1, 512),
        IntRange("layers", 1, 9),
        Choice("optimizer", ("sgd", "adam")),
        Choice("nesterov", (True, False)),
        Choice("heads", (1, "auto")),
        FloatRange("weight-decay", 0.0, 1.0),
        FloatRange("opt.lr", 1e-3, 1.0),
        IntRange("lambda", 1, 3),
        FloatRange("µ", 0.0, 1.0),
        Fixed("depth", 3),
        Sampled("l2", "train.py:l2"),
    )
}
CONFIG = {
    "width": 8,
    "layers": 2,
    "optimizer": "sgd",
    "nesterov": True,
    "heads": "auto",
    "weight-decay": 0.25,
    "opt.lr": 0.1,
    "lambda": 2,
    "µ": 0.5,
    "depth": 3,
}


def holds(text, **changes):
    config = {name: v for name, v in {**CONFIG, **changes}.items() if v is not None}
    return read_constraint(text, PARAMETERS).holds(config)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("width * layers <= 16", True),
        ("width * layers < 16", False),
        ("(width + layers) / 2 - 1 == 4", True),
        ("width % 3 == 2 and width // 3 == 2 and 2 ** layers == 4", True),
        ("2 < layers or -width < -7", True),
        ("1 < layers <= 2 < width", True),
        ("optimizer == 'sgd'", True),
        ('optimizer != "sgd" or opt.lr > 0.05', True),
        ("not optimizer in ['sgd', 'adam']", False),
        ("optimizer not in ('adam',)", True),
        ("nesterov and not layers > 3", True),
        ("nesterov == false", False),
        ("heads == 'auto' or heads == 1", True),
        ("{weight-decay} <= 0.25", True),
        ("{lambda} + 1 == depth", True),
        ("µ < 0.6", True),
        ("opt.lr + 0.2 == 0.3", True),  # 0.30000000000000004
        ("opt.lr + 0.2 <= 0.3 and not opt.lr + 0.2 > 0.3", True),
        ("width / (layers - 2) < 9", False),  # undefined
        ("10 ** 10 ** width > width", True),  # and takes no time
        ("0 < width\nand width < 9", True),
    ],
)
def test_what_holds(text, expected):
    assert holds(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("opt.lr < 0.01", None),
        ("not opt.lr < 0.01", None),
        ("opt.lr * width < 1 and layers > 3", False),
        ("opt.lr * width < 1 and layers < 3", None),
        ("opt.lr < 0.01 or layers < 3", True),
        ("opt.lr < 0.01 or layers > 3", None),
    ],
)
def test_a_parameter_that_is_absent_decides_nothing(text, expected):
    assert holds(text, **{"opt.lr": None}) is expected
    without = {name: value for name, value in CONFIG.items() if name != "opt.lr"}
    assert SearchSpace(tuple(PARAMETERS.values()), (text,)).keeps(without) == (
        expected is not False
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layerz < 3", "layerz: there is no such parameter; did you mean layers?"),
        ("weight-decay < 1", r"weight: .* did you mean \{weight-decay\}\?"),
        ("lr < 1", r"lr: .* did you mean opt.lr\?"),
        ("lambda < 3", r"write \{lambda\} for that parameter"),
        ("optimizer == sgd", "write 'sgd' for the text"),
        (
            "optimizer == 'sdg'",
            'optimizer is never \'sdg\'; write one of its values: "sgd", "adam"',
        ),
        ("optimizer == 3", "never equal"),
        ("optimizer < 3", "optimizer is text, not a number"),
        ("heads < 3", "values of several kinds"),
        ("layers", "a number, not a comparison"),
        ("layers and width", "write layers == …"),
        ("layers = 3", "write =="),
        ("layers < 3 && width < 3", "write and, or"),
        ("!nesterov", "write not"),
        ("width ^ 2 < 9", r"write \*\*"),
        ("l2 < 1", "sampled"),
        ("1 < 2", "names no parameter"),
        ("", "is empty"),
        ("(layers < 3", "never closed"),
        ("max(layers, 3) < 3", r"max\(layers, 3\): use names, numbers"),
        ("width in layers", "write a list"),
        ("layers < 1e999", "use names, numbers"),
        ("layers < 3" + " and layers < 3" * 99, "more than 500 characters"),
        ("[x for x in width]", "use names"),
        ("(lambda: width)() < 1", "use names|write"),
        ("__import__('os').system('true') == 0", "use names"),
        ("width.__class__ == 1", "no such parameter"),
        ("f'{width}' == 'a'", "use names|no condition"),
        ("(width := 3) < 4", "use names"),
        ("width if layers else 3", "use names"),
        ("-" * 400 + "width < 1", "too deeply|write"),
    ],
)
def test_what_is_refused_and_how_it_is_mended(text, words):
    with pytest.raises(ConstraintError, match=words):
        read_constraint(text, PARAMETERS)


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                "width",
                "layers",
                "(",
                ")",
                "and",
                "or",
                "not",
                "<",
                "==",
                "3",
                "'a'",
                "[",
                "]",
                "{",
                "}",
                ".",
                "-",
                "in",
                "\\",
                "\n",
            ]
        ),
        max_size=20,
    ).map(" ".join)
)
def test_any_text_is_a_constraint_or_is_refused(text):
    try:
        found = read_constraint(text, PARAMETERS)
    except ConstraintError:
        return
    else:
        assert found.holds(CONFIG) in (True, False, None)
        assert found.holds({}) in (True, False, None)


@st.composite
def log_steps(draw):
    whole = draw(st.booleans())
    step = (
        draw(st.integers(1, 40)) if whole else draw(st.sampled_from([0.01, 0.05, 0.1, 0.25, 2.5]))
    )
    first, count = draw(st.integers(1, 30)), draw(st.integers(1, 60))
    low = first * step if draw(st.booleans()) else first if whole else first / 100
    high = low + count * step + draw(st.sampled_from([0, 0.4])) * step
    if whole:
        return IntRange("x", low, int(high), log=True, step=step)
    return FloatRange("x", low, round(high, 6), log=True, step=step)


@given(log_steps(), st.floats(0, 1))
def test_steps_on_a_log_scale_are_on_the_grid_from_low_on(parameter, u):
    value = from_unit(parameter, u)
    index = round((value - parameter.low) / parameter.step)
    assert math.isclose(value, parameter.low + index * parameter.step, rel_tol=1e-9)
    assert parameter.low <= value <= parameter.high
    values = [value_at(parameter, n) for n in range(levels(parameter))]
    assert values[0] == parameter.low
    assert values[-1] + parameter.step > parameter.high - 1e-6
    assert [from_unit(parameter, to_unit(parameter, v)) for v in values] == values


def test_steps_on_a_log_scale_have_cells_that_are_equal_in_log():
    width = IntRange("width", 16, 512, log=True, step=16)
    drawn = [from_unit(width, (n + 0.5) / 10_000) for n in range(10_000)]
    below = sum(value < 64 for value in drawn) / 10_000
    assert below == pytest.approx(math.log(64 / 16) / math.log(528 / 16), abs=0.01)


@given(
    st.floats(-3, 3),
    st.floats(0.01, 5),
    st.floats(0, 1),
    st.sampled_from([{}, {"step": 0.1}, {"log": True}, {"log": True, "step": 0.1}]),
)
def test_quantiles_of_a_normal_distribution_rise_within_the_range(mean, deviation, share, more):
    low = 0.1 if more.get("log") else -1.0
    parameter = FloatRange("x", low, 2.0, normal=(mean, deviation), **more)
    one, other = sorted((share, 1 - share))
    assert 0.0 <= quantile(parameter, one) <= quantile(parameter, other) <= 1.0
    assert low <= from_unit(parameter, quantile(parameter, share)) <= 2.0


def test_trials_get_nested_tables():
    space = SearchSpace(
        (FloatRange("opt.lr", 0.0, 1.0), Fixed("opt.sched.kind", "x"), Fixed("a.b", 1)),
        in_tables=frozenset({"opt.lr", "opt.sched.kind"}),
    )
    flat = space.configuration([0.5])
    assert space.nested(flat) == {"opt": {"lr": 0.5, "sched": {"kind": "x"}}, "a.b": 1}
