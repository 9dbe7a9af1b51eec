"""The command of [notify], run when a study has ended or has lost a GPU."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Self

from tuitune.core import events as ev, reasons
from tuitune.core.study import Study
from tuitune.messages.reasons import reason_words
from tuitune.messages.text import number, which
from tuitune.store.folder import LOG

Event = Literal["done", "halted", "gpu_lost"]

_SECONDS = 30.0  # that the command may take
BY_HAND = "stopped by Ctrl-C"


class Notifier:
    """Watches the facts of a study. A command that fails or hangs is noted, and ends nothing."""

    def __init__(
        self, study: Study, folder: Path, note: Callable[[str], None], seconds: float = _SECONDS
    ) -> None:
        self._study = study
        self._folder = folder
        self._note = note
        self._seconds = seconds
        self._begun = False
        self._lost: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    def watch(self, facts: Sequence[ev.AnyFact]) -> None:
        """Run the command for those of the facts that a person is to hear of."""
        for fact in facts:
            if type(fact) is ev.Finished:
                self._finished(fact)
            elif type(fact) is ev.NodeChanged or type(fact) is ev.Opened:
                self._changed(fact)

    def _command(self) -> Sequence[str]:
        """As it is set now."""
        settings = self._study.state.settings
        return self._study.spec.notify.command if settings is None else settings.notify

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Tell of an error by which the engine ends, and wait for commands that still run."""
        if self._begun and isinstance(error, Exception):
            self._tell("halted", f"the engine failed: {error!r}")
        if self._running:
            await asyncio.wait(self._running)

    def _finished(self, fact: ev.Finished) -> None:
        if fact.complete:
            self._tell("done", self._result(fact.why))
        elif not _is_by_hand(fact.why):
            self._tell("halted", reason_words(fact.why))

    def _result(self, why: reasons.Why) -> str:
        best, partial = self._study.best()
        if best is None:
            return reason_words(why) or "no trial has a result"
        objective = self._study.spec.objective
        value = number(best.counted(objective))
        return f"best {objective.metric} {value} {which(best.number, partial=partial)}"

    def _changed(self, fact: ev.NodeChanged | ev.Opened) -> None:
        self._begun = True
        if isinstance(fact, ev.Opened):
            gpus = (*fact.gpus, *(gpu for node in fact.nodes for gpu in node.gpus))
            self._lost = {gpu.uuid for gpu in gpus if gpu.lost}
            return
        on = f" of {fact.node.name}" if fact.node.name else ""
        for gpu in fact.node.gpus:
            if gpu.lost and gpu.uuid not in self._lost:
                self._tell("gpu_lost", f"GPU {gpu.index}{on}: {reason_words(gpu.obstacle)}")
            (self._lost.add if gpu.lost else self._lost.discard)(gpu.uuid)

    def _tell(self, event: Event, text: str) -> None:
        command = self._command()
        if not command:
            return
        variables = {"EVENT": event, "STUDY": self._folder.name, "TEXT": text}
        environment = {f"TUITUNE_{name}": value for name, value in variables.items()}
        task = asyncio.create_task(self._run(command, {**os.environ, **environment}))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, command: Sequence[str], environment: dict[str, str]) -> None:
        """Run it, and note a failure."""
        try:
            with (self._folder / LOG).open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    cwd=Path(self._study.spec.file).parent,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            self._note(f"[notify] command: {command[0]} can't be run: {error}")
            return
        try:
            async with asyncio.timeout(self._seconds):
                code = await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            took = f"took over {self._seconds:g} s, and was ended"
            self._note(f"[notify] command: {command[0]} {took}")
            return
        if code:
            self._note(
                f"[notify] command: {command[0]} ended with status {code}; its output is in {LOG}"
            )


def _is_by_hand(why: reasons.Why) -> bool:
    """Whether a person has just stopped the study, and knows it."""
    return isinstance(why, reasons.Stopped) or why == BY_HAND
