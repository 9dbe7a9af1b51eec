"""Training code that is edited meanwhile, and a machine that runs out: nothing fails of it."""

from __future__ import annotations

import os
import resource
import signal

import pytest

from tuitune.core import events
from tuitune.executors.base import NotNowError
from tuitune.executors.local import exit_text
from tuitune.executors.local.zygote_client import Timeouts

CODE = """\
import time
def train(trial):
    trial.report(epoch=1, loss=0)
    while trial.config.get("wait") and not (trial.folder / "go").exists():
        time.sleep(0.01)
    print("first")
def width(random, config):
    return 7
"""
BROKEN = CODE.replace("def train(trial):", "def train(trial:")
MENDED = CODE.replace("first", "second")
WHY = "train.py: SyntaxError: '(' was never closed (line 2)"


def blocked(bench):
    return [(f.cause, f.why) for f in bench.facts if isinstance(f, events.LaunchBlocked)]


def sample(bench):
    return bench.runner.run(bench.executor.sample({"x": "train.py:width"}, "0", {}))


def test_code_that_is_half_edited_costs_nothing_and_is_tried_again(bench):
    bench.write("train.py", CODE)
    bench.open()
    bench.launch(bench.order(0, config={"wait": True}))
    bench.until(lambda: bench.steps(0))
    bench.write("train.py", BROKEN)
    end = bench.run(bench.order(1))
    assert (end.lost, end.error) == (True, f"can't start: {WHY}")
    assert blocked(bench) == [("code", WHY)]
    kinds = [type(f) for f in bench.facts]
    assert kinds.index(events.LaunchBlocked) < kinds.index(events.Exited)
    assert "SyntaxError" in (bench.study / "engine.log").read_text()
    assert bench.run(bench.order(2)).lost  # what was decided just before is given back, too
    assert sample(bench) == {"x": 7}
    assert not bench.exits(0)
    bench.write("train.py", MENDED)
    bench.until(lambda: blocked(bench)[1:] == [("code", "")])
    assert bench.run(bench.order(1, 2)).error == ""
    (bench.study / "trials/0000/go").touch()
    bench.until(lambda: bench.exits(0))
    assert (bench.exits(0)[0].error, bench.log(0), bench.log(1)) == ("", "first\n", "second\n")
    bench.until(lambda: len(bench.zygotes()) == 1)


def test_another_mistake_is_told_anew_wherever_it_is(bench):
    bench.write("part/helper.py", "WORD = 1\n")
    bench.write("train.py", "from part import helper\n" + CODE)
    bench.open()
    bench.write("train.py", BROKEN)
    bench.run(bench.order(0))
    bench.write("part/other.py", "raise OSError('no data')\n")
    bench.write("train.py", "from part import other\n" + CODE)
    bench.until(lambda: len(blocked(bench)) == 2)
    assert blocked(bench)[1] == ("code", "part/other.py: OSError: no data (line 1)")
    bench.write("part/other.py", "WORD = 2\n")
    bench.until(lambda: blocked(bench)[2:] == [("code", "")])
    assert bench.run(bench.order(0, 2)).error == ""


def test_a_zygote_that_dies_while_the_code_is_broken(bench):
    bench.write("train.py", CODE)
    bench.open()
    bench.write("train.py", BROKEN)
    bench.run(bench.order(0))
    bench.until(lambda: len(bench.zygotes()) == 1)
    os.kill(bench.zygotes()[0], signal.SIGKILL)
    bench.until(lambda: not bench.zygotes())
    with pytest.raises(NotNowError, match="never closed"):
        sample(bench)
    assert bench.run(bench.order(0, 2)).lost
    bench.write("train.py", CODE)
    bench.until(lambda: blocked(bench)[-1] == ("code", ""))
    assert sample(bench) == {"x": 7}
    assert bench.run(bench.order(0, 3)).error == ""


def test_what_waits_for_an_import_leaves_at_once(bench):
    bench.write("train.py", CODE)
    bench.open()
    bench.write("train.py", "open('there', 'w').close()\nimport time\ntime.sleep(600)\n" + CODE)
    bench.launch(bench.order(0))
    bench.until(lambda: len(bench.zygotes()) == 2)
    bench.call("ask_stop", 0, 1, "drain", True)
    assert bench.until(bench.exits)[0].signal == signal.SIGTERM


def test_the_line_of_a_failed_import():
    folder = "/nowhere/study"
    trace = (
        "Traceback (most recent call last):\n"
        f'  File "{folder}/train.py", line 3, in <module>\n    import json\n'
        '  File "/usr/lib/python3/json/decoder.py", line 355, in raw_decode\n    raise\n'
        "json.decoder.JSONDecodeError: Expecting value\n"
    )
    said = exit_text.import_error(trace, folder)
    assert said == "train.py: json.decoder.JSONDecodeError: Expecting value (line 3)"
    assert exit_text.import_error("give me --data", folder) == "give me --data"
    assert exit_text.import_error("", folder) == "its import failed"


THREADED = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
def train(trial):
    trial.report(epoch=1, loss=0)
