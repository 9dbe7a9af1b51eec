"""`export`: tables of a study as text, and the study in other tools."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO

from tuitune.cli import studies
from tuitune.cli.arguments import Refusal
from tuitune.core.search.importance import LEAST
from tuitune.messages.as_json import is_utf8
from tuitune.store.errors import StoreError
from tuitune.store.exported import ExportedTable, Form, exported, exported_importance, write_reports

_FORMS: tuple[Form, ...] = ("csv", "json")
_REPORT = "html"


def export_study(
    text: str | None, runs: Path, *, what: ExportedTable | None, to: str, out: str
) -> int:
    """Write the study in the form `to`, or to the tool of this name; the exit status.

    out: a file, empty for standard output; or a place of the tool, empty for its default.
    """
    study = studies.open_study(text, runs)
    form = next((form for form in _FORMS if form == to), None)
    if form is not None:
        return _write_table(study, what or "trials", form, Path(out) if out else None)
    if to == _REPORT and what is None:
        return _write_report(study, Path(out or f"{study.name}.html"))
    if what is not None:
        raise Refusal(f"--what {what}: only for --to csv and --to json; leave it out")
    return _write_to_tool(study, to, out)


def _write_table(
    study: studies.StudyFolder, what: ExportedTable, form: Form, out: Path | None
) -> int:
    ascii_only = out is None and not is_utf8(sys.stdout.encoding)
    write = _table(study, what, form, ascii_only=ascii_only)
    if out is None:
        write(sys.stdout)
        sys.stdout.flush()
        return 0
    try:
        with out.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            write(file)
    except OSError as error:
        raise Refusal(f"{out}: can't be written: {error.strerror}") from error
    return 0


def _table(
    study: studies.StudyFolder, what: ExportedTable, form: Form, *, ascii_only: bool
) -> Callable[[TextIO], object]:
    """What writes the table. Raises StoreError, also where there is no importance yet."""
    if what == "reports":
        return partial(write_reports, study.reader.reports, form, ascii_only=ascii_only)
    rows = study.reader.trials()
    if what == "trials":
        names = [p.name for p in study.spec.space.parameters]
        text = exported(rows, names, form, ascii_only=ascii_only)
    else:
        found = study.importance(rows, study.owner())
        if found is None or not found.parameters:
            why = found.why if found is not None else f"needs {LEAST} finished trials"
            raise StoreError(f"{study.name}: no importance of parameters: {why}")
        text = exported_importance(found, form, ascii_only=ascii_only)
    return lambda out: out.write(text)


def _write_report(study: studies.StudyFolder, out: Path) -> int:
    # A table needs none of this.
    from tuitune.exporters.destination import DestinationError  # noqa: PLC0415
    from tuitune.exporters.report.html import Told, html_report  # noqa: PLC0415

    try:
        engine = study.owner()
        rows, row = study.reader.trials(), study.reader.study()
        told = Told(
            study.name,
            study.spec,
            row,
            rows,
            study.best(rows),
            study.importance(rows, engine),
            row.state(running=engine is not None),
        )
        out.write_text(html_report(told, study.reader.reports()), encoding="utf-8")
    except DestinationError as error:
        raise Refusal(str(error)) from error
    except OSError as error:
        raise Refusal(f"{out}: can't be written: {error.strerror}") from error
    print(f"{study.name}: written to {out}")
    return 0


def _write_to_tool(study: studies.StudyFolder, name: str, where: str) -> int:
    # A table needs none of this.
    from tuitune.exporters.destination import DestinationError  # noqa: PLC0415
    from tuitune.exporters.feeding import feeding  # noqa: PLC0415
    from tuitune.exporters.registry import destination_kind, place_of  # noqa: PLC0415

    try:
        destination_kind(name, (*_FORMS, _REPORT))
        place = place_of(name, where, study.path, Path.cwd())
        with feeding(study.path, place) as feed:
            feed.all(lambda left: print(f"{study.name}: {left} facts are left", file=sys.stderr))
    except DestinationError as error:
        raise Refusal(str(error)) from error
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
    print(f"{study.name}: written to {name}: {place.where}")
    return 0
