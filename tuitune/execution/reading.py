"""What numbers does a report hold, and how do they go onto the wire in microseconds?"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quoted
from typing import Any


def line_of(
    step: int, values: dict[str, Any], *, wait: bool, saves: bool = False
) -> tuple[bytes, dict[str, object]]:
    """A Report as `wire.encode` would write it, and the values left out: they are no numbers.

    Built by hand: it is a quarter of what json takes, and a trial may report at every step.
    """
    metrics: list[str] = []
    odd: list[str] = []
    refused: dict[str, object] = {}
    for name, value in values.items():
        number = value if type(value) is float else number_of(value)
        if number is None:
            refused[name] = value
        elif number - number == 0.0:  # neither NaN nor infinite
            metrics.append(f"{quoted(name)}:{number!r}")
        else:
            odd.append(f'{quoted(name)}:"{number!r}"')
    end = "}}\n"
    if odd:
        end = f'}},"odd":{{{",".join(odd)}}}}}\n'
    waits = ""
    if wait:
        waits = ',"wait":true,"saves":true' if saves else ',"wait":true'
    text = f'{{"type":"Report","step":{step}{waits},"metrics":{{{",".join(metrics)}{end}'
    return text.encode(), refused


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
    number = number_of(value)
    if number is None or not number.is_integer():
        return None
    return int(number)
