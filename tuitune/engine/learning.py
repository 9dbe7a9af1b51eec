"""Trials of earlier studies that a study learns from, mapped into its search space."""

import json
import math
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tuitune.core.search import proposal, registry, transfer
from tuitune.core.space import SearchSpace
from tuitune.core.spec import StudySpec
from tuitune.engine.settings import CannotRunError
from tuitune.executors.local.provenance import Sources, files_of
from tuitune.store.curves import Curve
from tuitune.store.errors import StoreError
from tuitune.store.folder import DATABASE, DOCUMENT, is_file, known_studies
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader
from tuitune.studyfile import StudyFileError, load, trial

KEY = "learned"  # among the texts that a study's database keeps
_CODE = "target code"  # the same: a hash of the training code at its first start
_LOOKED_AT = 200  # studies, the newest
_MOST = 10  # studies that "auto" finds
_ENOUGH = 2000  # usable trials, after which it looks no further
_LEAST = 10  # usable trials of each
_SHARED = 0.5  # of this study's parameters, that it has too


class Learned(msgspec.Struct, frozen=True):
    """Trials of earlier studies in this one's space, and a message about each study."""

    trials: tuple[proposal.Past, ...]
    words: tuple[str, ...]


def learn(spec: StudySpec, own: Path | None = None) -> Learned:
    """Read the studies of [search] learn_from. Raises CannotRunError for what can't be used.

    own: the folder of the study itself, which "auto" leaves out.
    """
    if spec.search.learn_from == "auto":
        return _related(spec, own, _code_of(spec))
    return _named(spec, spec.search.learn_from)


def _named(spec: StudySpec, names: Sequence[str]) -> Learned:
    trials: list[proposal.Past] = []
    summaries: list[str] = []
    for name in names:
        found = _read(_folder(name, spec), name, spec, len(trials))
        trials += found.trials
        summaries.append(found.summary)
    return Learned(tuple(trials), tuple(summaries))


def learned_once(spec: StudySpec, journal: Journal, folder: Path, *, begun: bool) -> Learned:
    """As `learn`, stored in the study, since the earlier studies may change or be removed later.

    begun: it has trials, so that no more studies are looked for. The words are those of the first
    time alone.
    """
    kept = journal.get(KEY)
    if kept is not None:
        return Learned(msgspec.convert(json.loads(kept), tuple[proposal.Past, ...]), ())
    code = None if begun else _code_of(spec)
    if spec.search.learn_from != "auto":
        learned = _named(spec, spec.search.learn_from)
    elif code is None:
        learned = Learned((), ())
    else:
        learned = _related(spec, folder, code)
    journal.put(KEY, json.dumps(msgspec.to_builtins(learned.trials)))
    if code is not None:
        journal.put(_CODE, code)
    return learned


def kept(text: str | None) -> int | None:
    """The number of trials that are stored under KEY; None if there are none."""
    return None if text is None else len(json.loads(text)) or None


def _related(spec: StudySpec, own: Path | None, code: str) -> Learned:
    """This user's studies of the same metric and mode, the newest first; code: see `_code_of`."""
    trials: list[proposal.Past] = []
    summaries: list[str] = []
    kind = registry.searcher_kind(spec.search)
    if not code or kind.model is None or not kind.informed:
        return Learned((), ())
    names: set[str] = set()
    for folder in known_studies()[:_LOOKED_AT]:
        if len(summaries) == _MOST or len(trials) >= _ENOUGH:
            break
        if own is not None and folder.resolve() == own.resolve():
            continue
        name = str(folder) if folder.name in names else folder.name
        try:
            if _stored_code(folder) != code:
                continue
            found = _read(folder, name, spec, len(trials))
        except (CannotRunError, StoreError):
            continue
        searched = spec.space.searched
        shared = sum(parameter.name in found.parameters for parameter in searched)
        if len(found.trials) >= _LEAST and shared >= _SHARED * len(searched):
            names.add(folder.name)
            trials += found.trials
            summaries.append(f"{found.summary}, a study of the same training code and metric")
    return Learned(tuple(trials), tuple(summaries))


