"""The tables [search] and [pruning], whose keys depend on their method."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeVar, get_args

from msgspec.structs import replace

from tuitune import plugins
from tuitune.core.options import Fault, Option
from tuitune.core.pruning.pruner import PrunerKind, PruningStyle
from tuitune.core.pruning.registry import PRUNERS
from tuitune.core.search import points, proposal, registry
from tuitune.core.space import SearchSpace, likely_of
from tuitune.core.spec import PruningSpec, SearchSpec
from tuitune.studyfile import hints, nesting
from tuitune.studyfile.problems import kind, value_words
from tuitune.studyfile.table import Table

_SEARCH, _PRUNING = SearchSpec(), PruningSpec()
_PRUNING_KEYS = ("min", "max", "reduction", "style", "brackets")


class _HasOptions(Protocol):
    @property
    def options(self) -> tuple[Option, ...]: ...


Result = TypeVar("Result")
Kind = TypeVar("Kind", bound=_HasOptions)


def _method_of(
    table: Table, built_in: Mapping[str, Kind], group: str, kind: type[Kind], default: str
) -> tuple[str, Kind, Kind | None]:
    """(name, its row, its row if it is installed); the default's where it can't be used.

    Installed packages are searched only for a name that is not built in. Checks the table's keys.
    """
    name = table.text("method", default)
    if name in built_in:
        table.check_keys()
        return name, built_in[name], None
    found: Any = None
    try:
        found = plugins.find(group, name)
    except plugins.PluginError as error:
        known = [*built_in, *plugins.names(group)]
        unknown = f"is unknown; {hints.unknown_value(name, known)}{_installed(group)}"
        table.wrong("method", f"can't be used: {error}" if name in known else unknown)
    else:
        if isinstance(found, kind):
            table.check_keys([option.key for option in found.options])
            return name, found, found
        table.wrong("method", f"can't be used: its package offers no {kind.__name__}")
    table.check_keys()
    return default, built_in[default], None


def _installed(group: str) -> str:
    names = ", ".join(plugins.names(group))
    return f"; installed: {names}" if names else ""


def _read_options(table: Table, options: Iterable[Option]) -> dict[str, Any]:
    """The values of a method's own keys, or their defaults."""
    return {option.key: _value(table, option) for option in options}


def _value(table: Table, option: Option) -> Any:
    match option.kind:
        case "whole":
            return table.whole(option.key, option.default, low=int(option.low))
        case "number":
            return table.number(option.key, option.default, low=option.low)
        case "text":
            return table.text(option.key, option.default)


def _note(table: Table, faults: Iterable[Fault]) -> None:
    """Record the faults that a method's own check has found."""
    for fault in faults:
        if fault.how == "missing":
            table.problems.missing(table.name, fault.key, fault.words)
        elif fault.how == "unused":
            table.unused(fault.key, "method", fault.words)
        else:
            table.wrong(fault.key, fault.words)


