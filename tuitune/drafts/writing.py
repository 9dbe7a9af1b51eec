"""The text of a draft."""

import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tuitune.core.space import spell
from tuitune.drafts import option, registry, suggesting
from tuitune.drafts.option import VALUE, Objective, Option, Reading, escaped, named
from tuitune.drafts.printed import printed
from tuitune.drafts.readers import constants, sweeps
from tuitune.drafts.script import DraftError, Script, keywords, read_script
from tuitune.messages.text import plain
from tuitune.studyfile.fill_ins import FILL_IN
from tuitune.studyfile.reading import LONGEST_NAME

_FOLDER = "{trial.folder}"
_WIDTH = 100  # characters of a comment's line


def draft(path: Path, arguments: Sequence[str] = ()) -> str:
    """The text of a study file for a script or a W&B sweep, which are read and never run.

    arguments: words that the script is to get in every trial, as its user gives them. Raises
    DraftError if no study can be drafted.
    """
    try:
        text = _draft(path, arguments)
        tomllib.loads(text)
    except RecursionError:
        raise DraftError(f"{path} can't be read: it is nested too deeply.") from None
    except tomllib.TOMLDecodeError as error:
        raise DraftError(f"{path} has a value that TOML can't express: {error}.") from None
    return text


def _draft(path: Path, arguments: Sequence[str]) -> str:
    if path.suffix in (".yaml", ".yml"):
        sweep = sweeps.load_sweep(path)
        program = sweeps.program_of(sweep, path.parent)
        script = read_script(program) if program else None
        has_arguments = script is None or registry.read(script, registry.COMMAND_LINES) is not None
        try:
            reading = sweeps.read_sweep(sweep, script, takes_arguments=has_arguments)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise DraftError(f"{path} has a value that no W&B sweep can have: {error}.") from None
    else:
        script = read_script(path)
        found = registry.read(script)
        if found is None:
            raise DraftError(_nothing(script))
        reading = found
    options = _not_given(reading.options, arguments)
    given = [option for option in reading.options if option not in options]
    if reading.source == constants.CONFIGURATOR:
        options = constants.with_files(options, path.parent, arguments)
    options = options if reading.keeps_names else named(options)
    lines = suggesting.suggest(options, script.imported if script else (), given)
    if not any(line.parameters for line in lines):
        raise DraftError(_no_range(path, reading, options))
    objective = _objective(reading, script)
    if script is not None and not reading.folder and not any(_FOLDER in o.command for o in lines):
        reading = replace(reading, notes=(*reading.notes, *_files(script)))
    return "\n".join(_document(path, reading, arguments, lines, objective))


def _files(script: Script) -> list[str]:
    """A warning of files that a script without an option for its output writes, as far as known."""
    names = []
    for call in script.calls("save", "savefig", "save_weights", "save_model", "save_pretrained"):
        texts = [script.literal(node) for node in [*call.args, *keywords(call).values()]]
        names += [text for text in texts if isinstance(text, str) and re.search(r"[./]", text)]
    if not names:
        return []
    return [
        f"The script may write {', '.join(dict.fromkeys(names))}, for which it has no option:",
        "trials would overwrite each other's.",
    ]


def _nothing(script: Script) -> str:
    name = script.path.name
    if any(script.calls("suggest_float", "suggest_int", "suggest_categorical")):
        return (
            f"{script.path} suggests values by Optuna, but in no function at its top that could be "
            f"called as the objective: make it one, def objective(trial), then: tuitune init {name}"
        )
    return (
        f"{script.path} takes no arguments that init can read (argparse, click, typer, fire, absl, "
        "jsonargparse, tyro, hydra, dataclasses), and has no constants at its top that it knows "
        "hyperparameters by. Give it arguments, or move the values to be searched to its top as "
        f"lr = 0.001, then: tuitune init {name}. Or write the study file by hand, with command = "
        f'["python", "{name}", "--lr", "{{lr}}"] or a target function.'
    )


def _no_range(path: Path, reading: Reading, options: Sequence[Option]) -> str:
    free = [option.flag for option in options if suggesting.is_free(option)] or [
        o.flag for o in options
    ]
    names = f" ({', '.join(free)})" if free else ""
    return (
        f"{path} has no option that init knows a range for{names}; it was read as "
        f"{reading.source}. Write its study file by hand, with your own ranges in [space]."
    )


def _not_given(options: Sequence[Option], arguments: Sequence[str]) -> list[Option]:
    """The options that the user's own arguments leave open."""
    left = list(options)
    words = list(arguments)
    while words:
        word = words.pop(0)
        flag, equals, _ = word.partition("=")
        option = next((o for o in left if flag in _flags(o)), None)
        if option is None and not word.startswith("-") and not equals:
            option = next((o for o in left if o.words == (VALUE,)), None)
        elif option is not None and not equals and option.switch is None:
            words = words[max(option.count, 1) :]
        if option is not None:
            left.remove(option)
    return left


