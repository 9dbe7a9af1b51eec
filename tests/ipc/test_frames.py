"""Messages survive any way in which a stream cuts them."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from tuitune.ipc.frames import Codec, FrameBuffer, LineBuffer, frame

bodies = st.lists(st.binary(max_size=300))


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks = []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    return [*chunks, data]


@given(bodies, st.lists(st.integers(0, 50)))
def test_frames_are_cut_as_they_were_made(bodies, sizes):
    buffer = FrameBuffer()
    chunks = cut(b"".join(map(frame, bodies)), sizes)
    assert [body for chunk in chunks for body in buffer.feed(chunk)] == bodies


@given(bodies, st.lists(st.integers(0, 50)))
def test_lines_are_cut_at_their_ends(bodies, sizes):
    lines = [body.replace(b"\n", b"") for body in bodies]
    buffer = LineBuffer()
    chunks = cut(b"".join(line + b"\n" for line in lines) + b"rest", sizes)
    assert [line for chunk in chunks for line in buffer.feed(chunk)] == lines
    assert buffer.feed(b"\n") == [b"rest"]


class Ask(NamedTuple):
    number: float
    text: str = ""


class Stop(NamedTuple):
    pass


codec: Codec[Ask | Stop] = Codec(Ask, Stop)


@given(st.floats(allow_nan=False), st.text())
def test_a_message_is_one_line_and_comes_back_as_it_was(number, text):
    for message in (Ask(number, text), Stop()):
        line = codec.encode(message)
        assert line.index(b"\n") == len(line) - 1
        assert codec.decode(line) == message


def test_nan_passes_and_defaults_are_filled_in():
    assert math.isnan(codec.decode(codec.encode(Ask(math.nan))).number)
    assert codec.decode('{"type": "Ask", "number": 1}') == Ask(1)


@pytest.mark.parametrize("line", ["", "x", "[]", "{}", '{"type": "Ask"}', '{"type": "Other"}'])
def test_what_is_no_message_raises(line):
    with pytest.raises((ValueError, KeyError, TypeError)):
        codec.decode(line)
