"""The words of every kind of reason: of proposals, verdicts, GPUs and nodes, on one line."""

from __future__ import annotations

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core import gpu_reasons as g, reasons as r
from tuitune.core.spec import PruningSpec
from tuitune.messages.reasons import idle_gpus, process_words, reason_words, too_few

RUNG = r.RungName(1, 3, "epoch")
IN_A_BRACKET = r.RungName(0, 9, "epoch", 2)
GIB = 1 << 30


def ranked(**changes: Any) -> r.Ranked:
    return msgspec.structs.replace(
        r.Ranked(RUNG, 2, 5, 1, value=0.5, cut=0.25, then="stop"), **changes
    )


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (ranked(), "stopped at epoch 3: 2nd of 5, needed 0.25, had 0.5"),
        (ranked(then="go", rank=1), "goes on at epoch 3: 1st of 5, needed 0.25, had 0.5"),
        (ranked(then="wait", rank=3), "held at epoch 3: 3rd of 5, needed 0.25, had 0.5"),
        (
            ranked(then="promote", rank=11, n=12),
            "promoted at epoch 3: 11th of 12, needed 0.25, had 0.5",
        ),
        (ranked(then="end"), "not promoted at epoch 3: 2nd of 5, needed 0.25, had 0.5"),
        (
            ranked(rung=IN_A_BRACKET),
            "stopped at epoch 9 of bracket 2: 2nd of 5, needed 0.25, had 0.5",
        ),
        (
            ranked(then="last resort"),
            "promoted at epoch 3: 2nd of 5, as no trial is complete and nothing else is left to launch",
        ),
        (
            ranked(then="wait", ahead=(7, IN_A_BRACKET)),
            "held at epoch 3: 2nd of 5; #7 at epoch 9 of bracket 2 comes first",
        ),
        (ranked(kept=0, needed=4), "stopped at epoch 3: 2nd of 5, promotion needs 4"),
        (ranked(kept=0), "stopped at epoch 3: 2nd of 5, promotion needs more"),
        (
            ranked(value=0.25),
            "stopped at epoch 3: 2nd of 5, tied with the cut-off; the earlier trial wins",
        ),
        (ranked(value=None), "stopped at epoch 3: 2nd of 5, no value to compare"),
        (ranked(cut=None), "stopped at epoch 3: 2nd of 5, no value to compare"),
        (ranked(value=1 / 3), "stopped at epoch 3: 2nd of 5, needed 0.25, had 0.3333"),
        (
            ranked(value=0.250000001),
            "stopped at epoch 3: 2nd of 5, needed 0.25, had 0.250000001",
        ),
    ],
)
def test_a_rank_says_what_was_needed(why: r.Ranked, words: str) -> None:
    assert reason_words(why) == words


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_two_values_that_differ_are_told_apart(one: float, other: float) -> None:
    words = reason_words(ranked(value=one, cut=other, rank=1))
    needed, had = words.partition("needed ")[2].split(", had ")
    assert needed != had or one == other
    assert float(had) == pytest.approx(one, rel=1e-3, abs=1e-300)


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (
            r.Promising(RUNG, 2, 12, "promote", 0.8, (0.2, 0.1, 0.3), 1.5),
            "promoted at epoch 3: 2nd of 12, 80% for the best tenth, end 0.2 (0.1 to 0.3), promises 1.5 times as much as a new trial",
        ),
        (
            r.Promising(RUNG, 12, 12, "end", 0.004, None, None),
            "not promoted at epoch 3: 12th of 12, 0% for the best tenth",
        ),
        (
            r.Averaged("epoch", 4, 0.5, 0.25, 1, "stop"),
            "stopped at epoch 4: needed 0.25, had 0.5 (running average of 1)",
        ),
        (
            r.Averaged("step", 4, 0.1, 0.25, 7, "go"),
            "goes on at step 4: needed 0.25, had 0.1 (median of running averages of 7)",
        ),
        (r.Diverged("nan", "epoch", 2), "stopped at epoch 2: the value is nan"),
        (r.Diverged(None, "epoch", 9, RUNG), "stopped at epoch 3: an earlier value was not finite"),
        (r.StyleBasis("file"), "as the study file says"),
        (
            r.StyleBasis("can't save"),
            "trials can't save: one sent on later would have to start again",
        ),
        (r.Extended(r.Drawn(4), " in the group of sgd"), "random draw 4 in the group of sgd"),
        (r.ToItsEnd("past the last rung"), "goes on to its end"),
    ],
)
def test_verdicts(why: Any, words: str) -> None:
    assert reason_words(why) == words


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (r.Drawn(3), "random draw 3"),
        (r.Drawn(3, r.SobolPoint(7)), "random draw 3, as Sobol point 7 was tried before"),
        (r.SobolPoint(7, believed=True), "Sobol point 7, moved to what is likely"),
        (r.MiddleOfRanges(), "the middle of every range"),
        (r.MiddleOfRanges(believed=True), "the middle of every range, moved to what is likely"),
        (r.GridPoint(0, 9, 1), "grid point 1 of 9, level 1"),
        (r.Given(2), "given point 2"),
        (r.Given(None), "added by the user"),
        (
            r.Given(None, ("lr", "depth"), r.SobolPoint(1)),
            "added by the user, lr, depth filled in by Sobol point 1",
        ),
        (r.NotModelled("few", r.Drawn(1)), "random draw 1: too few outcomes to model"),
        (r.ModelFailed("LinAlgError", r.Drawn(1)), "random draw 1, without a model: LinAlgError"),
        (r.EarlierBest(0.123456), "among the best of earlier studies, 0.1235 there"),
        (r.EarlierBest(0.5, "cifar-1"), "among the best of cifar-1, 0.5 there"),
        (r.Remaining(), "drawn from what is left: all that the model likes was tried"),
        (
            r.Modelled(9, (0.5, 0.4, 0.6), (0.01, 0.48), (("lr", 0.75), ("depth", 0.25))),
            "model of 9 outcomes; expects 0.5 (0.4 to 0.6); expected improvement 0.01 on 0.48; matters by length scale: lr 75%, depth 25%",
        ),
        (
            r.Modelled(9, None, None, (("lr", 1.0),), (1, 9, 0.31), (("a", 0.2), ("b", 0.8))),
            "model of 9 outcomes; matters by length scale: lr 100%; values at 1 and at 9 correlate 0.31, so short runs count for little; earlier studies count: b by 80%, a by 20%",
        ),
        (
            r.Modelled(9, None, None, (("lr", 1.0),), (1, 9, 0.93)),
            "model of 9 outcomes; matters by length scale: lr 100%; values at 1 and at 9 correlate 0.93",
        ),
        (
            r.Denser(2.5, 3, 9),
            "2.5 times denser in good trials than in poor ones; 3 good and 9 poor trials; running and failed ones are among the poor",
        ),
        (
            r.Denser(2.5, 3, 9, 27, running=False, earlier=tuple((n, 0.1) for n in "abcde")),
            "2.5 times denser in good trials than in poor ones; 3 good and 9 poor trials at 27; failed ones are among the poor; earlier studies count: a by 10%, b by 10%, c by 10%, 2 more",
        ),
    ],
)
def test_proposals(why: Any, words: str) -> None:
    assert reason_words(why) == words


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (g.GpusShared(2, 1, 1.64, 2, open=True), "2 trials at once do +64% over 1; up to 2 are put together, and more are tried"),
        (g.GpusShared(3, 2, 0.9, 2, open=False), "3 trials at once do -10% over 2; up to 2 are put together"),
        (g.TrialsOnGpu(3, int(2.1 * GIB), 80 * GIB, 1.64), "3 x 2.1 of 80 GiB, +64% over one"),
        (g.TrialsOnGpu(1, 2 * GIB, 80 * GIB, None), "1 x 2 of 80 GiB"),
        (
            g.GpuTaken(12, "anna", "python", int(2.1 * GIB)),
            "anna's python (pid 12, 2.1 GiB) computes on it",
        ),
        (
            g.GpuTaken(12, "", "", None, more=2, own=True),
            "somebody's process (pid 12) and 2 more computes on it; --share uses it all the same",
        ),
        (g.GpuFilled(512 << 20), "512 MiB of it are in use by processes that can't be seen from here"),
        (g.GpuBarred("locked", "the study cifar of anna"), "taken by the study cifar of anna"),
        (g.GpuBarred("held", trial=4), "#4 has ended, and its memory is still held there"),
        (g.GpuBarred("held"), "a trial has ended, and its memory is still held there"),
        (g.GpuBarred("unknown", "no driver"), "its state is unknown: no driver"),
        (g.GpusAllowed(2, 22 * 60), "2 GPUs at most until 22:00"),
        (g.GpusAllowed(1), "1 GPU at most"),
        (g.GpuAside("ECC error", 48, 0.0, 3, "cifar"), "set aside, as it failed 3 times in cifar (Xid 48): ECC error"),
        (g.GpuAside("ECC error", None, 0.0), "set aside, as it failed: ECC error"),
        (
            g.WrongGpu(3, 0, (2,), "train.py:7"),
            "#3 computes on GPU 0 and was given GPU 2: remove train.py:7, which sets CUDA_VISIBLE_DEVICES",
        ),
        (
            g.WrongGpu(3, 0, (1, 2), harm="others", node="gpu-07"),
            "#3 computes on GPU 0 of gpu-07, where others compute, and was given GPU 1+2: its program sets CUDA_VISIBLE_DEVICES by itself, remove that",
        ),
        (g.GpuParked(GIB, 1, way=True), "made way on GPU 1, and goes on when that is free"),
        (g.GpuParked(GIB, None, way=False), "paused by hand on its GPU"),
        (g.GpuNumbers((0, 1)), "GPU 0+1"),
        (g.GpuNumbers((3,), "gpu-07"), "gpu-07, GPU 3"),
        (g.GpuNews(((1, g.GpuBarred("just left")), (3, ""))), "GPU 1: another user has only just left it; GPU 3: free again"),
        (g.GpuNews(((0, ""),), "gpu-07"), "GPU 0 of gpu-07: free again"),
        (g.NodeNews("a", "joined", cpus=8.0, gpus=1), "node a has joined: 8 CPU slots, 1 GPU"),
        (g.NodeNews("a", "joined", cpus=2.5), "node a has joined: 2.5 CPU slots"),
        (g.NodeNews("a", "lost", "no sign of it for 60 s"), "node a is lost: no sign of it for 60 s"),
        (g.NodeNews("a", "barred", "its disk is full"), "nothing starts on node a: its disk is full"),
        (g.NodeNews("a", "free"), "trials start on node a again"),
    ],
)  # fmt: skip
def test_gpus_and_nodes(why: Any, words: str) -> None:
    assert reason_words(why) == words


