"""Real training for `search_figures.py real`: three small tasks, minutes on one core for each study.

`digits` is the study of spaces/; `boosting` boosts trees on scikit-learn's breast cancer data, five
folds at once; `transformer` learns the characters of the source of Python's argparse.
"""

from __future__ import annotations

import argparse as _text
import contextlib
import importlib.util
import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuitune.core.search.proposal import AskModel, History, Past, identity
from tuitune.core.search.registry import make_model, make_searcher
from tuitune.core.space import (
    Choice,
    FloatRange,
    IntRange,
    PowerRange,
    SearchSpace,
    levels,
    value_at,
)
from tuitune.core.spec import SearchSpec
from tuitune.studyfile import load

RUNGS = (1, 3, 9, 27)
EVERY = 3  # one of so many goes on
Curve = Iterator[float]  # the metric after each of 27 equal parts of a training


@dataclass(frozen=True)
class Task:
    """train: from a configuration and a seed to its curve. sign: 1 where small is good, else -1."""

    space: SearchSpace
    train: Callable[[dict[str, Any], int], Curve]
    sign: float


class _StoppedError(Exception):
    pass


@dataclass
class _Trial:
    config: dict[str, Any]
    seen: list[float]
    max_resource: int = 1
    resume_path: None = None

    def report(self, *, val_accuracy: Any, **_: Any) -> None:
        self.seen.append(float(val_accuracy))
        if len(self.seen) == self.max_resource:
            raise _StoppedError


def digits() -> Task:
    """The network of spaces/, on scikit-learn's digits."""
    spaces = Path(__file__).parents[2] / "spaces"
    found = importlib.util.spec_from_file_location("digits", spaces / "digits.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)

    def train(config: dict[str, Any], seed: int) -> Curve:
        """Each rung is trained from the start: the script itself can't be halted in between."""
        seen: list[float] = []
        for rung in RUNGS:
            trial = _Trial(config, [], rung)
            torch.manual_seed(seed)
            with contextlib.suppress(_StoppedError):
                module.train(trial)
            yield from trial.seen[len(seen) :]
            seen = trial.seen

    return Task(load(spaces / "digits.toml", check_target=False).space, train, -1.0)


def boosting() -> Task:
    """Boosted trees, five rounds for each part."""
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415 - only where it is measured
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.metrics import log_loss  # noqa: PLC0415
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    rows, labels = load_breast_cancer(return_X_y=True)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(rows, labels))
    space = SearchSpace(
        (
            FloatRange("learning_rate", 1e-3, 1.0, log=True),
            IntRange("max_leaf_nodes", 2, 64, log=True),
            IntRange("min_samples_leaf", 1, 100, log=True),
            FloatRange("l2_regularization", 1e-6, 100.0, log=True),
            FloatRange("max_features", 0.1, 1.0),
            IntRange("max_bins", 8, 255, log=True),
        )
    )

    def train(config: dict[str, Any], seed: int) -> Curve:
        models = [
            HistGradientBoostingClassifier(
                **config, max_iter=1, warm_start=True, early_stopping=False, random_state=seed
            )
            for _ in folds
        ]
        for part in range(1, RUNGS[-1] + 1):
            losses = []
            for model, (train, test) in zip(models, folds, strict=True):
                model.max_iter = 5 * part
                model.fit(rows[train], labels[train])
                losses.append(log_loss(labels[test], model.predict_proba(rows[test])[:, 1]))
            yield float(np.mean(losses))

    return Task(space, train, 1.0)


