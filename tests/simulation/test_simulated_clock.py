"""The simulated event loop: timers in order, no waiting, an error when nothing is due."""

from __future__ import annotations

import asyncio

import pytest

from simulator.clock import SimulatedLoop, StalledError


@pytest.fixture
def loop():
    loop = SimulatedLoop(1000.0)
    yield loop
    loop.close()


def test_a_day_takes_no_time_and_timers_fire_in_order(loop):
    seen = []
    for delay in (86400.0, 3600.0, 60.0):
        loop.call_later(delay, lambda d=delay: seen.append((d, loop.time())))
    loop.call_later(90000.0, loop.stop)
    loop.run_forever()
    assert [delay for delay, _ in seen] == [60.0, 3600.0, 86400.0]
    assert [at for _, at in seen] == pytest.approx([1060.0, 4600.0, 87400.0])


def test_tasks_sleep_on_the_same_clock(loop):
    async def work():
        await asyncio.gather(asyncio.sleep(50), asyncio.sleep(20))
        return loop.time()

    assert loop.run_until_complete(work()) == pytest.approx(1050.0)


def test_where_nothing_is_due_it_says_so(loop):
    with pytest.raises(StalledError, match="nothing is due"):
        loop.run_until_complete(loop.create_future())


def test_what_a_callback_raises_is_kept(loop):
    def fail():
        raise ValueError("so")

    loop.call_later(1.0, fail)
    loop.call_later(2.0, loop.stop)
    loop.run_forever()
    assert [str(failure) for failure in loop.failures] == ["so"]


def test_work_for_a_thread_is_done_at_once(loop):
    async def work():
        return await loop.run_in_executor(None, pow, 2, 10)

    assert loop.run_until_complete(work()) == 1024
