"""The trial's own side, with a channel that is not a socket; and outside tuitune."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tuitune
from tuitune.trial import checkpoints
from tuitune.trial.api import Trial
from tuitune.trial.link import TrialStopped
from tuitune.trial.wire import (
    Checkpoint,
    Done,
    Frozen,
    Order,
    Release,
    Report,
    Saving,
    Stop,
    Verdict,
    Warn,
    decode,
)


class Told:
    """A channel that remembers what it is told, and answers from a list."""

    def __init__(self, *answers, arriving=None, gone=False):
        self.answers = list(answers)
        self.arriving = arriving
        self.gone = gone
        self.said = []

    def send(self, line):
        if self.gone:
            raise BrokenPipeError
        self.said.append(decode(line))

    def poll(self):
        return self.arriving

    def wait(self):
        return self.answers.pop(0)

    def of(self, kind):
        return [said for said in self.said if isinstance(said, kind)]

    def steps(self):
        return [(report.step, report.wait) for report in self.of(Report)]


def trial(channel, folder=".", **more):
    settings = {"config": {"a": [1]}, "seed": 0, "metric": "loss", "resource": "epoch", **more}
    return Trial(Order(0, 1, folder=str(folder), **settings), channel)


GO = Verdict("go", save=False)


COMPLETE = Verdict("complete", save=False)


def test_only_the_first_report_at_or_past_a_rung_waits():
    channel = Told(GO, GO, GO)
    made = trial(channel, rungs=(1, 3, 9), max_resource=27)
    for epoch in (1, 1, 2, 10, 10, 11):
        made.report(epoch=epoch, loss=0)
    waits = [(1, True), (1, False), (2, False), (10, True), (10, False), (11, False)]
    assert channel.steps() == waits


def test_only_the_first_report_of_a_step_with_the_objective_waits_for_the_median():
    channel = Told(GO, GO)
    made = trial(channel, judged_from=2)
    for epoch, name in ((1, "loss"), (2, "other"), (2, "loss"), (2, "loss"), (3, "loss")):
        made.report({"epoch": epoch, name: 1.0})
    waits = [(1, False), (2, False), (2, True), (2, False), (3, True)]
    assert channel.steps() == waits
    assert not channel.of(Warn)


def test_a_step_that_ends_without_the_objective_is_warned_of_when_it_has_ended():
    channel = Told(GO)
    made = trial(channel, rungs=(1,))
    for _ in range(2):
        made.report(epoch=1, other=1)
        assert not channel.of(Warn)
    made.report(epoch=2, other=1)
    (warning,) = channel.of(Warn)
    assert warning.text.startswith("epoch = 1 came without the objective 'loss' (only other)")
    made.report(epoch=2, loss=1)
    assert channel.steps() == [(1, False), (1, False), (2, False), (2, True)]


def test_the_last_step_too_is_warned_of_unless_what_is_returned_is_its_objective():
    for value, warnings in ((None, 1), (0.5, 0)):
        channel = Told()
        made = trial(channel)
        made.report(epoch=1, other=1)
        made.returned(value)
        assert len(channel.of(Warn)) == warnings
    assert channel.steps() == [(1, False), (1, False)]


def test_a_lower_step_is_told_and_never_waits():
    channel = Told()
    made = trial(channel, rungs=(3,))
    made.report(epoch=5, other=0)
    for epoch in (4, 3):
        made.report(epoch=epoch, loss=0)
    assert channel.steps() == [(5, False), (4, False), (3, False)]
    (warning,) = channel.of(Warn)
    assert warning.text == "epoch = 4 after 5: kept, but not judged; count epoch upwards"


def test_a_complete_trial_may_report_its_last_step_again_and_lower_ones():
    channel = Told(COMPLETE)
    made = trial(channel, rungs=(1,), max_resource=3, target=0.0)
    for epoch in (4, 4, 2, 4):
        made.report(epoch=epoch, loss=1 if len(channel.said) == 0 else -1)
    assert channel.steps() == [(4, True), (4, False), (2, False), (4, False)]
    for _ in range(2):
        with pytest.raises(TrialStopped, match="complete"):
            made.report(epoch=5, loss=1)
    assert len(channel.steps()) == 4


def test_where_reports_are_counted_the_one_after_the_maximum_is_beyond_it():
    channel = Told(COMPLETE)
    made = trial(channel, resource=None, max_resource=2)
    made.report(loss=1)
    made.report(loss=1)
    with pytest.raises(TrialStopped, match="complete"):
        made.report(loss=1)
    made.returned(0.5)
    assert channel.steps() == [(1, False), (2, True), (2, False)]


def test_the_maximum_ends_a_trial_without_the_objective_but_one_that_comes_late_counts():
    for late, answers in (({"other": 1}, 0), ({"loss": 1}, 1)):
        channel = Told(*[COMPLETE] * answers)
        made = trial(channel, max_resource=3)
        made.report(epoch=2, loss=1)
        made.report(epoch=3, other=1)
        if not answers:
            with pytest.raises(TrialStopped, match="complete"):
                made.report(epoch=4, **late)
            continue
        made.report(epoch=4, **late)
        assert channel.steps()[-1] == (4, True)
        with pytest.raises(TrialStopped, match="complete"):
            made.report(epoch=5, loss=1)


@pytest.mark.parametrize(("mode", "good", "bad"), [("min", 0.1, 0.3), ("max", 0.3, 0.1)])
def test_a_value_as_good_as_the_target_waits_between_rungs(mode, good, bad):
    channel = Told(GO, GO)
    made = trial(channel, rungs=(9,), target=0.2, mode=mode)
    for epoch, loss in ((1, bad), (2, good), (2, good), (3, float("nan")), (4, 0.2)):
        made.report(epoch=epoch, loss=loss)
    waits = [wait for _, wait in channel.steps()]
    assert waits == [False, True, False, False, True]


def test_a_report_without_a_name_says_how_it_is_given_one():
    with pytest.raises(TypeError, match=r"metrics by name, as report\(loss=0.3\), not a float"):
        trial(Told()).report(0.3)


def test_the_default_resource_counts_on_from_the_checkpoint():
    channel = Told()
    made = trial(channel, resource=None, resume_path="/c/00000005", resume_step=5)
    assert made.resume_path.name == "00000005"
    made.report(loss=1)
    made.report(loss=2, epoch=70)
    assert [report.step for report in channel.of(Report)] == [6, 7]
    assert channel.of(Report)[1].metrics == {"loss": 2.0, "epoch": 70.0}


def test_a_count_of_reports_begins_again_where_the_checkpoint_was_not_asked_for():
    channel = Told()
    made = trial(channel, resource=None, resume_path="/c/00000005", resume_step=5)
    made.report(loss=1)
    made.report(loss=1)
    assert [report.step for report in channel.of(Report)] == [1, 2]
    (warned,) = channel.of(Warn)
    assert warned.text.startswith("it goes on from the checkpoint of report 5, but its first")


@pytest.mark.parametrize(
    ("first", "began", "words"),
    [
        (3, 1, "epoch 5, but its first report is of epoch 3: load what trial.resume_path"),
        (5, 5, "epoch 5, but its first report is of epoch 5 again: load what"),
        (5, 1, ""),  # it has evaluated its checkpoint once more
        (6, 1, ""),
    ],
)
def test_a_first_step_that_is_not_beyond_the_checkpoint_is_warned_of_once(first, began, words):
    channel = Told()
    made = trial(channel, resume_step=5, began=began)
    for epoch in (first, first + 1):
        made.report(epoch=epoch, loss=1)
    assert [words in warned.text for warned in channel.of(Warn)] == [True] * bool(words)


def test_a_stop_is_seen_by_a_report_that_is_told_first_and_again_by_each_that_follows():
    channel = Told(arriving=Stop("killed", save=False))
    made = trial(channel)
    for _ in range(2):
        with pytest.raises(TrialStopped, match="killed"):
            made.report(epoch=1, loss=1)
    assert channel.steps() == [(1, False)]


def told_of_a_caught_stop(channel):
    (warning,) = channel.of(Warn)
    assert warning.text.startswith(
        "its code has caught TrialStopped, which tells it to end, and goes"
    )
    return channel.of(Done)[-1]


def test_a_stop_that_a_bare_except_swallows_is_told_once():
    channel = Told(arriving=Stop("killed", save=False))
    made = trial(channel)
    for epoch in range(1, 6):
        try:
            made.report(epoch=epoch, loss=1)
        except:  # noqa: E722
            continue
    assert channel.of(Done) == [Done("", stopped=True), Done("", stopped=True, ignored=True)]
    told_of_a_caught_stop(channel)


def test_a_complete_trial_that_goes_on_for_ever_is_told_of():
    channel = Told(COMPLETE)
    made = trial(channel, max_resource=1)
    for epoch in range(1, 6):
        with contextlib.suppress(BaseException):
            made.report(epoch=epoch, loss=1)
    assert told_of_a_caught_stop(channel) == Done("", stopped=False, ignored=True)


def test_reports_on_the_way_out_and_of_other_threads_are_no_sign_of_a_caught_stop():
    channel = Told(arriving=Stop("killed", save=False))
    made = trial(channel)

    def report():
        with contextlib.suppress(TrialStopped):
            made.report(epoch=1, loss=1)

    def train():
        try:
            made.report(epoch=1, loss=1)
        except BaseException:
            report()
            raise
        finally:
            report()

    threads = [threading.Thread(target=report) for _ in range(2)]
    for thread in threads:
        thread.start()
        thread.join()
    with pytest.raises(TrialStopped):
        train()
    assert not channel.of(Warn)


def test_even_a_report_that_is_dropped_hears_a_stop():
    with pytest.raises(TrialStopped):
        trial(Told(arriving=Stop("killed", save=False))).report(loss=1)


def test_an_engine_that_is_gone_ends_the_trial():
    with pytest.raises(TrialStopped, match="gone"):
        trial(Told(gone=True)).report(epoch=1, loss=1)


def test_an_error_of_save_is_the_trials_own():
    def save(folder):
        raise OSError("no space")

    made = trial(Told(), checkpoint_every=0.0)
    with pytest.raises(OSError, match="no space"):
        made.report(epoch=1, loss=1, save=save)


def test_the_configuration_cannot_be_changed():
    made = trial(Told())
    made.config["b"] = 1
    assert made.config == {"a": [1]}


def test_a_checkpoint_is_whole_or_absent(tmp_path):
    channel = Told()
    made = trial(channel, tmp_path)

    def break_off():
        with made.checkpoint(1) as folder:
            (folder / "half").write_text("x")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        break_off()
    assert list((tmp_path / "checkpoints").iterdir()) == []
    with made.checkpoint(2) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "whole").write_text("x")
    assert (tmp_path / "checkpoints/00000002/deep/whole").read_text() == "x"
    assert [said.step for said in channel.of(Checkpoint)] == [2]
    assert channel.of(Saving) == [Saving(1), Saving(1, "ValueError: half"), Saving(2)]
    kinds = [type(said) for said in channel.said]
    assert kinds == [Saving, Saving, Saving, Checkpoint]


@pytest.mark.parametrize("error", [TrialStopped("killed"), SystemExit(143), KeyboardInterrupt()])
def test_a_checkpoint_that_is_broken_off_has_failed(tmp_path, error):
    channel = Told()
    made = trial(channel, tmp_path)
    with pytest.raises(type(error)), made.checkpoint(1):
        raise error
    assert [bool(said.failed) for said in channel.of(Saving)] == [False, True]
    assert not channel.of(Checkpoint)


@pytest.mark.parametrize("step", [10**20, -1, 1.5, "3", None, True, 1e300])
def test_a_checkpoint_of_a_step_that_is_none_is_refused(tmp_path, step):
    channel = Told()
    with (
        pytest.raises(ValueError, match=r"a whole number from 0 to 2\*\*53"),
        trial(channel, tmp_path).checkpoint(step),
    ):
        pass
    assert not channel.said


@pytest.mark.parametrize("step", [10**20, 1e300, 2**53 + 1])
def test_a_step_that_nothing_can_hold_is_an_error(step):
    channel = Told()
    with pytest.raises(ValueError, match=r"epoch is above 2\*\*53"):
        trial(channel).report(epoch=step, loss=1)
    assert not channel.said


def test_metrics_whose_names_cannot_be_sent_are_left_out_and_the_rung_is_judged():
    channel = Told(GO)
    made = trial(channel, rungs=(1,))
    made.report({"epoch": 1, "loss": 1, "\ud800": 2, 3: 4, None: 5, "\U0001f600": 6})
    (report,) = channel.of(Report)
    assert report.wait
    assert report.metrics == {"loss": 1.0, "\U0001f600": 6.0}
    assert len(channel.of(Warn)) == 1


def test_a_report_of_many_megabytes_is_an_error_in_words():
    channel = Told()
    with pytest.raises(ValueError, match="bytes: no more than 4 MB can be sent"):
        trial(channel).report({"epoch": 1, **{f"metric {i}": i for i in range(300_000)}})
    assert not channel.said


def test_a_warning_is_short_and_can_be_read(tmp_path):
    channel = Told()
    trial(channel).report({"epoch": 1, "x" * 10**6: "\ud800" * 10**6})
    trial(channel).report({"epoch": 1, "\ud800" * 10**6: 1})
    for warning in channel.of(Warn):
        assert len(warning.text) < 10_000
        warning.text.encode()


def test_a_step_that_is_saved_again_replaces_the_old_and_forgets_what_came_after(tmp_path):
    def save(step, text):
        with checkpoints.written(tmp_path, step, 0) as folder:
            (folder / "text").write_text(text)
        checkpoints.keep_newest(tmp_path, step)

    for step in (1, 2, 3):
        save(step, "first")
    save(2, "second")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["00000002"]
    assert (tmp_path / "00000002/text").read_text() == "second"


def test_a_process_that_is_killed_while_it_removes_a_checkpoint_leaves_no_part_of_it(
    tmp_path, monkeypatch
):
    class KilledError(BaseException):
        """Ends the removal after its first file, as a kill would."""

    def cut_off(place, **_):
        for part in Path(place).glob("*"):
            part.unlink()
            raise KilledError

    def save(step):
        with checkpoints.written(tmp_path, step, 0) as folder:
            for part in "ab":
                (folder / part).touch()
        checkpoints.keep_newest(tmp_path, step)

    save(1)
    save(2)
    monkeypatch.setattr(checkpoints.shutil, "rmtree", cut_off)
    with pytest.raises(KilledError):
        save(3)
    found = {entry.name: len(list(entry.iterdir())) for entry in tmp_path.iterdir()}
    assert found == {".old-00000001": 1, "00000002": 2, "00000003": 2}


KILLED = """
import os, signal, sys
from pathlib import Path
from tuitune.trial import checkpoints
for step in range(1, 1000):
    with checkpoints.written(Path("checkpoints"), step, 0) as folder:
        for part in range(3):
            (folder / str(part)).write_text(str(step) * 1000)
    print(step, flush=True)
