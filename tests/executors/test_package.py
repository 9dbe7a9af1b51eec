"""What of a folder travels to nodes that do not see it."""

from __future__ import annotations

import asyncio
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tuitune.executors.remote import package
from tuitune.executors.remote.package import Package, code_of, is_seen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "train.py",
        "parts/model.py",
        "data/large.bin",
        "runs/study/study.db",
        ".venv/bin/python",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link.py").symlink_to("train.py")
    (tmp_path / "nowhere").symlink_to("/nowhere/at/all")
    return tmp_path


def packed(folder: Path) -> set[str]:
    """The names of what travels, which comes piece by piece."""

    async def run() -> bytes:
        made = Package(folder, folder / "runs" / "study")
        text, size = b"", 1
        while len(text) < size:
            piece = await made.piece(len(text))
            assert not piece.problem
            text, size = text + piece.data, piece.size
        made.close()
        return text

    with tarfile.open(fileobj=io.BytesIO(asyncio.run(run()))) as found:
        assert found.extractfile("train.py").read() == b"train.py"
        return set(found.getnames())


CODE = {"train.py", "parts/model.py", "link.py", "nowhere"}


def test_all_but_runs_and_environments_travels(folder: Path, monkeypatch):
    monkeypatch.setattr(package, "_PIECE", 100)
    assert packed(folder) == {*CODE, "data/large.bin"}


def test_what_git_ignores_stays(folder: Path):
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (folder / ".gitignore").write_text("data/\nruns/\n.venv/\n")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "train.py", "link.py"], check=True)
    (folder / "gone.py").write_text("x")
    subprocess.run([*git, "add", "gone.py"], check=True)
    (folder / "gone.py").unlink()
    assert packed(folder) == {*CODE, ".gitignore"}


def test_a_large_folder_is_refused(folder: Path, monkeypatch):
    monkeypatch.setattr(package, "MOST", 10)
    piece = asyncio.run(Package(folder, folder / "runs").piece(0))
    assert not piece.data
    assert "keep data elsewhere" in piece.problem


def test_another_file_at_the_same_path_is_told_apart(folder: Path):
    file = folder / "train.py"
    code = code_of(file)
    assert is_seen(code)
    other = folder / "other.py"
    other.write_text(file.read_text())
    other.replace(file)
    assert not is_seen(code)
    file.unlink()
    assert not is_seen(code)
