"""The command line that runs a module of this package in a fresh interpreter."""

from __future__ import annotations

from pathlib import Path

# the environment variables that tell numerical libraries how many threads to start
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
ROOT = str(Path(__file__).resolve().parents[2])


def command(python: str, module: str, *arguments: str) -> list[str]:
    """The argv that runs `main` of tuitune.`module`.

    Not `-m`: it would put the current folder first, and a user's random.py before Python's.
    """
    code = (
        f"import sys; sys.path.insert(0, {ROOT!r}); "
        f"from tuitune.{module} import main; sys.path.remove({ROOT!r}); main()"
    )
    return [python, "-P", "-c", code, *arguments]
