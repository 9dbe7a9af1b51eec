"""The timeline: which slot each attempt gets, how much of the time slots are busy, what is cut off."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from pictures import NOW, context, gpu, row, snapshot, text

from tuitune.core.events import TrialState
from tuitune.ui.panes.curve import CurvePane
from tuitune.ui.render.lines import Size
from tuitune.ui.state.snapshot import Attempt

WIDE = Size(90, 20)


def picture(*attempts: Attempt, engine: str = "running", **more: Any):
    numbers = range(1 + max((one.trial for one in attempts), default=0))
    made = snapshot([row(n, "c") for n in numbers], engine=engine, heard=NOW - 30.0, **more)
    made.sources._attempts = list(attempts)
    return made


def shown(made: Any, size: Size = WIDE, **selection: Any) -> list[str]:
    """The lines of the chart, with its title first."""
    at = context(made, chart="timeline", **{"cursor": None, **selection})
    return text(CurvePane().lines(at, size)).splitlines()


def slots(lines: list[str]) -> list[str]:
    """Those of slots, which end in a share."""
    return [line for line in lines[1:] if re.search(r"\d+%$", line)]


def share(line: str) -> int:
    return int(line.rsplit(maxsplit=1)[-1].rstrip("%"))


def named(line: str) -> list[str]:
    return re.findall(r"#\d+", line)


def test_attempts_at_once_on_one_device_have_lines_of_their_own() -> None:
    one, two = Attempt(0, NOW - 100, ("cpu",), NOW - 50), Attempt(1, NOW - 80, ("cpu",), NOW - 20)
    after = Attempt(2, NOW - 50, ("cpu",), NOW)
    first, second = slots(shown(picture(one, two, after)))
    assert (named(first), named(second)) == (["#0", "#2"], ["#1"])
    assert first.startswith("cpu ")
    assert second.startswith("    ")  # the device is named once
    assert (share(first), 58 <= share(second) <= 62) == (100, True)


def test_an_attempt_on_two_gpus_is_on_both() -> None:
    made = picture(
        Attempt(0, NOW - 100, ("GPU-0000", "GPU-0001"), NOW - 50),
        Attempt(1, NOW - 50, ("GPU-0001",), NOW),
        devices=[gpu(0), gpu(1)],
    )
    first, second = slots(shown(made))
    assert (first[:5], named(first)) == ("GPU 0", ["#0"])
    assert (second[:5], named(second)) == ("GPU 1", ["#0", "#1"])


@pytest.mark.parametrize("height", [5, 6, 7, 20])
def test_how_busy_all_slots_are_does_not_depend_on_how_many_are_seen(height: int) -> None:
    made = picture(
        Attempt(0, NOW - 100, ("a",), NOW),
        *(Attempt(n, NOW - 100, (name,), NOW - 75) for n, name in enumerate("bcd", 1)),
    )
    lines = shown(made, Size(90, height))
    (percent,) = re.findall(r"(\d+)% busy", lines[0])
    assert 42 <= int(percent) <= 46  # of one whole and three quarters
    hidden = re.findall(r"(\d+) more slots", "\n".join(lines))
    assert len(slots(lines)) + sum(map(int, hidden)) == 4
    assert len(lines) <= height


def test_one_that_runs_lasts_until_now_and_one_whose_engine_has_gone_until_its_last_sign() -> None:
    attempts = Attempt(0, NOW - 60, ("cpu",), NOW - 50), Attempt(1, NOW - 50, ("cpu",))
    made = picture(*attempts)
    made.rows[1] = row(1, "r")
    assert share(slots(shown(made))[0]) == 100
    assert "1m00s" in shown(made)[-2] or "50s" in shown(made)[-2]
    gone = picture(*attempts, engine="gone")
    gone.rows[1] = row(1, "r")
    (line,) = slots(shown(gone))  # the engine was heard last 30 s ago
    assert share(line) == 100
    assert "50s" not in shown(gone)[-2]


def test_before_the_first_launch_there_is_nothing_to_draw() -> None:
    assert slots(shown(picture())) == []


attempts = st.lists(
    st.tuples(st.floats(0.0, 100.0), st.floats(0.1, 50.0), st.sampled_from(["a", "b"])),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40)
@given(attempts)
def test_no_two_attempts_that_overlap_share_a_line_and_no_line_is_wasted(found) -> None:
    found.sort()
    # rounded as clock times are: near NOW, differences of 1e-12 s don't exist
    begun = [
        (NOW - 200 + start, device, NOW - 200 + start + lasts) for start, lasts, device in found
    ]
    made = picture(
        *(Attempt(n, start, (device,), end) for n, (start, device, end) in enumerate(begun))
    )
    lines = slots(shown(made, Size(120, 60)))
    for device in {device for *_, device in found}:
        own = [(start, end) for start, name, end in begun if name == device]
        most = max(sum(b <= start < e for b, e in own) for start, _ in own)
        at = next(n for n, line in enumerate(lines) if line.startswith(f"{device} "))
        after = [n for n, line in enumerate(lines) if n > at and not line.startswith(" ")]
        assert (after[0] if after else len(lines)) - at == most
    assert all(0 <= share(line) <= 100 for line in lines)


def test_a_part_of_the_time_has_the_share_of_that_part() -> None:
    made = picture(Attempt(0, NOW - 100, ("cpu",), NOW - 50), Attempt(1, NOW - 25, ("cpu",), NOW))
    whole = shown(made)
    assert 74 <= share(slots(whole)[0]) <= 76
    part = shown(made, span=(NOW - 100, NOW - 60))
    assert share(slots(part)[0]) == 100
    assert "busy, zoomed" in part[0]
    gap = shown(made, span=(NOW - 49, NOW - 26))
    assert share(slots(gap)[0]) == 0


def test_an_attempt_whose_end_nobody_saw_ends_with_its_trial() -> None:
    made = picture(Attempt(0, NOW - 100, ("a",)), Attempt(1, NOW - 100, ("b",), NOW))
    made.rows[0] = row(0, "f", ended=NOW - 50)
    first, second = slots(shown(made))
    assert (48 <= share(first) <= 52, share(second)) == (True, 100)
    early = picture(Attempt(0, NOW - 100, ("a",)), Attempt(1, NOW - 100, ("b",), NOW))
    early.rows[0] = row(0, "f", ended=NOW - 500)  # of an earlier attempt: the clock was set
    assert share(slots(shown(early))[0]) == 0


def test_it_is_drawn_again_while_trials_run_and_not_while_all_stands_still() -> None:
    pane, size = CurvePane(), WIDE

    def drawn(made: Any, now: float) -> Any:
        made.now = now
        return pane.lines(context(made, chart="timeline", cursor=None), size)

    still = picture(Attempt(0, NOW - 100, ("cpu",), NOW))
    assert drawn(still, NOW) is drawn(still, NOW + 60.0)
    runs = picture(Attempt(0, NOW - 100, ("cpu",)))
    runs.rows[0] = row(0, "r")
    runs.counts = {TrialState.RUNNING: 1}
    start = NOW - NOW % 2.0
    before = drawn(runs, start)
    assert drawn(runs, start + 1.9) is before
    assert text(drawn(runs, start + 60.0)) != text(before)