def test_a_process_of_nobody_that_can_be_named() -> None:
    assert process_words("", "", 3, None) == "somebody's process (pid 3)"
    assert process_words("anna", "python", 3, GIB) == "anna's python (pid 3, 1 GiB)"


@pytest.mark.parametrize(
    ("style", "trials", "begins"),
    [
        ("", 4, "if trials wait at rungs, 4 trials are too few"),
        ("promote", 4, "4 trials are too few"),
        ("stop", 4, None),
        ("promote", 500, None),
    ],
)
def test_a_study_that_can_send_no_trial_to_the_end_by_rank_is_warned_about(
    style: str, trials: int, begins: str | None
) -> None:
    pruning = PruningSpec(method="asha", resource="epoch", max=81, style="auto")
    words = too_few(pruning, trials, style)
    assert words.startswith(begins) if begins else words == ""
    if begins:
        assert "epoch 81" in words
        needed = int(words.partition("(")[2].partition(" are")[0])
        assert too_few(pruning, needed, style) == ""
        assert too_few(pruning, needed - 1, style) != ""


KINDS = [kind for kind in get_args(r.Why) if kind is not str]


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type; a reason within a reason is text, or a draw."""
    if hint is str or r.Drawn in get_args(hint):
        return (
            st.text("aé#", min_size=1, max_size=4)
            if hint is str
            else st.sampled_from(["text", r.Drawn(3)])
        )
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (Union, UnionType):
        return st.one_of(*map(values_of, inner))
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(values_of(inner[0]), min_size=1, max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, inner))
    if hint is float:
        return st.floats(0.01, 1e6)
    if hint is int:
        return st.integers(1, 99)
    if hint is bool:
        return st.booleans()
    if hint is type(None):
        return st.none()
    return any_of_kind(hint)


def any_of_kind(kind: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    names = [field.name for field in msgspec.structs.fields(kind)]
    return st.tuples(*(values_of(hints[name]) for name in names)).map(lambda given: kind(*given))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_every_reason_has_words_and_is_read_back(kind: type, data: st.DataObject) -> None:
    why = data.draw(any_of_kind(kind))
    words = reason_words(why)
    always = kind is g.GpusAllowed
    assert (words.strip() != "") or always
    assert "{" not in words
    assert "None" not in words
    assert "Reason" not in words
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(why), type=r.Why) == why


@pytest.mark.parametrize(
    ("slots", "cpus", "there", "gpus", "said"),
    [
        (2.0, 1.0, 8, None, "for 2 trials at once, the GPUs for 8: cpus = 0.25 in [trial]"),
        (16.0, 12.0, 4, 2.0, "for 1 trial at once, the GPUs for 2: cpus = 8 in [trial]"),
        (2.0, 1.0, 1, 0.25, "for 2 trials at once, the GPUs for 4: cpus = 0.5 in [trial]"),
        (2.0, 1.0, 3, "auto", "for 2 trials at once, the GPUs for 3: cpus = 0.66 in [trial]"),
        (8.0, 1.0, 8, 1.0, ""),
        (0.3, 0.1, 3, 1.0, ""),
        (1.0, 1.0, 0, None, ""),
        (1.0, 0.0, 8, None, ""),
    ],
)
def test_cpus_that_leave_gpus_idle_are_told(slots, cpus, there, gpus, said) -> None:
    assert said in idle_gpus(slots, cpus, there, gpus)
    assert bool(said) == bool(idle_gpus(slots, cpus, there, gpus))
