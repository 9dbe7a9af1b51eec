"""Commands of tuitune that are called within this process."""

from __future__ import annotations

import inspect
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from click import Command
from click.testing import CliRunner, Result

from tuitune.cli.main import commands

# click 8.1 mixes both streams unless told
_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


class _Runner(CliRunner):
    @contextmanager
    def isolation(self, *given: Any, **more: Any) -> Iterator[Any]:
        with super().isolation(*given, **more) as streams:
            assert isinstance(sys.stderr, io.TextIOWrapper)
            sys.stderr.reconfigure(write_through=True)  # click before 8.2.1 does not flush it
            yield streams


def call(*words: object, command: Command = commands, **more: Any) -> Result:
    """No command ends by an exception, whatever it is given."""
    done = _Runner(**_APART).invoke(command, [str(word) for word in words], **more)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done