"""


def test_a_process_that_is_killed_while_it_saves_leaves_only_whole_checkpoints(tmp_path):
    for again in range(3):
        process = python(KILLED, tmp_path)
        for line in process.stdout:
            if int(line) > 5 * (again + 1):
                break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        found = [entry for entry in (tmp_path / "checkpoints").iterdir() if entry.name.isdigit()]
        assert found
        for entry in found:
            whole = str(int(entry.name)) * 1000
            assert [part.read_text() for part in sorted(entry.iterdir())] == [whole] * 3
    checkpoints.clear_remains(tmp_path / "checkpoints", order_of(1, 999))
    assert all(entry.name.isdigit() for entry in (tmp_path / "checkpoints").iterdir())


def order_of(attempt, resumed):
    order = trial(Told())._order
    return order._replace(attempt=attempt, known=resumed, resume_step=resumed)


def test_only_what_earlier_attempts_have_left_is_removed(tmp_path):
    for name in ("00000004", "00000005", ".tmp-1-5", ".tmp-2-6", ".tmp-10-7", ".old-00000003"):
        (tmp_path / name).mkdir()
    checkpoints.clear_remains(tmp_path, order_of(2, 4))
    left = {entry.name for entry in tmp_path.iterdir()}
    assert left == {"00000004", ".tmp-2-6", ".tmp-10-7"}


def python(code, folder, **env):
    kept = {name: value for name, value in os.environ.items() if name != "TUITUNE_TRIAL"}
    root = str(Path(tuitune.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**kept, "PYTHONPATH": root, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_outside_tuitune_a_stand_in_prints(tmp_path):
    code = """
