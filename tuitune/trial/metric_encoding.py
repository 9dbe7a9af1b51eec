"""What numbers does a report hold, and how do they go onto the wire in microseconds?"""

from __future__ import annotations

from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

# What a report's line says besides its step and metrics: the fields of a Report that are true.
WAITS = ',"wait":true'
WAITS_AND_SAVES = ',"wait":true,"saves":true'
OPEN = ',"open":true'


def line_of(step: int, values: dict[str, Any], flags: str = "") -> tuple[bytes, dict[Any, object]]:
    """A Report as `wire.encode` would write it, and the values left out.

    Those are no numbers, or have names that can't be sent. Built by hand: it is a quarter of what
    json takes, and a trial may report at every step.
    """
    metrics: list[str] = []
    refused: dict[Any, object] = {}
    end = "}}\n"
    for name, value in values.items():
        key = quoted(name)
        if type(value) is not float or value - value != 0.0 or key is None:
            metrics, end = _any_values(values, refused)
            break
        metrics.append(f"{key}:{value!r}")
    text = f'{{"type":"Report","step":{step}{flags},"metrics":{{{",".join(metrics)}{end}'
    return text.encode(), refused


def _any_values(values: dict[str, Any], refused: dict[Any, object]) -> tuple[list[str], str]:
    """The metrics, and the end of the line, where not all values are finite floats."""
    metrics: list[str] = []
    odd: list[str] = []
    for name, value in values.items():
        number = number_of(value)
        key = quoted(name)
        if number is None or key is None:
            refused[name] = value
        elif number - number == 0.0:  # neither NaN nor infinite
            metrics.append(f"{key}:{number!r}")
        else:
            odd.append(f'{key}:"{number!r}"')
    return metrics, f'}},"odd":{{{",".join(odd)}}}}}\n' if odd else "}}\n"


@lru_cache(maxsize=1024)  # a trial reports the same few names again and again
def quoted(name: object) -> str | None:
    """A metric's name in JSON; None where it is no text, or text that no reader takes."""
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
    """A whole number out of 3, 3.0 or anything with .item(); None for all else."""
    if isinstance(value, bool):
        return None
    if type(value) is int:
        return value
    number = number_of(value)
    if number is None or not number.is_integer():
        return None
    return int(number)
