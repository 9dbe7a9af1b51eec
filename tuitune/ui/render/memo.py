"""What did a pane show last time? Kept, so that a tick on which nothing changed costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Memo(Generic[T]):
    """Remembers one answer. A key holds all that the answer depends on."""

    def __init__(self) -> None:
        self._known: tuple[object, T] | None = None

    def get(self, key: object, make: Callable[[], T]) -> T:
        if self._known is None or self._known[0] != key:
            self._known = key, make()
        return self._known[1]
