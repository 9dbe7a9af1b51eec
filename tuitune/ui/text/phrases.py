"""The state of the study in a few words, and what to do next where there is nothing to show."""

from tuitune.core.events import ENDED, TrialState
from tuitune.messages.text import duration, plain, trial_name
from tuitune.store.rows import ENGINE_FAILED, TrialRow
from tuitune.ui.logs import last_line, log_file
from tuitune.ui.render.lines import Line, Span, line, wrapped
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot

_SOME = 3  # failures from which they are reported while other trials still run
_PATIENCE = 60.0  # s without a first report after which a hint is shown
_LOOKED_AT = 200  # newest trials that are searched for one without a report
_TRACEBACK = 12  # last lines of a traceback that are shown
_ANY = 1000  # cells; the text is cut later
RESTART = "study.restart"


def awaited(context: RenderContext, width: int) -> list[Line]:
    """Shown while there is no trial: what the study waits for, and the first keys."""
    return [*_awaited(context, width), (), *_first_keys(context)]


def _awaited(context: RenderContext, width: int) -> list[Line]:
    snapshot = context.snapshot
    if snapshot.engine_gone:
        return _gone(context, width)
    engine, spec = snapshot.engine, snapshot.spec
    age = duration(snapshot.now - engine.since)
    if engine.state == "importing":
        code = spec.trial.target or "the command"
        words = plain(engine.words).replace(f"{snapshot.folder}/", "")
        newest = [line(("  " + words, "muted"))] if words else []
        return [_info(f"{code} is being imported, {age}"), *newest]
    if snapshot.study.disk_low:
        return [
            line(("nothing starts: the disk is too full; it continues once there is room", "error"))
        ]
    if snapshot.study.blocked:
        return [line((f"nothing starts: {plain(snapshot.study.blocked)}", "error"))]
    if not snapshot.study.launching:
        key = context.keymap.shown("study.resume")
        return [line((f"nothing starts: launching is paused; {key} resumes it", "warning"))]
    return [_info(f"{spec.search.method} chooses the first configuration, {age}")]


def _gone(context: RenderContext, width: int) -> list[Line]:
    """For a study without trials and without an engine."""
    engine = context.snapshot.engine
    if engine.state == "finished":
        return [_info("the study is finished without a trial")]
    if engine.state == "failed":
        return [
            line(("the study could not start:", "error bold")),
            *(line(("  " + words, "error")) for words in _tail(engine.words, width - 2)),
            _info(f"fix it, then {_how_to_go_on(context)}"),
        ]
    return [
        line((f"no trial was started, and no engine runs ({_ended(context)})", "warning")),
        _info(_how_to_go_on(context)),
    ]


def _tail(words: str, width: int) -> list[str]:
    """The last lines of a traceback, wrapped to the width."""
    lines: list[str] = []
    for text in words.rstrip().splitlines():
        indent = " " * (len(text) - len(text.lstrip()))
        lines += [indent + part for part in wrapped(text.lstrip(), width - len(indent))]
    return lines[-_TRACEBACK:]


def _first_keys(context: RenderContext) -> list[Line]:
    """The few keys that a new user needs."""
    keys = [("app.help", "all keys"), ("app.quit", "leave")]
    if not context.snapshot.engine_gone:
        keys[1] = ("app.quit", "leave; the study continues, `tuitune attach` opens it again")
        if not context.readonly:
            keys.append(("study.stop", "stop the study"))
    return [
        line((f"{context.keymap.shown(key):>4}", "accent"), f"  {title}") for key, title in keys
    ]


def notice(context: RenderContext) -> Line:
    """A message in place of the best value, if there is something more important; else ()."""
    snapshot = context.snapshot
    if failed := _all_failed(snapshot):
        return line((failed, "error"))
    if snapshot.engine.state == "failed":
        words = _last_of(snapshot.engine.words)
        began = words.startswith(ENGINE_FAILED)
        return line((words if began else f"could not start: {words}", "error"))
    if snapshot.best is not None:
        return ()
    if snapshot.engine.state == "finished":
        return line(("no trial has reported a value", "error"))
    if snapshot.engine_gone:
        return line((_ended(context), "warning"))
    return _first_report(context)


def next_step(context: RenderContext) -> Line:
    """What to do once nothing runs any more, or all trials fail; else ()."""
    snapshot = context.snapshot
    if snapshot.engine.state == "finished":
        keys = [("app.summary", "summary"), ("app.quit", "leave")]
        words = "  ".join(f"{context.keymap.shown(key)} {title}" for key, title in keys)
        return line((words, "accent"))
    if snapshot.engine_gone:
        return line((_how_to_go_on(context), "warning"))
    return (
        line((f"{context.keymap.shown('log.open')} log", "accent")) if _all_failed(snapshot) else ()
    )


