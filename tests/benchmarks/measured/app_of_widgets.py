"""The same screen made of DataTable and Sparkline widgets, to see what that would cost."""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path

from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.widgets import DataTable, Sparkline, Static

from tuitune.store.reader import Reader

TICK = 0.25
COLUMNS = ("trial", "state", "step", "val_loss", "lr", "weight_decay", "optimizer", "batch_size")


class Widgets(App[None]):
    CSS = "DataTable { height: 1fr; } Sparkline { width: 1fr; height: 1; }"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.reader = Reader.open(folder / "study.db")
        self.seen = 0.0
        self.first = self.reader.changes()
        self.seq = self.first.seq
        self.history = [deque([0.0] * 20, maxlen=20) for _ in range(8)]

    def compose(self) -> ComposeResult:
        yield Static(id="status")
        for index in range(8):
            with Horizontal():
                yield Sparkline(list(self.history[index]), id=f"device-{index}")
        yield DataTable(cursor_type="row")
        yield Sparkline([0.0], id="curve")
        yield Static("q leave")

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        for name in COLUMNS:
            table.add_column(name, key=name)
        for row in self.first.rows:
            table.add_row(*self.cells(row), key=str(row.number))
        self.set_interval(TICK, self.tick)

    @staticmethod
    def cells(row) -> list[str]:
        config = row.config
        figures = [f"{config['lr']:.3g}", f"{config['weight_decay']:.3g}"]
        words = [config["optimizer"], str(config["batch_size"])]
        return [str(row.number), row.state, str(row.step), f"{row.value:.4g}", *figures, *words]

    def tick(self) -> None:
        changes = self.reader.changes(self.seq)
        self.seq = changes.seq
        table = self.query_one(DataTable)
        for row in changes.rows:
            for name, cell in zip(COLUMNS, self.cells(row), strict=True):
                table.update_cell(str(row.number), name, cell)
        curve = [report.value or 0.0 for report in changes.reports]
        if curve:
            self.query_one("#curve", Sparkline).data = curve
        for sample in self.reader.samples(self.seen or time.time() - 2):
            self.seen = sample.time
            if sample.index is not None:
                self.history[sample.index].append(sample.utilisation or 0.0)
                widget = self.query_one(f"#device-{sample.index}", Sparkline)
                widget.data = list(self.history[sample.index])
        if changes.rows:
            self.query_one("#status", Static).update(f"{len(self.first.rows)} trials {self.seq}")


Widgets(Path(sys.argv[1])).run()
