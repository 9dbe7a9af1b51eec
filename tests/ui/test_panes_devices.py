"""The devices: hosts and GPUs, at each width, whatever of them is not known."""

import asyncio

import pytest
from clusters import cluster
from pictures import NOW, context, gpu, host, rows, snapshot, text
from stills import app, study_picture, text_of

from tuitune.core.placement.snapshots import DeviceSample, TrialUsage
from tuitune.ui.panes import layout
from tuitune.ui.panes.devices import DevicesPane, wanted
from tuitune.ui.panes.pane import BOXED_FROM
from tuitune.ui.panes.registry import PANES
from tuitune.ui.render.glyphs import ASCII, FULL, bar, history, meter
from tuitune.ui.render.lines import Size, width_of
from tuitune.ui.state.device_samples import nodes_of

WIDTHS = (60, 80, 140, 200)


def drawn(samples, width=140, height=None, **changes):
    pict = snapshot(rows("rrrrr"), devices=samples, **changes)
    boxed = width >= BOXED_FROM  # else it has no title
    size = Size(width, height or boxed + wanted(pict, 8 if boxed else 4))
    return DevicesPane().lines(context(pict, boxed=boxed), size)


def said(samples, width=140, height=None, **changes):
    return text(drawn(samples, width, height, **changes))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_host_tells_of_slots_memory_and_the_trials_on_it(width):
    shown = said([host()], width)
    for words in ("cpu", "62%", "2/8 slots", "6/16 GiB", "#3"):
        assert words in shown
    if width >= BOXED_FROM:
        assert "1 Host" in shown
        assert "gpu07   8 CPU slots" in shown
        assert "load 5.2" in shown


@pytest.mark.parametrize("width", [140, 200])
def test_there_is_room_for_the_trials_own_cpu_on_a_wide_screen(width):
    assert "trials 1.9 cores" in said([host()], width)
    assert "engine 4%" in said([host()], width)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_gpu_has_its_meters_and_no_line_is_too_long(width):
    cards = [gpu(n, trials=(n, n + 4)) for n in range(4)]
    lines = drawn([host(), *cards], width)
    assert all(width_of(line) <= width for line in lines)
    shown = text(lines)
    assert shown.count("93%") == 4
    assert ("4 x H100   cpu 62%   ram 6/16 GiB" in shown) is (width >= BOXED_FROM)
    for number in range(4):
        assert f"#{number}" in shown


def test_two_gpus_stand_on_a_line_of_eighty_columns():
    cards = [gpu(n) for n in range(8)]
    assert wanted(snapshot(devices=[host(), *cards]), 4) == 4
    assert wanted(snapshot(devices=[host(), *cards]), 8) == 8
    first = said(cards, 80).splitlines()[0]
    assert first.startswith("0 ")
    assert "  4 " in first


def test_a_gpu_that_others_use_says_who_and_what_follows():
    taken = gpu(0, trials=(), foreign=("pid 8812 alice 40 GB",), note="not used")
    for width in WIDTHS:
        assert "pid 8812 alice" in said([taken], width)
    assert "pid 8812 alice 40 GB - not used" in said([taken], 200)


@pytest.mark.parametrize("width", WIDTHS)
def test_trials_that_others_have_come_to_are_still_shown(width):
    drained = gpu(0, trials=(3, 7), foreign=("pid 8812 alice",), note="nothing more starts")
    lines = drawn([drained], width)
    assert all(width_of(line) <= width for line in lines)
    assert "#3" in text(lines)
    assert "pid 8812" in text(lines)


def test_what_packing_does_is_told_where_there_is_room_for_it():
    packed = "2 x 4.0 of 80 GiB, +67% over one"
    cards = [gpu(n, trials=(n, n + 4), packed=packed) for n in range(2)]
    assert packed in said(cards, 200)
    assert "+67% over one" in said(cards, 130)
    for width in WIDTHS:
        assert all(width_of(line) <= width for line in drawn(cards, width))
        assert "#1" in said(cards, width)


