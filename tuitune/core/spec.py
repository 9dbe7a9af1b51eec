"""The content of a study file as data, which `studyfile` alone writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.core.pruning.pruner import Pruner, PrunerKind
    from tuitune.core.search.proposal import SearcherKind
    from tuitune.core.space import SearchSpace

Mode = Literal["min", "max"]
ValueOf = Literal["last", "best"]
KeepCheckpoints = Literal["best", "all", "none"]
PruningStyle = Literal["auto", "promote", "stop"]
OnForeign = Literal["drain", "pause", "ignore"]


@dataclass(frozen=True, slots=True)
class Objective:
    metric: str
    mode: Mode
    value: ValueOf = "last"


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """How one trial runs. Exactly one of `target` and `command` is set."""

    target: str | None = (
        None  # "file.py:function" beside the study file, or "package.module:function"
    )
    command: tuple[str | tuple[str, ...], ...] | None = None  # a nested tuple is an optional group
    metrics: Mapping[str, str] = field(default_factory=dict)  # name -> pattern with one group
    gpus: float | Literal["auto"] | None = None  # None: as many as the machine suggests
    cpus: float = 1.0
    memory: int | None = None  # bytes
    retries: int = 0
    timeout: float | None = None  # seconds, per attempt
    checkpoint_every: float = 600.0  # seconds
    keep_checkpoints: KeepCheckpoints = "best"
    env: Mapping[str, str] = field(default_factory=dict)
    leave_within: float | None = None  # seconds to save and leave in; None: by the slowest epoch


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """How configurations are chosen, and how many."""

    method: str = "bayes"
    trials: int = 100  # the reader of the file puts the size of a finite plan here
    seed: int = 0
    concurrency: int | None = None  # None: as many as there is room for
    points: tuple[Mapping[str, Any], ...] = ()
    learn_from: tuple[str, ...] = ()  # folders or names of earlier studies, as the file has them
    options: Mapping[str, Any] = field(default_factory=dict)  # the method's own
    installed: SearcherKind | None = field(default=None, compare=False, repr=False)  # its row

    @property
    def kind(self) -> SearcherKind:
        """The method's row. Raises KeyError for one that is neither built in nor installed."""
        from tuitune.core.search.registry import SEARCHERS  # noqa: PLC0415 - few need a searcher

        return self.installed or SEARCHERS[self.method]

    def option(self, key: str) -> Any:
        """The value of one of the method's own options, or its default."""
        default = next(option.default for option in self.kind.options if option.key == key)
        return self.options.get(key, default)

    @property
    def is_modelled(self) -> bool:
        """Whether configurations come from a model of what the trials reported."""
        return self.kind.model is not None


@dataclass(frozen=True, slots=True)
class PruningSpec:
    """Which trials end early, or wait.

    installed: the pruner's row where it is none of the registry's. options: the pruner's own.
    anchor: where the rungs of hyperband are counted from. It is no key of the study file: studies
    that were begun before they were counted from `max` keep the rungs that they have.
    """

    method: str = "none"
    resource: str | None = None  # None: the count of reports
    min: int = 1
    max: int | None = None
    reduction: float = 3
    style: PruningStyle = "auto"
    brackets: int = 1
    anchor: Literal["min", "max"] = "max"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    installed: PrunerKind | None = field(default=None, compare=False, repr=False)

    @property
    def kind(self) -> PrunerKind:
        """The pruner's row. Raises KeyError for a method that is neither built in nor installed."""
        from tuitune.core.pruning.registry import PRUNERS  # noqa: PLC0415 - few need a pruner

        return self.installed or PRUNERS[self.method]

    @property
    def unit(self) -> str:
        """What a trial spends one of at a time, as words name it: "epoch"."""
        return self.resource or "report"


@dataclass(frozen=True, slots=True)
class Limits:
    time: float | None = None  # seconds
    target: float | None = None
    disk_free: int | None = None  # bytes


@dataclass(frozen=True, slots=True)
class DevicesSpec:
    """Which of the machine's GPUs a study takes, and how it bears others on them."""

    allow: tuple[str | int, ...] = ()  # UUIDs or nvidia-smi's numbers; empty: all that we may see
    leave_free: int = 0
    share: bool = False  # take GPUs on which others compute, too
    on_foreign: OnForeign = "drain"  # when somebody comes to one that we have


@dataclass(frozen=True)
class StudySpec:
    """A whole study file."""

    name: str
    objective: Objective
    trial: TrialSpec
    space: SearchSpace
    search: SearchSpec
    pruning: PruningSpec
    limits: Limits
    file: str  # the study file's absolute path; targets and commands live beside it
    devices: DevicesSpec = DevicesSpec()

    @cached_property
    def pruner(self) -> Pruner:
        """Raises ValueError where [pruning] gives rungs no end."""
        return self.pruning.kind.make(self.pruning, self.objective.mode)
