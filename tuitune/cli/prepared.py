"""Studies that commands and programs prepare: a folder with a study file, and no facts yet."""

from pathlib import Path

from tuitune.ipc.files import replace_file
from tuitune.store.folder import DATABASE, DOCUMENT, TRIALS, create_study
from tuitune.store.journal import Journal

ASIDE = ".trials"  # for trials that are prepared before the study has begun


def new_folder(runs: Path, name: str) -> Path:
    """A new folder for a study of this name, which `prepare` makes a study. Raises StoreError.

    The study file that a run of it takes is to be written to `file_of` this folder.
    """
    folder = create_study(runs, name)
    assert folder is not None  # only None where a second one of its name is refused
    return folder


def file_of(folder: Path) -> Path:
    """The study file of a prepared study: beside its folder, with the folder's name."""
    return folder.with_name(f"{folder.name}.toml")


def prepare(folder: Path, text: str, metric: str) -> None:
    """Make the folder a study that has not begun. Raises OSError, StoreError.

    A folder `ASIDE` in it becomes that of its trials.
    """
    Journal.open(folder / DATABASE, metric).close()
    replace_file(folder / DOCUMENT, text)  # with it, the folder is a study
    if (folder / ASIDE).is_dir():
        (folder / ASIDE).rename(folder / TRIALS)
