"""Nodes that see other files than the engine: where trials go on, and what is kept for all."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import toy_storage
from contract import of, order, steps
from installed import toy_package, unpack
from local_agents import LocalAgents, blinded, forbidden
from workshop import until

from tuitune.core import events as ev
from tuitune.core.study.checkpoints import Keep
from tuitune.executors.base import Plan, TargetError, UnreachableError
from tuitune.executors.remote import mark, package
from tuitune.executors.remote.executor import NodesExecutor
from tuitune.executors.remote.package import code_of
from tuitune.executors.remote.protocol import Files
from tuitune.executors.remote.transport import Room

CODE = """
import time
from pathlib import Path

def train(trial):
    first = 1
    if trial.resume_path:
        first = int((trial.resume_path / "part" / "step").read_text()) + 1
    print("attempt", trial.attempt, "begins with", first, flush=True)
    for step in range(first, 1_000_000):
        trial.report(step=step, loss=float(step))
        if step == first + 2 and trial.attempt != 2:  # the last one is only to begin
            with trial.checkpoint(step) as folder:
                (folder / "part").mkdir()
                (folder / "part" / "step").write_text(str(step))
        time.sleep(0.02)
"""


class Scene:
    """Two nodes, neither of which sees the study folder, unless they are said to.

    hidden: what they don't see, instead of that.
    """

    def __init__(
        self, bench: Any, seeing: str = "", hidden: Sequence[Path] = (), **files: Any
    ) -> None:
        self.bench = bench
        self.events: list[Any] = []
        self.notes: list[str] = []
        beside = bench.folder.parent / f"{bench.folder.name}-nodes"
        places = {name: beside / name for name in "ab"}
        pythons = {
            name: blinded(place, *(hidden or [bench.study]))
            for name, place in places.items()
            if name not in seeing
        }
        plan = Plan("train.py:train", str(bench.folder), str(bench.study), "")
        rooms = [Room(name, 4.0, 1 << 30) for name in "ab"]
        self.agents = LocalAgents(rooms, bench.folder / "agents.log", pythons=pythons)
        self.executor = NodesExecutor(
            plan,
            self.hear,
            time.time,
            self.agents,
            files=Files("study-1", **files),
            note=self.notes.append,
        )

    def hear(self, found: Sequence[Any]) -> None:
        self.events.extend(found)

    def launch(self, node: str, attempt: int = 0, known: int | None = None) -> None:
        draft = order(0, "works", attempt=attempt)
        self.executor.launch(draft._replace(node=node, known=known, folder=""))

    async def saved(self, count: int = 1) -> None:
        await until(lambda: len(of(self.events, ev.Checkpointed)) == count)

    async def end(self, count: int = 1) -> None:
        attempt = of(self.events, ev.Started)[-1].attempt
        self.executor.signal(0, attempt, "kill")
        await until(lambda: len(of(self.events, ev.Exited)) == count)

    def resumed(self) -> list[int | None]:
        return [event.resumed_from for event in of(self.events, ev.Started)]


Play = Callable[..., Scene]


@pytest.fixture
def play(bench) -> Play:
    bench.write("train.py", CODE)

    def play(story: Callable[[Scene], Awaitable[None]], **more: Any) -> Scene:
        async def run() -> Scene:
            scene = Scene(bench, **more)
            try:
                await scene.executor.open()
                await until(lambda: len(scene.executor.nodes()) == 2)
                await story(scene)
            finally:
                await scene.executor.close()
            return scene

        return bench.runner.run(run())

    return play


def test_without_a_storage_a_trial_goes_on_on_its_own_node_alone(play: Play, bench):
    async def story(scene: Scene) -> None:
        assert [node.apart for node in scene.executor.nodes()] == [True, True]
        scene.launch("a")
        await scene.saved()
        await scene.end()
        scene.launch("a", attempt=1, known=3)
        await scene.saved(2)
        os.kill(scene.agents.on("a").pid, signal.SIGKILL)
        await until(lambda: len(of(scene.events, ev.Exited)) == 2)
        scene.launch("b", attempt=2, known=6)
        await until(lambda: len(of(scene.events, ev.Started)) == 3)
        await until(
            lambda: of(scene.events, ev.Warned) and of(scene.events, ev.Reported)[-1].attempt == 2
        )
        await scene.end(3)

    scene = play(story)
    assert scene.resumed() == [None, 3, None]
    (warned,) = of(scene.events, ev.Warned)
    assert warned.text == "its checkpoint of step 6 is gone: it starts from the beginning"
    assert len([note for note in scene.notes if "goes on on that node alone" in note]) == 1
    log = (bench.study / "trials" / "0000" / "output.log").read_text()
    assert log == "attempt 0 begins with 1\nattempt 2 begins with 1\n"  # one was lost with its node


def test_a_node_that_sees_the_study_folder_goes_on_from_what_another_one_has_saved(play: Play):
    async def story(scene: Scene) -> None:
        assert not any(node.apart for node in scene.executor.nodes())
        scene.launch("a")
        await scene.saved()
        await scene.end()
        scene.launch("b", attempt=1, known=3)
        await until(lambda: len(of(scene.events, ev.Started)) == 2)

    scene = play(story, seeing="ab")
    assert scene.resumed() == [None, 3]
    assert scene.notes == []


@pytest.mark.parametrize("kind", ["path", "url"])
def test_with_a_storage_a_trial_goes_on_wherever_it_is_launched(play: Play, bench, kind: str):
    place = bench.folder / "storage"
    place.mkdir()
    (place / "study-1").mkdir()
    found = place / "study-1" / "0000"
    logs = found / "logs"
    name = str(place) if kind == "path" else f"file://{place}"

    async def story(scene: Scene) -> None:
        assert not any(node.apart for node in scene.executor.nodes())
        scene.launch("a")
        await scene.saved()
        await until(lambda: (logs / "0000.log").exists() and (logs / "0000.log").stat().st_size)
        os.kill(scene.agents.on("a").pid, signal.SIGKILL)
        await until(lambda: of(scene.events, ev.Exited))
        scene.launch("b", attempt=1, known=3)
        await scene.saved(2)
        await scene.end(2)
        scene.launch("b", attempt=2, known=6)
        await until(lambda: len(of(scene.events, ev.Started)) == 3)

    scene = play(story, storage=name)
    assert scene.resumed() == [None, 3, 6]
    assert scene.notes == []
    assert sorted(path.name[:13] for path in (found / "checkpoints").glob("*.json")) == [
        "00000003-0000",
        "00000006-0001",
    ]
    assert (logs / "0000.log").read_text() == "attempt 0 begins with 1\n"
    assert (logs / "0001.log").read_text() == "attempt 1 begins with 4\n"


def test_what_a_trial_prints_is_fetched_page_by_page_and_each_byte_once(play: Play, bench):
    log = bench.study / "trials" / "0000" / "output.log"
    printing = 'print("x" * 99 * trial.attempt, flush=True)\n'
    bench.write("train.py", CODE.replace("    first = 1\n", f"    {printing}    first = 1\n", 1))

    async def story(scene: Scene) -> None:
        scene.launch("a", attempt=3000)  # its first line is longer than a page
        await scene.saved()
        assert not log.exists()
        scene.executor.follow_log(0, 3000)
        await until(lambda: log.exists() and log.read_text().endswith("begins with 1\n"))
        scene.executor.follow_log(0, 3000)
        await scene.end()

    play(story)
    assert log.read_text() == f"{'x' * 99 * 3000}\nattempt 3000 begins with 1\n"


def test_of_a_log_that_nobody_has_looked_at_the_end_is_kept(play: Play, bench):
    log = bench.study / "trials" / "0000" / "output.log"
    printing = 'print("x" * 99 * trial.attempt, flush=True)\n'
    bench.write("train.py", CODE.replace("    first = 1\n", f"    {printing}    first = 1\n", 1))

    async def story(scene: Scene) -> None:
        scene.launch("a", attempt=3000)
        await scene.saved()
        await scene.end()

    play(story)
    text = log.read_text()
    notice, _, end = text.partition("\n")
    whole = f"{'x' * 99 * 3000}\nattempt 3000 begins with 1\n"
    assert end == whole[-(1 << 16) :]
    assert notice == f"[ {len(whole) - (1 << 16)} bytes are left out here ]"


def test_what_a_lost_trial_has_printed_is_fetched_from_the_storage(play: Play, bench):
    place = bench.folder / "storage"
    (place / "study-1").mkdir(parents=True)
    stored = place / "study-1" / "0000" / "logs" / "0000.log"
    log = bench.study / "trials" / "0000" / "output.log"

    async def story(scene: Scene) -> None:
        scene.launch("a")
        await until(lambda: stored.exists() and stored.stat().st_size)
        os.kill(scene.agents.on("a").pid, signal.SIGKILL)
        await until(log.exists)

    play(story, storage=str(place))
    assert log.read_text() == "attempt 0 begins with 1\n"


def test_nodes_that_lack_the_storage_are_named(bench):
    bench.write("train.py", CODE)
    place = bench.folder / "storage"
    (place / "study-1").mkdir(parents=True)

    async def run() -> None:
        scene = Scene(bench, seeing="a", storage=str(place))
        scene.agents._pythons["b"] = blinded(bench.folder.parent / f"{bench.folder.name}-c", place)
        try:
            with pytest.raises(UnreachableError, match=f"--storage {place}: on b: .* all nodes"):
                await scene.executor.open()
        finally:
            await scene.executor.close()

    bench.runner.run(run())
    assert [path.name for path in Path(place, "study-1").iterdir()] == []


def test_code_that_a_node_does_not_see_is_copied_there(play: Play, bench):
    bench.write("train.py", "from helper import train")
    bench.write("helper.py", CODE)
    for left_out in ("runs/other/large", ".venv/bin/large", ".git/large"):
        bench.write(left_out, "x")
    file = bench.write("study.toml", "")
    listed = "import os; print(sorted(os.listdir()), flush=True); "
    bench.write("helper.py", listed + CODE.lstrip())

    async def story(scene: Scene) -> None:
        scene.launch("a")
        await scene.saved()
        await scene.end()
        scene.launch("b", attempt=1)
        await until(lambda: len(of(scene.events, ev.Started)) == 2)

    scene = play(story, hidden=[bench.folder], code=code_of(file))
    assert len([note for note in scene.notes if "counts from the next start" in note]) == 1
    assert scene.resumed() == [None, None]
    beside = bench.folder.parent / f"{bench.folder.name}-nodes"
    (log,) = beside.glob("a/state/tuitune/nodes/study-1/engine.log")
    assert "['agents.log', 'helper.py', 'study.toml', 'train.py']" in log.read_text()


def test_code_that_is_too_large_to_be_copied_is_refused_with_the_mend(bench, monkeypatch):
    monkeypatch.setattr(package, "MOST", 100)
    bench.write("train.py", CODE)
    file = bench.write("study.toml", "")

    async def run() -> None:
        scene = Scene(bench, hidden=[bench.folder], code=code_of(file))
        try:
            with pytest.raises(TargetError, match="put the study file where all nodes see it"):
                await scene.executor.open()
        finally:
            await scene.executor.close()

    bench.runner.run(run())


def test_nothing_starts_on_nodes_that_find_the_storage_full_until_it_has_room(
    play: Play, bench, monkeypatch
):
    place = bench.folder / "toy"
    place.mkdir()
    unpack(toy_package("toy_storage", toy_storage.ENTRY_POINTS), place)
    monkeypatch.setenv("PYTHONPATH", f"{place}:{Path(toy_storage.__file__).parent}")
    monkeypatch.setenv(toy_storage.BEHAVIOUR, str(bench.folder / "behaviour"))
    toy_storage.tell("")

    def nodes(scene: Scene) -> list[str]:
        found = [event.node for event in scene.events if isinstance(event, ev.NodeChanged)]
        return [str(node.obstacle) for node in found if node.name == "a"]

    async def story(scene: Scene) -> None:
        toy_storage.tell("full")
        scene.launch("a")
        await until(lambda: any("no space is left there" in words for words in nodes(scene)))
        assert len(steps(scene.events)) > 2  # it runs on
        assert not of(scene.events, ev.Checkpointed)
        toy_storage.tell("")
        await scene.saved()
        await until(lambda: nodes(scene)[-1] == "")

    play(story, storage=f"toy://{bench.folder}/storage")


def test_checkpoints_that_are_not_kept_are_removed_on_the_node_and_in_the_storage(
    play: Play, bench
):
    place = bench.folder / "storage"
    (place / "study-1").mkdir(parents=True)
    beside = bench.folder.parent / f"{bench.folder.name}-nodes"

    def left() -> list[str]:
        stored = place.glob("study-1/0000/checkpoints/*.json")
        here = beside.glob("a/state/tuitune/nodes/study-1/trials/0000/checkpoints/0*")
        return [path.name[:8] for path in (*stored, *here)]

    async def story(scene: Scene) -> None:
        scene.launch("a")
        await scene.saved()
        await scene.end()
        scene.executor.leave({0: Keep(1, 3)})
        scene.executor.leave({1: Keep(0, -1)})
        assert left() == ["00000003", "00000003"]
        scene.executor.leave({0: Keep(0, 3)})
        await until(lambda: not left())

    play(story, storage=str(place))


def test_an_agent_that_joins_later_removes_what_is_not_kept_since(play: Play, bench):
    beside = bench.folder.parent / f"{bench.folder.name}-nodes"

    def saved() -> list[Path]:
        return list(beside.glob("a/state/tuitune/nodes/study-1/trials/0000/checkpoints/0*"))

    async def story(scene: Scene) -> None:
        scene.launch("a")
        await scene.saved()
        await scene.end()
        os.kill(scene.agents.on("a").pid, signal.SIGKILL)
        await until(lambda: len(scene.executor.nodes()) == 1)
        scene.executor.leave({0: Keep(0, 3)})
        assert saved()
        await until(lambda: not saved())

    play(story)


def test_nothing_is_left_of_an_agent_in_the_folder_for_temporary_files(
    play: Play, monkeypatch, bench
):
    temporary = bench.socket.parent / "n"  # the paths of sockets are short
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))

    async def story(scene: Scene) -> None:
        scene.launch("a")
        await until(lambda: of(scene.events, ev.Reported))
        assert len(list(temporary.glob("tuitune-*"))) == 2
        os.kill(scene.agents.on("a").pid, signal.SIGKILL)
        await until(lambda: of(scene.events, ev.Exited))
        await until(lambda: len(scene.executor.nodes()) == 2)
        assert len(list(temporary.glob("tuitune-*"))) == 2

    play(story, seeing="ab")
    assert list(temporary.glob("tuitune-*")) == []


def test_a_folder_that_a_node_may_not_enter_is_one_that_it_does_not_see(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    made = mark.Mark(study)
    made.make()
    with forbidden(study):
        assert not mark.answer(study, made.name, "a-1")
    assert mark.answer(study, made.name, "a-1")
