"""What the zygote's children do: be a trial, or call samplers."""

from __future__ import annotations

import faulthandler
import json
import math
import os
import random
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from tuitune.ipc.entry import read_memory
from tuitune.trial import child_process, seeds, wire
from tuitune.zygote import protocol, targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuitune.trial.api import Trial

    Target = Callable[[Trial], object]

_DEEPEST = 32  # levels of lists and tables within each other
_LONGEST = 100_000  # characters
_SURROGATE = "[\ud800-\udfff]"
_REMEDY = "which can't be stored; return a number, text, a boolean, or a list of these"


def main() -> None:
    """Run a child in a fresh interpreter, where the target's import starts threads or CUDA.

    Such a zygote can't be forked. The arguments are those of `ChildTable._spawn`.
    """
    kind, folder, target, request, tidy, *rest = sys.argv[1:]
    *result, parent = (int(number) for number in rest)
    text = read_memory(int(request))
    os.set_inheritable(int(tidy), False)  # noqa: FBT003
    faulthandler.enable()
    targets.open_path(folder)
    if kind == "sample":
        run_samplers(protocol.Sample(**json.loads(text)), folder, parent, result[0])
        child_process.leave(0, int(tidy))

    order = wire.decode_order(text)

    def function(trial: Trial) -> object:
        seeds.seed(seeds.AT_IMPORT)
        train = targets.load(target, folder)
        seeds.seed(order.seed)
        return train(trial)

    run_trial(order, function if target else None, parent, int(tidy))


def run_trial(order: wire.Order, function: Target | None, parent: int, tidy: int) -> NoReturn:
    """Be the trial, in a process that has just been made for it.

    `tidy`: the pipe that gets its process id if it has left no process behind.
    """
    code = 1
    try:
        trial, channel = child_process.enter(order, parent)
        if order.command is not None:
            from tuitune.trial import commands  # noqa: PLC0415 - functions don't need it

            code = commands.supervise(channel, order)
        else:
            assert function is not None
            code = child_process.call(trial, channel, function)
    except SystemExit as end:  # a SIGTERM before there was anything to end
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:  # noqa: BLE001 - no engine is connected: it goes to the log
        child_process.print_traceback(error)
    child_process.leave(code, tidy)


# --- samplers ----------------------------------------------------------------------------------


def run_samplers(sample: protocol.Sample, folder: str, parent: int, result: int) -> None:
    """Write the values, or the error, as JSON into the open file `result`; never raises.

    In a process of its own: a sampler that hangs or dies takes nothing with it, and one that
    runs a parallel torch operation would leave its process unfit to fork trials.
    """
    try:
        child_process.lead_session(parent)
        text = json.dumps({"values": _values(sample, folder), "error": None})
    except BaseException as error:  # noqa: BLE001 - this is where a sampler's errors end up
        text = json.dumps({"values": {}, "error": _message(error)})
    os.write(result, text.encode())


def _values(sample: protocol.Sample, folder: str) -> dict[str, Any]:
    config = dict(sample.config)
    values: dict[str, Any] = {}
    seeds.seed(seeds.AT_IMPORT)
    samplers = {name: _sampler(name, target, folder) for name, target in sample.targets.items()}
    seeds.seed(random.Random(sample.seed).getrandbits(32))  # noqa: S311
    for name, target in sample.targets.items():
        # Each parameter has its own generator: a new sampler must not change the others' values.
        generator = random.Random(f"{sample.seed}/{name}")  # noqa: S311
        with _named(name, target):
            value = samplers[name](generator, dict(config))
            values[name] = config[name] = _plain(value)
    return values


def _sampler(name: str, target: str, folder: str) -> Callable[..., Any]:
    with _named(name, target):
        return targets.load(target, folder)


@contextmanager
def _named(name: str, target: str) -> Iterator[None]:
    """Name the parameter, and what samples it, in whatever is raised."""
    try:
        yield
    except BaseException as error:
        raise _SamplerError(f"{name} ({target}): {_message(error)}") from error


class _SamplerError(Exception):
    """A sampler failed, or returned a value that can't be stored; str() is the message."""


def _message(error: BaseException) -> str:
    return str(error) if isinstance(error, _SamplerError) else wire.one_line(error)


def _plain(value: Any) -> Any:
    """The value in JSON's types: numpy's numbers become Python's, tuples become lists."""
    try:
        text = json.dumps(value, default=lambda given: given.item())
    except RecursionError:
        raise _SamplerError(f"returned a value that is nested {_DEEPEST} deep or more") from None
    except (TypeError, ValueError, AttributeError):
        kind = type(value).__name__
        raise _SamplerError(f"returned a value of type {kind}, {_REMEDY}") from None
    if len(text) > _LONGEST:
        raise _SamplerError(
            f"returned a value of {len(text):,} characters; {_LONGEST:,} may be kept"
        )
    plain = json.loads(text)
    if problem := _problem(plain, 0):
        raise _SamplerError(f"returned {problem}, {_REMEDY}")
    return plain


def _problem(value: Any, depth: int) -> str:
    """What part of it can't be stored; empty if all can."""
    if depth > _DEEPEST:
        return f"a value that is nested more than {_DEEPEST} deep"
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return next((found for one in value if (found := _problem(one, depth + 1))), "")
    if isinstance(value, str):
        return "text with half of a surrogate pair in it" if re.search(_SURROGATE, value) else ""
    if isinstance(value, int):  # a boolean is one
        return "" if abs(value) < 1 << 63 else "a whole number of more than 64 bits"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else ""
    return "None"
