"""What is told of GPUs: only what has changed for whoever wants to use them."""

from __future__ import annotations

from msgspec.structs import replace

from tuitune.core.events import Gpu
from tuitune.core.placement.gpu_state import obstacle_changes
from tuitune.messages.reasons import reason_words

WELL = Gpu("g0", 0, "A100", 1), Gpu("g1", 1, "A100", 1)
HERS = WELL[0], replace(WELL[1], obstacle="anna's")


def news(before: tuple[Gpu, ...], now: tuple[Gpu, ...]) -> str:
    return reason_words(obstacle_changes(before, now))


def test_at_first_only_what_stands_in_the_way_is_told():
    assert news((), WELL) == ""
    assert news((), HERS) == "GPU 1: anna's"


def test_what_comes_and_goes_is_told_once():
    assert news(WELL, HERS) == "GPU 1: anna's"
    assert news(HERS, HERS) == ""
    assert news(HERS, WELL) == "GPU 1: free again"
    assert news(HERS, (replace(WELL[0], obstacle="lost"), WELL[1])) == (
        "GPU 0: lost; GPU 1: free again"
    )


def test_what_only_placement_reads_is_no_news():
    assert news(HERS, tuple(replace(gpu, busy=0.5, claimed=True, memory=2) for gpu in HERS)) == ""
