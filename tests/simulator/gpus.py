"""A model of trials that share a GPU, on which packing policies are compared.

A trial alone keeps its GPU busy for a share `duty` of each step and does other things (loading,
launching, logging) in the rest. k of them are the closed queue of Reiser & Lavenberg 1980 (mean
value analysis, one station and a delay), and each further one costs all a share `friction`
(caches, context switches). Memory grows as a trial goes on; where more is asked for than the GPU
has, the one that asks dies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    PaceOf = Callable[[Sequence["Program"]], float]

What = Literal["report", "end", "memory", "oom"]


@dataclass(frozen=True, slots=True)
class Program:
    """The work of one trial. Seconds are those on a GPU of its own."""

    reports: Sequence[float]  # seconds of work before each
    duty: float
    friction: float
    memory: Sequence[tuple[float, int]]  # (after this many seconds of work, bytes), rising
    start: float = 0.0  # seconds before its work, in which it does not use its GPU

    @property
    def work(self) -> float:
        return sum(self.reports)


class Happening(NamedTuple):
    """An event of one trial."""

    time: float
    what: What
    trial: int
    value: int  # the report's number, or bytes


@dataclass(slots=True)
class _Running:
    program: Program
    gpu: int
    began: float
    starting: float = 0.0  # seconds until it uses its GPU
    is_working: bool = False
    done: float = 0.0  # seconds of work
    told: int = 0  # reports
    grown: int = 0  # steps of memory
    marks: list[float] = field(default_factory=list)  # the work at which each report comes

    def next_mark(self) -> tuple[float, What]:
        """(work, event) of what happens next; memory is requested before work is done."""
        memory = self.program.memory
        if self.grown < len(memory):
            at = memory[self.grown][0]
            if at <= self.marks[self.told]:
                return at, "memory"
        return self.marks[self.told], "report"


class SimulatedGpus:
    """`gpus` equal GPUs with `memory` bytes each, and a clock of their own.

    pace_of: another model of the pace of programs that share a GPU.
    """

    def __init__(self, gpus: int, memory: int, pace_of: PaceOf | None = None) -> None:
        self.memory = memory
        self._pace_of = pace_of or pace
        self.now = 0.0
        self.wasted = 0.0  # seconds of work of those that died
        self.hurt = 0  # of those that died, how many were there before their neighbour
        self.running: dict[int, _Running] = {}
        self._on: list[list[int]] = [[] for _ in range(gpus)]
        self._paces = [0.0] * gpus  # of those that use it; 0: to be computed

    def start(self, trial: int, program: Program, gpu: int) -> None:
        marks, sum_ = [], 0.0
        for seconds in program.reports:
            sum_ += seconds
            marks.append(sum_)
        self.running[trial] = _Running(program, gpu, self.now, program.start, marks=marks)
        self._on[gpu].append(trial)

    def residents(self, gpu: int) -> Sequence[int]:
        return self._on[gpu]

    def held(self, gpu: int) -> int:
        return sum(self.held_by(trial) for trial in self._on[gpu])

    def held_by(self, trial: int) -> int:
        return self._held(self.running[trial])

    def step(self) -> Happening:
        """Advance to the next event. Something has to run."""
        while True:
            trial = min(self.running, key=lambda number: self._left(self.running[number]))
            one = self.running[trial]
            self._advance(max(0.0, self._left(one)))
            if not one.starting and one.is_working:
                one.done, what = one.next_mark()
                return self._grow(trial, one) if what == "memory" else self._report(trial, one)
            one.starting, one.is_working = 0.0, True
            self._paces[one.gpu] = 0.0

    def _left(self, one: _Running) -> float:
        """Seconds until its next event; 0 where it is about to use its GPU."""
        if not one.is_working:
            return one.starting
        return (one.next_mark()[0] - one.done) / self._pace(one.gpu)

    def _pace(self, gpu: int) -> float:
        if not self._paces[gpu]:
            here = (self.running[trial] for trial in self._on[gpu])
            self._paces[gpu] = self._pace_of([one.program for one in here if one.is_working])
        return self._paces[gpu]

    def _advance(self, seconds: float) -> None:
        self.now += seconds
        for one in self.running.values():
            if one.is_working:
                one.done += seconds * self._pace(one.gpu)
            else:
                one.starting -= seconds

    def _report(self, trial: int, one: _Running) -> Happening:
        one.told += 1
        if one.told < len(one.marks):
            return Happening(self.now, "report", trial, one.told)
        self._leave(trial)
        return Happening(self.now, "end", trial, one.told)

    def _grow(self, trial: int, one: _Running) -> Happening:
        wanted = one.program.memory[one.grown][1]
        others = self.held(one.gpu) - self._held(one)
        if others + wanted > self.memory:
            self.wasted += one.done
            neighbours = [self.running[t] for t in self._on[one.gpu] if t != trial]
            self.hurt += any(other.began > one.began for other in neighbours)
            self._leave(trial)
            return Happening(self.now, "oom", trial, wanted)
        one.grown += 1
        return Happening(self.now, "memory", trial, wanted)

    def _leave(self, trial: int) -> None:
        gpu = self.running.pop(trial).gpu
        self._on[gpu].remove(trial)
        self._paces[gpu] = 0.0

    @staticmethod
    def _held(one: _Running) -> int:
        return one.program.memory[one.grown - 1][1] if one.grown else 0


def pace(programs: Sequence[Program]) -> float:
    """The pace of each of these programs together on one GPU, where alone it is 1."""
    if not programs:
        return 1.0
    duty = sum(program.duty for program in programs) / len(programs)
    friction = sum(program.friction for program in programs) / len(programs)
    queue = 0.0
    seconds = 1.0
    for count in range(1, len(programs) + 1):
        seconds = duty * (1 + queue) + (1 - duty)
        queue = count / seconds * duty * (1 + queue)
    return 1 / seconds / (1 + friction * (len(programs) - 1))
