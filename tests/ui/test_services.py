"""What the app does beside the screen: files that it writes, and what it says without an engine."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pictures import rows, snapshot
from workshop import wait_until

from tuitune.control import ControlError, requests
from tuitune.store.errors import StoreError
from tuitune.ui import services
from tuitune.ui.state.options import Training


class Scene:
    """Services on a screen that does at once what it is told to do later."""

    def __init__(self, engine: str = "running", restart: Any = None, train: Any = None) -> None:
        self.said: list[tuple[str, str]] = []
        self.loaded: list[Any] = []
        self.moved = 0
        self.source = SimpleNamespace(read_curves=lambda: {0: "c"}, load_curves=self.loaded.append)
        textual = SimpleNamespace(
            call_from_thread=lambda call, *arguments: call(*arguments),
            export_screenshot=lambda title: f"<svg>{title}</svg>",
        )
        screen = SimpleNamespace(
            app=textual,
            call_after_refresh=lambda call, *arguments: call(*arguments),
            run_worker=lambda work, **_: work(),
        )
        app = SimpleNamespace(
            snapshot=snapshot(rows("cr"), engine=engine), say=self.say, move=self.move
        )
        self.services = services.Services(screen, app, self.source, restart, train)  # type: ignore[arg-type]

    def say(self, words: str, role: str = "info") -> None:
        self.said.append((words, role))

    def move(self) -> None:
        self.moved += 1


# --- files -------------------------------------------------------------------------------------


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = Scene()
    yield made
    made.services.close()


def test_tables_and_pictures_are_written_to_the_current_folder(
    scene: Scene, tmp_path: Path
) -> None:
    for kind in ("csv", "json", "svg"):
        scene.services.write(kind, "")
        assert scene.said[-1] == (f"wrote {tmp_path}/toy.{kind}", "info")
    table = list(csv.DictReader(io.StringIO((tmp_path / "toy.csv").read_text())))
    assert [row["trial"] for row in table] == ["0", "1"]
    assert [row["trial"] for row in json.loads((tmp_path / "toy.json").read_text())] == [0, 1]
    assert (tmp_path / "toy.svg").read_text() == "<svg>tuitune toy</svg>"


def test_a_path_may_begin_with_the_home_folder(scene: Scene, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    scene.services.write("csv", "~/t.csv")
    assert (tmp_path / "home" / "t.csv").exists()


@pytest.mark.parametrize("kind", ["csv", "json", "svg"])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("~no-such-user/t.csv", "No such file or directory"),
        ("no/such/folder/t.csv", "No such file or directory"),
        (".", "Is a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_place_that_can_not_be_written_is_said_and_ends_nothing(
    scene: Scene, kind: str, path: str, why: str
) -> None:
    scene.services.write(kind, path)
    assert scene.said == [(f"{path}: can't be written: {why}", "error")]


def test_a_copy_is_kept_in_a_file_of_its_own_user(
    scene: Scene, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scene.services.keep_copy("lr = 0.1 é\udcff\n", "#3 as TOML")
    kept = tmp_path / f"tuitune-{os.getuid()}" / "copied.txt"
    assert kept.read_text() == "lr = 0.1 é\\udcff\n"
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert scene.said == [(f"copied #3 as TOML, to {kept} as well", "info")]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    scene.services.keep_copy("x", "the log")
    assert scene.said[1] == ("copied the log", "info")


def test_curves_are_read_and_a_store_that_can_not_be_is_said(scene: Scene) -> None:
    scene.services.fetch_curves()
    assert (scene.loaded, scene.moved, scene.said) == ([{0: "c"}], 1, [])

    def broken() -> None:
        raise StoreError("study.db: it is damaged")

    scene.source.read_curves = broken
    scene.services.fetch_curves()
    assert (scene.moved, scene.said) == (1, [("study.db: it is damaged", "error")])


# --- engines -----------------------------------------------------------------------------------


def test_where_no_engine_can_be_started_that_is_said() -> None:
    scene = Scene("finished")
    scene.services.restart()
    scene.services.train(3, 200)
    scene.services.send(requests.Pause(()), pytest.fail)
    scene.services.close()
    assert scene.said == 3 * [("no engine can be started from here", "warning")]


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ("", ("an engine runs the study again", "info")),
        ("it can't be imported", ("it can't be imported", "error")),
    ],
)
def test_the_outcome_of_a_restart_is_said(problem: str, said: tuple[str, str]) -> None:
    scene = Scene(restart=lambda *_, **__: problem)
    scene.services.restart()
    scene.services.close()
    assert scene.said == [("starting an engine …", "info"), said]


@pytest.mark.parametrize("failed", [False, True])
def test_the_outcome_of_training_on_is_said(failed: bool) -> None:
    asked: list[tuple[int, int]] = []

    def train(trial: int, to: int) -> Training:
        asked.append((trial, to))
        return Training("toy-3-to-200 runs", failed)

    scene = Scene(train=train)
    scene.services.train(3, 200)
    scene.services.close()
    assert asked == [(3, 200)]
    assert scene.said == [
        ("starting a study that trains #3 on …", "info"),
        ("toy-3-to-200 runs", "error" if failed else "info"),
    ]


def test_requests_keep_their_order_and_their_errors_are_said(monkeypatch) -> None:
    asked: list[requests.Request] = []

    def answer(_: Path, message: requests.Request) -> dict[str, Any]:
        asked.append(message)
        return (
            {"error": "it is importing"} if message == requests.Pause((1,)) else {"n": len(asked)}
        )

    monkeypatch.setattr(services, "asked", answer)
    scene, answers = Scene(), []
    sent = [requests.Pause((n,)) for n in range(4)]
    for message in sent:
        scene.services.send(message, answers.append)
    wait_until(lambda: len(asked) == 4 and len(answers) == 3)
    scene.services.close()
    assert asked == sent
    assert answers == [{"n": 1}, {"n": 3}, {"n": 4}]
    assert scene.said == [("it is importing", "error")]


def test_a_finished_study_gets_an_engine_first(monkeypatch) -> None:
    restarted: list[tuple[Any, bool]] = []

    def restart(overrides: Any = (), *, hold: bool = False) -> str:
        restarted.append((overrides, hold))
        return ""

    monkeypatch.setattr(services, "asked_once_open", lambda _, message: {"done": message.trials})
    scene, answers = Scene("finished", restart), []
    scene.services.send(requests.Retry((3,)), answers.append)
    scene.services.send(requests.Set(("search.trials=9",)), answers.append)
    wait_until(lambda: len(answers) == 2)
    scene.services.close()
    assert restarted == [((), True), (("search.trials=9",), False)]
    assert answers == [{"done": (3,)}, {"changed": ["search.trials=9"]}]


def test_an_engine_that_does_not_start_for_a_request_is_said() -> None:
    scene = Scene("finished", lambda *_, **__: "the file has a mistake")
    scene.services.send(requests.Retry((3,)), pytest.fail)
    wait_until(lambda: len(scene.said) == 2)
    scene.services.close()
    assert scene.said == [("starting an engine …", "info"), ("the file has a mistake", "error")]


def test_a_study_without_an_engine_answers_with_the_reason(tmp_path: Path, monkeypatch) -> None:
    answer = services.asked(tmp_path, requests.Pause(()))
    assert answer == {"error": "no engine answers: it ended, or runs on another machine"}

    def silent(*_: Any, **__: Any) -> None:
        raise ControlError("its engine gave no answer within 10 s")

    monkeypatch.setattr(services, "request", silent)
    assert services.asked(tmp_path, requests.Pause(())) == {
        "error": "its engine gave no answer within 10 s"
    }


def test_an_engine_that_imports_is_asked_until_it_answers_or_is_gone(tmp_path, monkeypatch) -> None:
    waits = {"error": requests.IMPORTING}
    answers = [waits, waits, {"done": (3,)}]
    monkeypatch.setattr(services, "asked", lambda *_: answers.pop(0))
    monkeypatch.setattr(services, "_AGAIN", 0.0)
    monkeypatch.setattr("tuitune.store.owner.running", lambda _: object())
    assert services.asked_once_open(tmp_path, requests.Retry((3,))) == {"done": (3,)}
    answers[:] = [waits, waits]
    monkeypatch.setattr("tuitune.store.owner.running", lambda _: None)
    assert services.asked_once_open(tmp_path, requests.Retry((3,))) == waits
    assert len(answers) == 1
