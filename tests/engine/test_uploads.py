"""Checkpoints on their way to a storage that is slow, or fails."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import toy_storage
from toy_storage import tell
from workshop import until

from tuitune.engine import uploads
from tuitune.engine.trial_folders import TrialFolders
from tuitune.engine.uploads import Stores, Uploads, Wanted
from tuitune.storage.depot import Depot, StorageError
from tuitune.trial.checkpoints import written


class Scene:
    """One trial, whose checkpoints are written here and uploaded."""

    def __init__(self, tmp_path: Path) -> None:
        self.storage = tmp_path / "storage"
        self.folders = TrialFolders(tmp_path / "trials")
        self.folder = self.folders.folder(7)
        self.depot = Depot(f"toy://{self.storage}", "study-1")
        self.saved: list[tuple[list[int], str]] = []
        self.troubles: list[str] = []
        self.uploads = self.again()

    def again(self, *earlier: Depot) -> Uploads:
        """As an agent does that has just started."""

        def saved(trial: int, attempt: int, steps: list[int], why: str) -> None:
            assert (trial, attempt) == (7, 0)
            self.saved.append((steps, why))

        return Uploads(Stores(self.depot, earlier), self.folders, saved, self.troubles.append)

    async def begin(self, known: int = -1, uploads: Uploads | None = None) -> Any:
        found = await (uploads or self.uploads).begin(Wanted(7, 0, "0123", None, known))
        return None if found is None else int(found.name)

    def save(self, step: int) -> None:
        with written(self.folder / "checkpoints", step, 0) as aside:
            (aside / "step").write_text(str(step))
        self.uploads.add(7, step)

    def stored(self) -> list[int]:
        return [copy.step for copy in self.depot.newest(7, "0123", None, 99)]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    toy_storage.register()
    monkeypatch.setenv(toy_storage.BEHAVIOUR, str(tmp_path / "behaviour"))
    monkeypatch.setattr(uploads, "_LOOK", 0.05)
    monkeypatch.setattr(uploads, "_FIRST_RETRY", 0.05)
    tell("")

    def play(story: Callable[[Scene], Awaitable[None]]) -> Scene:
        async def run() -> Scene:
            scene = Scene(tmp_path)
            await story(scene)
            await scene.uploads.close()
            await scene.folders.close()
            return scene

        return asyncio.run(run())

    return play


def test_the_end_of_an_attempt_waits_for_its_upload(play):
    async def story(scene: Scene) -> None:
        await scene.begin()
        tell("slow 0.1")
        scene.save(3)
        assert scene.saved == []
        await scene.uploads.end(7)
        assert scene.saved == [([3], "")]
        assert scene.stored() == [3]

    play(story)


def test_what_was_saved_while_another_one_was_uploaded_follows_in_one(play):
    async def story(scene: Scene) -> None:
        await scene.begin()
        tell("slow 0.1")
        scene.save(3)
        await asyncio.sleep(0.01)
        scene.save(6)
        scene.save(9)
        await scene.uploads.end(7)

    scene = play(story)
    steps = [step for steps, why in scene.saved for step in steps if not why]
    assert steps == [3, 6, 9]
    assert scene.stored()[0] == 9


def test_a_storage_that_fails_is_told_once_and_what_was_saved_follows_when_it_is_back(play):
    async def story(scene: Scene) -> None:
        await scene.begin()
        tell("full")
        scene.save(3)
        await until(lambda: scene.troubles)
        await asyncio.sleep(0.3)
        assert scene.saved == []
        tell("")
        await until(lambda: scene.saved)

    scene = play(story)
    assert scene.saved == [([3], "")]
    assert [bool(why) for why in scene.troubles] == [True, False]
    assert "no space is left there" in scene.troubles[0]


def test_the_end_of_an_attempt_does_not_wait_for_ever(play, monkeypatch):
    monkeypatch.setattr(uploads, "_PATIENCE", 0.3)

    async def story(scene: Scene) -> None:
        await scene.begin()
        tell("denied")
        scene.save(3)
        await scene.uploads.end(7)

    scene = play(story)
    ((steps, why),) = scene.saved
    assert steps == [3]
    assert "Permission denied" in why


def test_a_start_that_finds_no_storage_is_told_and_so_is_its_return(play, monkeypatch):
    async def story(scene: Scene) -> None:
        def ls(*_: object, **__: object) -> None:
            raise ConnectionResetError("the connection was reset")

        with monkeypatch.context() as patched:
            patched.setattr(toy_storage.ToyFileSystem, "ls", ls)
            with pytest.raises(StorageError, match="the connection was reset"):
                await scene.begin()
        await until(lambda: len(scene.troubles) == 2)

    assert [bool(why) for why in play(story).troubles] == [True, False]


def test_a_checkpoint_here_counts_only_where_the_journal_knows_it(play):
    async def story(scene: Scene) -> None:
        await scene.begin()
        scene.save(3)
        await scene.uploads.end(7)
        with written(scene.folder / "checkpoints", 9, 0):
            pass  # of an attempt that was lost before it was uploaded, or of a run without storage
        assert await scene.begin(known=9) == 9
        assert await scene.begin(known=3) == 3

    play(story)


def test_a_damaged_copy_gives_way_to_the_one_before(play, tmp_path):
    async def story(scene: Scene) -> None:
        await scene.begin()
        for step in (3, 6):
            scene.save(step)
            await until(lambda step=step: scene.saved[-1:] == [([step], "")])
        for file in scene.storage.glob("study-1/0007/checkpoints/00000006-*/step"):
            file.write_text("")
        shutil.rmtree(scene.folder / "checkpoints")
        assert await scene.begin(known=6, uploads=scene.again()) == 3

    play(story)


def test_checkpoints_of_an_earlier_storage_are_found(play, tmp_path):
    async def story(scene: Scene) -> None:
        await scene.begin()
        scene.save(3)
        await scene.uploads.end(7)
        earlier, scene.depot = scene.depot, Depot(f"toy://{tmp_path}/other", "study-1")
        shutil.rmtree(scene.folder / "checkpoints")
        scene.uploads = scene.again(earlier)
        assert await scene.begin(known=3) == 3
        scene.save(6)
        await scene.uploads.end(7)
        assert scene.stored() == [6]

    play(story)