@pytest.mark.parametrize("kind", ["gpu", "mig", "host"])
@pytest.mark.parametrize("width", WIDTHS)
def test_what_nobody_knows_is_a_dash(kind, width):
    bare = DeviceSample(NOW, "host" if kind == "host" else "GPU-1", kind, "some name")
    assert " -" in said([bare], width)


def test_more_trials_than_there_is_room_for_are_counted():
    assert "#3 +12" in said([host(trials=tuple(range(16)))], 80)


def test_devices_without_a_line_are_counted():
    lines = drawn([host(), *(gpu(n) for n in range(8))], 140, 4)
    assert len(lines) == 4
    assert "+ 2 more" in text(lines)


def test_old_figures_say_how_old_they_are():
    assert "last seen 2m00s ago" in said([host(time=NOW - 120)], engine="gone", width=140)


def test_without_an_engine_nothing_of_ours_is_on_them():
    for engine in ("gone", "finished", "failed"):
        shown = said([host(trials=(3, 4), slots_used=2.0)], engine=engine)
        assert "0/8 slots" in shown
        assert "#" not in shown
        assert "cores" not in shown
        assert "#" not in said([gpu(0, trials=(7,))], engine=engine)


def test_before_the_first_sample_and_without_an_engine():
    assert "waiting for the first readings" in said([])
    assert "waiting for the first readings" in said([], engine="importing")
    assert "no live readings" in said([], engine="gone")


def test_names_of_others_processes_can_not_steer_the_terminal():
    shown = said([gpu(0, foreign=("pid 1 \x1b[2Jeve",), note="a\x07b")])
    assert shown.replace("\n", "").isprintable()


def test_what_is_hot_near_its_limit_or_nearly_full_is_a_warning():
    def roles(**changes):
        return {role for line in drawn([gpu(0, **changes)]) for _, role in line}

    assert not {"warning", "error"} & roles()
    assert "error" in roles(temperature=90.0)
    assert "warning" in roles(power=699.0)
    assert "error" in roles(memory_used=79 << 30)
    assert "disk 96% full" in said([host(disk_free=0.04)], 200)


@pytest.mark.parametrize("width", WIDTHS)
def test_ascii_means_ascii(width):
    pict = snapshot(rows("r"), devices=[host(), gpu(0), gpu(1)])
    assert text(DevicesPane().lines(context(pict, ascii=True), Size(width, 6))).isascii()


def test_a_new_sample_is_shown_and_the_same_one_is_not_drawn_again():
    pict = snapshot(rows("r"), devices=[host()])
    pane = DevicesPane()
    first = pane.lines(context(pict), Size(80, 2))
    assert pane.lines(context(pict), Size(80, 2)) is first
    pict.devices["host"].append(host(NOW + 1, slots_used=7.0))
    assert "7/8 slots" in text(pane.lines(context(pict), Size(80, 2)))


def test_a_little_is_not_nothing_and_nearly_all_is_shown():
    assert text([bar(0.02, 10, FULL)]) == "╸" + "─" * 9
    assert text([bar(0.0, 10, FULL)]) == "─" * 10
    assert text([bar(0.75, 10, FULL)]) == "━" * 7 + "╸" + "─" * 2
    assert text([bar(7.0, 10, ASCII)]) == "#" * 10
    assert text([bar(None, 4, ASCII)]) == "...."


