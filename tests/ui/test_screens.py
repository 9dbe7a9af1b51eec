"""The whole screen as it was last seen to be right: each size, each state of a study, each pane."""

from __future__ import annotations

import asyncio
import time

import pictures
import pytest
from clusters import cluster, on_nodes
from pictures import NOW
from stills import app, study_picture, text_of, with_log

from tuitune.ui.charts.registry import BY_NAME as CHARTS
from tuitune.ui.panes.registry import PANES

NAMES = [pane.name for pane in PANES]

SIZES = [(60, 16), (80, 24), (120, 40), (160, 48), (200, 60)]


@pytest.fixture(autouse=True)
def _same_clock_everywhere(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_each_size(snap_compare, size):
    keys = ["j", "j", "space", "j"]
    assert snap_compare(app(study_picture()), terminal_size=size, press=keys)


GPUS = [pictures.gpu(n, utilisation=0.1 * n, trials=(n,)) for n in range(7)]
FOREIGN = pictures.gpu(7, trials=(), foreign=("pid 8812 alice 40 GB",), note="not taken")
GONE = {"engine": "gone", "heard": NOW - 600, "words": "killed by signal 9"}
WORLDS = {
    "importing": study_picture("", engine="importing", words="downloading weights", devices=()),
    "first run": study_picture(""),
    "no report yet": pictures.snapshot(
        [pictures.row(0, "r", step=None, value=None, best=None, rung=None, activity="starting")]
    ),
    "all failed": study_picture(
        "fff", study=pictures.study(halted="the first 3 trials ended, all with: ValueError")
    ),
    "could not start": study_picture("", engine="failed", words="ImportError: no module torch"),
    "finished": study_picture(
        "ccxxcxxcx" * 2 + "cx",
        engine="finished",
        study=pictures.study(finished=True, complete=True, opened=NOW - 9, elapsed=700.0),
    ),
    "engine gone": study_picture(**GONE),
    "engine silent": study_picture(engine="silent", heard=NOW - 9),
    "launching paused": study_picture(study=pictures.study(launching=False)),
    "disk full": study_picture(study=pictures.study(disk_low=True)),
    "stopping": study_picture(study=pictures.study(halted="stopped by hand")),
    "eight GPUs": study_picture(devices=[pictures.host(), *GPUS, FOREIGN]),
}


@pytest.mark.parametrize("world", WORLDS)
def test_each_state_of_a_study(snap_compare, world):
    assert snap_compare(app(WORLDS[world]), terminal_size=(80, 24))


@pytest.mark.parametrize("pane", NAMES)
def test_each_pane_with_all_the_room(snap_compare, pane):
    keys = [str(NAMES.index(pane) + 1), "z"]
    assert snap_compare(app(study_picture()), terminal_size=(80, 24), press=keys)


def test_a_trials_output_with_all_the_room(snap_compare, tmp_path):
    shown = app(study_picture(folder=with_log(tmp_path, 0)))
    assert snap_compare(shown, terminal_size=(80, 24), press=["6", "z"])


@pytest.mark.parametrize("chart", [chart for chart in CHARTS if chart != "importance"])
def test_each_view_of_the_search(snap_compare, chart):
    shown = app(study_picture())
    shown._first.selection.chart = chart
    assert snap_compare(shown, terminal_size=(120, 40))


NODES = on_nodes(study_picture("r" * 400, devices=[pictures.host(), *cluster(64)]))
OF_NODES = {
    "80x24": ((80, 24), {}, []),
    "160x48": ((160, 48), {}, []),
    "light, with a cursor": ((160, 48), {"theme": "light"}, ["1", "j", "j", "j"]),
    "sixteen colours, with a cursor": ((80, 24), {"theme": "16"}, ["1", "j", "j", "j"]),
    "ascii": ((120, 40), {"ascii": True}, []),
    "all of them": ((80, 24), {}, ["1", "z"]),
    "one of them": ((160, 48), {}, ["1", "j", "j", "j", "enter"]),
    "one of them, 80x24": ((80, 24), {}, ["1", "j", "j", "j", "enter"]),
}


@pytest.mark.parametrize("how", OF_NODES)
def test_sixty_four_nodes_of_eight_gpus(snap_compare, how):
    size, look, keys = OF_NODES[how]
    assert snap_compare(app(NODES, **look), terminal_size=size, press=keys)


WAYS = {
    "help": ["?"],
    "a question": ["*", "x"],
    "a menu": ["s"],
    "a copy": ["y"],
    "a filter": ["/", *"state:done"],
    "a form": ["a"],
    "a command": [":", *"tri"],
    "marks": ["space", "space", "space"],
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_ask(snap_compare, way):
    assert snap_compare(app(study_picture()), terminal_size=(80, 24), press=WAYS[way])


LOOKS = {
    "ascii": {"ascii": True},
    "sixteen colours": {"theme": "16"},
    "light": {"theme": "light"},
    "high contrast": {"theme": "contrast"},
    "looking on": {"readonly": True},
}


@pytest.mark.parametrize("how", LOOKS)
def test_each_kind_of_terminal(snap_compare, how):
    shown = app(study_picture(), **LOOKS[how])
    assert snap_compare(shown, terminal_size=(120, 40), press=["j", "space"])


def test_a_study_at_rest_is_arranged_anew_when_the_terminal_is_resized(tmp_path):
    async def play():
        shown = app(study_picture(engine="finished", folder=with_log(tmp_path, 0)))
        async with shown.run_test(size=(80, 24)) as pilot:
            assert "5 Log" not in text_of(shown)
            await pilot.resize_terminal(140, 45)
            await pilot.pause()
            text = text_of(shown)
            assert "╭─ 4 #" in text
            assert "5 Log" in text
            assert max(map(len, text.splitlines())) == 140

    asyncio.run(play())
