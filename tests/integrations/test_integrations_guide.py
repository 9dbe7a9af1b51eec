"""Every example of the page about training frameworks runs as a study that promotes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tomli_w
from packages import needs
from promoting import LAST, curves, run
from workshop import Workshop

pytestmark = pytest.mark.timeout(600)  # frameworks take seconds to import, more on a busy machine

PAGE = (Path(__file__).parents[2] / "docs/integrations.md").read_text()
FRAMEWORK = re.compile(
    r"^(?:import|from) (lightning|transformers|xgboost|lightgbm|keras|jax)\b", re.MULTILINE
)
CODE = re.compile(r"(?P<above>(?:[^\n]+\n)+)\n```python\n(?P<code>.*?)```", re.DOTALL)
KEY = re.compile(r"`(\w+ = [^`]+)`")
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)


class Example(NamedTuple):
    """Code, the package that it is for, and the paragraph above it."""

    code: str
    package: str
    above: str

    @property
    def file(self) -> str:
        return "main.py" if "`main.py`" in self.above else "train.py"


def examples() -> list[Example]:
    return [
        Example(match["code"], FRAMEWORK.findall(match["code"])[0], match["above"])
        for match in CODE.finditer(PAGE)
    ]


def study_of(example: Example) -> dict[str, Any]:
    whole, command = (tomllib.loads(text) for text in TOML.findall(PAGE))
    said = tomllib.loads("\n".join(KEY.findall(example.above)))
    if example.file == "main.py":
        whole["trial"] = command["trial"]
    else:
        whole["objective"]["metric"] = said.pop("metric")
        whole["pruning"]["resource"] = said.pop("resource")
    whole["trial"] |= said
    whole["trial"]["cpus"] = 0.5
    # The first is the better one, so that it is promoted.
    whole["search"] = {"points": [{"lr": 0.1}, {"lr": 0.01}], "trials": 2, "concurrency": 1}
    return whole


def test_no_example_is_left_out():
    assert len(examples()) == PAGE.count("```python")
    assert len(TOML.findall(PAGE)) == PAGE.count("```toml") == 2


@pytest.mark.parametrize("example", examples(), ids=lambda one: f"{one.package}-{one.file}")
def test_an_example_promotes_and_resumes(workshop: Workshop, example: Example):
    needs(example.package)
    workshop.write(example.file, example.code)
    study = study_of(example)
    workshop.write("example.toml", tomli_w.dumps(study))
    done = run(workshop, "example.toml", {})
    output = done.stdout + done.stderr
    assert "warning" not in output, output
    states = {trial["trial"]: trial["state"] for trial in workshop.trials("example")}
    assert set(states.values()) == {"COMPLETE", "PRUNED"}
    found = curves(workshop, "example", study["objective"]["metric"])
    for number, curve in found.items():
        assert [step for _, step, _ in curve] == [*range(1, len(curve) + 1)], "each step once"
        assert (len(curve) == LAST) == (states[number] == "COMPLETE")
    assert max(attempt for curve in found.values() for attempt, _, _ in curve) > 0
