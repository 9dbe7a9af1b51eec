"""Energy of GPUs, divided among what computes on them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from tuitune.core.placement.gpu_state import Tenant
from tuitune.core.placement.snapshots import GpuSample
from tuitune.engine.energy import EnergyMeter


class Scene:
    def __init__(self, **began: float) -> None:
        self.meter, self.now = EnergyMeter(), 100.0
        self.tenants = {
            (int(name[1:]), 0): Tenant(1, ("g0",), set(), began=100.0 + time)
            for name, time in began.items()
        }

    def look(self, after: float, others: int = 0, **device: Any) -> None:
        self.now += after
        sample = GpuSample("g0", 0, "A100", **device)
        self.meter.look([sample], self.tenants, {"g0": others}, self.now)

    def taken(self) -> list[float | None]:
        found = [self.meter.take(key) for key in self.tenants]
        return [None if joules is None else round(joules, 6) for joules in found]


def test_the_gpus_own_meter_counts_and_its_power_where_it_has_none():
    scene = Scene(t0=0.0)
    scene.look(0.0, energy=5000.0, power=300.0)
    scene.look(1.0, energy=5250.0, power=300.0)
    assert scene.taken() == [250.0]
    scene.look(1.0, power=300.0)
    assert scene.taken() == [300.0]
    scene.look(3600.0, power=300.0)  # nobody knows what it took meanwhile
    assert scene.taken() == [3000.0]
    scene.look(1.0)
    assert scene.taken() == [None]


def test_a_meter_that_starts_anew_and_a_clock_that_is_set_back_take_nothing_off():
    scene = Scene(t0=-9999.0)
    scene.look(0.0, energy=5000.0, power=300.0)
    scene.look(1.0, energy=10.0, power=300.0)
    assert scene.taken() == [300.0]
    scene.look(-3600.0, energy=20.0, power=300.0)
    scene.look(1.0, energy=50.0, power=300.0)
    assert scene.taken() == [30.0]


def test_those_who_share_a_gpu_share_its_energy_by_the_time_that_they_were_there():
    scene = Scene(t0=-50.0, t1=0.5)
    scene.look(0.0, energy=0.0)
    scene.look(1.0, energy=300.0)
    assert scene.taken() == [200.0, 100.0]
    scene.look(1.0, others=1, energy=600.0)
    assert scene.taken() == [100.0, 100.0]


@given(
    began=st.lists(st.floats(-10, 10), min_size=1, max_size=5),
    steps=st.lists(st.tuples(st.floats(0.01, 3), st.floats(0, 500)), min_size=1, max_size=9),
)
def test_never_more_is_divided_than_was_taken(began, steps):
    scene = Scene(**{f"t{place}": time for place, time in enumerate(began)})
    meter = 0.0
    scene.look(0.0, energy=meter)
    for seconds, joules in steps:
        meter += joules
        scene.look(seconds, energy=meter)
    total = sum(joules or 0 for joules in scene.taken())
    assert total <= meter + 1e-5
    if min(began) <= 0:
        assert total == pytest.approx(meter, abs=1e-5)