def why_ended(context: RenderContext) -> str:
    """Why no more trials start; "" while they do, or after all were tried."""
    study = context.snapshot.study
    return plain(study.halted or (study.exhausted if study.finished else study.blocked))


def _all_failed(snapshot: Snapshot) -> str:
    """The last line of the newest error if all ended trials have failed; else ""."""
    failed = snapshot.counts.get(TrialState.FAILED, 0)
    running = snapshot.counts.get(TrialState.RUNNING, 0)
    if not failed or failed != sum(snapshot.counts.get(state, 0) for state in ENDED):
        return ""
    if running and failed < _SOME:
        return ""  # it is too early to tell
    newest = next((row for row in reversed(snapshot.rows) if row.state == TrialState.FAILED), None)
    error = _last_of(newest.error) if newest else ""
    which = "the only trial" if failed == 1 else f"all {failed} trials"
    return f"{which} failed: {error or 'see the log'}"


def missing(context: RenderContext, row: TrialRow) -> str:
    """Why a trial has no curve yet."""
    name, now = trial_name(row.number), context.snapshot.now
    since = now - (row.launched or now)
    if row.state != TrialState.RUNNING:
        words = "has reported nothing" if row.started else "waits"
    elif context.snapshot.engine_gone:
        words = "had reported nothing when its engine ended"
    elif row.pid is None or row.activity == "starting":
        words = f"is starting, {duration(since)}"
    elif since < _PATIENCE:
        words = f"runs, no report yet, {duration(since)}"
    else:
        newest = last_line(log_file(context.snapshot.folder, row.number))
        log = f"log: {newest}" if newest else "its log is empty"
        words = f"no report after {duration(since)}: is report() called? {log}"
    return f"{name} {words}"


def _how_to_go_on(context: RenderContext) -> str:
    """The key and the command that start an engine again."""
    command = f"`tuitune {plain(context.snapshot.file)}` continues it"
    if context.readonly:
        return command
    return f"{context.keymap.shown(RESTART)} restarts the engine, or {command}"


def _first_report(context: RenderContext) -> Line:
    """About the trial that has been running longest, while nothing was reported at all."""
    rows = context.snapshot.rows[-_LOOKED_AT:]
    oldest = next((row for row in rows if row.state == TrialState.RUNNING), None)
    if oldest is None:
        return _awaited(context, _ANY)[0] if not rows else ()
    late = context.snapshot.now - (oldest.launched or context.snapshot.now) >= _PATIENCE
    return line((missing(context, oldest), "warning" if late else "info"))


def _ended(context: RenderContext) -> str:
    snapshot = context.snapshot
    if snapshot.study.halted:
        return f"stopped: {plain(snapshot.study.halted)}"
    if snapshot.study.finished:
        return "interrupted"
    return "the engine ended without a message"


def _last_of(text: str) -> str:
    """The last line that is not blank."""
    return plain(next((x.strip() for x in reversed(text.splitlines()) if x.strip()), ""))


def _info(words: str) -> Line:
    return line((words, "info"))


def health(context: RenderContext) -> Span:
    """The state of the engine and its study, with the key that restarts it."""
    snapshot = context.snapshot
    engine, study = snapshot.engine, snapshot.study
    words, role = f"{context.glyphs.live} live", "success"
    match engine.state:
        case "finished":
            words, role = "finished", "success bold"
        case "importing":
            words = f"importing training code {duration(snapshot.now - engine.since)}"
            role = "info"
        case "silent":
            silent = duration(snapshot.now - engine.last_change)
            words, role = f"engine silent {silent}", "warning bold"
        case "failed":
            words, role = _with_key(context, "engine failed"), "error bold"
        case "gone":
            stopped = study.finished or study.halted
            words = _with_key(context, "interrupted" if stopped else "engine gone")
            role = "error bold"
        case _ if study.halted:
            finish = ": running trials finish" if study.finishing else ""
            words, role = f"stopping{finish}", "warning bold"
        case _ if study.disk_low:
            words, role = "disk low: nothing starts", "error bold"
        case _ if study.blocked:
            words, role = "nothing starts", "error bold"
        case _ if not study.launching:
            words, role = "launching paused", "warning bold"
    return words, role


def _with_key(context: RenderContext, words: str) -> str:
    return words if context.readonly else f"{words} - {context.keymap.shown(RESTART)}"
