"""The model's process: it answers one question after the other, so that the engine needs no numpy.

It ends with the engine: by the end of its socket, or, in the middle of a computation, by
PR_SET_PDEATHSIG.
"""

import socket
import traceback

from msgspec.structs import replace

from tuitune import plugins
from tuitune.core.search.proposal import History, Model, Past
from tuitune.ipc.entry import connect_to_parent
from tuitune.ipc.frames import FrameBuffer
from tuitune.model_process import protocol

_CHUNK = 1 << 20  # bytes


def main() -> None:
    """Run the process from its start to its end."""
    connection, _ = connect_to_parent()
    with connection:
        _serve(connection)


def _serve(connection: socket.socket) -> None:
    frames, server = FrameBuffer(), None
    while data := connection.recv(_CHUNK):
        for body in frames.feed(data):
            if server is None:
                server = _ModelServer(protocol.to_brief(body))
            else:
                answer = server.answer(protocol.to_question(body))
                connection.sendall(protocol.from_message(answer))


class _ModelServer:
    """A model, and the history that it has been sent."""

    def __init__(self, brief: protocol.Brief) -> None:
        self._foreign = brief.foreign
        self._past: dict[int, Past] = {}
        self._tried: set[str] = set()
        self._model: Model | None = None
        self._error = ""  # why there is no model
        try:
            from tuitune.core.search.registry import SEARCHERS, make_model  # noqa: PLC0415 - it may fail

            search = brief.search
            if search.method not in SEARCHERS:
                kind = plugins.find(plugins.SEARCHERS, search.method)
                search = replace(search, installed=kind)
            self._model = make_model(brief.space, search, brief.mode, brief.rungs)
        except Exception as error:  # noqa: BLE001 - numpy can be broken in many ways
            self._error = _describe(error)

    def answer(self, question: protocol.Question) -> protocol.Answer:
        self._past.update((past.trial, past) for past in question.changed)
        for number in question.removed:
            self._past.pop(number, None)
        self._tried.update(question.tried)
        if self._model is None:
            return protocol.Answer(question.trial, None, "", "", self._error)
        past = tuple(self._past[n] for n in sorted(self._past))
        history = History(past, self._foreign, question.limited)
        try:
            found = self._model.propose(question.trial, history, self._tried)
        except Exception as error:  # noqa: BLE001 - a study goes on without its model
            return protocol.Answer(question.trial, None, "", "", _describe(error))
        if found is None:
            return protocol.Answer(question.trial, None, "", "")
        return protocol.Answer(question.trial, found.config, found.origin, found.why)


def _describe(error: Exception) -> str:
    traceback.print_exc()  # to the engine's log
    return f"{type(error).__name__}: {error}".strip()
