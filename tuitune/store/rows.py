"""Rows of trials, of a study and of its engine, and the columns of the trials' table."""

from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from tuitune.core.events import Settings, StopReason, TrialState
from tuitune.core.search.importance import Importance
from tuitune.core.study.acts import ActivityName, Standing
from tuitune.store.errors import StoreError

# To be promoted, for a person to resume it, or for CPU slots, memory or GPUs.
WaitingFor = Literal["rung", "user", "room"]


class TrialRow(msgspec.Struct, frozen=True):
    """A trial's present state. Times are Unix seconds.

    The fields are the columns of the table of trials, in this order: a new one needs no more than
    its line here, and its value in `store.projection`.
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
    best: float | None = None  # of all reported values, even if the study counts the last
    bracket: int = 0
    rung: int | None = None  # the highest that it has filled, from 0 in its bracket
    checkpoint: int | None = None  # the newest one's step
    at_rung: bool = False  # waits at its rung to be promoted
    pid: int | None = None  # of the live attempt
    due: float | None = None  # of one that is ending: when it gets the next signal
    launched: float | None = None  # the newest attempt
    waiting_for: WaitingFor | None = None
    activity: ActivityName | None = None  # of the live attempt
    ending: StopReason | None = None  # why it was asked to end
    at_maximum: bool = False  # it has reported the maximum
    paused_by_user: bool = False
    kill_at: float | None = None  # when a kill is due that can still be undone
    gpu_seconds: float = 0.0  # of all attempts; those of a shared GPU are divided
    energy: float | None = None  # J, of all attempts; None: unknown
    node: str = ""  # of the newest attempt; empty: the engine's own machine
    saved_on: str = ""  # the only node that has its checkpoint; empty: the others have it, too
    # Set by the journal, whatever is given:
    born: int = 0  # the number of its first fact
    changed: int = 0  # the number of its last change

    @property
    def is_held(self) -> bool:
        """Whether it waits at a rung, and no person has paused it."""
        return self.at_rung and self.state == TrialState.PAUSED and self.waiting_for != "user"

    @property
    def is_frozen(self) -> bool:
        """Whether it is paused with its process, since it can't save."""
        return self.activity == "frozen" and self.state == TrialState.PAUSED

    @property
    def is_parked(self) -> bool:
        """Whether it stands still, off its GPU."""
        return self.activity == "parked" and self.state == TrialState.PAUSED

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to end, except by the pruner, or is to be killed."""
        is_leaving = self.ending is not None and self.ending is not StopReason.PRUNED
        return is_leaving or self.kill_at is not None

    @property
    def is_transient(self) -> bool:
        """Whether it is starting, ending, frozen, parked or to be killed."""
        return self.activity not in {None, "running"} or self.kill_at is not None

    @property
    def standing(self) -> Standing:
        """What decides which acts of a user are possible."""
        return Standing(
            self.state,
            self.ending,
            self.at_maximum,
            self.paused_by_user,
            self.kill_at is not None,
            self.started is not None,
        )


class Progress(NamedTuple):
    """What may differ in a trial's row when it has reported: a third of the work of a whole row."""

    number: int
    value: float | None
    step: int | None
    best: float | None
    rung: int | None
    gpu_seconds: float  # neighbours on its GPU may have come or gone since its last report


StudyState = Literal["running", "finished", "interrupted"]
Phase = Literal["importing", "running", "ended", "failed"]


class StudyRow(msgspec.Struct, frozen=True):
    """A study's present state. Times are Unix seconds."""

    settings: Settings | None = None
    launching: bool = True  # False: paused by hand
    disk_low: bool = False  # nothing is launched until there is room
    halted: str = ""  # why nothing more starts
    failed: bool = False  # halted because trials keep failing
    finishing: bool = False  # halted, but running trials may come to their end
    finished: bool = False
    complete: bool = False  # finished, with nothing left to do; else it can go on
    style: str = ""  # "promote" | "stop", once that is known
    exhausted: str = ""  # why the searcher has no configuration left
    by_hand: int = 0  # trials beyond those that the settings ask for
    cpus: float = 0.0  # of this machine
    memory: int = 0  # bytes of this machine
    opened: float = 0.0  # when this engine opened it; once it is finished, when it ended
    elapsed: float = 0.0  # seconds of the engines before
    rungs: tuple[tuple[int, ...], ...] = ()  # the steps of each bracket's
    blocked: str = ""  # why nothing can be launched now

    @property
    def total(self) -> int | None:
        """How many trials it is to have, those added by hand included; None before it begins."""
        return None if self.settings is None else self.settings.trials + self.by_hand

    @property
    def may_launch(self) -> bool:
        """Whether nothing keeps all trials from being launched."""
        return self.launching and not self.disk_low and not self.blocked

    def state(self, *, running: bool) -> StudyState:
        """`running`: whether an engine runs it now, by `store.owner`."""
        if running:
            return "running"
        return "finished" if self.finished and self.complete else "interrupted"


