"""How many seconds is "1h30m", and how many bytes "8GB"?"""

from __future__ import annotations

import math
import re

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([dhms])\s*")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B\s*")
MOST_BYTES = 2**63  # and so many are also said for all that is more
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def seconds(text: str) -> float | None:
    """Read a duration such as "90s", "2h" or "1h30m"; None if it is none."""
    if not text.strip():
        return None
    total, place = 0.0, 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            return None
        total += float(part[1]) * _SECONDS[part[2]]
        place = part.end()
    return total if total < math.inf else None


def size(text: str) -> int | None:
    """Read a size such as "512MB" (10^6 bytes) or "8GiB" (2^30); None if it is none."""
    found = _SIZE.fullmatch(text)
    if found is None:
        return None
    unit = 1024.0 if found[3] else 1000.0
    return round(min(float(found[1]) * math.pow(unit, _POWERS[found[2].lower()]), MOST_BYTES))
