"""Room for one more trial on the host's CPUs and in its memory."""

import math
from typing import Literal

import msgspec

from tuitune.core.sizes import size

HOST = "host"


class HostResources(msgspec.Struct, frozen=True):
    """CPU slots (fractions allowed) and bytes of memory: of a machine, a trial, or all that run."""

    cpus: float
    memory: int


def place(machine: HostResources, held: HostResources, need: HostResources) -> str | None:
    """HOST where one more trial fits; None where there is no room now."""
    # thirds and tenths of a CPU must add up to whole ones
    if held.cpus + need.cpus > machine.cpus + 1e-9:
        return None
    if need.memory and held.memory + need.memory > machine.memory:
        return None
    return HOST


def most_at_once(machine: HostResources, need: HostResources, concurrency: int | None) -> int:
    """How many trials may run together; trials without a CPU count use one slot each."""
    slots = max(1, math.floor(machine.cpus)) if concurrency is None else concurrency
    most = math.floor(machine.cpus / need.cpus + 1e-9) if need.cpus else slots
    if need.memory:
        most = min(most, machine.memory // need.memory)
    return most if concurrency is None else min(concurrency, most)


def most_on_gpus(there: int, gpus: float | Literal["auto"] | None) -> int:
    """How many trials have room on so many GPUs; one a GPU where that is measured or not given."""
    each = 1.0 if gpus in {None, "auto"} else float(gpus or 0.0)
    return math.floor(there / each + 1e-9) if each else 0


def shortage(machine: HostResources, need: HostResources) -> str:
    """Why such a trial can never run on this machine; empty where it can."""
    if need.cpus > machine.cpus + 1e-9:
        return (
            f"[trial] cpus = {need.cpus:g}: this machine has {machine.cpus:g} CPU slots for us; "
            f"ask for at most {machine.cpus:g}"
        )
    if need.memory > machine.memory:
        return (
            f"[trial] memory: {size(need.memory)} a trial, but this machine has "
            f"{size(machine.memory)}; ask for less"
        )
    return ""