def _code_of(spec: StudySpec) -> str:
    """A hash of the file that has the target, or of those that the command names; "" if unknown.

    Unlike the hash of what a trial has imported, it is known before anything runs.
    """
    folder = trial.working_folder(spec.file, spec.trial.cwd)
    if spec.trial.target is not None:
        words = [spec.trial.target.partition(":")[0]]
        words = words if words[0].endswith(".py") else ["-m", *words]
    else:
        parts = [[part] if isinstance(part, str) else part for part in spec.trial.command or ()]
        words = [word for part in parts for word in part]
    files = files_of(words, str(folder))
    return Sources(files, os.path.realpath(folder)).code if files else ""


def _stored_code(folder: Path) -> str | None:
    reader = Reader.open(folder / DATABASE)
    try:
        return reader.get(_CODE)
    finally:
        reader.close()


def _folder(name: str, spec: StudySpec) -> Path:
    """The study's folder: near the study file, below the current folder, or in the registry."""
    for folder in _candidates(name, spec):
        if is_file(folder / DATABASE):
            return folder
    raise _refused(
        spec,
        name,
        "there is no such study; name its folder, such as runs/cifar-1, or see tuitune ls",
    )


def _candidates(name: str, spec: StudySpec) -> Iterator[Path]:
    yield Path(spec.file).parent / name
    yield Path.cwd() / name
    yield from (folder for folder in known_studies() if folder.name == name)


class _Found(NamedTuple):
    """The usable trials of an earlier study; parameters: the names of all that it has."""

    trials: list[proposal.Past]
    summary: str
    parameters: Collection[str]


def _read(folder: Path, name: str, spec: StudySpec, count: int) -> _Found:
    """An earlier study, its trials numbered from `count` on. Raises CannotRunError."""
    try:
        theirs = load(folder / DOCUMENT, check_target=False)
        reader = Reader.open(folder / DATABASE)
        try:
            rows, curves = reader.trials(), reader.curves()
        finally:
            reader.close()
    except (StoreError, StudyFileError) as error:
        raise _refused(spec, name, f"can't be read: {error}") from error
    _same_objective(spec, theirs, name)
    rungs = theirs.pruner.milestones
    found: list[proposal.Past] = []
    tally = _Tally()
    for row in rows:
        config = tally.fit(spec.space, row.config)
        if config is None:
            continue
        points = _points(curves.get(row.number))
        number = count + len(found)
        earlier = transfer.Earlier(
            number, config, row.state, row.step or 0, row.value, points, name
        )
        past = transfer.past_of(earlier, spec.objective, rungs)
        if past is not None:
            found.append(past)
    if not found:
        raise _refused(spec, name, f"none of its {len(rows)} trials can be used{tally.words()}")
    summary = f"{name}: {len(found)} of {len(rows)} trials{tally.words()}"
    return _Found(found, summary, theirs.space.by_name)


def _points(curve: Curve | None) -> list[tuple[int, float | None]]:
    """(resource, value) of each report; the value is None if it is missing or not finite."""
    if curve is None:
        return []
    pairs = zip(curve.steps, curve.values, strict=True)
    return [(step, value if math.isfinite(value) else None) for step, value in pairs]


def _same_objective(spec: StudySpec, theirs: StudySpec, name: str) -> None:
    own, other = spec.objective, theirs.objective
    if (own.metric, own.mode) != (other.metric, other.mode):
        raise _refused(
            spec,
            name,
            f"seeks the {other.mode} of {other.metric}, and this study the {own.mode} of "
            f"{own.metric}; leave it out",
        )


class _Tally:
    """Counts of trials that were left out, and of parameters that had to be filled in."""

    def __init__(self) -> None:
        self._unfit: Counter[str] = Counter()
        self._lacking: Counter[str] = Counter()

    def fit(self, space: SearchSpace, config: dict[str, object]) -> dict[str, object] | None:
        try:
            here, lacking = transfer.fitted(space, config)
        except transfer.UnfitError as why:
            self._unfit[str(why)] += 1
            return None
        self._lacking.update(lacking)
        return here

    def words(self) -> str:
        parts = [f"{n} left out, as {why}" for why, n in self._unfit.most_common(3)]
        parts += [
            f"{p} is taken in the middle of its range in {n}" for p, n in self._lacking.items()
        ]
        return f" ({'; '.join(parts)})" if parts else ""


def _refused(spec: StudySpec, name: str, why: str) -> CannotRunError:
    return CannotRunError(f'{spec.file}: [search] learn_from = "{name}": {why}')