def _guarded(table: Table, call: Callable[[], Result]) -> Result | None:
    """The result of a method's own code; an error in it is recorded, with None as the result."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - code of an installed package may raise anything
        table.wrong("method", f"can't be used: {type(error).__name__}: {error}")
        return None


def read_search(table: Table, names: Collection[str], space: SearchSpace) -> SearchSpec:
    """[search]; names: all of [space], space: the parameters without problems."""
    method, row, installed = _method_of(
        table, registry.SEARCHERS, plugins.SEARCHERS, proposal.SearcherKind, _SEARCH.method
    )
    trials = table.whole("trials", None, low=1)
    search = SearchSpec(
        method=method,
        trials=trials or _SEARCH.trials,
        options=_read_options(table, row.options),
        installed=installed,
    )
    faults = _guarded(table, lambda: [*row.check(space, search, table.content.keys())]) or []
    _note(table, faults)
    size = row.size
    if trials is None and size is not None and not faults:
        search = replace(search, trials=_guarded(table, lambda: size(space, search)) or 1)
    _options_of_others(table, row, method)
    if row.model is None or not row.informed:
        _no_beliefs(table, space)
    search = replace(
        search,
        seed=table.whole("seed", _SEARCH.seed, low=0),
        concurrency=table.whole("concurrency", None, low=1),
        points=_points(table, names, space),
        learn_from=_learn_from(table, row, method),
        source=table.text("from", ""),
    )
    if installed is not None and not faults:
        _guarded(table, lambda: row.make(space, search, False))  # noqa: FBT003 - not informed
    return search


def _options_of_others(table: Table, row: proposal.SearcherKind, method: str) -> None:
    own = {option.key for option in row.options}
    for name, other in registry.SEARCHERS.items():
        for option in other.options:
            if option.key not in own:
                words = (
                    f'is for method = "{name}" alone, and this is "{method}"; leave it out, or '
                    f'use method = "{name}"'
                )
                table.unused(option.key, "method", words)


def _learn_from(
    table: Table, row: proposal.SearcherKind, method: str
) -> tuple[str, ...] | Literal["auto"]:
    entry = table.content.get("learn_from", "auto")
    if entry == "auto":
        return "auto"
    if not isinstance(entry, list) or not all(isinstance(name, str) and name for name in entry):
        table.wrong(
            "learn_from",
            'is not a list of studies; write learn_from = ["runs/cifar-1"], the folders or names '
            'of earlier ones, "auto", or [] for none',
        )
        return ()
    if entry and (row.model is None or not row.informed):
        what = "no trial" if row.model is None else "the trials of its own study alone"
        table.wrong(
            "learn_from",
            f'is not for method = "{method}", which learns from {what}; use method = "bayes"',
        )
    return tuple(entry)


def _no_beliefs(table: Table, space: SearchSpace) -> None:
    believed = [parameter.name for parameter in space.searched if likely_of(parameter)]
    if believed:
        table.wrong(
            "method",
            f"does not use the likely values of {', '.join(believed)}; "
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
    entry = nesting.joined(entry, names)
    # A parameter's own problem is not repeated here.
    usable = {k: v for k, v in entry.items() if k in space.by_name}
    found = [
        f"{name}: there is no such parameter; {hints.did_you_mean(name, names)}"
        for name in entry
        if name not in names
    ]
    found += space.problems(usable, partial=True)
    found += [
        f"{name} {words}"
        for name, value in usable.items()
        if (words := value_words(value)) and not any(_is_about(name, known) for known in found)
    ]
    given = {} if found else space.normalised(usable)
    if given and space.groups and not points.can_complete(space, given):
        found.append("no values of the other parameters were found that keep the constraints")
    for words in found:
        table.problems.add("search", key, None, words)
    return {} if found else given


def _is_about(name: str, words: str) -> bool:
    return words.startswith((f"{name} ", f"{name}:"))


def read_pruning(table: Table) -> PruningSpec:
    """[pruning], in which keys that the method does not read have their defaults."""
    method, kind, installed = _method_of(
        table, PRUNERS, plugins.PRUNERS, PrunerKind, _PRUNING.method
    )
    pruning = PruningSpec(
        method=method,
        resource=table.text("resource", None),
        min=table.whole("min", _PRUNING.min, low=1),
        max=table.whole("max", None, low=1),
        reduction=table.number("reduction", _PRUNING.reduction),
        style=table.one_of("style", _PRUNING.style, get_args(PruningStyle)),
        brackets=table.whole("brackets", _PRUNING.brackets, low=1),
        options=_read_options(table, kind.options),
        installed=installed,
    )
    if pruning.reduction <= 1:
        table.wrong("reduction", "promotes every trial; write reduction = 3, say")
    faults = _guarded(table, lambda: [*kind.check(pruning, table.content.keys())]) or []
    _note(table, faults)
    if installed is not None and not faults:
        _guarded(table, lambda: kind.make(pruning, "min"))
    unread = {key: getattr(_PRUNING, key) for key in _PRUNING_KEYS if key not in kind.keys}
    return replace(pruning, **unread)