import tuitune
trial = tuitune.current()
trial.report(epoch=1, loss=float("nan"), save=print)
trial.report({"loss": 0.5, "name": "x"})
print(trial.config, trial.resume_path, trial.number)
with trial.checkpoint(1) as folder:
    (folder / "x").touch()
try:
    trial.config["lr"]
except KeyError as error:
    print(error)
assert tuitune.current(config={"lr": 0.1}, max_resource=3) is trial
print(trial.config["lr"], list(range(tuitune.current().max_resource)))
"""
    out, err = python(code, tmp_path).communicate()
    assert out.splitlines() == [
        "report 1: epoch=1.0, loss=nan",
        "warning: name = 'x' (str) is not a number: left out",
        "report 2: loss=0.5",
        "{} None 0",
        "checkpoint 1",
        (
            '"lr: this script runs outside a study, so no study sets its configuration; '
            "set it by tuitune.current(config={'lr': ...})\""
        ),
        "0.1 [0, 1, 2]",
    ]
    assert not err


def test_by_hand_the_maximum_that_is_missing_names_the_mend(tmp_path):
    code = "import tuitune\ntuitune.current().max_resource"
    _, err = python(code, tmp_path).communicate()
    assert "set it by tuitune.current(max_resource=3)" in err


def test_a_trial_stopped_that_nobody_catches_ends_a_script_silently(tmp_path):
    process = python("import tuitune\nraise tuitune.TrialStopped('pruned')", tmp_path)
    assert process.communicate() == ("", "")
    assert process.returncode == 0
    assert not issubclass(TrialStopped, Exception)
    assert str(TrialStopped("pruned")) == "pruned"


def test_a_training_script_pays_for_little(tmp_path):
    code = "import sys\nbefore = set(sys.modules)\nimport tuitune\nprint(*sorted(set(sys.modules) - before))"
    loaded = set(python(code, tmp_path).communicate()[0].split())
    ours = {name for name in loaded if name.partition(".")[0] == "tuitune"}
    assert ours <= {"tuitune"} | {
        f"tuitune.executors.local{end}"
        for end in (
            "",
            ".here",
            ".link",
            ".postponed",
            ".reading",
            ".steps",
            ".turn",
            ".wire",
            ".worker",
        )
    }
    assert not loaded & {
        "asyncio",
        "msgspec",
        "socket",
        "dataclasses",
        "pathlib",
        "ctypes",
        "click",
    }


def test_a_pause_that_finds_no_save_in_time_stands_still_and_then_goes_on():
    channel = Told(Release(), GO, arriving=Stop("paused", save=True))
    own = trial(channel, rungs=(9,))
    own.report(epoch=1, loss=1)
    channel.arriving = None
    assert not channel.of(Frozen)
    own.report(epoch=2, loss=1)
    assert channel.of(Frozen)
    for epoch in (3, 4, 9):
        own.report(epoch=epoch, loss=1, save=print)  # called only where a save is asked for
    assert channel.steps() == [(1, False), (2, False), (3, False), (4, False), (9, True)]
    assert len(channel.of(Frozen)) == 1


def test_a_second_word_does_not_make_the_wait_for_a_save_longer():
    channel = Told(Verdict("stop", save=True))
    own = trial(channel, rungs=(2,), checkpoint_every=9e9)
    own.report(epoch=1, loss=1, save=print)
    own.report(epoch=2, loss=1)
    channel.arriving = Stop("drain", save=True)
    own._look_at = 0.0
    own.report(epoch=3, loss=1)
    own._look_at = 0.0
    with pytest.raises(TrialStopped, match="drain"):
        own.report(epoch=4, loss=1)


@pytest.mark.parametrize("reason", ["drain", "paused"])
def test_a_trial_that_is_to_save_and_leave_goes_on_to_the_report_that_can(tmp_path, reason):
    saved = []
    channel = Told()
    own = trial(channel, tmp_path)
    own.report(epoch=1, train_loss=0.5)
    own.report(epoch=1, loss=0.5, save=saved.append)
    channel.arriving = Stop(reason, save=True)
    own._look_at = 0.0
    own.report(epoch=2, train_loss=0.4)
    channel.arriving = None
    with pytest.raises(TrialStopped):
        own.report(epoch=2, loss=0.4, save=saved.append)
    assert len(saved) == 1
    assert [c.step for c in channel.of(Checkpoint)] == [2]


def test_a_verdict_that_sends_it_to_wait_is_obeyed_where_it_can_save(tmp_path):
    channel = Told(Verdict("stop", save=True))
    own = trial(channel, tmp_path, rungs=(2, 3))
    save = lambda folder: (folder / "state").write_text("")  # noqa: E731
    own.report(epoch=1, loss=0.5)
    own.report(epoch=1, accuracy=0.5, save=save)
    own.report(epoch=2, loss=0.4)
    with pytest.raises(TrialStopped):
        own.report(epoch=2, accuracy=0.6, save=save)
    assert [c.step for c in channel.of(Checkpoint)] == [2]
    assert all(report.saves for report in channel.of(Report) if report.wait)
