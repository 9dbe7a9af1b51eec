"""How does a study go on that another process runs?"""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING

from tuitune.cli.progress import JsonLines, Lines
from tuitune.cli.studies import short_path
from tuitune.cli.summary import print_result, result_of
from tuitune.core.events import Finished
from tuitune.core.study import Study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.cli.studies import StudyFolder
    from tuitune.core.events import AnyFact

POLL = 0.5  # s


def follow(folder: StudyFolder, *, as_json: bool) -> int:
    """Print what the engine stores until the study ends or its engine is gone."""
    study = Study(folder.spec)
    watcher = JsonLines() if as_json else Lines(study, short_path(folder.path))
    seen = 0
    try:
        while True:
            alive = folder.owner() is not None  # before the look, so that nothing is missed
            found = folder.reader.facts(seen)
            facts = [fact for _, fact in found]
            for fact in facts:  # one by one: what is said of each is how the study stood then
                study.evolve(fact)
                watcher([fact])
            seen = found[-1][0] if found else seen
            if study.state.finished and (not alive or _ends(facts)):
                break
            engine = None if alive else folder.reader.engine()
            if engine is not None and engine.broke_down:
                print(f"{folder.name}: {engine.words}", file=sys.stderr)
                return 1
            if not alive:
                command = f"`tuitune {shlex.quote(folder.source)}`"
                print(f"{folder.name}: its engine is gone; {command} goes on", file=sys.stderr)
                return 130
            time.sleep(POLL)
    except KeyboardInterrupt:
        print(f"\n{folder.name}: left running; `tuitune stop {folder.name}` stops it")
        return 130
    finally:
        watcher.close()
    return print_result(result_of(study), as_json=as_json)


def _ends(facts: Sequence[AnyFact]) -> bool:
    return bool(facts) and isinstance(facts[-1], Finished)