ENGINE_FAILED = "the engine failed: "  # the beginning of `words` after an unexpected error


class EngineRow(msgspec.Struct, frozen=True):
    """What the newest engine has stored about itself; `store.owner` has whether it lives."""

    phase: Phase
    words: str  # the newest line of what the import prints; the traceback; why it ended
    time: float

    @property
    def broke_down(self) -> bool:
        """It failed in the middle of a study; else the training code could not be imported."""
        return self.phase == "failed" and self.words.startswith(ENGINE_FAILED)


IMPORTANCE = "importance"  # the key under which a study keeps the importance of its parameters


def read_importance(text: str | None) -> Importance | None:
    """Decoded; None if there is none, or another version has written it: it is computed again."""
    if text is None:
        return None
    from tuitune.core.search.importance import Importance  # noqa: PLC0415 - few readers need it

    try:
        return msgspec.json.decode(text, type=Importance)
    except msgspec.DecodeError:
        return None


# What trials are counted, sorted and timed by: a third of the work of whole rows.
OUTLINE = (
    "number", "state", "value", "step", "started", "ended", "best", "rung", "at_rung", "launched",
)  # fmt: skip
COLUMNS = TrialRow.__struct_fields__

_KINDS = {field.name: field.type for field in msgspec.structs.fields(TrialRow)}
_SQL = {int: "INTEGER", bool: "INTEGER", float: "REAL", dict: "BLOB"}  # all others are TEXT
_STORED = {bool: int, dict[str, Any]: bytes}  # types that SQLite gives back as another
_CONFIG = COLUMNS.index("config")
_BOOLS = [at for at, name in enumerate(COLUMNS) if _KINDS[name] is bool]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[str, Any]).decode


def _checked(names: Sequence[str]) -> Any:
    """A struct of these columns' types: SQLite lets any of them hold anything."""
    fields = [(name, _STORED.get(_KINDS[name], _KINDS[name])) for name in names]
    return msgspec.defstruct("Columns", fields, array_like=True)


_WHOLE, _PART = _checked(COLUMNS), _checked(OUTLINE)


def _definition(name: str) -> str:
    kind = _KINDS[name]
    kinds = get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)
    sql = _SQL.get(get_origin(kinds[0]) or kinds[0], "TEXT")
    return f"{name} {sql}{'' if NoneType in kinds else ' NOT NULL'}"


TABLE = f"trials({', '.join(map(_definition, COLUMNS))}, PRIMARY KEY(number))"
# Rows that were stored in another layout are made again from the journal. Raise the number if the
# same fields change their meaning.
LAYOUT = f"1 {TABLE} {StudyRow.__struct_fields__}"


def to_columns(row: TrialRow, born: int, changed: int) -> tuple[object, ...]:
    """The row's columns, in the order of COLUMNS.

    Raises StoreError for a configuration that holds a value which can't be stored.
    """
    try:
        config = _pack(row.config)
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"#{row.number}: its configuration can't be kept: {error}") from error
    values = msgspec.structs.astuple(row)
    return (*values[:_CONFIG], config, *values[_CONFIG + 1 : -2], born, changed)


def from_columns(columns: Sequence[Any]) -> TrialRow:
    """The row of COLUMNS. Raises MsgspecError if a column holds a value of another type."""
    values = list(msgspec.structs.astuple(msgspec.convert(columns, _WHOLE)))
    values[_CONFIG] = _unpack(values[_CONFIG])
    for at in _BOOLS:
        values[at] = bool(values[at])
    return TrialRow(*values)


def from_outline(columns: Sequence[Any]) -> TrialRow:
    """A row that has the columns of OUTLINE, and the defaults in place of all others."""
    state = msgspec.convert(columns, _PART).state
    number, _, value, step, started, ended, best, rung, at_rung, launched = columns
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
        at_rung=bool(at_rung),
        launched=launched,
    )
