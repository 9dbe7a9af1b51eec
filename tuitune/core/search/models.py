"""Which model does a study file ask for? Loads numpy: for a process of its own, or a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.space import likely_of

if TYPE_CHECKING:
    from tuitune.core.search.proposal import Model
    from tuitune.core.space import SearchSpace
    from tuitune.core.spec import Mode, SearchSpec


def make_model(space: SearchSpace, search: SearchSpec, mode: Mode, rungs: tuple[int, ...]) -> Model:
    """rungs: the resources at which trials are compared, ascending; empty: at their end alone.

    ValueError for a method that has no model.
    """
    if search.method == "tpe":
        from tuitune.core.search.tpe import tpe_model  # noqa: PLC0415 - loads numpy, and no scipy

        return tpe_model(space, search.seed, mode, rungs)
    if search.method != "bayes":
        raise ValueError(f"{search.method} needs no model")
    from tuitune.core.search.bayes import bayes_model  # noqa: PLC0415 - loads numpy and scipy

    likely = {p.name: likely_of(p) for p in space.searched if likely_of(p)}
    return bayes_model(space, search.seed, mode, rungs, likely=likely)
