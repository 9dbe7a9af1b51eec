"""A thread apart from the event loop, for calls of Ray's that wait for the cluster's head."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")


class Apart:
    """Calls functions one after the other; nobody waits for the thread when the process ends.

    It never ends before: Ray's processes of a cluster that is started die with the thread that has
    started them.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._go_on, daemon=True).start()

    async def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """What it returns, or raises."""
        answer: asyncio.Future[_T] = self._loop.create_future()

        def finish(give: Callable[[Any], None], value: object) -> None:
            if not answer.done():
                give(value)

        def do() -> None:
            give: Callable[[Any], None] = answer.set_result
            value: object
            try:
                value = function(*arguments)
            except Exception as error:  # noqa: BLE001 - raised where it is awaited
                give, value = answer.set_exception, error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(finish, give, value)

        self._work.put(do)
        return await answer

    def _go_on(self) -> None:
        while True:
            self._work.get()()
