"""Keys of TOML."""

from __future__ import annotations

import re

from tuitune.core.space import spell


def toml_key(name: str) -> str:
    """Spell a key, in quotes only where it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else spell(name)
