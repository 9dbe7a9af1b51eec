"""The interpreter that [trial] python names: a program, or the folder of an environment."""

import os
import shutil
from pathlib import Path

from tuitune.studyfile.problems import WrongValueError

_EXAMPLE = 'write the folder of an environment, ".venv", or its interpreter, ".venv/bin/python"'


def find_interpreter(text: str, folder: Path) -> Path:
    """The absolute path of the interpreter; relative ones start at the study file's `folder`.

    A word without a slash that names nothing there is looked for on PATH. Links are not followed,
    since an environment's interpreter is a link that knows its environment by its own place.
    Raises WrongValueError.
    """
    try:
        path = Path(os.path.abspath(folder / Path(text).expanduser()))  # noqa: PTH100 - follows no link
        if path.is_dir():
            return _in_environment(path)
        if path.exists():
            return _executable(path)
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, an unknown ~user
        raise WrongValueError(f"can't be looked up: {error}; {_EXAMPLE}") from None
    found = None if "/" in text else shutil.which(text)
    if found is None:
        where = f"there is no {path}" + ("" if "/" in text else " and no such program on PATH")
        raise WrongValueError(f"{where}; {_EXAMPLE}")
    return Path(found)


def _in_environment(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        raise WrongValueError(f"{folder} is a folder without bin/python; {_EXAMPLE}")
    return _executable(python)


def _executable(path: Path) -> Path:
    if not os.access(path, os.X_OK):
        raise WrongValueError(
            f"{path} may not be executed; `chmod +x` allows that if it is an interpreter, else "
            f"{_EXAMPLE}"
        )
    return path
