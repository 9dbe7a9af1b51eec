"""Steps that are reported several times by real commands, and how such commands end."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

import tuitune
from tuitune.core import events

ROOT = Path(tuitune.__file__).parents[1]
BATCHES = """
import sys
def say(epoch, loss, **more):
    more = "".join(f', "{name}": {value}' for name, value in more.items())
    print('tuitune {"epoch": %s, "loss": %s%s}' % (epoch, loss, more), flush=True)
"""


def command(bench, code, **more):
    bench.write("script.py", BATCHES + code)
    if bench.executor is None:
        bench.open(None)
    more.setdefault("env", {"PYTHONPATH": str(ROOT)})
    return bench.order(command=(sys.executable, "script.py"), **more)


def told(bench):
    return [
        (fact.step, fact.open, fact.metrics["loss"])
        for fact in bench.of(events.Reported)
        if "loss" in fact.metrics
    ]


def test_a_command_is_judged_by_the_first_report_until_a_step_is_reported_again(bench):
    code = """
for epoch in (1, 2, 3):
    for loss in (0.3, 0.2, 0.1):
        say(epoch, loss)
"""
    bench.answers = {1: ("go", False), 2: ("go", False)}
    bench.run(command(bench, code, rungs=(1, 2)))
    assert told(bench) == [
        (1, False, 0.3),
        (1, True, 0.2),
        (1, True, 0.1),
        (2, True, 0.3),
        (2, True, 0.2),
        (2, True, 0.1),
        (2, False, 0.1),
        (3, True, 0.3),
        (3, True, 0.2),
        (3, True, 0.1),
    ]


def test_a_step_is_closed_with_all_its_metrics_when_the_next_one_begins(bench):
    code = """
say(1, 0.5, acc=0.1)
print('tuitune {"epoch": 1, "lr": 0.01, "note": "x"}')
say(1, 0.4, acc=0.2)
say(2, 0.3)
import time; time.sleep(600)
"""
    bench.answers = {1: ("stop", False)}
    end = bench.run(command(bench, code, rungs=(1,), repeats=True))
    reports = bench.of(events.Reported)
    assert [(fact.step, fact.open) for fact in reports] == [(1, True)] * 3 + [(1, False)]
    assert reports[-1].metrics == {"loss": 0.4, "acc": 0.2, "lr": 0.01}
    assert (end.signal, end.stopped) == (signal.SIGTERM, True)


def test_a_command_that_repeats_steps_saves_its_model_in_its_last_one(bench):
    code = """
for loss in (3, 2, 1):
    say(1, loss)
import time; time.sleep(0.3)
open("model", "w").write("saved\\n")
"""
    bench.answers = {1: ("complete", False)}
    end = bench.run(command(bench, code, max_resource=1, repeats=True))
    assert (end.code, end.error, end.stopped, bench.file("model")) == (0, "", False, "saved")
    assert told(bench)[-2:] == [(1, True, 1.0), (1, False, 1.0)]


@pytest.mark.parametrize("repeats", [False, True])
def test_only_a_report_beyond_the_maximum_ends_a_command(bench, repeats):
    code = """
import signal
signal.signal(signal.SIGTERM, lambda *_: (print("told"), sys.exit(7)))
say(1, 0.5)
say(1, 0.4)
import time; time.sleep(0.3)
print("trains on", flush=True)
say(2, 0.1)
time.sleep(600)
"""
    bench.answers = {1: ("complete", False)}
    end = bench.run(command(bench, code, max_resource=1, repeats=repeats))
    assert (end.code, end.stopped) == (7, False)
    assert [step for step, _, _ in told(bench)] == [1] * (2 + repeats)
    assert "trains on" in bench.log()
    assert bench.log().endswith("told\n")


def test_a_step_that_a_crash_has_cut_off_is_not_closed(bench):
    end = bench.run(command(bench, "say(1, 0.5)\nsys.exit(3)\n", rungs=(1,), repeats=True))
    assert (told(bench), end.code) == ([(1, True, 0.5)], 3)


def test_a_command_past_its_maximum_without_an_objective_ends_by_itself(bench):
    code = """
