"""Which range would one argument of a script be searched in?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuitune.core.space import spell

if TYPE_CHECKING:
    from tuitune.cli.arguments import Argument

# How long a trial runs, what it reads and how it is watched: nothing to search.
_LEFT = re.compile(
    r"epoch|seed|step|iter|worker|interval|freq|every|log|print|save|verbose|debug|port|rank|"
    r"world|gpu|cuda|device|cpu|thread|patience|path|dir|file|resume|checkpoint|eval|test|dry"
)
_LOG = re.compile(r"(^|_)(lr|learning_rate|wd|decay|reg|alpha|eps|epsilon|tol|lambda|l1|l2)($|_)")
_SIZES = re.compile(r"batch|hidden|unit|width|dim|channel|embed|filter|size|neuron")


@dataclass(frozen=True, slots=True)
class Line:
    """What one argument becomes: its part of the command, and its lines in [space]."""

    command: str = ""  # TOML; empty: left to the script's default
    parameters: tuple[str, ...] = ()
    why: str = ""


def suggest(argument: Argument) -> Line:
    """Suggest a range around an argument's default; without one it is left to the script."""
    if argument.action in ("store_true", "store_false", "optional"):
        return _switch(argument)
    said = _range(argument)
    if said:
        key = toml_key(argument.name)
        why = argument.flag
        if argument.default is not None:
            why += f", the script's default is {argument.default!r}"
        value = f'"{{{argument.name}}}"'
        words = value if argument.bare else f"{spell(argument.flag)}, {value}"
        return Line(words, (f"{key} = {said}",), why)
    if argument.needed:
        return Line('"FILL-IN"' if argument.bare else f'{spell(argument.flag)}, "FILL-IN"')
    return Line()


def _switch(argument: Argument) -> Line:
    name, flag = argument.name, argument.flag
    if _LEFT.search(name.lower()) or not flag.startswith("--"):
        return Line()
    if argument.action == "optional":
        other = "--no-" + flag.removeprefix("--")
        said = f"{toml_key(name)} = {spell([flag, other])}"
        return Line(f'"{{{name}}}"', (said,), "a switch and its opposite")
    present = f"{{ value = {spell(flag)}, when = {{ {toml_key(name)} = true }} }}"
    lines = (f"{toml_key(name)} = [true, false]", f"{toml_key(name + '_flag')} = {present}")
    return Line(f'["{{{name}_flag}}"]', lines, f"{flag} stands in the command only when true")


def _range(argument: Argument) -> str:
    if argument.several or argument.action != "store" or _LEFT.search(argument.name.lower()):
        return ""
    plain = [c for c in argument.choices if isinstance(c, str | int | float)]
    if len(plain) > 1 and len(plain) == len(argument.choices):
        return spell(list(dict.fromkeys(plain)))
    default = argument.default
    if isinstance(default, bool) or not isinstance(default, int | float):
        return ""
    if isinstance(default, float) or argument.kind == "float":
        return _floats(argument.name.lower(), float(default))
    return _wholes(argument.name.lower(), default)


def _floats(name: str, default: float) -> str:
    if _LOG.search(name):
        middle = default if default > 0 else 1e-4
        return f"{{ low = {_short(middle / 10)}, high = {_short(middle * 10)}, log = true }}"
    if "dropout" in name:
        return "{ low = 0.0, high = 0.5 }"
    if "momentum" in name or "beta" in name:
        return f"{{ low = 0.5, high = {_short(max(default, 0.99))} }}"
    if default <= 0:
        return ""
    high = min(default * 2, 1.0) if default < 1 else default * 2
    return f"{{ low = {_short(default / 2)}, high = {_short(high)} }}"


def _wholes(name: str, default: int) -> str:
    if default < 1:
        return ""
    if _SIZES.search(name) and default & (default - 1) == 0:
        return f"{{ low = {max(default // 4, 1)}, high = {default * 4}, powers_of = 2 }}"
    return f"{{ low = {max(default // 2, 1)}, high = {max(default * 2, 3)} }}"


def _short(value: float) -> str:
    return repr(float(f"{value:.3g}"))


def toml_key(name: str) -> str:
    """Spell a key, in quotes only where it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else spell(name)
