"""A study's trials as a table for other programs, on standard output or in a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuitune.cli.studies import open_study
from tuitune.store.errors import StoreError
from tuitune.words.exported import exported

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.words.exported import Form


def export_study(text: str, runs: Path, *, form: Form, out: Path | None) -> int:
    study = open_study(text, runs)
    if study is None:
        return 2
    try:
        names = [p.name for p in study.spec.space.parameters]
        written = exported(study.reader.trials(), names, form)
        if out is None:
            sys.stdout.write(written)
        else:
            out.write_text(written)
    except StoreError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{out or 'standard output'}: can't be written: {error.strerror}", file=sys.stderr)
        return 2
    return 0
