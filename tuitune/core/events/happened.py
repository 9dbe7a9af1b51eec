"""The events of a study: what happened, as the engine, its trials and its users tell it."""

from __future__ import annotations

from typing import Any, Literal

from tuitune.core.events.base import Fact, Gpu, Settings
from tuitune.core.reasons import Why


class Opened(Fact, frozen=True, tag="opened"):
    """An engine took the study up; attempts that an earlier one left behind are lost."""

    settings: Settings
    cpus: float  # CPU slots of this machine
    memory: int  # bytes of this machine
    disk_low: bool = False  # see DiskChanged
    gpus: tuple[Gpu, ...] = ()  # see DevicesChanged
    anchor: Literal["min", "max"] = "min"  # see PruningSpec; the first one holds for the study


class Proposed(Fact, frozen=True, tag="proposed"):
    trial: int
    config: dict[str, Any]
    origin: str  # "point" | the searcher's method
    why: Why


class Exhausted(Fact, frozen=True, tag="exhausted"):
    """The searcher has no configuration left that was not tried."""

    why: str


class Started(Fact, frozen=True, tag="started"):
    trial: int
    attempt: int
    pid: int
    resumed_from: int | None  # the checkpoint's step
    code: str  # a hash of the training code
    commit: str
    dirty: bool | None


class Reported(Fact, frozen=True, tag="reported"):
    trial: int
    attempt: int
    step: int
    metrics: dict[str, float]
    can_save: bool = False  # it came with a way to write a checkpoint
    open: bool = False  # more reports of this step may follow: it is not judged yet
    waits: bool = False  # the trial goes on only once it has an answer


class SaveStarted(Fact, frozen=True, tag="save_started"):
    """A checkpoint is being written; Checkpointed or SaveFailed follows."""

    trial: int
    attempt: int
    step: int


class SaveFailed(Fact, frozen=True, tag="save_failed"):
    trial: int
    attempt: int
    step: int
    why: str


class Checkpointed(Fact, frozen=True, tag="checkpointed"):
    trial: int
    attempt: int
    step: int


class Warned(Fact, frozen=True, tag="warned"):
    trial: int
    attempt: int
    text: str


class Returned(Fact, frozen=True, tag="returned"):
    """An attempt's function has returned some seconds ago, and its process is still there."""

    trial: int
    attempt: int


class Exited(Fact, frozen=True, tag="exited"):
    """An attempt's process and all that it started are gone. Exactly one for each Launch."""

    trial: int
    attempt: int
    code: int | None  # exit status, None after a signal
    signal: int | None
    error: str  # one line in words, empty where the trial raised nothing
    tail: str  # the last lines of its log, where it failed
    max_rss: int  # bytes
    lost: bool  # ended by the world and not by itself: no retry is spent
    stopped: bool = False  # it left through TrialStopped, so it did not finish its work
    oom: bool = False  # a GPU had no memory left for it


class StopAsked(Fact, frozen=True, tag="stop_asked"):
    finish: bool  # let running trials end
    why: Why
    now: bool = False  # don't wait for checkpoints: SIGKILL
    by: str = ""  # what the hand held: "app", "command"; in every act


class KillAsked(Fact, frozen=True, tag="kill_asked"):
    """The kill strikes at once, or waits, and may be taken back meanwhile."""

    trial: int
    after: float = 0.0  # seconds
    by: str = ""


class UndoKillAsked(Fact, frozen=True, tag="spare_asked"):
    """Kills that wait are taken back."""

    trials: tuple[int, ...]
    by: str = ""


class PauseAsked(Fact, frozen=True, tag="pause_asked"):
    trials: tuple[int, ...]  # empty: the launching
    by: str = ""


class ResumeAsked(Fact, frozen=True, tag="resume_asked"):
    trials: tuple[int, ...]  # empty: the launching
    by: str = ""


class Frozen(Fact, frozen=True, tag="held"):
    """A trial that can't save was frozen where it is, with all that it holds."""

    trial: int
    attempt: int


class AddAsked(Fact, frozen=True, tag="add_asked"):
    config: dict[str, Any]
    why: Why
    by: str = ""


class RetryAsked(Fact, frozen=True, tag="retry_asked"):
    """Take a trial that has ended up again."""

    trial: int
    by: str = ""


class SettingsChanged(Fact, frozen=True, tag="settings_changed"):
    settings: Settings
    by: str = ""
    what: str = ""  # what differs, in words


class DiskChanged(Fact, frozen=True, tag="disk_changed"):
    """The disk of the study folder has become too full to launch on, or is so no more."""

    low: bool
    free: float  # share of the whole
    free_bytes: int | None = None


class LaunchBlocked(Fact, frozen=True, tag="launch_blocked"):
    """Nothing can be launched for a reason that may pass, or that reason has passed."""

    cause: Literal["code", "resources"]  # the training code can't be imported, or not yet
    why: str  # one line; empty: it has passed


class SampleFailed(Fact, frozen=True, tag="sample_failed"):
    """A trial's configuration could not be completed: one of the user's samplers failed."""

    trial: int
    config: dict[str, Any]  # without what was to be sampled
    origin: str
    why: Why
    error: str  # one line


class ClockStepped(Fact, frozen=True, tag="clock_stepped"):
    """The machine's clock was set; times of what is under way move along with it."""

    seconds: float  # below zero where it was set back


class DevicesChanged(Fact, frozen=True, tag="devices_changed"):
    """What placement reads of the GPUs that this study may use is no longer as it was."""

    gpus: tuple[Gpu, ...]
    why: str = ""  # which can't be used any more, or again; empty where neither is so


class Footprint(Fact, frozen=True, tag="footprint"):
    """An attempt has been seen to hold more of a GPU's memory than ever before."""

    trial: int
    attempt: int
    memory: int  # bytes, on the GPU where it holds most


class DeadlinePassed(Fact, frozen=True, tag="deadline"):
    """The study's own next deadline is due."""
