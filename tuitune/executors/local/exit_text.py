"""Why an attempt ended or could not start, as messages, and the end of its log."""

import errno
import os
import re
import signal
from pathlib import Path

from tuitune.core.sizes import size
from tuitune.trial.output_parser import ESCAPES
from tuitune.zygote.protocol import Exited

TAIL = 2000  # characters
# patterns are compiled at their first use: few trials fail, and each pattern takes half a ms
_CONTROLS = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
_NAMES = {
    signal.SIGSEGV: "segmentation fault",
    signal.SIGKILL: "killed",
    signal.SIGTERM: "terminated",
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGILL: "illegal instruction",
}

_FRAME = r'(?m)^ *File "([^"\n]+)", line (\d+)'
_ROOT = Path(__file__).parents[2]
# frames in a stack that don't help the user
_OURS = rf'File "{re.escape(str(_ROOT))}/(trial|zygote|ipc)/'
_SHORTAGES = {
    errno.EMFILE: "no open file is left to this process; `ulimit -n` sets how many it may have",
    errno.ENFILE: "no open file is left on this machine",
    errno.EAGAIN: "no process is left to this user; `ulimit -u` and the cgroup set how many",
    errno.ENOMEM: "no memory is left for another process",
    errno.EDQUOT: "this user's disk quota is used up",
    errno.ENOSPC: "no space is left on the disk",
}
_NEAR = 30  # lines at the end of a log that may say why a program failed
_LONGEST_WORDS = 200  # characters
_FRAMES = " \t│┃|"  # of the boxes in which some programs print errors
# An exception at the start of a line, or "error: …" that isn't a metric
_SAYS_WHY = (
    r"^(?:\[[^\]]*\]:? *)?(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)(?::|$)"
    r"|(?i:\berror: )(?![-+.\d])"
)
TOO_EARLY = "its process exited with status 0 before its function had returned"


def error_of(end: Exited, error: str | None) -> str:
    """One line, empty if the attempt ended well; `error` is that of its own Done."""
    left = f"; {end.left} of its processes can't be killed" if end.left else ""
    return (end.error or (printable(error) if error else _from_status(end))) + left


def _from_status(end: Exited) -> str:
    if end.signal is not None:
        peak = f": peak {size(end.max_rss)}" if end.max_rss else ""
        if end.oom:
            return f"killed (SIGKILL), most likely out of memory{peak}"
        return _signal_name(end.signal)
    if not end.code:
        return ""
    if end.code > 128 and end.code - 128 in set(signal.Signals):
        return f"exit status {end.code} ({signal.Signals(end.code - 128).name})"
    return f"exit status {end.code}"


def _signal_name(number: int) -> str:
    if number not in set(signal.Signals):
        return f"signal {number}"
    known = signal.Signals(number)
    name = _NAMES.get(known) or (signal.strsignal(number) or "ended").lower()
    return f"{name} ({known.name})"


def printable(text: str) -> str:
    """The text without escape sequences and control characters, which could change a terminal."""
    return re.sub(_CONTROLS, "", re.sub(ESCAPES, "", text))


def import_error(traceback: str, folder: str) -> str:
    """One line: which file of `folder` can't be imported, and why.

    As "train.py: SyntaxError: '(' was never closed (line 12)".
    """
    lines = [line for line in traceback.splitlines() if line.strip()]
    error = lines[-1].strip() if lines else "its import failed"
    root = f"{os.path.realpath(folder)}/"
    frames = [(os.path.realpath(file), number) for file, number in re.findall(_FRAME, traceback)]
    own = [(file, number) for file, number in frames if file.startswith(root)]
    if not own:
        return error
    file, number = own[-1]
    return f"{file.removeprefix(root)}: {error} (line {number})"


def files_in(traceback: str) -> list[str]:
    """The files that a traceback names, as real paths."""
    return [os.path.realpath(file) for file, _ in re.findall(_FRAME, traceback)]


def tail_of(log: Path, start: int = 0) -> str:
    """The last whole lines of a log from this byte on, printable; empty if it can't be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, 2) - 4 * TAIL))
            text = file.read(4 * TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    kept = printable("\n".join(line for line in lines if not re.search(_OURS, line))).strip("\n")
    if len(kept) <= TAIL:
        return kept
    cut = kept[-TAIL:]
    return cut.partition("\n")[2] or cut


def with_last_words(error: str, tail: str) -> str:
    """An error, and the line at the end of the log that most likely says what was wrong.

    That is the last exception or "error: …" there, else the last line.
    """
    lines = [line.strip(_FRAMES) for line in tail.splitlines()]
    lines = [line for line in lines if any(map(str.isalnum, line))][-_NEAR:]
    last = lines[-1] if lines else ""
    words = next((line for line in reversed(lines) if re.search(_SAYS_WHY, line)), last)
    if len(words) > _LONGEST_WORDS:
        words = f"{words[:_LONGEST_WORDS]}…"
    return f"{error}: {words}" if words else error


def shortage(number: int | None) -> str:
    """What has run out, as a message; empty for an errno that waiting doesn't cure."""
    return _SHORTAGES.get(number or 0, "")
