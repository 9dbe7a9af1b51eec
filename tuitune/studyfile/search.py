"""The table [search]."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuitune import plugins
from tuitune.core.search.proposal import SearcherKind
from tuitune.core.search.registry import SEARCHERS
from tuitune.core.space import SearchSpace, likely_of
from tuitune.core.spec import SearchSpec
from tuitune.studyfile.hints import did_you_mean
from tuitune.studyfile.methods import guarded, method_of, note, read_options
from tuitune.studyfile.problems import kind, value_words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tuitune.studyfile.table import Table

_DEFAULT = SearchSpec()


def read_search(table: Table, names: Collection[str], space: SearchSpace) -> SearchSpec:
    """Read [search]; names are all of [space], space has those without problems."""
    method, row, installed = method_of(
        table, SEARCHERS, plugins.SEARCHERS, SearcherKind, _DEFAULT.method
    )
    trials = table.whole("trials", None, low=1)
    search = SearchSpec(
        method=method,
        trials=trials or _DEFAULT.trials,
        options=read_options(table, row.options),
        installed=installed,
    )
    faults = guarded(table, lambda: [*row.check(space, search, table.content.keys())]) or []
    note(table, faults)
    size = row.size
    if trials is None and size is not None and not faults:
        search = replace(search, trials=guarded(table, lambda: size(space, search)) or 1)
    _options_of_others(table, row, method)
    if row.model is None:
        _no_beliefs(table, space)
    search = replace(
        search,
        seed=table.whole("seed", _DEFAULT.seed, low=0),
        concurrency=table.whole("concurrency", None, low=1),
        points=_points(table, names, space),
        learn_from=_learn_from(table, row, method),
    )
    if installed is not None and not faults:
        guarded(table, lambda: row.make(space, search, False))  # noqa: FBT003 - not informed
    return search


def _options_of_others(table: Table, row: SearcherKind, method: str) -> None:
    own = {option.key for option in row.options}
    for name, other in SEARCHERS.items():
        for option in other.options:
            if option.key not in own:
                words = (
                    f'is for method = "{name}" alone, and this is "{method}"; leave it out, or '
                    f'use method = "{name}"'
                )
                table.unused(option.key, "method", words)


def _learn_from(table: Table, row: SearcherKind, method: str) -> tuple[str, ...]:
    entry = table.content.get("learn_from", [])
    if not isinstance(entry, list) or not all(isinstance(name, str) and name for name in entry):
        table.wrong(
            "learn_from",
            'is no list of studies; write learn_from = ["runs/cifar-1"], the folders or names of '
            "earlier ones",
        )
        return ()
    if entry and row.model is None:
        table.wrong(
            "learn_from",
            f'is not for method = "{method}", which learns from no trial; use method = "bayes"',
        )
    return tuple(entry)


def _no_beliefs(table: Table, space: SearchSpace) -> None:
    believed = [parameter.name for parameter in space.searched if likely_of(parameter)]
    if believed:
        table.wrong(
            "method",
            f"makes no use of what is likely for {', '.join(believed)}; "
            'use method = "bayes", or leave likely out',
        )


def _points(
    table: Table, names: Collection[str], space: SearchSpace
) -> tuple[Mapping[str, Any], ...]:
    entry = table.content.get("points", [])
    if not isinstance(entry, list):
        table.wrong("points", f"is {kind(entry)}, not a list; write points = [{{ lr = 0.01 }}]")
        return ()
    return tuple(_point(table, f"points[{i}]", p, names, space) for i, p in enumerate(entry))


def _point(
    table: Table, key: str, entry: Any, names: Collection[str], space: SearchSpace
) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        table.problems.add("search", key, entry, f"is {kind(entry)}; write {{ name = value }}")
        return {}
    # A parameter with a problem of its own is no reason for a second one here.
    usable = {k: v for k, v in entry.items() if k in space.by_name}
    found = [
        f"{name}: there is no such parameter; {did_you_mean(name, names)}"
        for name in entry
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
