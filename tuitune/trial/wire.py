"""The messages between a trial and its engine, and reports written as lines in microseconds.

Named tuples, since a training script pays for this import: dataclasses would double it. Their
annotations are not deferred, as each that is would be compiled on its own.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from tuitune.ipc.frames import Codec

LONGEST_LINE = 1 << 22  # bytes; the engine reads no message that is longer
MOST_STEP = 1 << 53  # the largest whole number that JSON, SQLite and a float all hold exactly
LONGEST_ERROR = 500  # characters
# The flags of a Report that are true, as they stand in its line
WAITS = ',"wait":true'
WAITS_AND_SAVES = ',"wait":true,"saves":true'
OPEN = ',"open":true'


class Order(NamedTuple):
    """All that one attempt needs. The executor fills in `cwd`, `socket` and `token`."""

    trial: int
    attempt: int
    config: Mapping[str, Any]
    seed: int
    folder: str  # trials/0007 of the study folder
    metric: str  # the objective's
    resume_path: str | None = None  # the checkpoint to go on from
    resume_step: int | None = None
    max_resource: int | None = None
    resource: str | None = None  # the report's key that counts it; None: the count of reports
    judged_from: int | None = None  # every report from this step on waits for a verdict
    rungs: Sequence[int] = ()  # the steps to wait for a verdict at: those not filled yet, rising
    checkpoint_every: float = 600.0  # seconds
    threads: int = 1
    env: Mapping[str, str] = {}
    command: Sequence[str] | None = None  # None: the plan's target runs
    metrics: Mapping[str, str] = {}  # a command's patterns
    cwd: str = ""
    socket: str = ""
    token: str = ""
    repeats: bool = False  # reports of one step have come several times in this study
    target: float | None = None  # the study ends once the objective is as good as this
    mode: str = "min"  # of the objective: "min" | "max"
    began: int | None = None  # the first step that the trial has ever reported
    saves: str | None = None  # a command's files, below `folder`, that count as its checkpoints
    node: str = ""  # that the attempt runs on; empty: the engine's own machine
    gpus: Sequence[str] = ()  # UUIDs
    share: float = 0.0  # of each GPU; 0: packed
    known: int | None = None  # the journal's newest checkpoint; -1: none; None: no journal
    values: Mapping[str, Any] = {}  # by parameter: what `command` and `env` are still to be filled
    parameters: Sequence[str] = ()  # in with; empty once that is done

    def waits(self) -> bool:
        """Whether any report may have to wait for a verdict."""
        ends = (self.max_resource, self.judged_from, self.target)
        return bool(self.rungs) or any(end is not None for end in ends)


# --- trial -> engine -------------------------------------------------------------------------


class Hello(NamedTuple):
    """The first message of each process of a trial that connects."""

    token: str
    trial: int
    attempt: int
    pid: int


class Report(NamedTuple):
    """Metrics of one step; NaN and infinities are in `odd`, as "nan", "inf" and "-inf"."""

    step: int
    metrics: Mapping[str, float]
    wait: bool = False
    saves: bool = False  # the trial can write a checkpoint; only set if it waits
    odd: Mapping[str, str] = {}
    open: bool = False  # more reports of this step may follow: it is not to be judged yet


class Saving(NamedTuple):
    """A checkpoint is about to be written, or could not be: `failed` is why, in one line."""

    step: int
    failed: str = ""


class Checkpoint(NamedTuple):
    """A checkpoint is complete."""

    step: int


class Warn(NamedTuple):
    """A message for the user."""

    text: str


class Done(NamedTuple):
    """The function or the command has ended; or, with `stopped`, TrialStopped is raised."""

    error: str  # one line, empty if nothing was raised
    stopped: bool = False  # before the work was complete
    ignored: bool = False  # the code has caught TrialStopped, and goes on


class Frozen(NamedTuple):
    """The trial was asked to pause and can't save: it waits until it is released."""


# --- engine -> trial -------------------------------------------------------------------------


class Verdict(NamedTuple):
    """The answer to a report that waits."""

    action: str  # "go" | "stop" | "complete"
    save: bool


class Stop(NamedTuple):
    """End; with `save`, write a checkpoint first."""

    reason: str
    save: bool


class Release(NamedTuple):
    """Go on: the pause is over."""


class Refused(NamedTuple):
    """Another process of this trial reports: the reports of this one don't count."""


PAUSED = "paused"  # after a Stop for this reason, a trial that can't save may go on
PARK = "park"  # after this one it saves if it can, is held, and may go on

