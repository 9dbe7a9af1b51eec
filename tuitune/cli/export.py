"""A study's trials as a table for other programs, on standard output or in a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuitune.cli.studies import open_study
from tuitune.messages.as_json import is_utf8
from tuitune.store.errors import StoreError
from tuitune.store.exported import exported

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.store.exported import Form


def export_study(text: str, runs: Path, *, form: Form, out: Path | None) -> int:
    study = open_study(text, runs)
    if study is None:
        return 2
    try:
        names = [p.name for p in study.spec.space.parameters]
        rows = study.reader.trials()
        if out is None:
            ascii_only = not is_utf8(sys.stdout.encoding)
            sys.stdout.write(exported(rows, names, form, ascii_only=ascii_only))
            sys.stdout.flush()
        else:
            written = exported(rows, names, form)
            out.write_text(written, encoding="utf-8", errors="backslashreplace")
    except StoreError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        if out is None:
            raise  # as of every command's output
        print(f"{out}: can't be written: {error.strerror}", file=sys.stderr)
        return 2
    return 0
