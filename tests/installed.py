"""A Python that has tuitune and, beside it, a package that a test makes up."""

from __future__ import annotations

import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

import tuitune


def toy_package(name: str, entry_points: str, **modules: str) -> dict[str, str]:
    """The files of an installed package, path -> text. modules: their source, by name."""
    info = f"{name}-1.0.dist-info"
    about = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n"
    files = {f"{module}.py": text for module, text in modules.items()}
    return {**files, f"{info}/METADATA": about, f"{info}/entry_points.txt": entry_points}


def unpack(files: Mapping[str, str], place: Path) -> None:
    """Write them below `place`, as an installer leaves a package."""
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


def python_with(place: Path, files: Mapping[str, str]) -> str:
    """The interpreter of a new virtual environment at `place`; `files`: path in it -> text."""
    venv.create(place, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    unpack(files, packages)
    root = Path(tuitune.__file__).parents[1]
    paths = [str(root), *(path for path in sys.path if path.endswith("-packages"))]
    (packages / "all.pth").write_text("\n".join(paths))
    return str(place / "bin" / "python")
