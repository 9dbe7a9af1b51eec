"""A Python that has tuitune and, beside it, a package that a test makes up."""

from __future__ import annotations

import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

import tuitune


def python_with(place: Path, files: Mapping[str, str]) -> str:
    """The interpreter of a new virtual environment at `place`; `files`: path in it -> text."""
    venv.create(place, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    for name, text in files.items():
        (packages / name).parent.mkdir(exist_ok=True)
        (packages / name).write_text(text)
    root = Path(tuitune.__file__).parents[1]
    paths = [str(root), *(path for path in sys.path if path.endswith("-packages"))]
    (packages / "all.pth").write_text("\n".join(paths))
    return str(place / "bin" / "python")
