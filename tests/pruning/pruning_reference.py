"""The pruners in the words of their papers: everything is kept, and looked at anew each time."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction


def is_number(value):
    return value is not None and math.isfinite(value)


class Brackets:
    """Li et al. 2018, Algorithm 1: n_s configurations start at bracket s.

    Of hyperband's brackets the rungs are the paper's r_i = R eta^(i - s) for i < s; those of
    studies that are older than that, and asha's, are r eta^k.
    """

    def __init__(self, pruning):
        self.least, self.most = pruning.min, pruning.max
        self.eta = Fraction(str(pruning.reduction))
        s_max = 0
        while self.least * self.eta ** (s_max + 1) <= self.most:
            s_max += 1
        wanted = s_max + 1 if pruning.method == "hyperband" else min(pruning.brackets, s_max + 1)
        self.rungs, self.sizes = [], []
        for bracket in range(wanted):
            s = s_max - bracket
            self.sizes.append(math.ceil(Fraction(s_max + 1, s + 1) * self.eta**s))
            by_paper = pruning.method == "hyperband" and pruning.anchor == "max"
            self.rungs.append(self.paper_rungs(s) if by_paper else self.rungs_from(bracket))
        self.dealt = []

    def paper_rungs(self, s):
        """Algorithm 1, line 5; to the nearest whole number, the maximum itself is not a rung."""
        exact = [self.most * self.eta ** (i - s) for i in range(s)]
        whole = {math.floor(r + Fraction(1, 2)) for r in exact}
        return sorted(whole - {self.most})

    def rungs_from(self, first):
        found, power = set(), first
        while (step := round(self.least * float(self.eta) ** power)) < self.most:
            found.add(step)
            power += 1
        return sorted(found)

    def of(self, trial):
        """Always to the bracket that is furthest behind its share."""
        while len(self.dealt) <= trial:
            now = len(self.dealt) + 1
            behind = [
                Fraction(size * now, sum(self.sizes)) - self.dealt.count(bracket)
                for bracket, size in enumerate(self.sizes)
            ]
            self.dealt.append(behind.index(max(behind)))
        return self.dealt[trial]


class Asha:
    """Li et al. 2020, Algorithm 2, and its stopping kind; judged from all reports there are."""

    def __init__(self, pruning, mode, style):
        self.mode, self.style, self.max = mode, style, pruning.max
        self.brackets = Brackets(pruning)
        self.eta = self.brackets.eta
        self.reports = {}  # trial -> [(step, value)], in order
        self.failed = {}  # trial -> the furthest step at its failures
        self.sent = set()  # (trial, rung)

    # --- what a rung holds

    def rungs_of(self, trial):
        return self.brackets.rungs[self.brackets.of(trial)]

    def entries(self, bracket, rung):
        """[(trial, value)], best first; None stands for a value that is worse than every number."""
        found = []
        for trial in {*self.reports, *self.failed}:
            if self.brackets.of(trial) != bracket:
                continue
            reports = self.reports.get(trial, [])
            past = next((place for place, (step, _) in enumerate(reports) if step >= rung), None)
            if past is not None:
                until = [value for _, value in reports[: past + 1]]
                found.append((trial, until[-1] if all(map(is_number, until)) else None))
            elif any(self.next_rung(trial, step) == rung for step in self.failed.get(trial, [])):
                found.append((trial, None))
        return sorted(found, key=self.order)

    def next_rung(self, trial, step):
        return next((rung for rung in self.rungs_of(trial) if rung > step), None)

    def order(self, entry):
        trial, value = entry
        if value is None:
            return (1, 0, trial)
        return (0, value if self.mode == "min" else -value, trial)

    def furthest(self, trial):
        return max((step for step, _ in self.reports.get(trial, [])), default=0)

    # --- Algorithm 2: get_job

    def get_job(self, available):
        """(trial, rung, rank, n, cut) of the promotion that a free worker makes."""
        if self.style != "promote":
            return None
        numbered = [
            (rung, bracket) for bracket, rungs in enumerate(self.brackets.rungs) for rung in rungs
        ]
        for rung, bracket in sorted(numbered, key=lambda pair: (-pair[0], pair[1])):
            entries = self.entries(bracket, rung)
            candidates = entries[: math.floor(len(entries) / self.eta)]
            for rank, (trial, value) in enumerate(candidates, start=1):
                if value is not None and trial in available and self.stays(trial, rung):
                    return trial, rung, rank, len(entries), candidates[-1][1]
        return None

    def last_resort(self, available):
        """(trial, rung, rank, n, cut): the furthest, the better value there, the earlier trial."""
        chosen = None
        for trial in available:
            passed = [rung for rung in self.rungs_of(trial) if rung <= self.furthest(trial)]
            reports = self.reports[trial]
            value = next(value for step, value in reports if step >= passed[-1])
            key = -passed[-1], value if self.mode == "min" else -value, trial
            if chosen is None or key < chosen:
                chosen = key
        if chosen is None:
            return None
        return chosen[2], *self.figures(chosen[2], -chosen[0], least=0)

    def stays(self, trial, rung):
        later = self.next_rung(trial, rung)
        if later is not None and self.furthest(trial) >= later:
            return False
        return (trial, rung) not in self.sent and self.furthest(trial) < self.max

    # --- verdicts

    def report(self, trial, step, value, available):
        """(action, (rung, rank, n, cut)), or None where no rung is filled."""
        before = self.furthest(trial)
        self.reports.setdefault(trial, []).append((step, value))
        crossed = [rung for rung in self.rungs_of(trial) if before < rung <= step]
        if step >= self.max:
            return "complete"
        if not crossed:
            return None
        if not all(is_number(value) for _, value in self.reports[trial]):
            return "stop", None
        if self.style == "promote":
            chosen = self.get_job({*available, trial})
            goes = chosen is not None and chosen[0] == trial
            if goes:
                self.sent.add((trial, crossed[-1]))
            return "go" if goes else "pause", self.figures(trial, crossed[-1], least=0)
        for rung in crossed:
            figures = self.figures(trial, rung, least=1)
            if figures[1] > max(1, math.floor(figures[2] / self.eta)):
                return "stop", figures
        return "go", self.figures(trial, crossed[-1], least=1)

    def figures(self, trial, rung, least):
        entries = self.entries(self.brackets.of(trial), rung)
        (rank,) = [place for place, entry in enumerate(entries, 1) if entry[0] == trial]
        kept = max(least, math.floor(len(entries) / self.eta))
        return rung, rank, len(entries), entries[kept - 1][1] if kept else None

    def fail(self, trial):
        self.failed.setdefault(trial, []).append(self.furthest(trial))


class Median:
    """Golovin et al. 2017, 3.2.2."""

    def __init__(self, pruning, mode):
        self.mode, self.min, self.max = mode, pruning.min, pruning.max
        self.reports = {}  # trial -> [(step, value)]
        self.completed = set()

    def losses(self, trial, step):
        return [
            (value if self.mode == "min" else -value) if is_number(value) else math.inf
            for at, value in self.reports.get(trial, [])
            if at <= step
        ]

    def report(self, trial, step, value):
        """(action, (step, rank, n, cut)), or None where there is nothing to compare with."""
        self.reports.setdefault(trial, []).append((step, value))
        own = self.losses(trial, step)
        if not self.min <= step < self.max:
            return None
        if math.inf in own:
            return "stop", None
        seen = [self.losses(other, step) for other in sorted(self.completed)]
        averages = [sum(losses) / len(losses) for losses in seen if losses]
        if not averages:
            return None
        best, median = min(own), statistics.median(averages)
        rank = 1 + sum(average < best for average in averages)
        cut = None if median == math.inf else median if self.mode == "min" else -median
        return "stop" if best > median else "go", (step, rank, len(averages) + 1, cut)
