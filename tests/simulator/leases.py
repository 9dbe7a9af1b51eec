"""The trials on each GPU, from facts alone, and whether each launch was allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tuitune.core.events import ENDED, TrialState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from tuitune.core import events as ev


class Leases:
    """The GPUs of a `ShadowModel`."""

    def __init__(self) -> None:
        self.gpus: dict[str, ev.Gpu] = {}
        self.on: dict[int, ev.Launch] = {}  # by trial
        self._gone: dict[int, ev.Launch] = {}  # exited, and not settled
        self._alone: set[int] = set()  # trials that must be alone from now on
        self._avoiding: set[int] = set()  # trials that are tried on another GPU
        self._avoided: dict[int, set[str]] = {}  # the GPUs that they avoid

    def opened(self, gpus: Iterable[ev.Gpu]) -> None:
        self.gpus = {gpu.uuid: gpu for gpu in gpus}

    def set_aside(self, fact: ev.SetAside) -> None:
        """Nothing starts on them until the next reading says otherwise."""
        for uuid in fact.gpus:
            if uuid in self.gpus:
                self.gpus[uuid] = msgspec.structs.replace(self.gpus[uuid], obstacle=fact.why)
        self._avoiding -= {n for n in self._avoiding if self._avoided[n] & set(fact.gpus)}

    def has_room(self, request: float | Literal["auto"]) -> bool:
        """Whether a new trial certainly fits, without what packing allows.

        Nothing is certain while a GPU is kept for a trial that must be alone, or may be ill.
        """
        if self._waiting_alone() or self._avoiding:
            return False
        usable = [gpu.uuid for gpu in self.gpus.values() if not gpu.obstacle]
        empty = [uuid for uuid in usable if not self._shares(uuid)]
        if request == "auto" or request < 1:
            return bool(empty)
        return len(empty) >= request

    def launched(self, fact: ev.Launch, request: float | Literal["auto"]) -> list[str]:
        """Take a launch in; what of it was not allowed."""
        problems = []
        wanted = 1 if request == "auto" or 0 < request < 1 else int(request)
        if len(set(fact.gpus)) != wanted:
            problems.append(f"trial {fact.trial} has {fact.gpus}, and asked for {request}")
        for uuid in fact.gpus:
            gpu = self.gpus.get(uuid)
            if gpu is None or gpu.obstacle:
                problems.append(f"trial {fact.trial} was put on {uuid}, which is not to be used")
                continue
            shares = [*self._shares(uuid), fact.share]
            if sum(shares) > 1 + 1e-6 or len({share == 0 for share in shares}) > 1:
                problems.append(f"GPU {uuid} was promised twice: {shares}")
            if len(shares) > 1 and fact.trial in self._alone:
                problems.append(f"trial {fact.trial} was to be alone on {uuid}")
            if len(shares) > 1 and not gpu.packs:
                problems.append(f"trials share {uuid}, which is not to be shared")
        self.on[fact.trial] = fact
        return problems

    def left(self, fact: ev.Exited) -> None:
        launch = self.on.pop(fact.trial, None)
        if launch is not None:
            self._gone[fact.trial] = launch

    def settled(self, fact: ev.Settled) -> list[str]:
        launch = self._gone.pop(fact.trial, None)
        if fact.fault == "elsewhere":
            self._avoiding.add(fact.trial)
            self._avoided[fact.trial] = set() if launch is None else set(launch.gpus)
        elif fact.state != TrialState.WAITING:
            self._avoiding.discard(fact.trial)
        if fact.state in ENDED:
            self._alone.discard(fact.trial)
        if not fact.crowded:
            return []
        self._alone.add(fact.trial)
        if launch is None or not launch.gpus or fact.crashed:
            return [f"trial {fact.trial} was crowded out of no GPU, or paid for it"]
        return []

    def _shares(self, uuid: str) -> list[float]:
        return [launch.share for launch in self.on.values() if uuid in launch.gpus]

    def _waiting_alone(self) -> bool:
        return bool(self._alone - self.on.keys())
