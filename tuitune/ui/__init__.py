"""The app: it reads the store, sends requests to the engine, and owns no truth.

Nothing of Textual is imported before an app is opened: a script that runs without one pays nothing.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import gc
import os
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuitune.ui.state.options import Options


class KeyFileError(Exception):
    """The file of keys can't be followed; the text names each mistake and its mend."""


def load(*, readonly: bool = False, ascii_only: bool = False, no_color: bool = False) -> Options:
    """Import what an app needs, as this terminal wants it: may be done while an engine starts."""
    from tuitune.ui.state.options import options_for, prepare

    gc.disable()  # until the first paint: all that is made until then stays
    options = options_for(os.environ, readonly=readonly, ascii_only=ascii_only, no_color=no_color)
    prepare(os.environ, options, no_color=no_color)
    import tuitune.ui.app  # noqa: F401 - after what Textual reads as it is imported

    return options


def open_app(  # noqa: PLR0913 - what may be said on the command line
    folder: Path,
    *,
    file: str = "",
    readonly: bool = False,
    ascii_only: bool = False,
    no_color: bool = False,
    restart: Callable[[], str] | None = None,
) -> int:
    """Show the study of this folder until its user leaves.

    file: the study file as the user would name it. restart: starts an engine on the study, and
    says why where it can't. Raises StoreError, StudyFileError and KeyFileError, in words.
    """
    options = load(readonly=readonly, ascii_only=ascii_only, no_color=no_color)
    from tuitune.ui.app import StudyApp
    from tuitune.ui.configuration import load_keymap
    from tuitune.ui.state.source import Source

    keymap = load_keymap()
    source = Source(folder, file or str(folder), time.time(), options.devices_tick)
    app = StudyApp(source, keymap, options, None if readonly else restart)
    _end_with_terminal()
    app.run()
    return app.return_code or 0


def open_list(runs: Path, *, ascii_only: bool = False, no_color: bool = False) -> Path | None:
    """The study folder that was chosen, None where the user left. Raises KeyFileError."""
    options = load(ascii_only=ascii_only, no_color=no_color)
    from tuitune.ui.configuration import load_keymap
    from tuitune.ui.studies_app import StudiesApp

    app = StudiesApp(runs, load_keymap(), options)
    _end_with_terminal()
    return app.run()


def _end_with_terminal() -> None:
    """Also where the signal of its loss was ignored by who has started us, as by nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
