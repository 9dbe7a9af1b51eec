"""The search space of an Optuna objective, from its suggest calls with literal arguments."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tuitune.core.space import is_number, spell
from tuitune.drafts.option import Objective, Option, Reading, escaped, number_domain, toml_key
from tuitune.drafts.script import DraftError, Script, called, keywords

_RUNNER = ("python", "-m", "tuitune.integrations.optuna")
_SUGGEST = {
    "suggest_float": ("name", "low", "high"),
    "suggest_int": ("name", "low", "high"),
    "suggest_categorical": ("name", "choices"),
    "suggest_uniform": ("name", "low", "high"),
    "suggest_loguniform": ("name", "low", "high"),
    "suggest_discrete_uniform": ("name", "low", "high", "q"),
}
_MOST_COPIES = 32  # of a parameter that a loop suggests


_When = tuple[tuple[str, tuple[Any, ...]], ...]  # other parameters, and their values


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is known where a suggest call stands."""

    when: _When = ()
    loop: tuple[str, int] = ("", 0)  # the variable of a loop, and its value


def read_optuna(script: Script) -> Reading | None:
    """The objective that a script passes to study.optimize."""
    if "optuna" not in script.imported or not any(script.calls(*_SUGGEST)):
        return None
    name = _objective_name(script)
    if name not in script.functions:
        return None
    reader = _Reader(script)
    options = tuple(reader.options(script.functions[name]))
    if len(_directions(script)) > 1:
        raise DraftError(
            f"{script.path} has several objectives, and a study has one: return the one that "
            "counts, and pass direction= to create_study."
        )
    return Reading(
        source="Optuna",
        command=(*_RUNNER, f"{escaped(script.path.name)}:{name}"),
        options=options,
        notes=tuple(reader.notes),
        objective=Objective(
            metric="value",
            mode="max" if "maximize" in _directions(script) else "min",
            why="what the objective returns",
        ),
        reports_itself=True,
        keeps_names=True,
        tables=tuple(_limits(script)),
    )


def _objective_name(script: Script) -> str:
    for call in script.calls("optimize"):
        node = call.args[0] if call.args else keywords(call).get("func")
        if isinstance(node, ast.Lambda):
            node = node.body
        if called(node) in script.functions:
            return called(node)
    having = [
        n for n, f in script.functions.items() if any(called(c) in _SUGGEST for c in ast.walk(f))
    ]
    return "objective" if "objective" in having else having[-1] if having else ""


def _directions(script: Script) -> list[str]:
    for call in script.calls("create_study"):
        given = keywords(call)
        several = script.literal(given.get("directions"))
        if isinstance(several, list):
            return several
        direction = given.get("direction")
        if direction is not None:
            text = script.literal(direction) or called(direction).lower()
            return [str(text)]
    return ["minimize"]


def _limits(script: Script) -> Iterator[str]:
    """[search] and [limits], from the arguments of study.optimize."""
    for call in script.calls("optimize"):
        given = keywords(call)
        trials = script.literal(given.get("n_trials") or next(iter(call.args[1:2]), None))
        seconds = script.literal(given.get("timeout"))
        yield "[search]"
        yield f"trials = {trials if isinstance(trials, int) and trials > 0 else 100}"
        if isinstance(seconds, int | float) and seconds > 0:
            yield from ("", "[limits]", f'time = "{seconds:g}s"')
        return


