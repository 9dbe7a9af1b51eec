"""What does a study's own sampler answer?"""

from __future__ import annotations

import json
import math
import os
import random
import re
from typing import TYPE_CHECKING, Any

from tuitune.trial.child_process import lead_session, seed
from tuitune.trial.wire import one_line
from tuitune.zygote.targets import load

if TYPE_CHECKING:
    from tuitune.zygote.protocol import Sample

DEEPEST = 32  # levels of lists and tables within each other
LONGEST = 100_000  # characters
SURROGATE = re.compile("[\ud800-\udfff]")
MEND = "which no study file could say; return a number, text, a truth value, or a list of these"


def answer(sample: Sample, folder: str, parent: int, place: int) -> None:
    """Write the values, or the error, as JSON into the open file `place`; never raises.

    In a process of its own: a sampler that hangs or dies takes nothing with it, and one that
    runs a parallel torch operation would leave its process unfit to fork trials.
    """
    try:
        lead_session(parent)
        text = json.dumps({"values": _values(sample, folder), "error": None})
    except BaseException as error:  # noqa: BLE001 - this is where a sampler's errors end up
        words = str(error) if isinstance(error, SamplerError) else one_line(error)
        text = json.dumps({"values": {}, "error": words})
    os.write(place, text.encode())


def _values(sample: Sample, folder: str) -> dict[str, Any]:
    seed(random.Random(sample.seed).getrandbits(32))  # noqa: S311
    config = dict(sample.config)
    values: dict[str, Any] = {}
    for name, target in sample.targets.items():
        # Each parameter has a generator of its own: a new sampler leaves the others' values.
        generator = random.Random(f"{sample.seed}/{name}")  # noqa: S311
        try:
            value = load(target, folder)(generator, dict(config))
            values[name] = config[name] = _plain(value)
        except BaseException as error:
            words = str(error) if isinstance(error, SamplerError) else one_line(error)
            raise SamplerError(f"{name} ({target}): {words}") from error
    return values


class SamplerError(Exception):
    """A sampler failed, or returned what can't be kept; str() names it and says why."""


def _plain(value: Any) -> Any:
    """As a study file could say it: numpy's numbers become Python's, tuples become lists."""
    try:
        text = json.dumps(value, default=lambda given: given.item())
    except RecursionError:
        raise SamplerError(f"returned a value that is nested {DEEPEST} deep or more") from None
    except (TypeError, ValueError, AttributeError):
        raise SamplerError(f"returned {_kind(value)}, {MEND}") from None
    if len(text) > LONGEST:
        raise SamplerError(f"returned a value of {len(text):,} characters; {LONGEST:,} may be kept")
    plain = json.loads(text)
    if problem := _problem(plain, 0):
        raise SamplerError(f"returned {problem}, {MEND}")
    return plain


def _problem(value: Any, depth: int) -> str:
    """What of it no study file could say, or no journal keep; empty where all is well."""
    if depth > DEEPEST:
        return f"a value that is nested more than {DEEPEST} deep"
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return next((found for one in value if (found := _problem(one, depth + 1))), "")
    if isinstance(value, str):
        return "text with half of a surrogate pair in it" if SURROGATE.search(value) else ""
    if isinstance(value, int):  # a truth value is one
        return "" if abs(value) < 1 << 63 else "a whole number of more than 64 bits"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else ""
    return "None"


def _kind(value: Any) -> str:
    return f"a value of type {type(value).__name__}"
