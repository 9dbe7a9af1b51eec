"""A study's database, open to write and to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuitune.store.journal import Journal
from tuitune.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal.open(path, "loss")
    yield journal
    journal.close()


@pytest.fixture
def reader(journal: Journal, path: Path) -> Iterator[Reader]:
    reader = Reader.open(path)
    yield reader
    reader.close()
