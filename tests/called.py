"""Commands of tuitune that are called within this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from tuitune.cli.main import commands


def call(*words: object) -> Result:
    """No command ends by an exception, whatever it is given."""
    done = CliRunner().invoke(commands, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done
