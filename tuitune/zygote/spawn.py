"""How does a trial run whose target can't be forked, since its import starts threads or CUDA?"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from typing import TYPE_CHECKING

from tuitune.trial import child_process
from tuitune.trial.wire import decode_order
from tuitune.zygote import samplers, targets
from tuitune.zygote.child_table import live
from tuitune.zygote.protocol import Sample

if TYPE_CHECKING:
    from tuitune.trial.api import Trial


def main() -> None:
    """The process's whole life; argv is what `ChildTable._spawn` hands on."""
    kind, folder, target, place, tidy, *rest = sys.argv[1:]
    *result, parent = (int(number) for number in rest)
    text = os.pread(int(place), os.fstat(int(place)).st_size, 0)
    os.close(int(place))
    os.set_inheritable(int(tidy), False)  # noqa: FBT003
    faulthandler.enable()
    targets.open_path(folder)
    if kind == "sample":
        samplers.answer(Sample(**json.loads(text)), folder, parent, result[0])
        child_process.leave(0, int(tidy))

    def function(trial: Trial) -> object:
        return targets.load(target, folder)(trial)

    live(decode_order(text), function if target else None, parent, int(tidy))
