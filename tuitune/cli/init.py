"""`init`: a first study file, drafted from a script that is read and never run."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tuitune.drafts.script import DraftError
from tuitune.drafts.writing import draft
from tuitune.studyfile.fill_ins import FILL_IN


def write_draft(script: Path, arguments: Sequence[str] = ()) -> int:
    """Write the draft next to the script; the exit status: 0, or 2 with a message on stderr."""
    file = script.with_suffix(".toml")
    try:
        text = draft(script, arguments)
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except DraftError as error:
        print(error, file=sys.stderr)
        return 2
    except FileExistsError:
        print(f"{file} exists already; move it away, or use it as it is.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{file} can't be written: {error.strerror}.", file=sys.stderr)
        return 2
    check = shlex.join(["tuitune", "check", str(file)])
    edit = f"Write what is missing in place of {FILL_IN}" if FILL_IN in text else "Look at it"
    print(f"{file} is written. {edit}, then: {check}")
    return 0
