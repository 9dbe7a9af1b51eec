"""What was decided about one trial, and why?"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tuitune.cli.console import print_json
from tuitune.cli.progress import fact_record
from tuitune.messages.facts import told
from tuitune.messages.text import trial_name

if TYPE_CHECKING:
    from tuitune.cli.studies import StudyFolder


def print_why(study: StudyFolder, trial: int, *, as_json: bool) -> int:
    """Everything that befell a trial but its reports, in order."""
    facts = [fact for _, fact in study.reader.facts_of(trial)]
    if not facts:
        print(f"{study.name}: there is no trial {trial_name(trial)}", file=sys.stderr)
        return 2
    for fact in facts:
        words = told(fact)
        if not words:
            continue
        if as_json:
            print_json(fact_record(fact))
        else:
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(fact.time))
            print(f"{clock}  {words}")
    return 0
