"""Samples of the devices: all of the last minutes, or of many devices the newest; the nodes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from tuitune.messages.text import plain
from tuitune.ui.state.records import Record
from tuitune.ui.state.snapshot import HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuitune.core.placement.snapshots import DeviceSample
    from tuitune.store.reader import Reader
    from tuitune.ui.state.snapshot import Snapshot

    Devices = dict[str, deque[DeviceSample]]

MANY: Final = 64  # devices beyond which only the newest samples are kept, and of one node all
_NEWEST: Final = 2  # samples of each of many devices
_RECENT: Final = 6.0  # s in which every device has been sampled


class DeviceSamples:
    """Keeps the samples of a snapshot up to date. Methods raise StoreError."""

    def __init__(self, reader: Reader, devices: Devices) -> None:
        self._reader = reader
        self._devices = devices
        self._whole: set[str] = set()  # of many devices, those with a history
        self._since: float | None = None  # Unix s of the newest sample

    def read(self, now: float) -> float | None:
        """Reads new samples; the time of the newest one, None where there is no new one."""
        samples = self._first(now) if self._since is None else self._reader.samples(self._since)
        new = {sample.device for sample in samples} - self._devices.keys()
        most = HISTORY if len(self._devices) + len(new) <= MANY else _NEWEST
        for sample in samples:
            known = self._devices.get(sample.device)
            if known is None:
                known = self._devices[sample.device] = deque(maxlen=most)
            known.append(sample)
        newest = max((sample.time for sample in samples), default=None)
        self._since = max(self._since or now - HISTORY, newest or 0.0)
        return newest

    def read_history(self, devices: Iterable[DeviceSample], now: float) -> None:
        """Reads the older samples of these devices, and forgets those of others."""
        names = {sample.device for sample in devices}
        if len(self._devices) <= MANY or names <= self._whole:
            return
        for name in self._whole - names:
            self._devices[name] = deque(self._devices[name], maxlen=_NEWEST)
        for name in names:
            self._devices[name] = deque(maxlen=HISTORY)
        self._whole = names
        for sample in self._reader.samples(now - HISTORY, sorted(names)):
            if sample.time <= (self._since or now):  # the next read finds the others
                self._devices[sample.device].append(sample)

    def _first(self, now: float) -> list[DeviceSample]:
        found = self._reader.samples(now - _RECENT)
        if len({sample.device for sample in found}) > MANY:
            return found
        return self._reader.samples(now - HISTORY)


_GONE_AFTER: Final = 30.0  # s without a sample, while others have some


class Node(Record, frozen=True):
    """A node. trouble: why nothing, or less, starts there; "" where it is well."""

    sample: DeviceSample
    cards: Sequence[DeviceSample] = ()  # its GPUs, by index
    trouble: str = ""

    @property
    def name(self) -> str:
        """The name, which no other node has."""
        return self.sample.node


def is_node(sample: DeviceSample) -> bool:
    """Whether this is the sample of a node, not of a GPU or of the engine's own machine."""
    return sample.kind == "host" and bool(sample.node)


def newest(snapshot: Snapshot) -> tuple[DeviceSample, ...]:
    """The last sample of each device."""
    return tuple(samples[-1] for samples in snapshot.devices.values() if samples)


def nodes_of(samples: Iterable[DeviceSample]) -> list[Node]:
    """The nodes among these newest samples; those that are no longer sampled are left out."""
    of_nodes = [sample for sample in samples if sample.node]
    since = max((sample.time for sample in of_nodes if is_node(sample)), default=0.0) - _GONE_AFTER
    by_node: dict[str, list[DeviceSample]] = {}
    for sample in of_nodes:
        if sample.kind != "host" and sample.time >= since:
            by_node.setdefault(sample.node, []).append(sample)
    found = []
    for sample in of_nodes:
        if sample.kind == "host" and sample.time >= since:
            cards = sorted(by_node.get(sample.node, ()), key=lambda card: card.index or 0)
            found.append(Node(sample, cards, _trouble(sample, cards)))
    return sorted(found, key=lambda node: (not node.trouble, node.name))


def at(nodes: Sequence[Node], name: str | None) -> int:
    """The place of the node of this name; 0 where it is gone."""
    return next((place for place, node in enumerate(nodes) if node.name == name), 0)


def _trouble(sample: DeviceSample, cards: Iterable[DeviceSample]) -> str:
    if sample.note:
        return plain(sample.note)
    ill = [card for card in cards if card.note or card.foreign]
    if not ill:
        return ""
    first = f"GPU {ill[0].index}: {plain(ill[0].foreign[0] if ill[0].foreign else ill[0].note)}"
    return first + (f", and {len(ill) - 1} more" if len(ill) > 1 else "")
