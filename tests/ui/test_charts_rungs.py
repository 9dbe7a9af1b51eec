"""The rungs chart: its figures followed row by row, against a count from all rows."""

from __future__ import annotations

import math

from hypothesis import given, settings, strategies as st
from pictures import context, row, snapshot, study, text
from searches import RUNGS, curve, search

from tuitune.ui.charts.rungs import Entries, Rungs
from tuitune.ui.render.lines import Size

PATHS = ["r", "p", "x", "c", "f", "at rung"]


def one(number, change, rung, part):
    return row(
        number,
        "p" if part == "at rung" else part,
        rung=rung,
        at_rung=part == "at rung",
        changed=change,
        bracket=number % 2,
    )


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 2), st.sampled_from(PATHS)),
        min_size=1,
        max_size=40,
    )
)
def test_figures_followed_row_by_row_are_those_of_all_rows(history):
    curves = {n: curve([float((n * 7 + step * 3) % 11) for step in range(1, 28)]) for n in range(6)}
    rungs = (RUNGS, RUNGS[1:])
    pic = snapshot(
        [one(n, 0, None, "r") for n in range(6)], study=study(rungs=rungs), curves=curves
    )
    followed = Entries()
    furthest = [-1] * 6
    for change, (number, by, part) in enumerate(history, 1):
        top = len(rungs[number % 2]) - 1
        furthest[number] = min(top, furthest[number] + by)
        rung = None if furthest[number] < 0 else furthest[number]
        pic.rows[number] = one(number, change, rung, part)
        pic.version += 1
        if change % 3 == 0:
            followed.follow(pic)
    pic.version += 1
    followed.follow(pic)
    for bracket, steps in enumerate(rungs):
        members = [r for r in pic.rows if r.bracket == bracket]
        for place, step in enumerate(steps):
            rung = followed.figures(bracket, place)
            entered = [r for r in members if r.rung is not None and r.rung >= place]
            came = sorted(curves[r.number].values[step - 1] for r in entered)
            assert [loss for loss, _ in rung.rung.entries if loss < math.inf] == came
            there = [r for r in entered if r.rung == place]
            waits = {r.number for r in there if r.at_rung and r.state == "PAUSED"}
            assert {trial for _, trial in rung.rung.waiting} == waits
            here = [r for r in there if r.state in ("RUNNING", "PAUSED") and not r.at_rung]
            assert rung.here == len(here)
            assert rung.ended == sum(r.state in ("PRUNED", "FAILED") for r in there)
            on = [r for r in entered if r.rung > place or r.state == "COMPLETE"]
            assert rung.gone_on == len(on)


def test_a_failed_trial_is_worst_in_its_next_rung_until_it_gets_there():
    curves = {0: curve([1.0] * 27)}
    pic = snapshot([one(0, 1, 0, "f")], study=study(rungs=(RUNGS,)), curves=curves)
    followed = Entries()
    followed.follow(pic)
    assert followed.figures(0, 1).failed == 1
    assert followed.figures(0, 1).cut(1.0) is None
    pic.rows[0] = one(0, 2, 1, "r")
    pic.version += 1
    followed.follow(pic)
    assert followed.figures(0, 1).failed == 0
    assert followed.figures(0, 1).entries == 1


def test_a_diverged_report_counts_as_worst():
    curves = {n: curve([math.nan if n == 0 else float(n)]) for n in range(3)}
    pic = snapshot(
        [row(n, "x", rung=0) for n in range(3)], study=study(rungs=((1,),)), curves=curves
    )
    followed = Entries()
    followed.follow(pic)
    assert [loss for loss, _ in followed.figures(0, 0).rung.entries] == [1.0, 2.0, math.inf]
    assert followed.figures(0, 0).cut(3) == 1.0


def test_a_large_study_is_entered_in_several_looks():
    pic = search(2500)
    followed = Entries()
    entered = []
    for _ in range(4):
        followed.follow(pic)
        entered.append(followed.figures(0, 0).entries)
    assert entered == [1000, 2000, 2500, 2500]


def test_the_view_tells_who_waits_where_and_what_the_cut_is():
    pic = search(120)
    selection = Rungs()
    at = context(pic, cursor=5)
    selection.key(at)
    words = text(selection.draw(at, Size(100, 20)).lines)
    assert "27" in words
    assert "complete" in words
    waiting = [r for r in pic.rows if r.at_rung]
    assert all(f"#{r.number}" in words for r in waiting)
    own = next(line for line in words.splitlines() if line.startswith(">"))
    assert own.split()[1] == str(RUNGS[pic.rows[5].rung])
    first = next(line for line in words.splitlines() if line[:10].split()[-1:] == ["1"])
    losses = sorted(v for n in range(120) if not math.isnan(v := pic.curves.points(n).values[0]))
    assert first.split()[first.split().index("1") + 1] == "120"
    assert f"{losses[39]:.4g}" in first


def test_figures_of_five_digits_stay_apart():
    line = curve([0.123456])
    trials = [row(number, "x", rung=0, step=1, value=0.123456) for number in range(10_000)]
    pic = snapshot(trials, curves=dict.fromkeys(range(10_000), line))
    view, at = Rungs(), context(pic, cursor=5)
    for _ in range(11):  # entered in parts
        view.key(at)
    for width in (40, 60, 100):
        words = text(view.draw(at, Size(width, 20)).lines).splitlines()
        first = next(one for one in words if "0.1235" in one)
        assert first.split()[1:7] == ["1", "10000", "0.1235", "0", "0", "0"], width
        assert width == 40 or first.split()[7] == "10000"
