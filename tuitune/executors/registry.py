"""The executors by name: the built-in one, and those of installed packages."""

from tuitune import plugins
from tuitune.executors.base import Clock, Executor, Factory, Plan, Sink


def _local(plan: Plan, sink: Sink, clock: Clock) -> Executor:
    from tuitune.executors.local.executor import LocalExecutor  # noqa: PLC0415 - the command needs the name only

    return LocalExecutor(plan, sink, clock)


DEFAULT = "local"
EXECUTORS: dict[str, Factory] = {DEFAULT: _local}


def find_executor(name: str) -> Factory:
    """The executor of this name, built in or of an installed package. Raises PluginError."""
    found: Factory = EXECUTORS.get(name) or plugins.find(plugins.EXECUTORS, name, EXECUTORS)
    return found