@pytest.mark.parametrize("share", [None, 0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("width", [5, 8, 10, 22])
def test_a_meter_is_a_bar_in_the_colours_of_its_ramp(share, width):
    spans = meter(share, width, FULL, "load")
    assert text([spans]) == text([bar(share, width, FULL)])
    steps = [int(role.removeprefix("load-")) for _, role in spans[:-1]]
    assert steps == sorted(set(steps))
    assert (max(steps, default=0) == 8) is (share == 1.0)


def test_a_history_ends_at_the_right():
    assert history([0.0, 1.0], 3, ASCII) == " _@"
    assert history([None, None, 0.0, 0.0, 1.0, 1.0], 3, FULL) == "\u2800⣀⣿"
    assert history([], 2, FULL) == "\u2800\u2800"


def zoomed(samples, size, **changes):
    pict = snapshot(rows("rrrrr"), devices=samples)
    seen = context(pict, boxed=size.width >= BOXED_FROM, zoomed="devices", **changes)
    return DevicesPane().lines(seen, size)


@pytest.mark.parametrize("size", [Size(60, 12), Size(80, 20), Size(136, 40), Size(196, 55)])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_alone_it_has_a_history_a_device_and_a_line_a_trial(size, ascii_only):
    cards = [
        gpu(n, NOW - age, trials=(n,), usage=(TrialUsage(n, 2, 40 << 30),))
        for n in range(2)
        for age in (2, 1, 0)
    ]
    own = tuple(TrialUsage(n, 5, 3 << 30, 1.25) for n in range(2))
    lines = zoomed([*cards, host(usage=own)], size, ascii=ascii_only)
    assert len(lines) <= size.height
    assert all(width_of(one) <= size.width for one in lines)
    shown = text(lines)
    assert shown.count("> running" if ascii_only else "▸ running") == 2
    if size.width >= 80:
        for words in ("#0", "#1", "gpu 40 GiB", "ram 3 GiB", "epoch 9/27"):
            assert words in shown
        assert "use" in shown
    if size.width >= 136:
        assert shown.count("cpu 1.2 cores   5 processes") == 2
        assert "2s" in shown


def test_alone_without_gpus_the_trials_are_those_of_the_host():
    shown = text(zoomed([host(usage=(TrialUsage(3, 1, 1 << 30),))], Size(100, 20)))
    assert "#3" in shown
    assert "ram 1 GiB" in shown
    assert "1 process " in f"{shown} "
    assert "gpu " not in shown.replace("gpu07", "")


@pytest.mark.parametrize("width", WIDTHS)
def test_nodes_have_a_line_each_and_those_in_trouble_come_first(width):
    lines = drawn([host(), *cluster(64)], width, 6)
    assert all(width_of(line) <= width for line in lines)
    shown = [line for line in text(lines).splitlines() if line.startswith("gpu-")]
    assert shown[0].startswith("gpu-03  lost: no word from its agent")
    assert shown[1].startswith("gpu-41  others have room")
    for words in ("gpu-00", "8/8 GPUs", "81%", "8 trials"):
        assert words in shown[2]
    assert "435/640 GiB" in shown[2]
    assert text(lines).splitlines()[-1].startswith(f"+ {64 - len(shown)} nodes")
    if width >= BOXED_FROM:
        assert "64 nodes   460/496 GPUs   496 CPU slots   2 in trouble" in text(lines)


def test_a_node_with_a_gpu_that_is_not_used_says_which_and_why():
    samples = cluster(4, gpus=2)
    ill = gpu(1, device="GPU-gpu-02-1", node="gpu-02", trials=(), note="set aside: Xid 79")
    lines = said([one for one in samples if one.device != ill.device] + [ill], 200, 6)
    named = [line for line in lines.splitlines() if line.startswith("gpu-")]
    assert [line.split()[0] for line in named] == ["gpu-02", "gpu-03", "gpu-00", "gpu-01"]
    assert "GPU 1: set aside: Xid 79" in named[0]
    assert "1/2 GPUs" in named[0]


def test_nodes_without_gpus_show_their_own_load():
    shown = said(cluster(2, gpus=0), 140)
    assert "GPUs" not in shown
    assert "70%" in shown
    assert "8/8 slots" in shown


def test_a_node_that_is_no_longer_sampled_is_left_out():
    gone = cluster(1, time=NOW - 60)
    shown = said([*gone, *cluster(3)[10:]], 140)
    assert "gpu-00" not in shown
    assert "gpu-02" in shown


def test_the_last_node_that_is_sampled_stays_though_a_gpu_was_read_later():
    late = gpu(0, NOW + 60, device="GPU-gpu-00-0", node="gpu-00")
    pict = snapshot(rows("r"), devices=[*cluster(1, gpus=1)[:1], late])
    for opened in (False, True):
        seen = context(pict, focus="devices", zoomed="devices", node_opened=opened, boxed=True)
        assert "gpu-00" in text(DevicesPane().lines(seen, Size(100, 8)))


def test_nodes_shown_alone_have_their_gpus_below_them():
    pict = snapshot(rows("rrrrr"), devices=cluster(2, gpus=2))
    lines = text(DevicesPane().lines(context(pict, zoomed="devices"), Size(140, 20))).splitlines()
    found = [line.split()[0] for line in lines[1:]]
    assert found == ["gpu-00", "0", "1", "gpu-01", "0", "1"]


def test_many_nodes_want_no_more_than_they_may_have():
    assert wanted(snapshot(devices=[host(), *cluster(64, gpus=1)]), 6) == 6
    assert wanted(snapshot(devices=[host(), *cluster(3, gpus=1)]), 6) == 3


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (140, 45), (160, 48), (200, 60)])
def test_many_nodes_get_at_most_a_third_of_the_screen(size):
    pict = snapshot(rows("rrrrr"), devices=[host(), *cluster(64)])
    assert layout.arrange(*size, PANES, pict)["devices"].height <= size[1] / 3


