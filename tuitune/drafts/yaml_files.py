"""YAML files, by PyYAML where it is installed."""

import importlib
import re
from pathlib import Path
from typing import Any

from tuitune.drafts.script import DraftError

_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def number(value: Any) -> Any:
    """The float that 1e-3 stands for, which PyYAML reads as text; any other value as it is."""
    return float(value) if isinstance(value, str) and _FLOAT.fullmatch(value) else value


def read_yaml(file: Path) -> Any:
    """The content of a file, by the loader that makes plain values only. Raises DraftError."""
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise DraftError(
            f"{file} is YAML, which needs a package to read: pip install pyyaml, then try again."
        ) from None
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DraftError(f"{file} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DraftError(f"{file} is not UTF-8; save it as UTF-8.") from None
    except RecursionError:
        raise DraftError(f"{file} can't be read: it is nested too deeply.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None) or "it is not YAML"
        raise DraftError(f"{file}{line}: {why}.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # a date as 2024-99-99
        raise DraftError(f"{file} has a value that can't be read: {error}.") from None
