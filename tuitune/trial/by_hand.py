"""Configurations for training code that a person runs by hand, from JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_configuration(path: str) -> dict[str, Any]:
    """The configuration in a JSON file. Exits with a message if there is none."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SystemExit(f"{path}: the configuration can't be read: {error.strerror}") from error
    except ValueError as error:
        raise SystemExit(f"{path}: the configuration is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise SystemExit(
            f"{path}: a configuration is an object, {{...}}, not {type(found).__name__}"
        )
    return found


def maximum(path: str) -> int:
    """The `max` of the study whose trial has this config.json; 1 for any other file."""
    try:
        import tomllib  # noqa: PLC0415 - Python 3.10 has none

        study = Path(path).absolute().parents[2] / "study.toml"  # above trials/0007/config.json
        found = tomllib.loads(study.read_text(encoding="utf-8"))["pruning"]["max"]
    except (ImportError, OSError, ValueError, LookupError, TypeError):
        return 1
    return found if isinstance(found, int) and found > 0 else 1
