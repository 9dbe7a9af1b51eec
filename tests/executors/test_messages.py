"""Messages between trial, zygote and engine arrive as they were sent."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given, strategies as st

from tuitune.executors.local import listener
from tuitune.trial import wire
from tuitune.trial.wire import OPEN, WAITS, WAITS_AND_SAVES, number_of, report_line, whole
from tuitune.zygote import protocol

texts = st.text(max_size=20)
numbers = st.floats() | st.integers(-(10**20), 10**20)
configs = st.dictionaries(
    texts,
    st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.lists(st.integers()),
)


@given(texts, configs, st.integers(0, 10**6))
def test_orders_and_errands_survive_the_wire(text, config, number):
    order = wire.Order(
        number,
        1,
        config,
        number,
        text,
        text,
        rungs=[1, 2],
        env={text: text},
        command=[text],
        gpus=[text],
        parameters=[text],
    )
    assert wire.decode_order(wire.encode_order(order)) == order
    requests = (
        order,
        protocol.Sample(number, {text: text}, text, config),
        protocol.Setup(text, [text], text),
        protocol.Retire(),
    )
    for request in requests:
        line = protocol.requests.encode(request)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert protocol.requests.decode(line) == request
    exited = protocol.Exited(number, 1, None, 9, 1, oom=True)
    assert protocol.replies.decode(protocol.replies.encode(exited)) == exited


@given(
    st.dictionaries(texts, numbers),
    st.integers(1, wire.MOST_STEP),
    st.sampled_from(["", OPEN, WAITS, WAITS_AND_SAVES]),
)
def test_a_report_written_by_hand_is_what_json_and_the_engine_read(metrics, step, flags):
    line, refused = report_line(step, metrics, flags)
    assert not refused
    assert line.count(b"\n") == 1
    report = wire.decode(line)
    (said,) = listener.decoder.decode_lines(line)
    told = step, flags in (WAITS, WAITS_AND_SAVES), flags == WAITS_AND_SAVES, flags == OPEN
    assert (report.step, report.wait, report.saves, report.open) == told
    assert (said.step, said.wait, said.saves, said.open) == told
    read = {**said.metrics, **listener.odd_numbers(said.odd or {})}
    assert read.keys() == metrics.keys()
    for name, value in metrics.items():
        assert read[name] == float(value) or (math.isnan(read[name]) and math.isnan(value))


class Scalar:
    def __init__(self, value):
        self.value = value

    def item(self):
        return self.value


def test_what_counts_as_a_number():
    assert number_of(True) == 1.0
    assert number_of(Scalar(3)) == 3.0
    assert number_of(Scalar("3")) is None or number_of(Scalar("3")) == 3.0
    for odd in ("1", b"1", None, [], object(), 1j, 10**400):
        assert number_of(odd) is None
    assert [whole(value) for value in (3, 3.0, Scalar(3), True, 3.5, "3", None, math.nan, math.inf)] == [
        3, 3, 3, None, None, None, None, None, None,
    ]  # fmt: skip


@given(st.lists(st.binary(max_size=60)))
def test_what_is_no_message_of_ours_is_dropped_and_the_rest_is_read(lines):
    good = wire.encode(wire.Warn("there"))
    text = b"".join(line.replace(b"\n", b"") + b"\n" + good for line in lines)
    read = listener._decode(text)
    assert [said for said in read if isinstance(said, listener.Warn)] == [
        listener.Warn("there")
    ] * len(lines)


def test_the_engine_and_the_trial_mean_the_same_messages():
    for message in (
        wire.Hello("t", 1, 2, 3),
        wire.Report(1, {"a": 1.0}, wait=True, odd={"b": "nan"}, open=True),
        wire.Saving(4),
        wire.Saving(4, "why"),
        wire.Checkpoint(4),
        wire.Warn("w"),
        wire.Done("e", stopped=True),
    ):
        (said,) = listener._decode(wire.encode(message))
        assert msgspec.to_builtins(said) == {"type": type(message).__name__, **message._asdict()}


def test_no_step_that_a_journal_cannot_hold_gets_past_the_listener():
    for step in (-1, wire.MOST_STEP + 1, 10**20):
        for message in (wire.Report(step, {}), wire.Checkpoint(step), wire.Saving(step)):
            assert listener._decode(wire.encode(message)) == []
    for message in (wire.Report(wire.MOST_STEP, {}), wire.Checkpoint(0), wire.Saving(0)):
        assert len(listener._decode(wire.encode(message))) == 1
