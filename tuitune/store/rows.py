"""What does a reader see of a trial, of its study, and of the engine that runs it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tuitune.core.events import Settings, TrialState
from tuitune.core.search.importance import Importance
from tuitune.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence


class TrialRow(msgspec.Struct, frozen=True):
    """A trial as it stands. Times are Unix seconds.

    `value` may be NaN when it is written, and is None when it is read back then.
    """

    number: int
    state: TrialState
    config: dict[str, Any]
    origin: str = ""
    why: str = ""
    value: float | None = None
    step: int | None = None
    attempt: int = 0  # attempts so far
    started: float | None = None
    ended: float | None = None
    error: str = ""
    device: str = ""
    note: str = ""
    best: float | None = None  # of all that it has reported, whatever the study counts with
    bracket: int = 0
    rung: int | None = None  # the highest that it has filled, from 0 in its bracket
    checkpoint: int | None = None  # the newest one's step
    parked: bool = False  # waits at its rung to be promoted
    pid: int | None = None  # of the live attempt
    phase: str = ""  # "starting" | "killing" (it can be undone) | "ending:REASON" | "frozen"
    due: float | None = None  # killing: when that happens; ending: when it is told more harshly
    launched: float | None = None  # the newest attempt
    # Set by the journal, whatever is given:
    born: int = 0  # the number of its first fact
    changed: int = 0  # the number of its last change


StudyState = Literal["running", "finished", "interrupted"]
Phase = Literal["importing", "running", "ended", "failed"]


class StudyRow(msgspec.Struct, frozen=True):
    """The study as it stands. Times are Unix seconds."""

    settings: Settings | None = None
    launching: bool = True  # False: paused by hand
    disk_low: bool = False  # nothing is launched until there is room
    halted: str = ""  # why nothing more starts
    failed: bool = False  # halted because trials keep failing
    finishing: bool = False  # halted, and running trials may come to their end
    finished: bool = False
    complete: bool = False  # finished, with nothing left to do; else it can go on
    style: str = ""  # "promote" | "stop", once that is known
    exhausted: str = ""  # why the searcher has no more
    by_hand: int = 0  # trials beyond those that the settings ask for
    cpus: float = 0.0  # of this machine
    memory: int = 0  # bytes of this machine
    opened: float = 0.0  # when this engine took it up; once it is finished, when it ended
    elapsed: float = 0.0  # seconds of the engines before
    rungs: tuple[tuple[int, ...], ...] = ()  # the steps of each bracket's
    blocked: str = ""  # why nothing can be launched, until that has passed

    @property
    def total(self) -> int | None:
        """How many trials it is to have, those added by hand among them; None: none has begun."""
        return None if self.settings is None else self.settings.trials + self.by_hand

    @property
    def may_launch(self) -> bool:
        return self.launching and not self.disk_low and not self.blocked

    def state(self, *, running: bool) -> StudyState:
        """running: whether an engine runs it now, as `store.owner` tells."""
        if running:
            return "running"
        return "finished" if self.finished and self.complete else "interrupted"


ENGINE_FAILED = "the engine failed: "  # how the words of one begin that did not end by itself


class EngineRow(msgspec.Struct, frozen=True):
    """What the newest engine has said of itself; whether it lives is `store.owner`'s to tell."""

    phase: Phase
    words: str  # the newest line of what the import prints; the traceback; why it ended
    time: float

    @property
    def broke_down(self) -> bool:
        """It failed in the middle of a study; else the training code could not be imported."""
        return self.phase == "failed" and self.words.startswith(ENGINE_FAILED)


IMPORTANCE = "importance"  # the key under which a study keeps the importance of its parameters


def read_importance(text: str | None) -> Importance | None:
    """None where there is none, or where another version has written it: it is computed again."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Importance)
    except msgspec.DecodeError:
        return None


COLUMNS = TrialRow.__struct_fields__
PARKED = COLUMNS.index("parked") - 3  # behind the configuration
# What trials are counted, sorted and timed by: a third of the work of whole rows.
OUTLINE = (
    "number", "state", "value", "step", "started", "ended", "best", "rung", "parked", "launched",
)  # fmt: skip

STORED = {field.name: field.type for field in msgspec.structs.fields(TrialRow)} | {
    "config": bytes,
    "parked": int,
}
# What columns are held to: SQLite lets any of them hold anything.
WHOLE: Any = msgspec.defstruct("WHOLE", list(STORED.items()), array_like=True)
OUTLINED: Any = msgspec.defstruct(
    "OUTLINED", [(name, STORED[name]) for name in OUTLINE], array_like=True
)

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[str, Any]).decode


def to_columns(row: TrialRow, born: int, changed: int) -> tuple[object, ...]:
    """The row's columns, in the order of COLUMNS.

    Raises StoreError for a configuration that holds a value which can't be stored.
    """
    try:
        config = _pack(row.config)
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"#{row.number}: its configuration can't be kept: {error}") from error
    return (
        row.number,
        row.state,
        config,
        row.origin,
        row.why,
        row.value,
        row.step,
        row.attempt,
        row.started,
        row.ended,
        row.error,
        row.device,
        row.note,
        row.best,
        row.bracket,
        row.rung,
        row.checkpoint,
        row.parked,
        row.pid,
        row.phase,
        row.due,
        row.launched,
        born,
        changed,
    )


def from_columns(columns: Sequence[Any]) -> TrialRow:
    """Raises MsgspecError where a column holds what is none of its own."""
    state = msgspec.convert(columns, WHOLE).state
    number, _, config, *more = columns
    more[PARKED] = bool(more[PARKED])
    return TrialRow(number, state, _unpack(config), *more)


def from_outline(columns: Sequence[Any]) -> TrialRow:
    """A row that has the columns of OUTLINE, and the defaults in place of all others."""
    state = msgspec.convert(columns, OUTLINED).state
    number, _, value, step, started, ended, best, rung, parked, launched = columns
    return TrialRow(
        number,
        state,
        {},
        value=value,
        step=step,
        started=started,
        ended=ended,
        best=best,
        rung=rung,
        parked=bool(parked),
        launched=launched,
    )
