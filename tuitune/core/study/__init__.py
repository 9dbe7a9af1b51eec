"""The state machine of one study: its state, the facts folded in, the decisions that follow."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuitune.core.study.machine import Study
    from tuitune.core.study.state import State, Trial

__all__ = ["State", "Study", "Trial"]


def __getattr__(name: str) -> Any:
    """Import a class when it is first used: most readers of a study need none of them."""
    if name == "Study":
        from tuitune.core.study.machine import Study  # noqa: PLC0415 - see above

        return Study
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tuitune.core.study import state  # noqa: PLC0415 - see above

    return getattr(state, name)
