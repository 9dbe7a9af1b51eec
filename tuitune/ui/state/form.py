"""The form of a new trial: typed values, and their problems."""

from collections.abc import Mapping
from typing import Any

from tuitune.core import space as spaces
from tuitune.messages.parameters import condition, domain
from tuitune.studyfile.document import parsed
from tuitune.ui.state.records import Record

_METHOD = "left empty: the search chooses it"


class Field(Record, frozen=True):
    """One parameter of the form."""

    parameter: spaces.Parameter
    text: str
    value: Any  # None if nothing was typed
    exists: bool  # whether it is active, given the typed values of its parents
    problem: str  # a message; "" if there is none

    @property
    def name(self) -> str:
        """The name of the parameter."""
        return self.parameter.name

    def below(self) -> str:
        """The text below the field: its problem, else its possible values."""
        if self.problem:
            return self.problem
        known = f"{domain(self.parameter)} {condition(self.parameter)}".strip()
        if not self.exists:
            return f"unused unless {condition(self.parameter).removeprefix('when ')}"
        free = isinstance(self.parameter, spaces.Fixed) or self.text.strip()
        return known if free else f"{known}; {_METHOD}"


class Form(Record, frozen=True):
    """All fields, in the order of the study file."""

    fields: tuple[Field, ...]
    broken: str = ""  # the first constraint that the typed values break; "" if there is none

    @property
    def config(self) -> dict[str, Any]:
        """The typed values of active parameters."""
        return {f.name: f.value for f in self.fields if f.exists and f.value is not None}

    @property
    def problem(self) -> str:
        """The first problem, with its parameter; "" if there is none."""
        return next((f"{f.name}: {f.problem}" for f in self.fields if f.problem), self.broken)


def read_form(space: spaces.SearchSpace, texts: Mapping[str, str]) -> Form:
    """Reads typed texts, by parameter; the search chooses values for missing and blank ones."""
    ordered, _ = spaces.parents_first(space.parameters)
    known: dict[str, Any] = {}
    found: dict[str, Field] = {}
    for parameter in ordered:
        field = _field(space, parameter, texts.get(parameter.name, ""), known)
        found[parameter.name] = field
        if field.exists and field.value is not None:
            known[parameter.name] = field.value
    form = Form(tuple(found[parameter.name] for parameter in space.parameters))
    if form.problem or not space.constraints:
        return form
    return Form(form.fields, next(iter(space.problems(form.config, partial=True)), ""))


def filled(space: spaces.SearchSpace, config: Mapping[str, Any]) -> dict[str, str]:
    """Initial texts by parameter: a configuration, and the fixed values."""
    texts = {p.name: typed(config[p.name]) for p in space.parameters if p.name in config}
    fixed = {p.name: typed(p.value) for p in space.parameters if isinstance(p, spaces.Fixed)}
    return {**texts, **fixed}


def typed(value: object) -> str:
    """A value as a user would type it: TOML, but words without quotes."""
    return value if isinstance(value, str) and read_text(value) == value else spaces.spell(value)


def read_text(text: str) -> Any:
    """The value of a typed text: TOML, else the text itself."""
    path, value = parsed(f"value={text}")
    return value if path else text


def _field(
    space: spaces.SearchSpace, parameter: spaces.Parameter, text: str, known: Mapping[str, Any]
) -> Field:
    unknown = [parent for parent in parameter.when if parent not in known]
    exists = bool(unknown) or space.is_active(parameter, known)
    if not text.strip() or not exists:
        return Field(parameter, text, None, exists, "")
    if isinstance(parameter, spaces.Sampled):
        return Field(parameter, text, read_text(text), exists, "")
    value = _possible(parameter, text)
    problem = spaces.value_problem(parameter, value)
    if not problem and unknown and not isinstance(parameter, spaces.Fixed):
        problem = f"is used only {condition(parameter)}; give {unknown[0]} too"
    fixed = isinstance(parameter, spaces.Fixed) and not problem
    return Field(parameter, text, None if fixed and unknown else value, exists, problem)


def _possible(parameter: spaces.Parameter, text: str) -> Any:
    """The typed value; for a choice, the text itself if only that is a possible value."""
    value = read_text(text.strip())
    bare = text.strip()
    if isinstance(parameter, spaces.Choice) and spaces.index_of(parameter, value) is None:
        return bare if spaces.index_of(parameter, bare) is not None else value
    return value
