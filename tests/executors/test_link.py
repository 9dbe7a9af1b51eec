"""The link between engine and agent, over a channel that loses, doubles, delays and reorders."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from tuitune.executors.remote.link import LEASE, LOST, Frame, Link
from tuitune.ipc.frames import FrameBuffer

ENGINE, AGENT = 0, 1


class Channel:
    """Two ends and the frames under way. `cut`: (from end, since, until) in which all is lost."""

    def __init__(self, random: Random, fails: float, cut: tuple[int, float, float] | None = None):
        self.now = 0.0
        self.ends = (Link(0.0), Link(0.0))
        self.got: tuple[list[bytes], list[bytes]] = ([], [])
        self._random = random
        self._fails = fails
        self._cut = cut
        self._order = itertools.count()
        self._under_way: list[tuple[float, int, int, bytes]] = []

    def put(self, end: int, word: bytes, *, urgent: bool = True) -> None:
        self.ends[end].put(word, self.now, urgent=urgent)

    def run(self, seconds: float) -> None:
        """Everything that is due within so many seconds."""
        end = self.now + seconds
        while True:
            arrival = self._under_way[0][0] if self._under_way else end
            due = min(arrival, *(link.due for link in self.ends))
            if due >= end:
                self.now = end
                return
            self.now = max(self.now, due)
            for number, link in enumerate(self.ends):
                if (data := link.flush(self.now)) is not None:
                    self._send(number, data)
            while self._under_way and self._under_way[0][0] <= self.now:
                _, _, to, data = heapq.heappop(self._under_way)
                (body,) = FrameBuffer().feed(data)
                self.got[to].extend(self.ends[to].take(body, self.now))

    def _send(self, sender: int, data: bytes) -> None:
        cut = self._cut
        if cut is not None and cut[0] in {sender, 2} and cut[1] <= self.now < cut[2]:
            return
        copies = 0 if self._random.random() < self._fails else 1
        copies += self._random.random() < self._fails
        for _ in range(copies):
            late = self._random.random() < self._fails
            delay = self._random.uniform(0.0, 3.0 if late else 0.02)
            item = (self.now + delay, next(self._order), 1 - sender, data)
            heapq.heappush(self._under_way, item)


@given(
    seed=st.integers(0, 10**6),
    fails=st.sampled_from([0.0, 0.1, 0.4]),
    sends=st.lists(
        st.tuples(st.sampled_from([ENGINE, AGENT]), st.floats(0.0, 0.3), st.booleans()),
        max_size=60,
    ),
)
@settings(max_examples=150, deadline=None)
def test_every_word_comes_once_and_in_order_whatever_happens_to_frames(seed, fails, sends):
    channel = Channel(Random(seed), fails)
    assert channel.got == played(channel, sends)
    assert all(link.is_idle for link in channel.ends)


def played(channel: Channel, sends: Sequence[tuple[int, float, bool]]):
    """Sends these words, and gives them time to come; what each end is to have got."""
    sent: tuple[list[bytes], list[bytes]] = ([], [])
    for count, (end, after, urgent) in enumerate(sends):
        channel.run(after)
        word = b"%d" % count
        sent[1 - end].append(word)
        channel.put(end, word, urgent=urgent)
    channel.run(120.0)
    return sent


class Forgetful(Link):
    """Acknowledges the last word of every fifth frame that has some, and does not hand it over."""

    frames = 0

    def take(self, data: bytes, now: float) -> list[bytes]:
        words = super().take(data, now)
        self.frames += bool(words)
        return words[:-1] if self.frames % 5 == 0 else words


class Repeating(Link):
    """Hands over words once more that come again."""

    def take(self, data: bytes, now: float) -> list[bytes]:
        words = super().take(data, now)
        frame = msgspec.msgpack.decode(data, type=Frame)
        return words or (frame.messages if frame.first <= self._received else [])


@pytest.mark.parametrize("broken", [Forgetful, Repeating])
def test_a_link_that_loses_or_repeats_a_word_is_found_out(broken):
    sends = [(AGENT, 0.1, True)] * 40
    found = []
    for seed in range(5):
        channel = Channel(Random(seed), 0.4)
        channel.ends = (broken(0.0), Link(0.0))
        found.append(channel.got != played(channel, sends))
    assert all(found)


@given(
    seed=st.integers(0, 10**6),
    fails=st.sampled_from([0.0, 0.3]),
    who=st.sampled_from([ENGINE, AGENT, 2]),
    since=st.floats(0.0, 5.0),
    lasts=st.floats(0.0, 60.0),
)
@settings(max_examples=150, deadline=None)
def test_an_agent_has_ended_before_the_engine_takes_it_for_ended(seed, fails, who, since, lasts):
    """Whichever way frames fail, and however late some come."""
    early = head_start(Channel(Random(seed), fails, (who, since, since + lasts)), LEASE, LOST)
    assert early is None or early >= LOST - LEASE - 0.5


def head_start(channel: Channel, lease: float, lost: float) -> float | None:
    """Seconds that the agent has ended before the engine takes it for ended; None: it does not."""
    gave_up = None
    for _ in range(200):
        channel.run(0.4)
        engine, agent = channel.ends
        if gave_up is None and channel.now - agent.answered_at >= lease:
            gave_up = channel.now
        if channel.now - engine.heard_at >= lost:
            return -math.inf if gave_up is None else channel.now - gave_up
    return None


def test_a_lease_that_is_too_short_is_found_out():
    def cut() -> Channel:
        return Channel(Random(0), 0.0, (2, 3.0, 60.0))

    assert head_start(cut(), LEASE, LOST) > 0.0
    assert head_start(cut(), LEASE, 8.0) < 0.0


def test_a_pause_of_five_seconds_costs_nothing():
    channel = Channel(Random(0), 0.0, (2, 2.0, 7.0))
    for _ in range(40):
        channel.run(0.3)
        assert channel.now - channel.ends[AGENT].answered_at < LEASE
    channel.put(AGENT, b"report")
    channel.run(1.0)
    assert channel.got[ENGINE] == [b"report"]


def test_words_that_were_lost_are_sent_again_while_others_follow_all_the_time():
    channel = Channel(Random(0), 0.0, (2, 1.0, 1.5))
    for count in range(300):
        channel.put(AGENT, b"%d" % count, urgent=False)
        channel.run(0.02)
    assert len(channel.got[ENGINE]) > 250


def test_words_that_are_not_urgent_travel_together():
    link = Link(0.0)
    link.flush(0.0)
    for _ in range(5):
        link.put(b"report", 0.01, urgent=False)
    assert link.flush(0.02) is None
    assert link.due == pytest.approx(0.06)
    assert link.flush(0.07) is not None
    assert link.due > 0.07


def test_more_words_than_a_frame_takes_come_all_and_one_that_is_larger_too():
    channel = Channel(Random(0), 0.0)
    words = [bytes([n]) * 100_000 for n in range(20)] + [b"x" * 1_000_000]
    for word in words:
        channel.put(ENGINE, word)
    channel.run(60.0)
    assert channel.got[AGENT] == words