def _flags(option: Option) -> set[str]:
    words = {word for word in (*(option.switch or ()), *option.aliases) if word}
    if option.words and option.words != (VALUE,):
        words.add(option.words[0].partition("=")[0])
    return words


def _objective(reading: Reading, script: Script | None) -> Objective:
    found = None if script is None else printed(script, reading.beside)
    named = reading.objective
    if named is None:
        return found or Objective(metric=FILL_IN, mode="min", pattern=FILL_IN)
    if reading.reports_itself:
        return named
    if found is not None and found.metric == named.metric:
        return found
    return Objective(metric=named.metric, mode=named.mode, pattern=FILL_IN, why=named.why)


def _document(
    path: Path,
    reading: Reading,
    arguments: Sequence[str],
    lines: Sequence[suggesting.Line],
    objective: Objective,
) -> Iterator[str]:
    yield f"# A study of {plain(path.name)}, drafted from {reading.source}: a start to edit."
    yield from (f"# {plain(note)}" for note in reading.notes)
    yield ""
    yield from _study(path)
    yield from _metric(objective)
    yield "[trial]"
    yield "command = ["
    yield from _command(reading, arguments, lines)
    if reading.folder:
        yield f"    {', '.join(map(spell, reading.folder))},"
    yield from ("]", "")
    if not reading.reports_itself:
        yield from _patterns(objective)
    yield "[space]"
    for line in lines:
        yield from _space(line)
    yield from _kept(suggesting.kept(lines))
    yield ""
    yield from reading.tables or ("[search]", "trials = 50")
    if "[pruning]" not in reading.tables:
        options = [line.option for line in lines]
        yield from _pruning(objective, suggesting.length(options, objective.unit))
    yield ""


def _command(
    reading: Reading, arguments: Sequence[str], lines: Sequence[suggesting.Line]
) -> Iterator[str]:
    """The program's words and those of its options, a subcommand after the main parser's."""
    words, start = reading.command, [line for line in lines if line.option.is_main and line.command]
    if start:
        yield f"    {', '.join(map(spell, words))},"
        yield from map(_option, start)
        words = ()
    if words := (*words, *reading.subcommand):
        yield f"    {', '.join(map(spell, words))},"
    if arguments:
        yield f"    {', '.join(spell(escaped(word)) for word in arguments)},"
    own = [line for line in lines if line.command and not line.option.is_main]
    # positional ones together, since argparse may take an optional one among options for missing
    yield from map(_option, sorted(own, key=lambda line: line.option.words == (VALUE,)))


def _option(line: suggesting.Line) -> str:
    return f"    {line.command}," + ("" if line.parameters else f"  # {plain(line.why)}")


def _study(path: Path) -> Iterator[str]:
    """The table [study], where the file's own name is too long for the study's."""
    name = os.fsencode(path.stem)
    if len(name) > LONGEST_NAME:
        short = name[:LONGEST_NAME].decode("utf-8", "ignore")
        yield from ("[study]", f"name = {spell(short)}", "")


def _metric(objective: Objective) -> Iterator[str]:
    what = objective.why or "the name of what to improve"
    yield "[objective]"
    yield f"metric = {spell(objective.metric)}  # {plain(what)}"
    yield f'mode = "{objective.mode}"  # "min" or "max"'
    yield ""


def _patterns(objective: Objective) -> Iterator[str]:
    yield "[trial.metrics]  # what the script prints, with ( ) around the number"
    yield f"{option.toml_key(objective.metric)} = {_quoted(objective.pattern or FILL_IN)}"
    if objective.unit:
        yield f"{objective.unit} = {_quoted(objective.count)}"
    yield ""


def _quoted(pattern: str) -> str:
    return spell(pattern) if "'" in pattern or "\n" in pattern else f"'{pattern}'"


def _space(line: suggesting.Line) -> Iterator[str]:
    for number, text in enumerate(line.parameters):
        yield text + (f"  # {plain(line.why)}" if line.why and number == 0 else "")


def _kept(words: str) -> Iterator[str]:
    """A comment, in lines of a readable length."""
    text = f"# As the script has them: {plain(words)}" if words else ""
    while len(text) > _WIDTH:
        cut = text.rfind(", ", 0, _WIDTH)
        if cut < 3:
            break
        yield text[: cut + 1]
        text = f"#   {text[cut + 2 :]}"
    if text:
        yield text


def _pruning(objective: Objective, whole: int | None) -> Iterator[str]:
    yield ""
    yield "# [pruning]  # stops poor trials early, by a metric reported again and again"
    yield '# method = "asha"'
    if objective.unit:
        yield f'# resource = "{objective.unit}"'
    unit = f"{objective.unit}s" if objective.unit else "reports"
    yield f"# max = {whole or 27}  # how many {unit} a whole trial has"