say(1, 0.5)
for epoch in (2, 3, 4):
    print('tuitune {"epoch": %d, "other": 1}' % epoch, flush=True)
import time; time.sleep(0.3)
print("done")
"""
    end = bench.run(command(bench, code, max_resource=2))
    assert (end.code, bench.steps(), bench.log().splitlines()[-1]) == (0, [1, 2], "done")


def test_the_target_is_judged_by_the_report_that_closes_a_step(bench):
    code = """
for epoch in (1, 2):
    for loss in (0.5, 0.1):
        say(epoch, loss / epoch)
"""
    bench.answers = {1: ("go", False), 2: ("go", False)}
    bench.run(command(bench, code, rungs=(9,), target=0.07, repeats=True))
    assert [step for step, is_open, _ in told(bench) if not is_open] == [2]


@pytest.mark.parametrize("epoch", ["99999999999999999999", "1e300"])
def test_a_number_that_is_no_step_ends_its_command_with_words(bench, epoch):
    code = f"say({epoch!r}, 1)\nimport time; time.sleep(600)\n"
    end = bench.run(command(bench, code))
    assert end.signal == signal.SIGTERM
    assert end.error.startswith("ValueError: epoch is above 2**53")
    assert not bench.of(events.Reported)


def test_printed_json_may_be_odd_in_any_way(bench):
    code = r"""
print('tuitune {"a":' * 1 + '[' * 30000)
say(1, 1, **{"\\ud800": 2})
say(2, 1)
"""
    end = bench.run(command(bench, code))
    assert (end.error, bench.steps()) == ("", [1, 2])
    texts = [fact.text for fact in bench.of(events.Warned)]
    assert "nested too deeply" in texts[0]
    assert "no text names it" in texts[1]


def test_only_one_of_two_processes_that_call_by_themselves_may_report(bench):
    code = """
import os, subprocess, time, tuitune
if "SECOND" not in os.environ:
    tuitune.current().report(epoch=1, loss=1)
    while not os.path.exists("heard"):
        time.sleep(0.01)
    end = subprocess.run([sys.executable, __file__], env={**os.environ, "SECOND": "1"})
    print("second ended with", end.returncode)
    tuitune.current().report(epoch=2, loss=1)
else:
    tuitune.current().report(epoch=1, loss=2)
"""
    order = command(bench, code, rungs=(1,))
    bench.answers = {1: ("go", False)}
    bench.launch(order)
    bench.until(bench.steps)
    bench.write("heard", "")
    bench.until(bench.exits)
    assert bench.values() == [1, 1]
    assert "RuntimeError" not in bench.exits()[0].error
    assert "another process of this trial reports already" in bench.log()
    assert "second ended with 1" in bench.log()


def test_what_is_printed_does_not_count_where_the_command_reports_by_itself(bench):
    code = """
import time, tuitune
trial = tuitune.current()
for epoch in (1, 2):
    trial.report(epoch=epoch, loss=epoch)
while not __import__("os").path.exists("heard"):
    time.sleep(0.01)
say(2, 7)
say(3, 7)
time.sleep(0.1)
trial.report(epoch=3, loss=3)
"""
    bench.answers = {2: ("go", False), 3: ("go", False)}
    bench.launch(command(bench, code, rungs=(2, 3)))
    bench.until(lambda: len(bench.steps()) == 2)
    bench.write("heard", "")
    end = bench.until(bench.exits)[0]
    assert (end.code, end.error) == (0, "")
    assert bench.values() == [1, 2, 3]
    (warning,) = bench.of(events.Warned)
    assert warning.text.startswith("printed reports: another process of this trial reports")


def test_a_command_that_only_asks_for_its_configuration_is_stopped_at_once(bench):
    code = """
import time, tuitune
tuitune.current().config
for epoch in (1, 2):
    say(epoch, 1)
time.sleep(600)
"""
    bench.launch(command(bench, code))
    bench.until(lambda: len(bench.steps()) == 2)
    bench.call("ask_stop", 0, 1, "drain", True)
    end = bench.until(bench.exits)[0]
    assert (end.signal, end.stopped) == (signal.SIGTERM, True)
