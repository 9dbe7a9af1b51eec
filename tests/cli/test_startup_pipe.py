"""The pipe on which an engine tells the command that started it whether it runs."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings, strategies as st

from tuitune.cli.startup_pipe import Failed, Listening, StartupReader, StartupReporter

messages = st.lists(
    st.just(Listening()) | st.builds(Failed, st.text(max_size=40), st.booleans()), max_size=6
)


@pytest.fixture
def ends():
    reading, writing = os.pipe()
    reader, reporter = StartupReader(reading), StartupReporter(writing)
    yield reader, reporter
    reporter.close()
    reader.close()


@settings(max_examples=20)
@given(messages)
def test_messages_come_in_their_order_and_then_the_end(sent) -> None:
    reading, writing = os.pipe()
    reader, reporter = StartupReader(reading), StartupReporter(writing)
    for message in sent:
        reporter.send(message)
    reporter.close()
    assert [reader.wait(5.0) for _ in sent] == sent
    assert reader.wait(0.0) is None
    reader.close()


@settings(max_examples=20)
@given(messages.filter(bool), st.integers(1, 9))
def test_a_message_that_comes_in_pieces_is_whole(sent, piece: int) -> None:
    own, other = os.pipe()
    reporter = StartupReporter(other)
    for message in sent:
        reporter.send(message)
    data = os.read(own, 1 << 16)
    reading, writing = os.pipe()
    reader = StartupReader(reading)
    found = []
    for at in range(0, len(data), piece):
        os.write(writing, data[at : at + piece])
        try:
            while True:
                found.append(reader.wait(0.0))
        except TimeoutError:
            continue
    assert found == sent
    for descriptor in (own, writing):
        os.close(descriptor)
    reporter.close()
    reader.close()


def test_an_engine_that_says_nothing_is_not_waited_for_for_ever(ends) -> None:
    reader, reporter = ends
    with pytest.raises(TimeoutError):
        reader.wait(0.0)
    with pytest.raises(TimeoutError):
        reader.wait(-1.0)
    reporter.send(Listening())
    assert reader.wait(0.0) == Listening()


def test_what_was_sent_before_the_end_is_read_after_it(ends) -> None:
    reader, reporter = ends
    reporter.send(Listening())
    reporter.send(Failed("ImportError: no module\nnamed x", held=True))
    reporter.close()
    assert reader.wait(0.0) == Listening()
    assert reader.wait(0.0) == Failed("ImportError: no module\nnamed x", held=True)
    assert reader.wait(0.0) is None
    assert reader.wait(0.0) is None


def test_an_engine_goes_on_when_its_command_is_gone() -> None:
    reading, writing = os.pipe()
    reporter = StartupReporter(writing)
    os.close(reading)
    reporter.send(Failed("x" * 100))
    reporter.close()
    reporter.send(Listening())
    reporter.close()


def test_the_pipe_is_not_left_to_trials() -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    reporter = StartupReporter(writing)
    assert not os.get_inheritable(writing)
    reporter.close()
    os.close(reading)