_ToEngine = Hello | Report | Saving | Checkpoint | Warn | Done | Frozen
Instruction = Verdict | Stop | Release

_to_engine: Codec[_ToEngine] = Codec(Hello, Report, Saving, Checkpoint, Warn, Done, Frozen)
_to_trial: Codec[Instruction | Refused] = Codec(Verdict, Stop, Release, Refused)
encode, decode = _to_engine.encode, _to_engine.decode
encode_instruction = _to_trial.encode


@lru_cache(maxsize=64)  # the engine sends the same few again and again
def decode_instruction(line: bytes) -> Instruction | Refused:
    """The engine's message in a line. Raises as `Codec.decode`."""
    return _to_trial.decode(line)


@lru_cache(maxsize=64)
def verdict_line(action: str, save: bool) -> bytes:  # noqa: FBT001
    """The encoded Verdict, cached."""
    return encode_instruction(Verdict(action, save))


def encode_order(order: Order) -> str:
    """The order as JSON, for an environment variable or a file."""
    return json.dumps(order._asdict())


def decode_order(text: str | bytes) -> Order:
    """The inverse of `encode_order`. Raises ValueError or TypeError for other text."""
    return Order(**json.loads(text))


def copied(value: Any) -> Any:
    """A copy of a value of JSON, with its tables and lists."""
    if isinstance(value, dict):
        return {name: copied(inner) for name, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def one_line(error: BaseException) -> str:
    """An error's type and text, as Done and Saving carry it."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return sendable(f"{name}: {text}" if text else name, LONGEST_ERROR)


def sendable(text: str, longest: int) -> str:
    """The text, cut to `longest` characters; lone surrogates, invalid in JSON, are escaped."""
    return text[:longest].encode("utf-8", "backslashreplace").decode()


def report_line(
    step: int, values: dict[str, Any], flags: str = ""
) -> tuple[bytes, dict[Any, object]]:
    """A Report as `encode` would write it, and the values that are left out.

    These are not numbers, or their names can't be sent. json would take four times as long, and a
    trial may report at every step.
    """
    metrics: list[str] = []
    refused: dict[Any, object] = {}
    end = "}}\n"
    for name, value in values.items():
        key = _quoted(name)
        if type(value) is not float or value - value != 0.0 or key is None:
            metrics, end = _any_values(values, refused)
            break
        metrics.append(f"{key}:{value!r}")
    text = f'{{"type":"Report","step":{step}{flags},"metrics":{{{",".join(metrics)}{end}'
    return text.encode(), refused


def _any_values(values: dict[str, Any], refused: dict[Any, object]) -> tuple[list[str], str]:
    """The metrics, and the end of the line, if not all values are finite floats."""
    metrics: list[str] = []
    odd: list[str] = []
    for name, value in values.items():
        number = number_of(value)
        key = _quoted(name)
        if number is None or key is None:
            refused[name] = value
        elif number - number == 0.0:  # neither NaN nor infinite
            metrics.append(f"{key}:{number!r}")
        else:
            odd.append(f'{key}:"{number!r}"')
    return metrics, f'}},"odd":{{{",".join(odd)}}}}}\n' if odd else "}}\n"


@lru_cache(maxsize=1024)  # a trial reports the same few names again and again
def _quoted(name: object) -> str | None:
    """A metric's name in JSON; None if it is not text, or text that no reader takes."""
    if not isinstance(name, str):
        return None
    try:
        name.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return encode_basestring_ascii(name)


def number_of(value: Any) -> float | None:
    """A number, or what .item() gives, as float. What .item() raises is the trial's own error."""
    if isinstance(value, str | bytes):
        return None
    if not isinstance(value, int | float) and hasattr(value, "item"):
        value = value.item()
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def whole(value: Any) -> int | None:
    """A whole number out of 3, 3.0 or anything with .item(); None for anything else."""
    if isinstance(value, bool):
        return None
    if type(value) is int:
        return value
    number = number_of(value)
    return None if number is None or not number.is_integer() else int(number)


def why_refused(name: object, value: object) -> tuple[str, str]:
    """The kind and the text of the warning about a metric that `report_line` leaves out."""
    if _quoted(name) is None:
        kind = type(name).__name__
        return "name", f"a metric called {name!r:.100} ({kind}) is left out: no text names it"
    if isinstance(value, int):  # above 10**308; its digits could fill the log
        text = f"{name!s:.100} is too large: a whole number of {value.bit_length()} bits"
        return "value", f"{text} is left out"
    kind = type(value).__name__
    return "value", f"{name!s:.100} = {value!r:.100} ({kind}) is not a number: left out"
