"""Which trials end early, by the table [pruning]?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from tuitune.core.pruning.brackets import most_brackets
from tuitune.core.spec import PruningSpec

if TYPE_CHECKING:
    from tuitune.core.spec import PruningMethod, PruningStyle
    from tuitune.studyfile.table import Table

_DEFAULT = PruningSpec()
_METHODS: tuple[PruningMethod, ...] = ("none", "asha", "hyperband", "median")
_STYLES: tuple[PruningStyle, ...] = ("auto", "promote", "stop")
_MOST_BRACKETS = 100
_MOST_RUNGS = 20_000  # before those at one step are taken together


def read_pruning(table: Table) -> PruningSpec:
    pruning = PruningSpec(
        method=table.one_of("method", _DEFAULT.method, _METHODS),
        resource=table.text("resource", None),
        min=table.whole("min", _DEFAULT.min, low=1),
        max=table.whole("max", None, low=1),
        reduction=table.number("reduction", _DEFAULT.reduction),
        style=table.one_of("style", _DEFAULT.style, _STYLES),
        brackets=table.whole("brackets", _DEFAULT.brackets, low=1),
    )
    if pruning.reduction <= 1:
        table.wrong("reduction", "keeps every trial; write reduction = 3, say")
    pruning = _without_unused(table, pruning)
    if pruning.method != "none":
        _check_range(table, pruning)
        _check_brackets(table, pruning)
    if pruning.method == "median" and pruning.style == "promote":
        table.wrong(
            "style",
            'is not for method = "median", which stops trials for good; '
            'leave style out, or use method = "asha"',
        )
    return pruning


def _without_unused(table: Table, pruning: PruningSpec) -> PruningSpec:
    """Note what means nothing to the method; it is as if it had not been said."""
    if pruning.method == "median":
        table.unused(
            "reduction",
            "method",
            'is not for method = "median", which has no rungs; leave it out, or use '
            'method = "asha"',
        )
    elif pruning.method != "none":
        return pruning
    elif "method" not in table.content:  # said outright, "none" is a switch: the rest may stay
        for key in ("min", "reduction", "style", "brackets"):
            words = 'does nothing without a method; write method = "asha" too, or leave it out'
            table.unused(key, "method", words)
    return replace(pruning, reduction=_DEFAULT.reduction)


def _check_range(table: Table, pruning: PruningSpec) -> None:
    table.needs("max", "27, the most that a trial may spend")
    if pruning.max == 1:
        table.wrong("max", "leaves nothing to prune before the end; write a larger max")
    elif pruning.max is not None and pruning.min >= pruning.max:
        table.wrong(
            "min", f"leaves nothing to prune below max = {pruning.max}; write a smaller min"
        )


def _check_brackets(table: Table, pruning: PruningSpec) -> None:
    if pruning.method == "median" and pruning.brackets > 1:
        table.wrong("brackets", 'is not for method = "median", which has no rungs; leave it out')
    if pruning.method == "hyperband" and "brackets" in table.content:
        table.wrong(
            "brackets",
            'is not for method = "hyperband", which takes as many as its range holds; '
            'leave it out, or use method = "asha"',
        )
        return
    if pruning.method == "median" or pruning.reduction <= 1:
        return
    if pruning.max is None or pruning.min >= pruning.max:
        return
    if math.log(pruning.max / pruning.min) / math.log(pruning.reduction) > _MOST_RUNGS:
        table.wrong("reduction", f"makes more than {_MOST_RUNGS:,} rungs; write reduction = 3, say")
        return
    held = most_brackets(pruning.min, pruning.max, pruning.reduction)
    if pruning.brackets > held:
        table.wrong(
            "brackets",
            f"is more than min = {pruning.min} to max = {pruning.max} with "
            f"reduction = {pruning.reduction:g} holds; write brackets = {held} or less",
        )
    elif (held if pruning.method == "hyperband" else pruning.brackets) > _MOST_BRACKETS:
        key = "reduction" if pruning.method == "hyperband" else "brackets"
        table.wrong(key, f"makes more than {_MOST_BRACKETS} brackets; write reduction = 3, say")
