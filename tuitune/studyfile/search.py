"""How is the space searched, by the table [search]?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitune.core.space import Sampled, SearchSpace, grid_size, grid_width, likely_of
from tuitune.core.spec import SearchSpec
from tuitune.studyfile.hints import did_you_mean
from tuitune.studyfile.problems import kind, value_words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tuitune.core.spec import SearchMethod
    from tuitune.studyfile.table import Table

_DEFAULT = SearchSpec()
_METHODS: tuple[SearchMethod, ...] = ("bayes", "tpe", "sobol", "random", "grid")
_MODELLED = ("bayes", "tpe")
_NOT_A_GRID = 'is for method = "grid" alone, and this is "{}"; leave it out, or search a grid'
_LARGEST_GRID = 10_000_000


def read_search(table: Table, names: Collection[str], space: SearchSpace) -> SearchSpec:
    """Read [search]; names are all of [space], space has those without problems."""
    table.check_keys()
    method = table.one_of("method", _DEFAULT.method, _METHODS)
    trials = table.whole("trials", None, low=1)
    levels = table.whole("levels", _DEFAULT.levels, low=2)
    if trials is None:
        trials = _grid(table, space, levels) if method == "grid" else _DEFAULT.trials
    elif method == "grid":
        _grid_is_possible(table, space, levels)
    if method != "grid":
        table.unused("levels", "method", _NOT_A_GRID.format(method))
        levels = _DEFAULT.levels
    _beliefs_are_used(table, method, space)
    return SearchSpec(
        method=method,
        trials=trials,
        seed=table.whole("seed", _DEFAULT.seed, low=0),
        concurrency=table.whole("concurrency", None, low=1),
        points=_points(table, names, space),
        levels=levels,
        learn_from=_learn_from(table, method),
    )


def _learn_from(table: Table, method: SearchMethod) -> tuple[str, ...]:
    said = table.content.get("learn_from", [])
    if not isinstance(said, list) or not all(isinstance(name, str) and name for name in said):
        table.wrong(
            "learn_from",
            'is no list of studies; write learn_from = ["runs/cifar-1"], the folders or names of '
            "earlier ones",
        )
        return ()
    if said and method not in _MODELLED:
        table.wrong(
            "learn_from",
            f'is not for method = "{method}", which learns from no trial; use method = "bayes"',
        )
    return tuple(said)


def _beliefs_are_used(table: Table, method: SearchMethod, space: SearchSpace) -> None:
    believed = [parameter.name for parameter in space.searched if likely_of(parameter)]
    if believed and method not in _MODELLED:
        table.wrong(
            "method",
            f"makes no use of what is likely for {', '.join(believed)}; "
            'use method = "bayes", or leave likely out',
        )


def _grid(table: Table, space: SearchSpace, levels: int) -> int:
    if not _grid_is_possible(table, space, levels):
        return _DEFAULT.trials
    size = grid_size(space, levels)
    if size > _LARGEST_GRID and "trials" not in table.content:
        table.wrong(
            "method",
            f"makes a grid of {size:,} points; say trials = 1000 to try only its coarsest, "
            "or give the ranges wider steps",
        )
    return size


def _grid_is_possible(table: Table, space: SearchSpace, levels: int) -> bool:
    sampled = [parameter.name for parameter in space.parameters if isinstance(parameter, Sampled)]
    if sampled:
        table.wrong(
            "method",
            f"can't go over {', '.join(sampled)}, which a function samples; "
            'use method = "sobol", or give values in its place',
        )
        return False
    wide = [p.name for p in space.parameters if grid_width(p, levels) > _LARGEST_GRID]
    if wide:
        table.wrong(
            "method",
            f"makes a grid with more than {_LARGEST_GRID:,} values of {', '.join(wide)}; "
            "give it a step or powers_of",
        )
    return not wide


def _points(
    table: Table, names: Collection[str], space: SearchSpace
) -> tuple[Mapping[str, Any], ...]:
    said = table.content.get("points", [])
    if not isinstance(said, list):
        table.wrong("points", f"is {kind(said)}, not a list; write points = [{{ lr = 0.01 }}]")
        return ()
    return tuple(_point(table, f"points[{i}]", p, names, space) for i, p in enumerate(said))


def _point(
    table: Table, key: str, said: Any, names: Collection[str], space: SearchSpace
) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        table.problems.add("search", key, said, f"is {kind(said)}; write {{ name = value }}")
        return {}
    # A parameter with a problem of its own is no reason for a second one here.
    usable = {k: v for k, v in said.items() if k in space.by_name}
    found = [
        f"{name}: there is no such parameter; {did_you_mean(name, names)}"
        for name in said
        if name not in names
    ]
    found += space.problems(usable, partial=True)
    found += [
        f"{name} {words}"
        for name, value in usable.items()
        if (words := value_words(value)) and not any(_is_about(name, known) for known in found)
    ]
    for words in found:
        table.problems.add("search", key, None, words)
    return {} if found else space.normalised(usable)


def _is_about(name: str, words: str) -> bool:
    return words.startswith((f"{name} ", f"{name}:"))
