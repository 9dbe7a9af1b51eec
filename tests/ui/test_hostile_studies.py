"""Panes of studies with texts that terminals, tables and markup trip over, at any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pictures
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pictures import NOW, context, gpu, host, snapshot, spec, study
from searches import curve
from stills import with_log

from tuitune.control.requests import UndoKill
from tuitune.core import events as ev
from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import Choice, FloatRange
from tuitune.core.spec import Objective, PruningSpec
from tuitune.ui.charts.registry import BY_NAME as CHARTS
from tuitune.ui.panes import bottom
from tuitune.ui.panes.pane import BOX, RULED, Framed, failure
from tuitune.ui.panes.registry import PANES
from tuitune.ui.panes.status import StatusPane
from tuitune.ui.render.glyphs import ASCII, FULL
from tuitune.ui.render.lines import Line, Size, padded, width_of
from tuitune.ui.render.paint import Paint
from tuitune.ui.render.themes import DARK, LIGHT, PLAIN
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.state.status_line import (
    Choice as MenuChoice,
    Flash,
    Menu,
    Prompt,
    Question,
    StatusLine,
    Undo,
)
from tuitune.ui.state.studies import Entry
from tuitune.ui.text import trial as trial_text
from tuitune.ui.text.studies import Listing, study_lines
from tuitune.ui.text.summary import summary_lines

ODD = (
    "界" * 30,
    "\x1b]0;owned\x07\x1b[2J",
    "a\tb\nc\rd\x00e\x7f",
    "[bold red]x[/] [@click=app.quit]y[/]",
    "e\u0301\u200d\u2066\u202e abc \u2069",
    "\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea",
    "x" * 400,
    "\u2028\u2029\x85\x0b\x0c",
    "%s {0} {x!r} $x \\N",
    " ",
)
texts = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
STATES = "wrpcxfk"


@st.composite
def studies(draw: st.DrawFn) -> Snapshot:
    """A study all of whose texts are odd."""
    name, metric, unit = draw(texts.filter(str.strip)), draw(texts), draw(texts.filter(str.strip))
    values = tuple(dict.fromkeys(draw(st.lists(texts, min_size=2, max_size=4)))) or ("a",)
    space = SearchSpace((FloatRange(name, 0.1, 1.0), Choice(f"{name}!", (*values, "last"))))
    made = spec(
        space=space,
        objective=Objective(metric or "m", "min"),
        pruning=PruningSpec(method="asha", resource=unit, max=27),
        file=f"/studies/{draw(texts).replace('/', '')}.toml",
    )
    rows, facts, curves = [], {}, {}
    for number, letter in enumerate(draw(st.text(STATES, min_size=1, max_size=9))):
        more: dict[str, Any] = {
            "config": {name: draw(st.floats(0.1, 1.0)), f"{name}!": draw(st.sampled_from(values))},
            "origin": draw(texts), "why": draw(texts), "note": draw(texts), "node": draw(texts),
        }  # fmt: skip
        more |= {"error": draw(texts)} if letter == "f" else {}
        more |= {"device": draw(texts)} if letter != "w" else {}
        rows.append(pictures.row(number, letter, **more))
        facts[number] = [
            ev.Proposed(NOW - 9, number, more["config"], more["origin"], more["why"]),
            ev.Warned(NOW - 8, number, 0, draw(texts)),
            ev.Exited(NOW - 7, number, 0, 1, None, draw(texts), draw(texts), 0, lost=False),
        ]
        if letter != "w":
            curves[number] = curve([1.0, 0.5, 0.25])
    return snapshot(
        rows,
        spec=made,
        study=study(blocked=draw(st.just("") | texts), halted=draw(st.just("") | texts)),
        engine=draw(st.sampled_from(["running", "gone", "failed", "finished", "importing"])),
        words=draw(texts),
        devices=[
            host(name=draw(texts)),
            gpu(0, name=draw(texts), foreign=(draw(texts),), note=draw(texts)),
            gpu(1, name=draw(texts), slowed=(draw(texts),)),
        ],
        facts=facts,
        newest=facts[0],
        curves=curves,
    )


sizes = st.builds(Size, st.integers(20, 220), st.integers(1, 60))
quick = settings(max_examples=8, suppress_health_check=list(HealthCheck))


def check(lines: list[Line], size: Size) -> None:
    """What a pane promises of its lines, and what a terminal may be sent."""
    assert len(lines) <= size.height
    for line in lines:
        assert width_of(line) <= size.width
        assert all(text.isprintable() for text, _ in line), line


@pytest.mark.parametrize("pane", PANES, ids=lambda pane: pane.name)
@quick
@given(studies(), sizes, st.booleans(), st.booleans(), st.integers(0, 8), st.booleans())
def test_no_text_of_a_study_leaves_its_pane_or_steers_the_terminal(
    pane: Any, made: Snapshot, size: Size, ascii_only: bool, boxed: bool, cursor: int, whole: bool
) -> None:
    at = context(made, ascii=ascii_only, boxed=boxed, cursor=cursor, focus=pane.name, all_why=whole)
    check(pane.make().lines(at, size), size)


@quick
@given(studies(), sizes, st.sampled_from(sorted(CHARTS)), st.integers(0, 8))
def test_no_name_leaves_its_chart(made: Snapshot, size: Size, chart: str, cursor: int) -> None:
    (pane,) = (one for one in PANES if one.name == "curve")
    at = context(made, cursor=cursor, chart=chart, marks={0, 1, 2})
    check(pane.make().lines(at, size), size)


@quick
@given(studies(), st.integers(20, 220), st.booleans(), st.integers(1, 3))
def test_the_status_keeps_to_its_lines(
    made: Snapshot, width: int, readonly: bool, height: int
) -> None:
    size = Size(width, height)
    check(StatusPane().lines(context(made, readonly=readonly), size), size)


@quick
@given(texts, texts, st.integers(20, 220), st.sampled_from(["flash", "question", "menu", "prompt"]))
def test_messages_and_questions_keep_to_their_lines(
    text: str, key: str, width: int, what: str
) -> None:
    asked = StatusLine()
    match what:
        case "flash":
            asked.flash = Flash(text, "error", NOW)
        case "question":
            asked.question = Question(text, lambda: None)
        case "menu":
            choices = tuple(MenuChoice(letter, text, lambda: None) for letter in "abcdefgh")
            asked.menu = Menu(text, choices)
        case "prompt":
            asked.prompt = Prompt(":", "", lambda _: None, hint=lambda _: f"{text}{key}")
    asked.undo = Undo(text, UndoKill((1,)), "kept")
    at, size = context(snapshot(pictures.rows("r")), status_line=asked), Size(width, 1)
    check(bottom.flash_lines(at, size), size)
    check(bottom.keys_line(at, {}, size), size)


@quick
@given(studies(), st.sampled_from([DARK, LIGHT, PLAIN]), st.sampled_from(PANES))
def test_what_is_painted_is_as_wide_as_its_pane_in_each_theme(
    made: Snapshot, theme: Any, pane: Any
) -> None:
    paint, size = Paint(theme), Size(70, 20)
    for line in pane.make().lines(context(made, cursor=0, theme=theme), size):
        strip = paint.strip(line, size.width)
        assert strip.cell_length == size.width
        assert "\x1b" not in strip.text


@quick
@given(texts, sizes)
def test_a_pane_that_fails_says_why_within_its_room(text: str, size: Size) -> None:
    at = context(snapshot(pictures.rows("r")))

    def fail() -> None:
        raise ValueError(text)

    with pytest.raises(ValueError, match=r".*") as caught:
        fail()
    check(failure(at, "devices", caught.value, size), size)


@given(st.integers(5, 80), st.integers(3, 20), st.sampled_from([BOX, RULED]), st.sampled_from([ASCII, FULL]), st.lists(texts, max_size=25))  # fmt: skip
@quick
def test_a_frame_has_its_size_whatever_is_in_it(width, height, edges, glyphs, words) -> None:
    size, (room, *_) = Size(width, height), (width - 2 * edges.left, ())
    content = [padded(((text, ""),), room) for text in words]
    made = Framed().lines(content[: height - edges.below], size, edges, glyphs, "rule")
    assert all(width_of(line) == width for line in made)
    assert len(made) <= height


def test_a_log_of_odd_bytes_is_shown_as_text(tmp_path) -> None:
    log = with_log(tmp_path, 0) / "trials" / "0000" / "output.log"
    log.write_bytes(
        b"\xff\xfe\x00 \x1b[31mred\x1b[0m \xe7\x95\x8c" * 40 + b"\rover\r\n\ttab\n\x9b2J end"
    )
    (pane,) = (one for one in PANES if one.name == "log")
    for wrap in (False, True):
        at = context(snapshot(pictures.rows("r"), folder=tmp_path), cursor=0, wrap=wrap, find="red")
        for width in (20, 61, 200):
            check(pane.make().lines(at, Size(width, 12)), Size(width, 12))


def roles(lines: list[Line]) -> set[str]:
    return {role for line in lines for _, role in line}


@quick
@given(studies(), st.sampled_from(PANES))
def test_every_role_is_one_that_each_theme_has(made: Snapshot, pane: Any) -> None:
    lines = pane.make().lines(context(made, cursor=0), Size(90, 30))
    for theme in (DARK, LIGHT, PLAIN):
        paint = Paint(theme)
        assert all(paint.style(role) for role in roles(lines))


def test_a_menu_of_odd_names_steers_no_terminal() -> None:
    """Of columns, say, which are called as parameters are."""
    asked = StatusLine()
    choices = tuple(
        MenuChoice(letter, odd, lambda: None) for letter, odd in zip("ab", ODD, strict=False)
    )
    asked.menu = Menu(f"columns of {ODD[1]}", choices)
    check([bottom.message_line(asked, 80), bottom.asking_line(asked, 80)], Size(80, 2))


@quick
@given(studies(), st.integers(20, 220), st.sampled_from(STATES))
def test_the_summary_and_what_a_trial_does_are_plain_text(
    made: Snapshot, width: int, letter: str
) -> None:
    lines = summary_lines(context(made, cursor=0), width)
    check(lines, Size(width, len(lines)))
    at = context(made)
    for row in made.rows:
        words = (
            trial_text.doing(at, row),
            trial_text.standing(made, row, made.sources.facts_of(row.number)),
            trial_text.value(made, row),
            trial_text.place(made, row),
            trial_text.times(made, row),
        )
        assert all(text.isprintable() for text in words), words


@quick
@given(st.lists(st.tuples(texts, texts), max_size=12), sizes, st.booleans(), texts)
def test_the_list_of_studies_keeps_to_its_room(
    named, size: Size, ascii_only: bool, text: str
) -> None:
    entries = [
        Entry(
            Path("/runs") / (name.replace("/", "").replace("\0", "") or "x"),
            state="unreadable" if problem else "running",
            problem=problem,
            total=7,
            metric=name,
            best=0.5,
            trial=3,
        )
        for name, problem in named
    ]
    listing = Listing(entries, max(0, len(entries) - 1), text, ASCII if ascii_only else FULL, NOW)
    shown = study_lines(listing, size)
    assert len(shown) <= max(size.height, 6)
    check(shown, Size(size.width, len(shown)))
