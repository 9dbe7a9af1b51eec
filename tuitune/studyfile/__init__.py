"""Reading of study files: a `StudySpec`, or every problem found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuitune.core.spec import StudySpec
from tuitune.studyfile.document import read_document
from tuitune.studyfile.fill_ins import check_filled_in
from tuitune.studyfile.problems import Problems, StudyFileError
from tuitune.studyfile.reading import read_study

__all__ = ["StudyFileError", "load", "load_whole"]


def load(
    path: str | Path, *, overrides: Sequence[str] = (), check_target: bool = True
) -> StudySpec:
    """The study of a file; see `load_whole`."""
    return load_whole(path, overrides=overrides, check_target=check_target)[0]


def load_whole(
    path: str | Path, *, overrides: Sequence[str] = (), check_target: bool = True
) -> tuple[StudySpec, dict[str, Any]]:
    """A study file as a study and as plain tables; overrides are like "search.trials=20".

    A target is checked by its syntax tree and never imported. Without check_target, as for the file
    of an existing study, only its form is checked, and keys without an effect are accepted. Raises
    StudyFileError with every problem found.
    """
    problems = Problems(str(path), lenient=not check_target)
    document = read_document(Path(path), overrides, problems)
    if not document and problems.found:
        raise StudyFileError(problems.found)
    if check_target and check_filled_in(document, problems):
        raise StudyFileError(problems.found)
    whole = Path(path).absolute()
    study = read_study(document, whole, problems, check_target=check_target)
    if problems.found:
        raise StudyFileError(problems.found)
    return study, document
