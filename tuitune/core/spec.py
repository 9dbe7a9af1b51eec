"""The content of a study file as data, which `studyfile` alone writes."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Literal, NamedTuple

import msgspec

from tuitune.core.options import Mode
from tuitune.core.placement.hours import Window
from tuitune.core.pruning.pruner import Pruner, PruningSpec
from tuitune.core.search.proposal import SearchSpec
from tuitune.core.space import SearchSpace

ValueOf = Literal["last", "best"]
KeepCheckpoints = Literal["best", "all", "none"]
OnForeign = Literal["drain", "pause", "ignore", "park"]
Pause = Literal["save", "park"]


class Objective(msgspec.Struct, frozen=True):
    """The metric to optimise. value: a trial counts with its last or with its best one."""

    metric: str
    mode: Mode
    value: ValueOf = "last"


class TrialSpec(msgspec.Struct, frozen=True):
    """How one trial runs. Exactly one of `target` and `command` is set."""

    # "file.py:function" next to the study file, or "package.module:function"
    target: str | None = None
    command: tuple[str | tuple[str, ...], ...] | None = None  # a nested tuple is an optional group
    metrics: Mapping[str, str] = {}  # name -> pattern with one group
    gpus: float | Literal["auto"] | None = None  # None: as many as the machine suggests
    cpus: float = 1.0
    memory: int | None = None  # bytes
    retries: int = 0
    timeout: float | None = None  # seconds, per attempt
    checkpoint_every: float = 600.0  # seconds
    keep_checkpoints: KeepCheckpoints = "best"
    env: Mapping[str, str] = {}
    leave_within: float | None = None  # seconds to save and leave in; None: by the slowest epoch
    saves: str | None = None  # a command's checkpoint: a path or glob below the trial's folder
    cwd: str | None = None  # as it is written: relative to the study file; None: its folder
    python: str | None = None  # a target's interpreter, as written; None: the one of tuitune
    pause: Pause = "save"  # how a trial is paused: it saves and leaves, or its GPU is freed

    @property
    def may_save(self) -> bool:
        """Whether trials can save, as far as that is known before one has: a command by `saves`."""
        return self.command is None or self.saves is not None

    @property
    def gpu_count(self) -> int:
        """The GPUs that a trial is on; 1 where it has a part of one, or the machine decides."""
        return 1 if self.gpus is None or self.gpus == "auto" else math.ceil(self.gpus)


class Limits(msgspec.Struct, frozen=True):
    """What ends a study, or suspends its launches."""

    time: float | None = None  # seconds
    target: float | None = None
    disk_free: int | None = None  # bytes


class DevicesSpec(msgspec.Struct, frozen=True):
    """The GPUs that a study uses, and what it does when others use them too."""

    allow: tuple[str | int, ...] = ()  # UUIDs or nvidia-smi's numbers; empty: all visible ones
    leave_free: int = 0
    share: bool = False  # take GPUs on which others compute, too
    on_foreign: OnForeign = "drain"  # when another user comes to one of our GPUs
    yield_to: tuple[str, ...] = ()  # logins for whom this is done at once
    max_gpus: int | None = None  # outside of `hours`; None: all
    hours: tuple[Window, ...] = ()


class NotifySpec(NamedTuple):
    """Whom to tell when a study has ended or has lost a GPU."""

    command: tuple[str, ...] = ()  # a program and its arguments; empty: nobody


class LogSpec(NamedTuple):
    """The tools that a running study is written to, by the names of their exporters."""

    to: tuple[str, ...] = ()
    places: tuple[tuple[str, str], ...] = ()  # (name, place as written) where it is not the default


_NOBODY = NotifySpec()
_NOWHERE = LogSpec()


class StudySpec(msgspec.Struct, frozen=True, dict=True):
    """A whole study file."""

    name: str
    objective: Objective
    trial: TrialSpec
    space: SearchSpace
    search: SearchSpec
    pruning: PruningSpec
    limits: Limits
    file: str  # the study file's absolute path; targets and commands are relative to its folder
    devices: DevicesSpec = DevicesSpec()
    notify: NotifySpec = _NOBODY
    log: LogSpec = _NOWHERE

    @property
    def parks(self) -> bool:
        """Whether trials may be parked: their GPU memory is moved to the host, and back."""
        return "park" in (self.trial.pause, self.devices.on_foreign)

    @cached_property
    def pruner(self) -> Pruner:
        """The study's pruner. Raises ValueError where [pruning] has rungs but no maximum."""
        from tuitune.core.pruning.registry import pruner_kind  # noqa: PLC0415 - few need a pruner

        return pruner_kind(self.pruning).make(self.pruning, self.objective.mode)

    @cached_property
    def is_modelled(self) -> bool:
        """Whether configurations come from a model of what the trials reported."""
        from tuitune.core.search.registry import searcher_kind  # noqa: PLC0415 - few ask

        return searcher_kind(self.search).model is not None