@pytest.mark.parametrize("place", [0, 7, 63])
def test_the_cursor_among_the_nodes_is_always_seen(place):
    nodes = nodes_of(cluster(64))
    pict = snapshot(rows("rrrrr"), devices=[host(), *cluster(64)])
    seen = context(pict, focus="devices", node=nodes[place].name, boxed=True)
    lines = DevicesPane().lines(seen, Size(140, 8))
    chosen = [line for line in lines if any("on-cursor" in role for _, role in line)]
    assert text(chosen).startswith(nodes[place].name)
    assert len(lines) == 8
    assert "+ 58 nodes" in text(lines)
    assert ("2 in trouble" in text(lines[-1:])) is (place > 3)


def play(scenario, samples, size=(140, 45)):
    async def run():
        shown = app(study_picture("r" * 60, devices=samples))
        async with shown.run_test(size=size) as pilot:
            await scenario(shown, pilot)

    asyncio.run(run())


def test_enter_opens_the_gpus_of_the_node_under_the_cursor_and_escape_goes_back():
    async def scenario(shown, pilot):
        await pilot.press("1", "j", "j", "j", "enter")
        assert "1 Node gpu-01 " in text_of(shown)
        assert "4 of 64 nodes" in text_of(shown)
        for trial in range(34, 42):
            assert f"#{trial}   ▸ running" in text_of(shown)
        await pilot.press("j", "j")
        assert "1 Node gpu-04 " in text_of(shown)
        await pilot.press("G")
        assert "1 Node gpu-63 " in text_of(shown)
        await pilot.press("escape")
        assert "1 Nodes " in text_of(shown)
        assert "2 Trials" not in text_of(shown)
        await pilot.press("escape")
        assert "2 Trials" in text_of(shown)

    play(scenario, [host(), *cluster(64)])


def test_a_double_click_opens_a_node_and_the_wheel_moves_among_them():
    async def scenario(shown, pilot):
        await pilot.click(offset=(10, 6))
        assert shown.screen.selection.node == "gpu-00"
        await pilot.click(offset=(10, 6), times=2)
        assert "1 Node gpu-00 " in text_of(shown)

    play(scenario, [host(), *cluster(64)])


def test_on_one_machine_enter_shows_the_devices_alone_and_j_moves_among_the_trials():
    async def scenario(shown, pilot):
        before = shown.screen.selection.cursor
        await pilot.press("1", "j")
        assert shown.screen.selection.cursor != before
        await pilot.press("enter")
        assert "1 GPUs" in text_of(shown)
        assert "2 Trials" not in text_of(shown)

    play(scenario, [host(), gpu(0)])
