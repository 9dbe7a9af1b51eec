"""The vocabulary of a study: events (what happened) and decisions (what follows).

Together they are the facts of its journal. A field may be added at the end, with a default;
nothing here is ever renamed or reordered, since old journals are read by position.
Times are Unix seconds, as handed in by the engine.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

StopReason = Literal[
    "pruned",
    "killed",
    "drain",
    "timeout",
    "target",
    "parked",
    "paused",
    "moved",
    "returned",  # its function has returned, and its process does not exit
    "overdue",  # it is complete, and neither returns nor reports
]
Action = Literal["go", "stop", "pause", "complete"]
SignalHow = Literal["ask", "term", "kill", "release"]


class Settings(msgspec.Struct, frozen=True, array_like=True):
    """What may change between two runs of one study."""

    trials: int
    concurrency: int | None
    cpus: float  # a trial
    memory: int | None  # bytes, a trial
    retries: int
    timeout: float | None  # seconds, an attempt
    time_limit: float | None  # seconds, the study
    target: float | None
    gpus: float | Literal["auto"] = 0.0  # a trial
    on_foreign: Literal["drain", "pause", "ignore"] = "drain"  # somebody comes to a GPU of ours
    leave_within: float | None = None  # seconds to save and leave in; None: by the slowest epoch
    keep_checkpoints: Literal["best", "all", "none"] = "best"  # of trials that have ended
    disk_free: int | None = None  # bytes below which nothing is launched; None: some %; 0: no limit


class Gpu(msgspec.Struct, frozen=True, array_like=True):
    """A GPU, or a MIG instance, as far as placement reads it."""

    uuid: str
    index: int
    name: str  # its model's
    memory: int  # bytes that trials may fill; 0: nobody can tell
    obstacle: str = ""  # why nothing starts on it now, in words
    lost: bool = False  # what runs on it can't go on either
    foreign: bool = False  # somebody else's process computes on it
    packs: bool = True  # several trials may share it
    busy: float = 0.0  # the share of the time that others keep it busy, in quarters
    links: dict[str, int] = {}  # UUID of another -> how close it is, up to 100
    joins: bool = True  # a trial may have it beside another one
    unified: bool = False  # its memory is the host's
    claimed: bool = False  # somebody else has been on it for so long that trials may make way


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One line of the journal."""

    time: float


# --- events: what happened -------------------------------------------------------------------


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
    why: str


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
    why: str
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
    why: str
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
    why: str
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


# --- decisions: what follows -----------------------------------------------------------------


class Ask(Fact, frozen=True, tag="ask"):
    """Ask the searcher for the configuration of this trial; it sees the journal up to here."""

    trial: int
    prefetched: bool = False  # before there is a slot for it


class Launch(Fact, frozen=True, tag="launch"):
    trial: int
    attempt: int
    device: str
    cpus: float
    memory: int
    gpus: tuple[str, ...] = ()  # UUIDs
    share: float = 0.0  # of each; 0: as many trials as packing lets it bear


class Verdict(Fact, frozen=True, tag="verdict"):
    """What a trial that reached a rung, or the maximum, does next."""

    trial: int
    attempt: int
    step: int
    action: Action
    save: bool  # the trial shall write a checkpoint now
    rung: int | None
    rank: int | None  # from 1
    n: int | None  # entries in the rung, the newcomer included
    cut: float | None  # the worst value that goes on
    why: str


class Signal(Fact, frozen=True, tag="signal"):
    """Ask an attempt to leave (TrialStopped at its next report), term, kill, or release it."""

    trial: int
    attempt: int
    how: SignalHow
    reason: StopReason
    save: bool


class StyleChosen(Fact, frozen=True, tag="style_chosen"):
    """How the pruner works from here on: it was left to what the trials can do."""

    style: Literal["promote", "stop"]
    why: str


class CodeChanged(Fact, frozen=True, tag="code_changed"):
    """Attempts run with other training code from here on. Both are hashes."""

    before: str
    now: str


class Promoted(Fact, frozen=True, tag="promoted"):
    """A trial that waited at a rung goes on."""

    trial: int
    rung: int
    rank: int  # from 1
    n: int
    cut: float | None
    why: str
    by_rank: bool = True  # False: no trial is complete, and nothing else is left to launch


class Added(Fact, frozen=True, tag="added"):
    """A configuration that was given by hand becomes a trial."""

    trial: int
    config: dict[str, Any]
    why: str


class Settled(Fact, frozen=True, tag="settled"):
    """The state that an attempt's exit leaves its trial in."""

    trial: int
    state: str
    why: str
    crashed: bool = False  # by its own doing: counts for retries and for giving up
    crowded: bool = False  # its neighbours on a GPU left it too little memory: it goes on alone
    error: str = ""  # of one that crashed: what went wrong, whether or not it is tried again


class Packed(Fact, frozen=True, tag="packed"):
    """It was measured how many trials one GPU of this model bears."""

    model: str
    most: int
    open: bool  # whether one more will be tried
    gain: float  # work a second of one trial more, by that of as many as before
    why: str


class Silent(Fact, frozen=True, tag="silent"):
    """A running trial has not been heard of for long."""

    trial: int
    attempt: int
    seconds: float


class Halted(Fact, frozen=True, tag="halted"):
    """Nothing more is launched; running trials drain unless `finish`."""

    why: str
    finish: bool
    failed: bool  # halted because trials keep failing
    now: bool = False


class Finished(Fact, frozen=True, tag="finished"):
    """Nothing runs and nothing more will: the study is complete, or was halted."""

    complete: bool
    why: str


Event = (
    Opened
    | Proposed
    | Exhausted
    | Started
    | Reported
    | SaveStarted
    | SaveFailed
    | Checkpointed
    | Warned
    | Returned
    | Exited
    | StopAsked
    | KillAsked
    | UndoKillAsked
    | PauseAsked
    | ResumeAsked
    | Frozen
    | AddAsked
    | RetryAsked
    | SettingsChanged
    | DiskChanged
    | LaunchBlocked
    | SampleFailed
    | ClockStepped
    | DevicesChanged
    | Footprint
    | DeadlinePassed
)
Decision = (
    Ask
    | Launch
    | Verdict
    | Signal
    | StyleChosen
    | CodeChanged
    | Promoted
    | Added
    | Settled
    | Packed
    | Silent
    | Halted
    | Finished
)
AnyFact = Event | Decision
