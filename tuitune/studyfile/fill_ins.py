"""What a drafted study file leaves for its user to fill in."""

from collections.abc import Iterator, Mapping
from typing import Any

from tuitune.core.space import spell
from tuitune.studyfile.problems import Problems

FILL_IN = "FILL-IN"


def check_filled_in(document: Mapping[str, Any], problems: Problems) -> bool:
    """Record each place where a draft still has FILL-IN, with what belongs there.

    Returns whether there are any. What else is wrong may follow from them.
    """
    before = len(problems.found)
    for name, table in document.items():
        for key, value in table.items() if isinstance(table, dict) else ():
            _check(name, key, value, problems)
    return len(problems.found) > before


def _check(table: str, key: str, value: Any, problems: Problems) -> None:
    match table, key:
        case "objective", "metric" if value == FILL_IN:
            words = "write the name of the metric to improve, as the program reports or prints it"
            problems.add(table, key, value, words)
        case "trial", "command" if isinstance(value, list):
            for before in _before(value):
                words = f"write what the program is to get{before}"
                problems.add(table, key, FILL_IN, words)
        case "trial", "metrics" if isinstance(value, dict):
            for name, pattern in value.items():
                if FILL_IN in (name, pattern):
                    words = (
                        "write the metric's name = 'its pattern', as the program prints it: "
                        r"val_loss = 'val loss: ([0-9.]+)'"
                    )
                    problems.add("trial.metrics", name, pattern, words)
        case _ if value == FILL_IN or (isinstance(value, dict) and FILL_IN in value.values()):
            problems.add(table, key, value, "write a value of your own")


def _before(command: list[Any]) -> Iterator[str]:
    """For each FILL-IN of a command, where it stands: after which word, or in which."""
    last = ""
    for part in command:
        for word in part if isinstance(part, list) else [part]:
            if word == FILL_IN:
                yield f" after {spell(last)}" if last else " as its first word"
            elif isinstance(word, str) and FILL_IN in word:
                yield f" in place of {FILL_IN} in {spell(word)}"
            last = word
