"""The trial that this process belongs to, and its stand-in outside of tuitune."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuitune.trial import link, wire
from tuitune.trial.api import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.trial.channel import Channel

_here: list[Trial] = []  # this process's trial: a process has one


def current(*, config: Mapping[str, Any] | None = None, max_resource: int | None = None) -> Trial:
    """The trial that this process belongs to.

    In a distributed run only the process with RANK (or else LOCAL_RANK) 0 reports; the others'
    reports do nothing.
    Outside a study it prints its reports and has the given `config` and `max_resource`, or those
    that TUITUNE_CONFIG names (see `debug`); inside a study these two are ignored.
    """
    if not _here:
        activate(_from_environment())
    trial = _here[0]
    if isinstance(trial, _StandIn) and "TUITUNE_CONFIG" not in os.environ:
        trial.assume(config, max_resource)
    return trial


def debug(
    config: Mapping[str, Any] | str | os.PathLike[str], *, max_resource: int | None = None
) -> Trial:
    """The trial of a script that a person runs, as under a debugger, with this configuration.

    `config` may be the path of a JSON file, such as a trial's config.json. `max_resource` is 1
    unless it is given; with a trial's config.json it is the study's. Inside a study both arguments
    are ignored, and outside they give way to the file that the variable TUITUNE_CONFIG names.
    """
    if isinstance(config, str | os.PathLike):
        path = os.fspath(config)
        return current(config=read_configuration(path), max_resource=max_resource or maximum(path))
    return current(config=config, max_resource=max_resource or 1)


def own_trial() -> Trial | None:
    """As `current`, but None outside a study.

    Raises RuntimeError in a process that a function's trial has spawned: it can't have the trial.
    """
    if _here or "TUITUNE_TRIAL" in os.environ:
        trial = current()
        return None if isinstance(trial, _StandIn) else trial
    if "TUITUNE_STUDY" in os.environ:
        raise RuntimeError(
            "this process was spawned by a trial and can't report: fork it instead "
            "(strategy 'ddp_notebook' in Lightning), or tune the script as a command"
        )
    return None


def activate(trial: Trial) -> None:
    """Make it the trial that `current` returns."""
    _here[:] = [trial]
    trial.follow_forks()
    _end_threads_silently()


def _end_threads_silently() -> None:
    """Print no traceback for TrialStopped; Python does, as for any subclass of SystemExit."""
    before = threading.excepthook

    def hook(raised: threading.ExceptHookArgs) -> None:
        if not issubclass(raised.exc_type, link.TrialStopped):
            before(raised)

    threading.excepthook = hook


class _StandIn(Trial):
    """The trial of a script that runs outside a study."""

    def __init__(self, channel: Channel) -> None:
        order = wire.Order(trial=0, attempt=1, config={}, seed=0, folder=".", metric="")
        super().__init__(order, channel)
        self._config: Mapping[str, Any] = {}
        self._max: int | None = None

    def assume(self, config: Mapping[str, Any] | None, max_resource: int | None) -> None:
        """Set what is not None."""
        if config is not None:
            self._config = config
        if max_resource is not None:
            self._max = max_resource

    @property
    def config(self) -> dict[str, Any]:
        return _HandConfig(self._config)

    @property
    def max_resource(self) -> int:
        if self._max is None:
            raise AttributeError(
                "trial.max_resource: this script runs outside a study, so no study file sets it; "
                "set it by tuitune.current(max_resource=3), or run it with tuitune.debug"
            )
        return self._max


class _HandConfig(dict[str, Any]):
    """The configuration of a script that runs outside a study."""

    def __missing__(self, name: str) -> Any:
        raise KeyError(
            f"{name}: this script runs outside a study, so no study sets its configuration; "
            f"set it by tuitune.current(config={{{name!r}: ...}})"
        )


def _from_environment() -> Trial:
    # Only the process that asks for its trial pays for sockets.
    from tuitune.trial.channel import PrintedChannel, SilentChannel, SocketChannel  # noqa: PLC0415

    text = os.environ.get("TUITUNE_TRIAL")
    if text is None:
        trial = _StandIn(PrintedChannel())
        if (path := os.environ.get("TUITUNE_CONFIG")) is not None:
            trial.assume(read_configuration(path), maximum(path))
        return trial
    order = wire.decode_order(text)
    if order.saves is not None:
        from tuitune.trial.command_saves import reports_itself  # noqa: PLC0415

        reports_itself(order.folder).touch()
    rank = os.environ.get("RANK") or os.environ.get("LOCAL_RANK")
    if rank in (None, "", "0"):
        return Trial(order, SocketChannel(order))
    return Trial(order._replace(checkpoint_every=float("inf")), SilentChannel())


def read_configuration(path: str) -> dict[str, Any]:
    """The configuration in a JSON file. Exits with a message if there is none."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SystemExit(f"{path}: the configuration can't be read: {error.strerror}") from error
    except ValueError as error:
        raise SystemExit(f"{path}: the configuration is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise SystemExit(
            f"{path}: a configuration is an object, {{...}}, not {type(found).__name__}"
        )
    return found


def maximum(path: str) -> int:
    """The `max` of the study whose trial has this config.json; 1 for any other file."""
    try:
        import tomllib  # noqa: PLC0415 - Python 3.10 has none

        study = Path(path).absolute().parents[2] / "study.toml"  # above trials/0007/config.json
        found = tomllib.loads(study.read_text(encoding="utf-8"))["pruning"]["max"]
    except (ImportError, OSError, ValueError, LookupError, TypeError):
        return 1
    return found if isinstance(found, int) and found > 0 else 1
