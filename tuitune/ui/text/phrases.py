"""What is said where there is nothing to show yet, or no more? The state, and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.study.state import ENDED, FAILED, RUNNING
from tuitune.messages.text import duration, plain
from tuitune.store.rows import ENGINE_FAILED
from tuitune.ui.logs import last_line, log_file
from tuitune.ui.render.lines import Line, line
from tuitune.ui.render.wrapping import wrapped
from tuitune.ui.table.cells import label
from tuitune.ui.text.health import RESTART, engine_gone

if TYPE_CHECKING:
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.look import Look
    from tuitune.ui.state.picture import Picture

SOME = 3  # failures that are told of while other trials still run
PATIENCE = 60.0  # s without a first report after which it is asked for
LOOKED_AT = 200  # newest trials among which one without a report is looked for
TRACEBACK = 12  # last lines of it that are shown
ANY = 1000  # cells, where what is said is cut later


def awaited(look: Look, width: int) -> list[Line]:
    """What stands where there is no trial yet: what is awaited, then the keys to begin with."""
    told = _awaited(look, width)
    return [*told, (), *first_keys(look)]


def _awaited(look: Look, width: int) -> list[Line]:
    picture = look.picture
    if engine_gone(picture):
        return _gone(look, width)
    engine, spec = picture.engine, picture.spec
    age = duration(picture.now - engine.since)
    if engine.state == "importing":
        code = spec.trial.target or "the command"
        words = plain(engine.words).replace(f"{picture.folder}/", "")
        newest = [line(("  " + words, "muted"))] if words else []
        return [_said(f"{code} is being imported, {age}"), *newest]
    if picture.study.disk_low:
        return [line(("nothing starts: the disk is too full; make room, and it goes on", "error"))]
    if picture.study.blocked:
        return [line((f"nothing starts: {plain(picture.study.blocked)}", "error"))]
    if not picture.study.launching:
        key = look.keymap.shown("study.resume")
        return [line((f"nothing starts: launching is paused; {key} goes on", "warning"))]
    return [_said(f"{spec.search.method} is asked for the first configuration, {age}")]


def _gone(look: Look, width: int) -> list[Line]:
    """The study has no trial, and no engine that would start one."""
    engine = look.picture.engine
    if engine.state == "finished":
        return [_said("the study is finished, without a trial")]
    if engine.state == "failed":
        return [
            line(("the study could not start:", "error bold")),
            *(line(("  " + words, "error")) for words in _tail(engine.words, width - 2)),
            _said(f"mend it, then {how_to_go_on(look)}"),
        ]
    return [
        line((f"no trial was started, and no engine runs ({_ended(look)})", "warning")),
        _said(how_to_go_on(look)),
    ]


def _tail(words: str, width: int) -> list[str]:
    """The end of a traceback, where it says what happened, in full width and not cut."""
    lines: list[str] = []
    for text in words.rstrip().splitlines():
        indent = " " * (len(text) - len(text.lstrip()))
        lines += [indent + part for part in wrapped(text.lstrip(), width - len(indent))]
    return lines[-TRACEBACK:]


def first_keys(look: Look) -> list[Line]:
    """The few keys that somebody who sees the app for the first time needs."""
    keys = [("app.help", "all keys"), ("app.quit", "leave")]
    if not engine_gone(look.picture):
        keys[1] = ("app.quit", "leave; the study goes on, `tuitune attach` comes back")
        if not look.readonly:
            keys.append(("study.stop", "stop the study"))
    return [line((f"{look.keymap.shown(key):>4}", "accent"), f"  {title}") for key, title in keys]


def notice(look: Look) -> Line:
    """What is said in the place of the best value while that is not the news; else ()."""
    picture = look.picture
    if failed := all_failed(picture):
        return line((failed, "error"))
    if picture.engine.state == "failed":
        words = _last_of(picture.engine.words)
        began = words.startswith(ENGINE_FAILED)
        return line((words if began else f"could not start: {words}", "error"))
    if picture.best is not None:
        return ()
    if picture.engine.state == "finished":
        return line(("no trial has reported a value", "error"))
    if engine_gone(picture):
        return line((_ended(look), "warning"))
    return _first_report(look)


def next_step(look: Look) -> Line:
    """What to do once nothing runs any more, or nothing succeeds; () while all is well."""
    picture = look.picture
    if picture.engine.state == "finished":
        keys = [("app.summary", "summary"), ("app.quit", "leave")]
        words = "  ".join(f"{look.keymap.shown(key)} {title}" for key, title in keys)
        return line((words, "accent"))
    if engine_gone(picture):
        return line((how_to_go_on(look), "warning"))
    return line((f"{look.keymap.shown('log.open')} log", "accent")) if all_failed(picture) else ()


def why_ended(look: Look) -> str:
    """Why nothing more starts; "" while something does, and where everything was tried."""
    study = look.picture.study
    return plain(study.halted or (study.exhausted if study.finished else study.blocked))


def all_failed(picture: Picture) -> str:
    """The newest error's last line, where trials have ended but only by failing; else ""."""
    failed = picture.counts.get(FAILED, 0)
    running = picture.counts.get(RUNNING, 0)
    if not failed or failed != sum(picture.counts.get(state, 0) for state in ENDED):
        return ""
    if running and failed < SOME:
        return ""  # it is too early to tell
    newest = next((row for row in reversed(picture.rows) if row.state == FAILED), None)
    error = _last_of(newest.error) if newest else ""
    which = "the only trial" if failed == 1 else f"all {failed} trials"
    return f"{which} failed: {error or 'see the log'}"


def missing(look: Look, row: TrialRow) -> str:
    """Why a trial has no curve yet."""
    name, now = label(row.number), look.picture.now
    since = now - (row.launched or now)
    if row.state != RUNNING:
        words = "has reported nothing" if row.started else "waits"
    elif engine_gone(look.picture):
        words = "had reported nothing when its engine ended"
    elif row.pid is None or row.phase == "starting":
        words = f"is starting, {duration(since)}"
    elif since < PATIENCE:
        words = f"runs, no report yet, {duration(since)}"
    else:
        said = last_line(log_file(look.picture.folder, row.number))
        log = f"log: {said}" if said else "its log is empty"
        words = f"no report after {duration(since)}: is report() called? {log}"
    return f"{name} {words}"


def how_to_go_on(look: Look) -> str:
    """The key and the command that start an engine again."""
    command = f"`tuitune {plain(look.picture.file)}` goes on"
    if look.readonly:
        return command
    return f"{look.keymap.shown(RESTART)} restarts the engine, or {command}"


def _first_report(look: Look) -> Line:
    """Of the trial that has been running longest, while nothing at all was reported."""
    rows = look.picture.rows[-LOOKED_AT:]
    oldest = next((row for row in rows if row.state == RUNNING), None)
    if oldest is None:
        return _awaited(look, ANY)[0] if not rows else ()
    late = look.picture.now - (oldest.launched or look.picture.now) >= PATIENCE
    return line((missing(look, oldest), "warning" if late else "info"))


def _ended(look: Look) -> str:
    picture = look.picture
    if picture.study.halted:
        return f"stopped: {plain(picture.study.halted)}"
    if picture.study.finished:
        return "interrupted"
    return "the engine ended without a word"


def _last_of(text: str) -> str:
    """The last line that says something."""
    return plain(next((x.strip() for x in reversed(text.splitlines()) if x.strip()), ""))


def _said(words: str) -> Line:
    return line((words, "info"))
