"""What has been typed into the form of a new trial, and what is wrong with it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitune.core.space import Choice, Fixed, Sampled, index_of, parents_first, spell, value_problem
from tuitune.messages.parameters import condition, domain
from tuitune.studyfile.document import parsed
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.core.space import Parameter, SearchSpace

METHOD = "left empty: the search chooses it"


class Field(Record, frozen=True):
    """A parameter in the form."""

    parameter: Parameter
    text: str
    value: Any  # None: nothing was typed
    exists: bool  # beside what its parents are said to be
    problem: str  # in words; empty where there is none

    @property
    def name(self) -> str:
        return self.parameter.name

    def below(self) -> str:
        """What stands below its line: what is wrong, else what it may be."""
        if self.problem:
            return self.problem
        known = f"{domain(self.parameter)} {condition(self.parameter)}".strip()
        if not self.exists:
            return f"unused unless {condition(self.parameter).removeprefix('when ')}"
        free = isinstance(self.parameter, Fixed) or self.text.strip()
        return known if free else f"{known}; {METHOD}"


class Form(Record, frozen=True):
    """All fields, in the order of the study file."""

    fields: tuple[Field, ...]

    @property
    def config(self) -> dict[str, Any]:
        """What was typed, without what does not exist."""
        return {f.name: f.value for f in self.fields if f.exists and f.value is not None}

    @property
    def problem(self) -> str:
        """The first one, with its parameter; empty where there is none."""
        return next((f"{f.name}: {f.problem}" for f in self.fields if f.problem), "")


def read_form(space: SearchSpace, texts: Mapping[str, str]) -> Form:
    """Texts by parameter; what is absent or blank is left to the search."""
    ordered, _ = parents_first(space.parameters)
    known: dict[str, Any] = {}
    found: dict[str, Field] = {}
    for parameter in ordered:
        field = _field(space, parameter, texts.get(parameter.name, ""), known)
        found[parameter.name] = field
        if field.exists and field.value is not None:
            known[parameter.name] = field.value
    return Form(tuple(found[parameter.name] for parameter in space.parameters))


def filled(space: SearchSpace, config: Mapping[str, Any]) -> dict[str, str]:
    """Texts to start from: those of a trial's configuration, and what is fixed."""
    texts = {p.name: typed(config[p.name]) for p in space.parameters if p.name in config}
    fixed = {p.name: typed(p.value) for p in space.parameters if isinstance(p, Fixed)}
    return {**texts, **fixed}


def typed(value: object) -> str:
    """A value as one types it: a plain word without quotes."""
    return value if isinstance(value, str) and read_text(value) == value else spell(value)


def read_text(text: str) -> Any:
    """As TOML, and what is none as a bare word."""
    path, value = parsed(f"value={text}")
    return value if path else text


def _field(space: SearchSpace, parameter: Parameter, text: str, known: Mapping[str, Any]) -> Field:
    unknown = [parent for parent in parameter.when if parent not in known]
    exists = bool(unknown) or space.is_active(parameter, known)
    if not text.strip() or not exists:
        return Field(parameter, text, None, exists, "")
    if isinstance(parameter, Sampled):
        return Field(parameter, text, read_text(text), exists, "")
    value = _possible(parameter, text)
    problem = value_problem(parameter, value)
    if not problem and unknown and not isinstance(parameter, Fixed):
        problem = f"is used only {condition(parameter)}; give {unknown[0]} too"
    fixed = isinstance(parameter, Fixed) and not problem
    return Field(parameter, text, None if fixed and unknown else value, exists, problem)


def _possible(parameter: Parameter, text: str) -> Any:
    """What the text is; the bare text where only that is one of its values."""
    value = read_text(text.strip())
    bare = text.strip()
    if isinstance(parameter, Choice) and index_of(parameter, value) is None:
        return bare if index_of(parameter, bare) is not None else value
    return value
