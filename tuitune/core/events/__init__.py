"""The facts of the journal: events (see `happened`) and decisions (see `decided`).

A fact is written with its tag and its fields by position: tags never change, whatever the classes
are called, no field is renamed or moved, and new ones come last, with a default. Times are Unix
seconds, read by the engine.
"""

from tuitune.core.events import decided, happened
from tuitune.core.events.base import (
    ENDED,
    Action,
    Fact,
    Gpu,
    GpuError,
    GpuFault,
    Node,
    Settings,
    SignalHow,
    StopReason,
    TrialState,
)
from tuitune.core.events.decided import (
    Added,
    Ask,
    CodeChanged,
    Decision,
    Finished,
    Halted,
    Launch,
    Packed,
    Park,
    Promoted,
    SetAside,
    Settled,
    Signal,
    Silent,
    StyleChosen,
    Unpark,
    Verdict,
)
from tuitune.core.events.happened import (
    AddAsked,
    Checkpointed,
    ClockStepped,
    DeadlinePassed,
    DevicesChanged,
    DiskChanged,
    Event,
    Exhausted,
    Exited,
    Footprint,
    Frozen,
    GpuUsed,
    KillAsked,
    LaunchBlocked,
    NodeChanged,
    OnWrongGpu,
    Opened,
    Parked,
    ParkFailed,
    PauseAsked,
    Proposed,
    Reported,
    Restored,
    ResumeAsked,
    RetryAsked,
    Returned,
    SampleFailed,
    SaveFailed,
    SaveStarted,
    SettingsChanged,
    Started,
    StopAsked,
    UndoKillAsked,
    Warned,
)

AnyFact = happened.Event | decided.Decision
