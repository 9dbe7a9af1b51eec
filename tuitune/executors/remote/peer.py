"""An agent as the engine knows it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tuitune.core import events as ev
from tuitune.executors.remote import words
from tuitune.executors.remote.link import Link, Sender

Key = tuple[int, int]  # the trial and the attempt


@dataclass(slots=True)
class Peer:
    """An agent, from when it has joined until it is gone."""

    name: str
    node: ev.Node
    link: Link
    sender: Sender
    gpus: int = 0  # that it is said to have
    attempts: set[Key] = field(default_factory=set)
    state: Literal["importing", "ready", "unimportable", "closed", "gone"] = "importing"
    error: str = ""  # the traceback, where it is unimportable
    blocked: dict[str, str] = field(default_factory=dict)  # what keeps trials from starting there
    samples: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    doubt: str = ""  # why it may be gone, which is not known

    @property
    def shown(self) -> ev.Node:
        """Its node, with what keeps trials from starting there."""
        return msgspec.structs.replace(self.node, obstacle="; ".join(self.blocked.values()))

    def tell(self, word: words.ToAgent) -> None:
        """Send it a word."""
        self.sender.put(words.encode(word))
