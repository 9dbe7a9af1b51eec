"""Constraints between parameters: expressions that are parsed, and never evaluated as code.

Python's syntax of names, numbers, text, arithmetic, comparisons, `in`, `and`, `or` and `not`. A
parameter that a configuration lacks has an unknown value, and so has all arithmetic with it and
each comparison; `and`, `or` and `not` go on from there by Kleene's three-valued logic.
"""

import ast
import keyword
import math
import operator
import re
import warnings
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tuitune.core.space import expressions
from tuitune.core.space.parameters import Parameter, Sampled, Value, is_number, listed, spell

LONGEST: Final = 500  # characters of a constraint
_DEEPEST = 250  # parts within each other


class ConstraintError(Exception):
    """A text that is not a constraint; str() says which part of it, and how to correct it."""


class Constraint(msgspec.Struct, frozen=True):
    """A constraint that was read. holds: of a configuration; None where it does not apply to it."""

    text: str
    names: frozenset[str]  # the parameters that it is about
    holds: expressions.Evaluated


def read_constraint(text: str, parameters: Mapping[str, Parameter]) -> Constraint:
    """Read one constraint between these parameters, by their names. Raises ConstraintError."""
    if len(text) > LONGEST:
        raise ConstraintError(f"has more than {LONGEST} characters; write several constraints")
    reader = _Reader(text, parameters)
    try:
        term = reader.term(reader.tree())
    except (RecursionError, MemoryError):
        raise ConstraintError("is nested too deeply; write several constraints") from None
    if not reader.names:
        raise ConstraintError("names no parameter, so that it is always or never kept; remove it")
    if term.kind != "truth":
        raise ConstraintError(f"is {_KINDS[term.kind]}, not a comparison; write x <= 1, say")
    return Constraint(text, frozenset(reader.names), term.value)


class _Term(NamedTuple):
    """A part of a constraint. possible: the values of a choice or a constant, if it is one."""

    kind: str  # a key of _KINDS
    value: expressions.Evaluated
    node: ast.expr
    possible: tuple[Value, ...] = ()


_KINDS = {
    "number": "a number",
    "text": "text",
    "truth": "true or false",
    "mixed": "a choice among values of several kinds",
}
_BRACED = re.compile(r""""[^"]*"|'[^']*'|\{([^{}]*)\}""")
_ONLY = "use names, numbers, + - * / // % **, < <= > >= == !=, in [...], and, or, not and ( )"


