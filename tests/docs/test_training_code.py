"""Every example of the page about training code runs, and does what the page says of it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from workshop import Workshop

PAGE = Path(__file__).parents[2] / "docs" / "training-code.md"
BLOCK = re.compile(r"<!-- (?P<facts>\{[^\n]*\}) -->\n```python\n(?P<code>.*?)```", re.DOTALL)


class Example(NamedTuple):
    """Code, and in `facts` its tables of the study file and what it must come to."""

    code: str
    facts: dict[str, Any]


def examples() -> list[Example]:
    found = BLOCK.finditer(PAGE.read_text())
    return [Example(match["code"], json.loads(match["facts"])) for match in found]


def name_of(example: Example) -> str:
    before = PAGE.read_text().partition(example.code)[0]
    heading = re.findall(r"^## (.*)$", before, re.MULTILINE)[-1]
    return heading.lower().replace(" ", "-")


def test_no_example_is_left_out():
    assert len(examples()) == PAGE.read_text().count("```python")


@pytest.mark.parametrize("example", examples(), ids=name_of)
def test_an_example_does_what_is_said_of_it(workshop: Workshop, example: Example):
    facts = example.facts
    more = facts.get("trial", "")
    if "pruning" in facts:
        more += f"\n[pruning]\n{facts['pruning']}\n"
    study = workshop.study(example.code, more, trials=4)
    done = workshop.run(study, "--no-ui")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    trials = workshop.trials()
    assert {trial["state"] for trial in trials} <= set(facts.get("states", ["COMPLETE"])), output
    assert "COMPLETE" in {trial["state"] for trial in trials}
    assert ("warning" in output) is ("warns" in facts), output
    assert facts.get("warns", "") in output
    if "values_below" in facts:
        assert all(trial["value"] < facts["values_below"] for trial in trials)


@pytest.mark.parametrize(
    "example", [one for one in examples() if one.facts.get("by_hand")], ids=name_of
)
def test_an_example_runs_by_hand(workshop: Workshop, example: Example):
    script = workshop.write("train.py", example.code)
    done = workshop.call([sys.executable, str(script)])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("report ") == 3
