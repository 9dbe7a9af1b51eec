"""What an engine works with: the ports that a simulation fills in its own way, and its timeouts."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tuitune.core.events import AnyFact, Settings
from tuitune.core.search.proposal import History, Past, Proposal, Searcher
from tuitune.core.study import Study, checkpoints, state
from tuitune.store.rows import Progress, StudyRow, TrialRow


class Store(Protocol):
    """Stores facts: `tuitune.store.journal.Journal`."""

    def write(
        self,
        facts: Sequence[AnyFact],
        rows: Sequence[TrialRow],
        study: StudyRow | None = None,
        progress: Sequence[Progress] = (),
    ) -> None:
        """Store all of them or none. Raises StoreError."""

    def sync(self) -> None:
        """Make what was written survive a power cut; on any thread. Raises StoreError."""

    def snapshot(self, blob: bytes) -> None:
        """Keep a study's state, in place of an earlier one. Raises StoreError."""

    def drop_snapshot(self) -> None:
        """Let the next `restore` read every fact."""

    def restore(self) -> tuple[bytes | None, Iterator[AnyFact]]:
        """The newest snapshot, and every fact after it."""

    def history(self) -> Iterator[AnyFact]:
        """Every fact from the beginning."""


class Folders(Protocol):
    """The files of trials: `tuitune.engine.trial_folders.TrialFolders`."""

    def folder(self, trial: int) -> Path:
        """The trial's folder, which may not exist yet."""

    def prepare(self, trial: int, configuration: dict[str, Any]) -> str:
        """Make the trial's folder. Raises OSError.

        Returns where another configuration's folder was moved that was in its place, else "".
        """

    def newest_checkpoint(self, trial: int, but: int | None, known: int) -> Path | None:
        """The folder of the newest whole checkpoint up to step `known`; its name is the step.

        but: not the one of this step.
        """

    def leave(self, keeps: Mapping[int, checkpoints.Keep]) -> None:
        """`keeps`: by trial, which of its checkpoints stay; others are removed soon."""


class ModelClient(Protocol):
    """Asks the study's model: `tuitune.model_process.ModelProcess`."""

    async def propose(
        self, trial: int, history: History, tried: Collection[str]
    ) -> Proposal | None:
        """The model's proposal, None if nothing is left untried. Raises ModelError."""


class SettingsFile(Protocol):
    """The file of a study's settings: `tuitune.engine.settings.StudyDocument`."""

    def change(self, overrides: Sequence[str], study: Study) -> tuple[Settings, list[str]]:
        """The settings with these overrides, and what changed, as text."""


class Placed(Protocol):
    """A running trial and its GPUs: `tuitune.core.study.Trial`."""

    @property
    def gpus(self) -> tuple[str, ...]:
        """The UUIDs of its GPUs."""

    @property
    def share(self) -> float:
        """Its share of each GPU; 0: it is packed with as many others as the GPU can run."""

    @property
    def launched(self) -> float:
        """When it was launched, in Unix seconds."""

    @property
    def parked(self) -> state.Parked | None:
        """Its GPU and memory there; None where it is not parked."""


class Placements(Protocol):
    """What runs on this machine, and its room: `tuitune.core.study.State`."""

    @property
    def trials(self) -> Sequence[Placed] | Mapping[int, Placed]:
        """The trials by number."""

    @property
    def running(self) -> Iterable[int]:
        """The numbers of trials that run."""

    @property
    def parked(self) -> Iterable[int]:
        """The numbers of running trials that are parked."""

    @property
    def cpus(self) -> float:
        """CPU slots."""

    @property
    def memory(self) -> int:
        """Bytes."""


class Timeouts(msgspec.Struct, frozen=True):
    """How long an engine waits, in seconds."""

    heartbeat: float = 10.0  # between two signs of life in the study folder
    disk: float = 5.0  # between two looks at the free space
    first_retry: float = 5.0  # until launching is tried again, doubled after each failure
    longest_retry: float = 60.0
    slow_sampler: float = 5.0  # that a sampler may take before a message is shown
    vacating: float = 30.0  # that memory may stay on a GPU before it is shown as still held
    parking: float = 30.0  # that the driver may take to park a trial, beside moving memory


class EngineDeps(msgspec.Struct, frozen=True):
    """All that an engine works with, except its executor, which is made after it."""

    journal: Store
    searcher: Searcher
    trial_folders: Folders
    clock: Callable[[], float]  # Unix seconds
    watch: Callable[[Sequence[AnyFact]], None]  # gets facts once they are stored; never raises
    model_client: ModelClient | None = None  # where the search needs a model
    clock_step: Callable[[], float] = lambda: 0.0  # seconds that the clock was set by meanwhile
    foreign: tuple[Past, ...] = ()  # trials of earlier studies that it learns from
    note: Callable[[str], None] = lambda _: None  # shows a message that is not a fact of the study
    timeouts: Timeouts = Timeouts()