class _Reader:
    """Reads one text. names: of the parameters seen so far."""

    def __init__(self, text: str, parameters: Mapping[str, Parameter]) -> None:
        self.text = text
        self.parameters = parameters
        self.names: set[str] = set()
        self._braced: dict[str, str] = {}  # stand-ins for names in braces
        self._depth = 0

    def tree(self) -> ast.expr:
        source = _BRACED.sub(self._stand_in, " ".join(self.text.split("\n"))).strip()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes in texts
                return ast.parse(source, mode="eval").body
        except (SyntaxError, ValueError) as wrong:
            raise ConstraintError(_syntax(self.text, self.parameters, wrong)) from None

    def _stand_in(self, found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        stand_in = f"_braced_{len(self._braced)}_"
        self._braced[stand_in] = found[1].strip()
        return f" {stand_in} "

    def term(self, node: ast.expr) -> _Term:
        """The value of a node; ConstraintError where it isn't allowed."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ConstraintError("is nested too deeply; write several constraints")
        found = self._read(node)
        self._depth -= 1
        return found

    def _read(self, node: ast.expr) -> _Term:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name() | ast.Attribute():
                return self._named(node)
            case ast.UnaryOp(op=op, operand=inner):
                return self._unary(op, self.term(inner), node)
            case ast.BinOp(left=left, op=op, right=right):
                return self._arithmetic(node, op, self.term(left), self.term(right))
            case ast.BoolOp(op=op, values=values):
                parts = [self._truth(self.term(value)).value for value in values]
                joined = expressions.all_of if isinstance(op, ast.And) else expressions.any_of
                return _Term("truth", joined(parts), node)
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compared(node, [left, *others], ops)
        raise ConstraintError(f"{self._words(node)}: {_ONLY}")

    def _constant(self, node: ast.Constant) -> _Term:
        value: Any = node.value
        kind = _kind_of(value)
        if kind == "mixed" or (kind == "number" and not math.isfinite(value)):
            raise ConstraintError(f"{self._words(node)}: {_ONLY}")
        if isinstance(value, int) and not isinstance(value, bool):
            value = value if abs(value) < 2**63 else float(value)
        return _Term(kind, lambda _: value, node, (value,))

    def _named(self, node: ast.Name | ast.Attribute) -> _Term:
        name = self._name(node)
        parameter = self.parameters.get(name)
        if parameter is None and name in _WORDS:
            return _Term("truth", lambda _: _WORDS[name], node, (_WORDS[name],))
        if parameter is None:
            raise ConstraintError(f"{name}: there is no such parameter; {self._meant(name)}")
        if isinstance(parameter, Sampled):
            raise ConstraintError(
                f"{name} is sampled: its value is not known when a configuration is chosen; "
                "keep the constraint in its sampling function instead"
            )
        self.names.add(name)
        possible = listed(parameter)
        kinds = {_kind_of(value) for value in possible} or {"number"}
        kind = kinds.pop() if len(kinds) == 1 else "mixed"
        return _Term(kind, lambda config: config.get(name), node, possible)

    def _name(self, node: ast.expr) -> str:
        if isinstance(node, ast.Attribute):
            return f"{self._name(node.value)}.{node.attr}"
        if isinstance(node, ast.Name):
            return self._braced.get(node.id) or self._as_written(node.id)
        raise ConstraintError(f"{self._words(node)}: {_ONLY}")

    def _as_written(self, name: str) -> str:
        """The name in the file: Python replaces some characters of names by similar ones."""
        if name.isascii() or name in self.parameters:
            return name
        from unicodedata import normalize  # noqa: PLC0415 - for few names

        return next((p for p in self.parameters if normalize("NFKC", p) == name), name)

    def _meant(self, name: str) -> str:
        import difflib  # noqa: PLC0415 - only a mistake pays for it

        values = [v for p in self.parameters.values() for v in listed(p)]
        if name in values:
            return f"write '{name}' for the text"
        endings = [known for known in self.parameters if known.endswith(f".{name}")]
        parts = [known for known in self.parameters if name in re.split(r"\W+", known)]
        near = endings or parts or difflib.get_close_matches(name, self.parameters, n=1)
        if not near:
            return f"there are: {', '.join(self.parameters)}"
        plain = all(part.isidentifier() for part in near[0].split("."))
        return f"did you mean {near[0]}?" if plain else f"did you mean {{{near[0]}}}?"

    def _words(self, node: ast.AST) -> str:
        words = ast.unparse(node)
        for stand_in, name in self._braced.items():
            words = words.replace(stand_in, f"{{{name}}}")
        return words

    def _unary(self, op: ast.unaryop, inner: _Term, node: ast.expr) -> _Term:
        if isinstance(op, ast.Not):
            return _Term("truth", expressions.negated(self._truth(inner).value), node)
        if not isinstance(op, ast.USub | ast.UAdd):
            raise ConstraintError(f"{self._words(node)}: {_ONLY}")
        number = self._number(inner).value
        if isinstance(op, ast.UAdd):
            return inner
        minus = expressions.calculated(operator.mul, lambda _: -1, number)
        possible = tuple(-v for v in inner.possible if is_number(v))
        return _Term("number", minus, node, possible)

    def _arithmetic(self, node: ast.BinOp, op: ast.operator, left: _Term, right: _Term) -> _Term:
        function = expressions.ARITHMETIC.get(type(op))
        if function is None:
            mend = _INSTEAD.get(type(op), _ONLY)
            raise ConstraintError(f"{self._words(node)}: {mend}")
        sides = self._number(left).value, self._number(right).value
        return _Term("number", expressions.calculated(function, *sides), node)

    def _number(self, term: _Term) -> _Term:
        if term.kind != "number":
            raise ConstraintError(
                f"{self._words(term.node)} is {_KINDS[term.kind]}, not a number; "
                "compare it by == or != with one of its values"
            )
        return term

    def _truth(self, term: _Term) -> _Term:
        if term.kind != "truth":
            words = self._words(term.node)
            raise ConstraintError(
                f"{words} is {_KINDS[term.kind]}, not a comparison; write {words} == …"
            )
        return term

    def _compared(self, node: ast.Compare, sides: list[ast.expr], ops: list[ast.cmpop]) -> _Term:
        parts: list[expressions.Evaluated] = []
        for op, one, other in zip(ops, sides, sides[1:], strict=False):
            if isinstance(op, ast.In | ast.NotIn):
                parts.append(self._among(node, isinstance(op, ast.In), self.term(one), other))
            else:
                parts.append(self._pair(node, op, self.term(one), self.term(other)))
        return _Term("truth", parts[0] if len(parts) == 1 else expressions.all_of(parts), node)

    def _pair(
        self, node: ast.expr, op: ast.cmpop, one: _Term, other: _Term
    ) -> expressions.Evaluated:
        if isinstance(op, ast.Eq | ast.NotEq):
            self._comparable(one, other)
            are_equal = expressions.compared(expressions.equal, one.value, other.value)
            return are_equal if isinstance(op, ast.Eq) else expressions.negated(are_equal)
        function = expressions.ORDER.get(type(op))
        if function is None:
            raise ConstraintError(f"{self._words(node)}: {_ONLY}")
        return expressions.compared(function, self._number(one).value, self._number(other).value)

    def _among(
        self,
        node: ast.expr,
        wanted: bool,  # noqa: FBT001 - in, or not in
        one: _Term,
        listed: ast.expr,
    ) -> expressions.Evaluated:
        if not isinstance(listed, ast.List | ast.Tuple | ast.Set) or not listed.elts:
            raise ConstraintError(f"{self._words(node)}: write a list of values after in: [1, 2]")
        parts = []
        for item in listed.elts:
            value = self.term(item)
            self._comparable(one, value)
            parts.append(expressions.compared(expressions.equal, one.value, value.value))
        return (
            expressions.any_of(parts) if wanted else expressions.negated(expressions.any_of(parts))
        )

    def _comparable(self, one: _Term, other: _Term) -> None:
        """Raise ConstraintError for two sides that are never equal, whatever the configuration."""
        if one.kind != other.kind and "mixed" not in {one.kind, other.kind}:
            raise ConstraintError(
                f"{self._words(one.node)} is {_KINDS[one.kind]}, and {self._words(other.node)} is "
                f"{_KINDS[other.kind]}: they are never equal; compare values of one kind"
            )
        if not one.possible or not other.possible:
            return
        if not any(expressions.equal(a, b) for a in one.possible for b in other.possible):
            choice, value = (one, other) if len(other.possible) == 1 else (other, one)
            there = ", ".join(spell(known) for known in choice.possible)
            raise ConstraintError(
                f"{self._words(choice.node)} is never {self._words(value.node)}; "
                f"write one of its values: {there}"
            )


_WORDS = {"true": True, "false": False}  # as a study file spells them
_INSTEAD: Mapping[type[ast.operator], str] = {
    ast.BitXor: "write ** for a power",
    ast.BitAnd: "write and",
    ast.BitOr: "write or",
}


def _syntax(text: str, parameters: Mapping[str, Parameter], wrong: Exception) -> str:
    """What is wrong with a text that Python can't parse."""
    reserved = [name for name in re.findall(r"\w+", text) if keyword.iskeyword(name)]
    for name in reserved:
        if name in parameters:
            return f"is not a condition; write {{{name}}} for that parameter"
    if "&&" in text or "||" in text:
        return "is not a condition; write and, or"
    if re.search(r"(?<![<>=!])=(?!=)", text):
        return "has a single =; write == where both sides are to be equal"
    if re.search(r"!(?!=)", text):
        return "has a lone !; write not"
    if not text.strip():
        return "is empty; write x <= 1, say, or remove it"
    problem = wrong.msg if isinstance(wrong, SyntaxError) else str(wrong)
    return f"is not a condition: {problem}; {_ONLY}"


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, str):
        return "text"
    return "number" if is_number(value) else "mixed"
