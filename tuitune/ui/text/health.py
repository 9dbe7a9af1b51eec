"""The state of the engine and the study in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.messages.text import duration

if TYPE_CHECKING:
    from tuitune.ui.render.lines import Span
    from tuitune.ui.state.render_context import RenderContext

RESTART = "study.restart"


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
