"""The table [pruning]."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from tuitune import plugins
from tuitune.core.pruning.pruner import PrunerKind
from tuitune.core.pruning.registry import PRUNERS
from tuitune.core.spec import PruningSpec, PruningStyle
from tuitune.studyfile.methods import guarded, method_of, note, read_options

if TYPE_CHECKING:
    from tuitune.studyfile.table import Table

_DEFAULT = PruningSpec()
_KEYS = ("min", "max", "reduction", "style", "brackets")


def read_pruning(table: Table) -> PruningSpec:
    """Read [pruning]. Keys that the method doesn't read are as if they were left out."""
    method, kind, installed = method_of(
        table, PRUNERS, plugins.PRUNERS, PrunerKind, _DEFAULT.method
    )
    pruning = PruningSpec(
        method=method,
        resource=table.text("resource", None),
        min=table.whole("min", _DEFAULT.min, low=1),
        max=table.whole("max", None, low=1),
        reduction=table.number("reduction", _DEFAULT.reduction),
        style=table.one_of("style", _DEFAULT.style, get_args(PruningStyle)),
        brackets=table.whole("brackets", _DEFAULT.brackets, low=1),
        options=read_options(table, kind.options),
        installed=installed,
    )
    if pruning.reduction <= 1:
        table.wrong("reduction", "keeps every trial; write reduction = 3, say")
    faults = guarded(table, lambda: [*kind.check(pruning, table.content.keys())]) or []
    note(table, faults)
    if installed is not None and not faults:
        guarded(table, lambda: kind.make(pruning, "min"))
    unread = {key: getattr(_DEFAULT, key) for key in _KEYS if key not in kind.keys}
    return replace(pruning, **unread)
