"""What keeps a study from launching and passes: half-edited code, a machine that has run out."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import textwrap

import pytest
from workshop import Workshop, wait_until

CODE = """
import time

def train(trial):
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    for step in range(start, 10):
        time.sleep(0.02)
        trial.report(step=step + 1, loss=trial.config["x"],
                     save=lambda folder: (folder / "step").write_text(str(step + 1)))
"""
MORE = """
checkpoint_every = "0s"
[pruning]
resource = "step"
max = 10
"""


def said(workshop: Workshop) -> str:
    return (workshop.path / "out.txt").read_text()


def start(workshop: Workshop, *words: object, **options):
    """With what it says in out.txt, which can be read while it goes on."""
    out = (workshop.path / "out.txt").open("w")
    process = subprocess.Popen(
        workshop.command(*words, "--no-ui"),
        cwd=workshop.path,
        env=workshop.environment,
        stdout=out,
        stderr=out,
        **options,
    )
    out.close()
    workshop.started.append(process)
    return process


def running(workshop: Workshop) -> int:
    if not (workshop.folder() / "study.toml").exists():
        return 0
    return sum(trial["state"] == "RUNNING" and bool(trial["step"]) for trial in workshop.trials())


def test_a_study_goes_on_after_its_code_was_half_edited(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=8)
    engine = start(workshop, file)
    wait_until(lambda: running(workshop) == 2, "two trials")
    train = workshop.path / "study_train.py"
    whole = train.read_text()
    train.write_text(whole.replace("def train(trial):", "def train(trial"))
    why = "study_train.py: SyntaxError: '(' was never closed (line 4)"
    words = f"nothing is launched until the training code can be imported: {why}\n"
    wait_until(lambda: words in said(workshop), "the words")
    wait_until(lambda: running(workshop) == 0, "the end of those that ran")
    assert workshop.run("set", "study", "search.trials=7").returncode == 0  # it is there, and waits
    assert "SyntaxError" in (workshop.folder() / "engine.log").read_text()
    train.write_text(whole)
    assert engine.wait(60) == 0
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE"] * 7
    assert said(workshop).count(words) == 1
    assert "can be imported again: launching goes on" in said(workshop)
    assert workshop.left_over() == []


def test_a_study_with_broken_code_stops_at_once_and_goes_on_later(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=4)
    engine = start(workshop, file)
    wait_until(lambda: running(workshop) == 2, "two trials")
    train = workshop.path / "study_train.py"
    whole = train.read_text()
    train.write_text("import no_such_thing\n" + whole)
    wait_until(lambda: "No module named 'no_such_thing' (line 1)" in said(workshop), "the words")
    wait_until(lambda: running(workshop) == 0, "the end of those that ran")
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(10) == 130  # the first grace alone would be longer
    again = workshop.run(file, "--no-ui")
    assert again.returncode == 2  # nothing runs that would have to be kept
    assert "no_such_thing" in again.stderr
    train.write_text(whole)
    assert workshop.run(file, "--no-ui").returncode == 0
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE"] * 4


def test_a_study_whose_code_hangs_as_it_is_imported_says_so_and_stops_at_once(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=4)
    engine = start(workshop, file)
    wait_until(lambda: running(workshop) == 2, "two trials")
    train = workshop.path / "study_train.py"
    whole = train.read_text()
    train.write_text("import time\ntime.sleep(10000)\n" + whole)
    words = "imported: study_train.py has changed and is being imported"
    wait_until(lambda: words in said(workshop), "the words")
    states = [trial["state"] for trial in workshop.trials()]
    assert states.count("COMPLETE") == 2
    stopped = workshop.run("stop", "study")
    assert "study: stopping; no trial is running" in stopped.stdout
    assert engine.wait(10) == 130  # the grace alone would be longer
    assert "at most" not in said(workshop)
    assert workshop.left_over() == []
    train.write_text(whole)
    assert workshop.run(file, "--no-ui").returncode == 0
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE"] * 4


def test_parked_trials_are_kept_while_code_is_broken(workshop: Workshop):
    more = MORE.replace("max = 10", "max = 3") + 'min = 1\nmethod = "asha"\nstyle = "promote"\n'
    file = workshop.study(CODE, more, trials=12)
    engine = start(workshop, file)
    wait_until(lambda: running(workshop), "a trial")
    train = workshop.path / "study_train.py"
    whole = train.read_text()
    train.write_text(whole + "\ndef more(:\n")
    wait_until(lambda: "until the training code can be imported" in said(workshop), "the words")
    wait_until(lambda: not running(workshop), "the end of those that ran")
    states = {trial["state"] for trial in workshop.trials()}
    assert states <= {"WAITING", "PAUSED", "COMPLETE"}  # none is pruned or has failed
    train.write_text(whole)
    assert engine.wait(60) == 0
    assert "COMPLETE" in {trial["state"] for trial in workshop.trials()}


def test_an_engine_without_an_open_file_left_tries_again(workshop: Workshop):
    code = """
    import time
    from pathlib import Path

    def train(trial):
        trial.report(loss=trial.config["x"])
        while not Path("go").exists():
            time.sleep(0.01)
    """
    file = workshop.study(textwrap.dedent(code), trials=6)
    workshop.waits = 0.2
    engine = start(workshop, file)
    wait_until(lambda: running(workshop) == 2, "two trials")
    soft, hard = resource.prlimit(engine.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(engine.pid, resource.RLIMIT_NOFILE, (3, hard))  # 0, 1 and 2 are taken
    (workshop.path / "go").touch()
    words = "nothing is launched for the moment: no open file is left to this process"
    wait_until(lambda: words in said(workshop), "the words")
    wait_until(lambda: "launching is tried again" in said(workshop), "another try")
    resource.prlimit(engine.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert engine.wait(60) == 0
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE"] * 6


FULL = """
mount -t tmpfs -o size=40m,nr_inodes=200 none "$1"
runs=$1; shift
mkdir "$runs/ballast"
{ "$@" study.toml --no-ui --runs "$runs"; echo "status $?"; } > out.txt 2>&1 &
until test -s "$runs/study/trials/0000/config.json"; do sleep 0.01; done
n=0; while touch "$runs/ballast/$n" 2>/dev/null; do n=$((n + 1)); done
until grep -q "no space is left on the disk" out.txt; do sleep 0.05; done
rm -r "$runs/ballast"
wait
cat out.txt
"""


def test_a_disk_without_room_for_another_file(workshop: Workshop):
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/tmp"]
    if shutil.which("unshare") is None or subprocess.run(probe, check=False).returncode:
        pytest.skip("mounting needs a user namespace, which is forbidden here")
    workshop.study(
        "import time\n\ndef train(trial):\n    time.sleep(0.5)\n    return 1.0\n", trials=6
    )
    runs = workshop.path / "runs"
    runs.mkdir()
    workshop.waits = 0.2
    command = ["unshare", "-rm", "sh", "-ec", FULL, "sh", str(runs), *workshop.command()]
    done = workshop.call(command, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "status 0" in done.stdout, done.stdout
    assert "6 complete" in done.stdout
    assert "failed" not in done.stdout


def test_an_owner_of_a_full_disk_says_how_full_it_may_be(workshop: Workshop):
    file = workshop.study(CODE, MORE + '[limits]\ndisk_free = "9000TB"\n', trials=2)
    workshop.waits = 0.1
    engine = start(workshop, file)
    wait_until(lambda: "the disk is too full to launch trials" in said(workshop), "the words")
    changed = workshop.run("set", "study", "limits.disk_free=0")
    assert changed.returncode == 0, changed.stderr
    assert "[limits] disk_free: was 9e+06 GB, is 0 GB" in changed.stdout
    assert engine.wait(60) == 0
    assert "there is room on the disk again: launching goes on" in said(workshop)
    assert (workshop.folder() / "trials/0001").exists()
    again = workshop.run(file, "--no-ui", "--trials", 3, "--set", "limits.disk_free=1MB")
    assert again.returncode == 0, again.stdout + again.stderr
