"""Actions of the pane of the devices: the cursor among the nodes, and a node's GPUs alone."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from tuitune.ui.actions.action import Action, AppActions
from tuitune.ui.state.device_samples import Node, at, newest, nodes_of

DEVICES: Final = "devices"
_FAR: Final = 1 << 20  # nodes; more than any cluster has


def to(app: AppActions, nodes: Sequence[Node], place: int) -> None:
    """Moves the cursor to the node at this place, or to the nearest one."""
    chosen = nodes[max(0, min(place, len(nodes) - 1))]
    app.selection.node = chosen.name
    if app.selection.node_opened:
        app.snapshot.sources.read_history([chosen.sample, *chosen.cards])
    app.move()


def move(app: AppActions, lines: int) -> None:
    """Moves the cursor down by so many nodes; on one machine, among the trials."""
    nodes = nodes_of(newest(app.snapshot))
    if nodes:
        to(app, nodes, at(nodes, app.selection.node) + lines)
    else:
        app.act("move.down" if lines > 0 else "move.up")


def _page(pages: int, app: AppActions) -> None:
    if nodes_of(newest(app.snapshot)):
        move(app, pages * max(1, app.size_of(DEVICES).height - 2))
    else:
        app.act("move.page_down" if pages > 0 else "move.page_up")


def _end(lines: int, app: AppActions) -> None:
    if nodes_of(newest(app.snapshot)):
        move(app, lines)
    else:
        app.act("move.last" if lines > 0 else "move.first")


def open_node(app: AppActions) -> None:
    """Shows the GPUs of the cursor's node alone; on one machine, all devices."""
    selection, nodes = app.selection, nodes_of(newest(app.snapshot))
    selection.focus = selection.zoomed = DEVICES
    selection.node_opened = bool(nodes)
    if nodes:
        to(app, nodes, at(nodes, selection.node))
    app.move()


def _move(lines: int, app: AppActions) -> None:
    move(app, lines)


_MOVES: Final = (
    ("down", ("j", "down"), "node below", partial(_move, 1)),
    ("up", ("k", "up"), "node above", partial(_move, -1)),
    ("page_down", ("pagedown",), "nodes a page down", partial(_page, 1)),
    ("page_up", ("pageup",), "nodes a page up", partial(_page, -1)),
    ("last", ("G", "end"), "last node", partial(_end, _FAR)),
    ("first", ("g", "home"), "first node", partial(_end, -_FAR)),
)
ACTIONS: Final = (
    *(
        Action(
            f"devices.{name}",
            keys,
            words,
            f"Move to the {words}; on one machine, among the trials.",
            "Move",
            run,
            pane=DEVICES,
        )
        for name, keys, words, run in _MOVES
    ),
    Action(
        "devices.open",
        ("enter",),
        "open",
        "Show the GPUs of the node alone; on one machine, all devices.",
        "Look",
        open_node,
        pane=DEVICES,
    ),
)
