"""One end of the link between the engine and an agent: numbered messages over frames that may fail.

A frame may be lost, doubled, delayed or overtaken by another. Words are numbered, kept until the
other end has acknowledged them, sent again meanwhile, and handed over once each, in order. All
times are seconds of the caller's monotonic clock. `Link` reads no clock and sends nothing;
`Sender` lets it send on an event loop.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable

import msgspec

from tuitune.ipc.frames import frame as framed

LEASE = 10.0  # s without an answer from the engine, after which an agent ends all and itself
LOST = 15.0  # s without a frame from an agent, after which the engine takes it for ended
_DELAY = 0.05  # s that messages and acknowledgements may wait for others
_AGAIN = 0.5  # s until what was not acknowledged is sent again; doubled while nothing is heard
_SELDOM = 4.0  # s: the longest such time
_BEAT = 1.0  # s between two frames while there is nothing to send
_MOST = 1 << 18  # bytes of the messages of one frame, except that one message may be larger


class Frame(msgspec.Struct, array_like=True, frozen=True):
    """What travels. Numbers begin with 1."""

    number: int  # of this frame
    heard: int  # the highest number of a frame that came from the other end; 0: none
    received: int  # so many messages have come from the other end, without a gap
    first: int  # the number of the first of the messages
    messages: list[bytes]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


class Link:
    """One end. `flush` says what to send, and is to be called at `due`, or after `put` and `take`.

    answered_at: when the newest frame was sent that the other end is known to have received. What
    the other end hears, it hears then or later: so an end that gives up LEASE seconds after
    `answered_at` has done so before the other end has heard nothing for LOST seconds.
    """

    def __init__(self, now: float) -> None:
        self.heard_at = self.answered_at = now
        self._kept: deque[bytes] = deque()  # not acknowledged yet
        self._first = 1  # the number of the first of these
        self._fresh = 1  # the number of the first message that was never sent
        self._received = 0
        self._sent = 0  # frames
        self._heard = 0
        self._sent_at: deque[tuple[int, float]] = deque()  # of frames that are not answered
        self._next = now  # when the next frame is due
        self._again = _AGAIN
        self._again_at = math.inf  # when messages that are not acknowledged are sent again

    @property
    def due(self) -> float:
        """When `flush` has something to send."""
        return self._next

    @property
    def is_idle(self) -> bool:
        """Whether the other end has acknowledged all messages."""
        return not self._kept

    def put(self, message: bytes, now: float, *, urgent: bool = True) -> None:
        """Send a message; one that is not urgent may wait for others."""
        self._kept.append(message)
        self._next = min(self._next, now if urgent else now + _DELAY)

    def take(self, data: bytes, now: float) -> list[bytes]:
        """The messages that are new in a frame, in order. Raises MsgspecError for another text."""
        frame = _decode(data)
        self.heard_at = max(self.heard_at, now)
        self._heard = max(self._heard, frame.number)
        self._note_answer(frame, now)
        missing = self._received + 1 - frame.first
        messages = frame.messages[missing:] if missing >= 0 else []  # after a gap all come again
        self._received += len(messages)
        if frame.messages:
            self._next = min(self._next, now + _DELAY)
        return messages

    def flush(self, now: float) -> bytes | None:
        """The frame to send now, with its length before it; None where none is due."""
        if now < self._next:
            return None
        if self._kept and now >= self._again_at:
            self._fresh = self._first
            self._again = min(2 * self._again, _SELDOM)
            self._again_at = now + self._again
        first, messages = self._fresh, self._some_messages()
        self._fresh += len(messages)
        self._sent += 1
        self._sent_at.append((self._sent, now))
        if self._kept:  # not later for messages that are put meanwhile
            self._again_at = min(self._again_at, now + self._again)
        left = self._fresh < self._first + len(self._kept)
        self._next = now if left else min(now + _BEAT, self._again_at)
        return framed(_encode(Frame(self._sent, self._heard, self._received, first, messages)))

    def _some_messages(self) -> list[bytes]:
        """The next unsent messages, as many as fit into one frame."""
        messages: list[bytes] = []
        size = 0
        for at in range(self._fresh - self._first, len(self._kept)):
            size += len(self._kept[at])
            if messages and size > _MOST:
                break
            messages.append(self._kept[at])
        return messages

    def _note_answer(self, frame: Frame, now: float) -> None:
        """Take in how many messages the other end has received."""
        while self._sent_at and self._sent_at[0][0] <= frame.heard:
            _, sent = self._sent_at.popleft()
            self.answered_at = max(self.answered_at, sent)
        before = self._first
        while self._kept and self._first <= frame.received:
            self._kept.popleft()
            self._first += 1
        if self._first > before:
            self._again = _AGAIN
            self._again_at = now + _AGAIN if self._kept else math.inf
        self._fresh = max(self._fresh, self._first)


class Sender:
    """Sends what a link has to send, when it is due by the clock of the running loop."""

    def __init__(self, link: Link, send: Callable[[bytes], None]) -> None:
        """send: gets frames, with their length before them."""
        self._link = link
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def put(self, message: bytes, *, urgent: bool = True) -> None:
        """As `Link.put`; an urgent message goes with what else comes in this turn of the loop."""
        before = self._link.due
        self._link.put(message, self._loop.time(), urgent=urgent)
        if urgent:
            self._loop.call_soon(self.flush)
        elif self._link.due < before:  # else the timer runs already
            self.flush()

    def flush(self) -> None:
        """Send what is due, and come back when more is; to be called after `Link.take`."""
        if self._closed:
            return
        now = self._loop.time()
        while (data := self._link.flush(now)) is not None:
            self._send(data)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, self._link.due - now), self.flush)

    def close(self) -> None:
        """Nothing is sent any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
