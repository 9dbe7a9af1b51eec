"""The simulator finds no violation in the code as it is, and finds every planted bug."""

from __future__ import annotations

import pytest

from simulator import simulate
from simulator.fuzzer import run_seed
from tuitune.core import events as ev

SEEDS = range(60)
ENOUGH = range(200)  # for every plant; most are caught by the first


@pytest.fixture(scope="module")
def reports():
    return [run_seed(seed) for seed in SEEDS]


def test_all_that_is_promised_holds_after_every_event(reports):
    broken = {report.seed: report.violations for report in reports if report.violations}
    assert not broken


def test_the_seeds_go_through_all_that_can_happen(reports):
    kinds = {type(fact) for report in reports for fact in report.journal}
    rare = {ev.Promoted, ev.Frozen, ev.RetryAsked, ev.Added, ev.SettingsChanged, ev.Halted}
    rare |= {ev.SaveFailed, ev.Returned, ev.LaunchBlocked, ev.ClockStepped, ev.NodeChanged}
    rare |= {ev.OnWrongGpu}
    assert rare <= kinds
    assert any(isinstance(f, ev.Reported) and f.open for r in reports for f in r.journal)
    assert any(report.engines > 1 for report in reports)
    settled = {f.state for report in reports for f in report.journal if isinstance(f, ev.Settled)}
    assert settled == {"WAITING", "PAUSED", "COMPLETE", "PRUNED", "FAILED", "KILLED"}


def test_a_seed_says_it_all(reports):
    for report in reports[:10]:
        assert run_seed(report.seed).journal == report.journal


@pytest.mark.parametrize("name", simulate.BUGS)
def test_a_planted_bug_is_caught(name):
    with simulate.BUGS[name]():
        summary = simulate.simulate(ENOUGH, first=True)
    assert summary.broken, f"{name} was not caught"


def test_the_command_reports_and_exits_by_what_it_found(capsys):
    assert simulate.main(["--seeds", "0:2"]) == 0
    said = capsys.readouterr().out
    assert "seeds                2" in said
    assert "violations           0 seeds" in said
    assert simulate.main(["--seeds", "0:5", "--plant", "doubled-attempt"]) == 1
    assert "was launched while a process of it is there" in capsys.readouterr().out
    assert simulate.main(["--plant", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(simulate.BUGS) >= 8