def width(random, config):
    return 7
"""


def test_a_zygote_that_has_no_open_file_left(bench):
    bench.write("train.py", THREADED)  # each trial is a new interpreter, which needs some
    bench.open()
    (zygote,) = bench.zygotes()
    soft, hard = resource.prlimit(zygote, resource.RLIMIT_NOFILE)
    resource.prlimit(zygote, resource.RLIMIT_NOFILE, (3, hard))  # 0, 1 and 2 are taken
    end = bench.run(bench.order(0))
    assert end.lost
    assert "no open file is left" in end.error
    assert blocked(bench) == [("resources", end.error)]
    with pytest.raises(NotNowError, match="no open file is left"):
        sample(bench)
    resource.prlimit(zygote, resource.RLIMIT_NOFILE, (soft, hard))
    assert bench.run(bench.order(0, 2)).error == ""
    assert sample(bench) == {"x": 7}


HANGS = "open(__file__[:-8] + 'hangs', 'w').close()\nimport time\ntime.sleep(10000)\n" + CODE


def begin_to_hang(bench, **more):
    """A trial waits for an import that doesn't come to an end."""
    bench.write("train.py", CODE)
    bench.open(**more)
    bench.write("train.py", HANGS)
    bench.launch(bench.order(0))
    bench.until((bench.folder / "hangs").exists)


def test_an_import_that_hangs_is_given_up_once_the_file_is_mended(bench):
    begin_to_hang(bench)
    bench.write("train.py", MENDED)
    bench.until(lambda: bench.exits(0))
    assert (bench.exits(0)[0].error, bench.log(0)) == ("", "second\n")
    bench.until(lambda: len(bench.zygotes()) == 1)


def test_an_import_that_hangs_is_given_up_once_the_file_is_as_it_was(bench):
    begin_to_hang(bench)
    before = bench.executor._zygotes.current.pid
    bench.write("train.py", CODE)
    bench.until(lambda: bench.exits(0))
    assert (bench.exits(0)[0].error, bench.log(0)) == ("", "first\n")
    bench.until(lambda: bench.zygotes() == [before])
    assert bench.run(bench.order(1)).error == ""


def test_an_import_that_hangs_is_given_up_for_one_that_fails(bench):
    begin_to_hang(bench)
    bench.write("train.py", BROKEN)
    bench.until(lambda: bench.exits(0))
    assert blocked(bench) == [("code", WHY)]
    (bench.folder / "hangs").unlink()
    bench.write("train.py", HANGS)
    bench.until((bench.folder / "hangs").exists)
    bench.write("train.py", CODE)
    bench.until(lambda: blocked(bench)[1:] == [("code", "")])
    assert bench.run(bench.order(0, 2)).error == ""


def test_an_import_that_takes_its_time_is_told(bench):
    begin_to_hang(bench, timeouts=Timeouts(import_slow=0.2))
    why = "train.py has changed and is being imported"
    bench.until(lambda: blocked(bench) == [("code", why)])
    bench.write("train.py", MENDED)
    bench.until(lambda: bench.exits(0))
    assert blocked(bench)[0] == ("code", why)
    assert blocked(bench)[-1] == ("code", "")


WRITES = """\
import time
from pathlib import Path
for _ in range(15):
    Path("made.py").write_text(f"WHEN = {time.time()}")
    time.sleep(0.1)
"""


def test_an_import_that_writes_beside_the_study_file_comes_to_its_end(bench):
    bench.write("train.py", CODE)
    bench.open()
    bench.write("train.py", WRITES.replace('"made.py"', f'"{bench.folder}/made.py"') + MENDED)
    assert bench.run(bench.order(0)).error == ""
    assert bench.log(0) == "second\n"


def test_closing_waits_for_no_import_that_hangs(bench):
    begin_to_hang(bench)
    bench.runner.run(bench.executor.close())
    assert bench.exits(0)[0].lost
    assert not bench.living()


def test_a_file_that_is_gone_is_told_until_it_is_back(bench):
    bench.write("train.py", CODE)
    bench.open()
    (bench.folder / "train.py").rename(bench.folder / "aside")
    end = bench.run(bench.order(0))
    assert (end.lost, end.error) == (True, "can't start: train.py: no such file")
    assert blocked(bench) == [("code", "train.py: no such file")]
    (bench.folder / "aside").rename(bench.folder / "train.py")
    bench.until(lambda: blocked(bench)[1:] == [("code", "")])
    assert bench.run(bench.order(0, 2)).error == ""


def test_a_module_that_is_gone_is_told_where_it_is_still_imported(bench):
    bench.write("helper.py", "WORD = 1\n")
    bench.write("train.py", "import helper\n" + CODE)
    bench.open()
    (bench.folder / "helper.py").unlink()
    assert "No module named 'helper' (line 1)" in bench.run(bench.order(0)).error
    bench.write("train.py", CODE)
    bench.until(lambda: blocked(bench)[-1] == ("code", ""))
    assert bench.run(bench.order(0, 2)).error == ""
