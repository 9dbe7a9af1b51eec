"""Messages between an engine and its model: they come back as they were, however they arrive."""

from __future__ import annotations

import math
import pickle

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core import reasons
from tuitune.core.paces import Times
from tuitune.core.search.proposal import Past, SearcherKind
from tuitune.core.space import Choice, FloatRange, IntRange, Sampled, SearchSpace
from tuitune.core.spec import SearchSpec
from tuitune.ipc.frames import FrameBuffer, LineBuffer, frame
from tuitune.model_process.protocol import (
    Answer,
    Brief,
    Question,
    from_brief,
    from_message,
    to_answer,
    to_brief,
    to_question,
)

TEXTS = st.text(st.characters(codec="utf-8"), max_size=9)
WHOLE = st.integers(0, 2**53)
NUMBERS = st.floats(allow_nan=False)
CONFIGS = st.dictionaries(
    TEXTS, NUMBERS | st.booleans() | TEXTS | st.integers(-(2**63), 2**63 - 1), max_size=3
)
PASTS = st.builds(
    Past,
    WHOLE,
    CONFIGS,
    st.lists(st.tuples(WHOLE, NUMBERS), max_size=3).map(tuple),
    st.sampled_from(["pending", "ended", "failed"]),
    TEXTS,
    st.none() | st.builds(Times, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
)
QUESTIONS = st.builds(
    Question,
    WHOLE,
    st.lists(PASTS, max_size=3),
    st.lists(WHOLE, max_size=3),
    st.lists(TEXTS, max_size=3),
    st.booleans(),
)
WHYS = st.sampled_from(
    [
        "",
        reasons.Drawn(3),
        reasons.Given(2, ("lr",), reasons.SobolPoint(7)),
        reasons.EarlierBest(0.25, "cifar-1"),
        reasons.MiddleOfRanges(),
    ]
)
ANSWERS = st.builds(Answer, WHOLE, st.none() | CONFIGS, TEXTS, WHYS, TEXTS)


def bodies(stream, cuts):
    """The bodies of frames that arrive in chunks, cut at these places."""
    buffer, found, before = FrameBuffer(), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        found += buffer.feed(stream[before:cut])
        before = max(before, cut)
    return found


@settings(max_examples=50)
@given(st.lists(QUESTIONS, max_size=4), st.data())
def test_questions_come_back_in_order_however_the_stream_is_cut(questions, data):
    stream = b"".join(map(from_message, questions))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=5))
    assert [to_question(body) for body in bodies(stream, cuts)] == questions


@settings(max_examples=50)
@given(ANSWERS)
def test_answers_come_back_with_their_typed_reasons(answer):
    (body,) = bodies(from_message(answer), [])
    found = to_answer(body)
    assert found == answer
    assert type(found.why) is type(answer.why)


@given(st.lists(st.binary(max_size=300), max_size=5), st.data())
def test_frames_hold_any_bytes(contents, data):
    stream = b"".join(map(frame, contents))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=9))
    assert bodies(stream, cuts) == contents


@given(st.binary(max_size=200), st.integers(1, 200))
def test_a_frame_that_is_not_whole_is_waited_for(content, missing):
    stream = frame(content)
    assert bodies(stream[:-missing], []) == []


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), st.data())
def test_lines_come_back_however_the_stream_is_cut(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    buffer, found, before = LineBuffer(), [], 0
    for cut in [*cuts, len(stream)]:
        found += buffer.feed(stream[before:cut])
        before = max(before, cut)
    assert found == lines


@given(st.binary(max_size=60))
def test_what_is_no_message_is_refused_as_such(body):
    for read in (to_question, to_answer):
        try:
            read(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        raise AssertionError(body)  # nothing that is so short is one by chance


def brief(**search):
    space = SearchSpace(
        (
            FloatRange("lr", 1e-4, 1.0, log=True, normal=(-3.0, 1.0)),
            Choice("opt", ("sgd", True, 3), weights=(1.0, 2.0, 3.0)),
            IntRange("n", 1, 9, when={"opt": ("sgd",)}, likely=(2, 4)),
            Sampled("l2", "train.py:draw"),
        ),
        ("n <= 8", "lr < 0.5"),
        frozenset({"n"}),
    )
    pasts = (Past(0, {"lr": 0.1}, ((1, 0.5), (3, math.inf)), "ended", "cifar"),)
    return Brief(space, SearchSpec("tpe", **search), "max", (1, 3, 9), pasts)


def test_a_brief_comes_back_whole_though_parts_of_it_were_computed():
    given_brief = brief(points=({"lr": 0.2},), options={"levels": 3}, seed=7)
    # what is worked out of a space is made of functions, which can't be pickled
    assert given_brief.space.rules
    assert given_brief.space.groups[0].boxes
    (body,) = bodies(from_brief(given_brief), [3])
    found = to_brief(body)
    assert found == given_brief
    for share in (0.1, 0.5, 0.9):
        point = [share] * len(found.space.searched)
        assert found.space.placed(point) == given_brief.space.placed(point)


def test_the_row_of_an_installed_method_stays_at_home():
    """It is code of a package, which the process looks up by its name."""
    row = SearcherKind("a method", lambda *_: None)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(row)
    (body,) = bodies(from_brief(brief(installed=row)), [])
    assert to_brief(body).search.installed is None