def transformer() -> Task:
    """A small transformer, twelve steps for each part."""
    text = inspect.getsource(_text)
    letters = sorted(set(text))
    codes = torch.tensor([letters.index(letter) for letter in text])
    known, held = codes[: int(0.9 * len(codes))], codes[int(0.9 * len(codes)) :]
    length, batch, steps = 32, 16, 12
    check = torch.stack([held[i : i + length + 1] for i in range(0, len(held) - length - 1, 157)])
    space = SearchSpace(
        (
            FloatRange("lr", 1e-5, 1e-1, log=True),
            PowerRange("width", 8, 64),
            IntRange("layers", 1, 3),
            Choice("heads", (1, 2, 4)),
            FloatRange("dropout", 0.0, 0.5),
            FloatRange("weight_decay", 1e-6, 1.0, log=True),
            FloatRange("beta2", 0.9, 0.999),
            Choice("activation", ("relu", "gelu")),
            FloatRange("warmup", 0.0, 0.5),
        )
    )

    def train(config: dict[str, Any], seed: int) -> Curve:
        torch.manual_seed(seed)
        layer = torch.nn.TransformerEncoderLayer(
            config["width"], config["heads"], 4 * config["width"], config["dropout"],
            config["activation"], batch_first=True, norm_first=True,
        )  # fmt: skip
        letters_in = torch.nn.Embedding(len(letters), config["width"])
        places = torch.nn.Embedding(length, config["width"])
        body = torch.nn.TransformerEncoder(layer, config["layers"], enable_nested_tensor=False)
        out = torch.nn.Linear(config["width"], len(letters))
        parts = torch.nn.ModuleList([letters_in, places, body, out])
        mask = torch.nn.Transformer.generate_square_subsequent_mask(length)

        def loss_of(piece: torch.Tensor) -> torch.Tensor:
            hidden = letters_in(piece[:, :-1]) + places(torch.arange(length))
            scores = out(body(hidden, mask=mask, is_causal=True))
            return torch.nn.functional.cross_entropy(scores.flatten(0, 1), piece[:, 1:].flatten())

        optimizer = torch.optim.AdamW(
            parts.parameters(), config["lr"], (0.9, config["beta2"]), 1e-8, config["weight_decay"]
        )
        every = RUNGS[-1] * steps
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / (config["warmup"] * every + 1))
        )
        for _ in range(RUNGS[-1]):
            parts.train()
            for _ in range(steps):
                starts = torch.randint(len(known) - length - 1, (batch,))
                loss = loss_of(torch.stack([known[i : i + length + 1] for i in starts]))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            parts.eval()
            with torch.no_grad():
                yield float(loss_of(check))

    return Task(space, train, 1.0)


TASKS = {"digits": digits, "boosting": boosting, "transformer": transformer}


def run_real(task: Task, method: str, seed: int, trials: int) -> dict[str, Any]:
    """One study of one worker, pruned by ASHA that stops.

    best: by trials and by the parts of trainings spent; ends: how many proposals after the
    twentieth have a number exactly on an end of its range, and how many have that number.
    """
    search = SearchSpec(method, seed=seed)
    start = make_searcher(task.space, search)
    model = make_model(task.space, search, "min", RUNGS) if method in {"bayes", "tpe"} else None
    past: dict[int, Past] = {}
    rungs: dict[int, list[float]] = {rung: [] for rung in RUNGS}
    tried: set[str] = set()
    by_part: list[float] = []
    by_trial: list[float] = []
    ends: dict[str, list[int]] = {}
    began = time.process_time()
    for trial in range(trials):
        proposal = start.propose(trial, tried)
        if isinstance(proposal, AskModel):
            assert model is not None
            proposal = model.propose(trial, History(tuple(past.values())), tried)
        assert proposal is not None
        tried.add(identity(task.space, proposal.config))
        curve: list[tuple[int, float]] = []
        for part, value in enumerate(task.train(proposal.config, 1000 * seed + trial), 1):
            loss = task.sign * value
            by_part.append(min([loss, *by_part[-1:]]))
            if part in RUNGS:
                curve.append((part, loss))
                rungs[part].append(loss)
                if loss > sorted(rungs[part])[max(len(rungs[part]) // EVERY, 1) - 1]:
                    break
        past[trial] = Past(trial, proposal.config, tuple(curve), "ended")
        by_trial.append(task.sign * by_part[-1])
        if trial >= 20:
            _count_ends(task.space, proposal.config, ends)
    at = [part for part in (20, 40, 60, 100, 150, 200) if part <= len(by_part)]
    return {
        "best": by_trial[-1],
        "by_trial": {n: by_trial[n - 1] for n in (10, 20, 30, 40) if n <= trials},
        "by_part": {part: task.sign * by_part[part - 1] for part in at},
        "parts": len(by_part),
        "ends": ends,
        "cpu_s": round(time.process_time() - began, 1),
    }


def _count_ends(space: SearchSpace, config: dict[str, Any], ends: dict[str, list[int]]) -> None:
    for parameter in space.searched:
        if isinstance(parameter, FloatRange) and parameter.name in config:
            top = parameter.high
            if parameter.step is not None:
                top = float(value_at(parameter, (levels(parameter) or 1) - 1))
            counted = ends.setdefault(parameter.name, [0, 0])
            counted[0] += config[parameter.name] in {parameter.low, top}
            counted[1] += 1