class _Reader:
    """Collects the suggest calls of an objective and of the functions that get its trial."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._variables: dict[str, str] = {}  # variable -> the parameter that it holds
        self._found: dict[str, Option] = {}
        self._when: dict[str, _When] = {}
        self._read: set[str] = set()
        self.notes: list[str] = []

    def options(self, function: ast.FunctionDef) -> list[Option]:
        self._function(function, _Scope())
        return [self._conditional(option) for option in self._found.values()]

    def _conditional(self, option: Option) -> Option:
        when = self._when[option.name]
        if not when:
            return option
        conditions = ", ".join(f"{toml_key(name)} = {spell(list(values))}" for name, values in when)
        return replace(option, domain=f"{option.domain[:-2]}, when = {{ {conditions} }} }}")

    def _function(self, function: ast.FunctionDef, scope: _Scope) -> None:
        if function.name in self._read:
            return
        self._read.add(function.name)
        self._block(function.body, scope)

    def _block(self, body: list[ast.stmt], scope: _Scope) -> None:
        for node in body:
            match node:
                case ast.If():
                    self._expression(node.test, scope)
                    self._branches(node, scope)
                case ast.For():
                    self._expression(node.iter, scope)
                    for inner in self._turns(node, scope):
                        self._block(node.body, inner)
                case ast.With() | ast.Try() | ast.While():
                    self._heads(node, scope)
                    self._block(node.body, scope)
                case ast.FunctionDef() | ast.ClassDef():
                    self._block(node.body, scope)
                case _:
                    self._statement(node, scope)

    def _heads(self, node: ast.With | ast.Try | ast.While, scope: _Scope) -> None:
        if isinstance(node, ast.With):
            for item in node.items:
                self._expression(item.context_expr, scope)

    def _statement(self, node: ast.stmt, scope: _Scope) -> None:
        found = self._expression(node, scope)
        for part in ast.walk(node):
            if isinstance(part, ast.Dict):
                self._entries(part, scope)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and found:
            self._variables |= {called(target): found for target in node.targets}

    def _entries(self, node: ast.Dict, scope: _Scope) -> None:
        """Remember which entries of a dictionary hold parameters: param["booster"]."""
        for key, value in zip(node.keys, node.values, strict=True):
            given = value.args[0] if isinstance(value, ast.Call) and value.args else None
            if called(value) in _SUGGEST and key is not None:
                self._variables[_entry(self._script.literal(key))] = self._name(given, scope)

    def _expression(self, node: ast.AST, scope: _Scope) -> str:
        """Read the calls in an expression; the name of the last parameter suggested."""
        last = ""
        for call in ast.walk(node):
            if not isinstance(call, ast.Call):
                continue
            if called(call) in _SUGGEST:
                last = self._suggest(call, scope) or last
            elif isinstance(call.func, ast.Name) and call.func.id in self._script.functions:
                arguments = [*call.args, *keywords(call).values()]
                if any(called(argument) == "trial" for argument in arguments):
                    self._function(self._script.functions[call.func.id], scope)
        return last

    def _branches(self, node: ast.If, scope: _Scope) -> None:
        name, values = self._condition(node.test)
        rest: tuple[Any, ...] = ()
        if name in self._found:
            rest = tuple(v for v in self._found[name].choices if v not in values)
        self._block(node.body, _narrowed(scope, name, values))
        self._block(node.orelse, _narrowed(scope, name, rest))

    def _condition(self, test: ast.expr) -> tuple[str, tuple[Any, ...]]:
        """The parameter and the values of `variable == value` and `variable in (…)`."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
            found = [self._condition(part) for part in test.values]
            name = found[0][0]
            same = all(other == name for other, _ in found)
            return (name, tuple(v for _, values in found for v in values)) if same else ("", ())
        if not isinstance(test, ast.Compare) or len(test.ops) != 1:
            return "", ()
        left = test.left
        variable = called(left) if isinstance(left, ast.Name) else ""
        if isinstance(left, ast.Subscript):
            variable = _entry(self._script.literal(left.slice))
        name = self._variables.get(variable, "")
        value = self._script.literal(test.comparators[0])
        if name and isinstance(test.ops[0], ast.Eq) and value is not None:
            return name, (value,)
        if name and isinstance(test.ops[0], ast.In) and isinstance(value, list):
            return name, tuple(value)
        return "", ()

    def _turns(self, node: ast.For, scope: _Scope) -> Iterator[_Scope]:
        """The scope of each turn of `for i in range(n)`, where n is a number or a parameter."""
        call = node.iter
        variable = called(node.target)
        if not isinstance(call, ast.Call) or called(call) != "range" or len(call.args) != 1:
            yield scope
            return
        count = self._script.literal(call.args[0])
        name = self._variables.get(called(call.args[0]), "")
        if isinstance(count, int):
            for turn in range(min(count, _MOST_COPIES)):
                yield replace(scope, loop=(variable, turn))
        elif name in self._found:
            values = self._found[name].choices  # of a suggested number: all of its values
            whole = [value for value in values if isinstance(value, int)]
            for turn in range(min(max(whole, default=0), _MOST_COPIES)):
                enough = tuple(value for value in whole if value > turn)
                inner = _narrowed(scope, name, enough if len(enough) < len(whole) else ())
                yield replace(inner, loop=(variable, turn))
        else:
            yield scope

    def _suggest(self, call: ast.Call, scope: _Scope) -> str:
        given = dict(zip(_SUGGEST[called(call)], call.args, strict=False)) | keywords(call)
        name = self._name(given.get("name"), scope)
        if not name:
            self.notes.append(f"Line {call.lineno}: a parameter whose name is not a literal.")
            return ""
        domain, values = self._domain(called(call), given)
        if not domain:
            self.notes.append(
                f"Line {call.lineno}: {name} has no literal range. Write it in [space] by hand."
            )
            return ""
        if self._when.setdefault(name, scope.when) != scope.when:
            self._when[name] = ()  # suggested in several places: it is there in all of them
        self._found.setdefault(name, Option(name=name, domain=domain, choices=values))
        return name

    def _name(self, node: ast.expr | None, scope: _Scope) -> str:
        text = self._script.literal(node)
        if isinstance(text, str):
            return text
        variable, turn = scope.loop
        if isinstance(node, ast.JoinedStr) and variable:
            inner = [p.value if isinstance(p, ast.FormattedValue) else p for p in node.values]
            texts = [
                str(turn) if called(p) == variable else getattr(p, "value", None) for p in inner
            ]
            return "".join(map(str, texts)) if None not in texts else ""
        if isinstance(node, ast.Call) and called(node) == "format" and len(node.args) == 1:
            form = self._script.literal(getattr(node.func, "value", None))
            if isinstance(form, str) and called(node.args[0]) == variable and variable:
                return form.replace("{}", str(turn))
        return ""

    def _domain(self, form: str, given: dict[str, ast.expr]) -> tuple[str, tuple[Any, ...]]:
        """A range as TOML, and its values where the conditions of others may name them."""
        literal = self._script.literal
        if form == "suggest_categorical":
            values = literal(given.get("choices"))
            plain = isinstance(values, list) and all(
                isinstance(v, bool | int | float | str) for v in values
            )
            if not plain or not values:
                return "", ()
            return f"{{ choices = {spell(list(dict.fromkeys(values)))} }}", tuple(values)
        low, high = literal(given.get("low")), literal(given.get("high"))
        if not is_number(low) or not is_number(high):
            return "", ()
        whole = form == "suggest_int"
        log = form == "suggest_loguniform" or literal(given.get("log")) is True
        step = literal(given.get("step") or given.get("q"))
        if low == high:
            return f"{{ value = {spell(int(low) if whole else float(low))} }}", (low,)
        text = number_domain(low, high, whole=whole, log=log, step=step)
        return text, _whole_values(low, high, step) if whole else ()


def _whole_values(low: float, high: float, step: float | None) -> tuple[int, ...]:
    """The values of a range of whole numbers, where they are few."""
    first, last = int(low), int(high)
    return tuple(range(first, last + 1, int(step or 1))) if last - first <= 100 else ()


def _entry(key: Any) -> str:
    """The key under which a dictionary's entry is remembered."""
    return f"[{key}]"


def _narrowed(scope: _Scope, name: str, values: tuple[Any, ...]) -> _Scope:
    if not name or not values:
        return scope
    when = dict(scope.when)
    when[name] = tuple(value for value in when.get(name, values) if value in values)
    return replace(scope, when=tuple(when.items()))
