"""What does the model's process do? It answers one question after the other, until the pipe ends.

It is the only process of ours that loads numpy and scipy. Whatever happens to the engine, it ends
with it: by the end of the pipe, or by PR_SET_PDEATHSIG in the middle of a thought.
"""

from __future__ import annotations

import socket
import sys
import traceback
from typing import TYPE_CHECKING

from tuitune.core.search.proposal import History
from tuitune.ipc.process_tree import die_with_parent
from tuitune.model_process import protocol
from tuitune.model_process.protocol import Answer, Frames

if TYPE_CHECKING:
    from tuitune.core.search.proposal import Model, Past
    from tuitune.model_process.protocol import Brief, Question

CHUNK = 1 << 20


def main() -> None:
    """Arguments: the number of the socket, and the engine's process id."""
    number, parent = map(int, sys.argv[1:])
    die_with_parent(parent)
    with socket.socket(fileno=number) as line:
        _serve(line)


def _serve(line: socket.socket) -> None:
    frames, thinker = Frames(), None
    while data := line.recv(CHUNK):
        for body in frames.feed(data):
            if thinker is None:
                thinker = ModelServer(protocol.to_brief(body))
            else:
                answer = thinker.answer(protocol.to_question(body))
                line.sendall(protocol.from_message(answer))


class ModelServer:
    """A model, and what it has been told so far."""

    def __init__(self, brief: Brief) -> None:
        self._foreign = brief.foreign
        self._past: dict[int, Past] = {}
        self._tried: set[str] = set()
        self._model: Model | None = None
        self._error = ""
        try:
            from tuitune.core.search.models import make_model  # noqa: PLC0415 - may fail, in words

            self._model = make_model(brief.space, brief.search, brief.mode, brief.rungs)
        except Exception as error:  # noqa: BLE001 - numpy can be broken in many ways
            self._error = _words(error)

    def answer(self, question: Question) -> Answer:
        self._past.update((past.trial, past) for past in question.fresh)
        for number in question.gone:
            self._past.pop(number, None)
        self._tried.update(question.tried)
        if self._model is None:
            return Answer(question.trial, None, "", "", self._error)
        history = History(tuple(self._past[n] for n in sorted(self._past)), self._foreign)
        try:
            found = self._model.propose(question.trial, history, self._tried)
        except Exception as error:  # noqa: BLE001 - a study goes on without its model
            return Answer(question.trial, None, "", "", _words(error))
        if found is None:
            return Answer(question.trial, None, "", "")
        return Answer(question.trial, found.config, found.origin, found.why)


def _words(error: Exception) -> str:
    traceback.print_exc()  # to the engine's log
    return f"{type(error).__name__}: {error}".strip()
