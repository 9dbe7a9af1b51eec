"""Who in a trial may report: any thread of one process; and what a save tells while it goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tuitune.core import events

SECOND = (
    "SecondReporterError: another process of this trial reports already, and only one may: report "
    "from the process that the trial began in, or from the one whose rank is 0"
)


def run(bench, code, **more):
    bench.write("train.py", code)
    bench.open()
    return bench.run(bench.order(**more))


def test_of_two_forks_that_report_at_once_one_goes_on_and_the_other_is_told(bench):
    code = """
    import os, sys
    def train(trial):
        read, write = os.pipe()
        children = []
        for rank in range(8):
            if (pid := os.fork()) == 0:
                os.close(write)
                os.read(read, 1)  # all begin at once
                try:
                    for epoch in range(1, 4):
                        trial.report(epoch=epoch, loss=rank)
                except RuntimeError as error:
                    line = f"{type(error).__name__}: {error}\\n"
                    os.write(1, line.encode())  # in one call: eight processes write to one file
                    os._exit(1)
                os._exit(0)
            children.append(pid)
        os.close(write)
        ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        print(sorted(ends))
    """
    bench.answers = dict.fromkeys((1, 2, 3), ("go", False))
    end = run(bench, code, judged_from=1)
    assert (end.code, end.error, bench.steps()) == (0, "", [1, 2, 3])
    assert len(set(bench.values())) == 1
    assert bench.log().splitlines() == [*[SECOND] * 7, str([0] + [1] * 7)]


def test_a_parent_that_has_reported_keeps_its_forks_from_it(bench):
    code = """
    import os, tuitune
    def train(trial):
        trial.report(epoch=1, loss=1)
        if (pid := os.fork()) == 0:
            for act in (lambda: tuitune.current().report(epoch=2, loss=0), lambda: save(trial)):
                try:
                    act()
                except RuntimeError as error:
                    print(error, flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        trial.report(epoch=2, loss=2)
    def save(trial):
        with trial.checkpoint(2):
            pass
    """
    end = run(bench, code)
    assert (end.error, bench.values()) == ("", [1, 2])
    assert bench.log().count("only one may") == 2
    assert not bench.of(events.SaveStarted)


def test_a_fork_that_reports_alone_is_stopped_and_so_is_its_trial(bench):
    code = """
    import multiprocessing
    def work(trial):
        for epoch in range(1, 99):
            trial.report(epoch=epoch, loss=1)
    def train(trial):
        worker = multiprocessing.get_context("fork").Process(target=work, args=(trial,))
        worker.start()
        worker.join()
        print("worker ended with", worker.exitcode)
        return 0.5
    """
    bench.answers = {2: ("stop", False)}
    end = run(bench, code, rungs=(2,))
    assert (end.error, end.stopped, bench.steps()) == ("", True, [1, 2])
    assert bench.log() == "worker ended with 0\n"
    (warning,) = bench.of(events.Warned)
    assert warning.text == "what was returned is left out: another process has reported"


def test_threads_report_through_one_trial(bench):
    code = """
    import threading
    def train(trial):
        turns = threading.Lock()
        count = iter(range(1, 1001))
        def work():
            while True:
                with turns:
                    epoch = next(count, None)
                    if epoch is None:
                        return
                    trial.report(epoch=epoch, loss=epoch)
        threads = [threading.Thread(target=work) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    """
    bench.answers = {500: ("go", False)}
    end = run(bench, code, rungs=(500,))
    assert (end.error, end.stopped, bench.steps()) == ("", False, list(range(1, 1001)))


@pytest.mark.parametrize("after", ["pass", "trial.report(epoch=9, loss=1)", "return 3"])
def test_a_thread_that_is_stopped_stops_the_trial(bench, after):
    code = f"""
    import threading
    def work(trial):
        for epoch in range(1, 9):
            trial.report(epoch=epoch, loss=1)
    def train(trial):
        thread = threading.Thread(target=work, args=(trial,))
        thread.start()
        thread.join()
        {after}
    """
    bench.answers = {2: ("stop", False)}
    end = run(bench, code, rungs=(2,))
    assert (end.code, end.error, end.stopped) == (0, "", True)
    assert 9 not in bench.steps()


SAVING = """
import os, time
def train(trial):
    trial.report(epoch=1, loss=1)
    with trial.checkpoint(1) as folder:
        (folder / "model").write_text("x")
        print("saving", flush=True)
        while not os.path.exists("go on"):
            time.sleep(0.01)
        {inside}
"""


def save_facts(bench):
    kinds = (events.SaveStarted, events.Checkpointed, events.SaveFailed)
    return [fact for fact in bench.facts if isinstance(fact, kinds)]


@pytest.mark.parametrize(
    ("inside", "kind"),
    [
        ("pass", events.Checkpointed),
        ("raise OSError(28, 'No space left on device')", events.SaveFailed),
    ],
)
def test_a_save_is_told_when_it_begins_and_when_it_ends(bench, inside, kind):
    bench.write("train.py", SAVING.format(inside=inside))
    bench.open()
    bench.launch(bench.order())
    bench.until(lambda: "saving" in bench.log())
    (started,) = bench.until(lambda: save_facts(bench))
    assert (type(started), started.step) == (events.SaveStarted, 1)
    bench.write("go on", "")
    end = bench.until(bench.exits)[0]
    last = save_facts(bench)[-1]
    assert (type(last), last.step, len(save_facts(bench))) == (kind, 1, 2)
    if kind is events.SaveFailed:
        assert last.why == end.error == "OSError: [Errno 28] No space left on device"


def test_a_save_that_sigterm_breaks_off_has_failed(bench):
    bench.write("train.py", SAVING.format(inside="pass"))
    bench.open()
    bench.launch(bench.order())
    bench.until(lambda: "saving" in bench.log())
    bench.call("signal", 0, 1, "term")
    assert bench.until(bench.exits)[0].code == 143
    assert [type(fact) for fact in save_facts(bench)] == [events.SaveStarted, events.SaveFailed]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("trial.report(epoch=1e300, loss=1)", "ValueError: epoch is above 2**53"),
        ("trial.report(epoch=10**20, loss=1)", "ValueError: epoch is above 2**53"),
        ("trial.checkpoint(10**20).__enter__()", "ValueError: checkpoint(int): a step is"),
        ("return {'epoch': 10**20, 'loss': 1}", "ValueError: epoch is above 2**53"),
        (
            "trial.report({str(i) * 9: i for i in range(150_000)}, epoch=1, loss=1)",
            "ValueError: a report of",
        ),
    ],
)
def test_what_is_too_large_fails_the_trial_in_words(bench, line, words):
    end = run(bench, f"def train(trial):\n        {line}\n")
    assert end.code == 1
    assert end.error.startswith(words)
    assert not bench.of(events.Reported)


@pytest.mark.parametrize("digits", [400, 9000])
def test_a_whole_number_beyond_all_floats_is_too_large(bench, digits):
    end = run(
        bench,
        f"""
    def train(trial):
        trial.report(epoch=1, loss=1.0, other=10**{digits})
    """,
    )
    assert (end.code, end.error) == (0, "")
    (warning,) = bench.of(events.Warned)
    assert warning.text.startswith("other is too large: a whole number of ")
    assert bench.of(events.Reported)[0].metrics == {"loss": 1.0}


def test_a_name_that_cannot_be_sent_does_not_hang_a_rung(bench):
    code = r"""
    def train(trial):
        trial.report({"loss": 1.0, "epoch": 1, "\ud800": 2.0, 7: 1})
        raise ValueError("\ud800 in an error")
    """
    bench.answers = {1: ("go", False)}
    end = run(bench, code, rungs=(1,))
    assert bench.of(events.Reported)[0].metrics == {"loss": 1.0}
    (warning,) = bench.of(events.Warned)
    assert r"'\ud800'" in warning.text
    assert end.error == r"ValueError: \ud800 in an error"


def test_a_trial_beyond_its_maximum_has_not_been_stopped(bench):
    code = """
    def train(trial):
        epoch = 0
        while True:
            epoch += 1
            trial.report(epoch=epoch, loss=3)
            trial.report(epoch=epoch, loss=2)
            print("saves the model of", epoch)
    """
    bench.answers = {2: ("complete", False)}
    end = run(bench, code, max_resource=2)
    assert (end.code, end.error, end.stopped) == (0, "", False)
    assert (bench.steps(), bench.values()) == ([1, 1, 2, 2], [3, 2, 3, 2])
    assert bench.log().splitlines()[-1] == "saves the model of 2"


FORKS_OF_FORKS = """
import os, threading
from tuitune.trial.link import SoleReporter

reporter = SoleReporter()
reporter.follow_forks(lambda: None)
if os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
if os.fork() == 0:
    os._exit(0)
os.wait()
thread = threading.Thread(target=reporter.take, daemon=True)
thread.start()
thread.join(20)
os._exit(thread.is_alive())
"""


def test_a_fork_that_has_forked_itself_can_ask_on_any_thread():
    done = subprocess.run(
        [sys.executable, "-c", FORKS_OF_FORKS], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
