"""The study file as run: kept beside the database, and changed while the study goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.engine.settings import CannotRunError, check_machine, has_gpus, settings_of
from tuitune.store.errors import StoreError
from tuitune.store.folder import DOCUMENT
from tuitune.studyfile import load, load_document
from tuitune.studyfile.changes import changes
from tuitune.studyfile.document import written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuitune.core.events import Settings
    from tuitune.core.placement.host import HostResources
    from tuitune.core.placement.snapshots import Snapshot
    from tuitune.core.study import Study


class NotWhileRunningError(Exception):
    """Such a change needs another study, or a new start of this one; str() says which."""


class StudyDocument:
    """`study.toml` of a study folder."""

    def __init__(self, folder: Path, machine: HostResources, seen: Snapshot) -> None:
        self._path = folder / DOCUMENT
        self._machine = machine
        self._seen = seen

    def write(self, text: str) -> None:
        """Replace it whole or not at all. Raises StoreError."""
        aside = self._path.with_name(f"{DOCUMENT}.new")
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(self._path)
        except OSError as error:
            raise StoreError(f"{aside}: can't be written: {error.strerror}") from error

    def change(self, overrides: Sequence[str], study: Study) -> tuple[Settings, list[str]]:
        """The settings with these overrides, and what changed, in words.

        Raises StudyFileError, and NotWhileRunningError for what a running study can't take up.
        """
        spec = load(self._path, overrides=overrides, check_target=False)
        taken, refused = changes(study.spec, spec)
        settings = settings_of(spec, has_gpus=has_gpus(spec, self._seen))
        still = [str(change) for change in refused]
        late = [str(change) for change in taken if not change.is_setting]
        if still:
            raise NotWhileRunningError(f"that would be another study: {'; '.join(still)}")
        if late:
            said = "; ".join(late)
            raise NotWhileRunningError(f"{said}: stop the study, then run its file with that")
        try:
            check_machine(spec, self._machine, self._seen)
        except CannotRunError as error:
            raise NotWhileRunningError(str(error)) from error
        words = []
        if settings != study.state.settings:
            before = load(self._path, check_target=False)  # what was set since it began is in it
            words = [str(change) for change in changes(before, spec)[0]]
        self.write(written(load_document(self._path, overrides)))
        return settings, words
