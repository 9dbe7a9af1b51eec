"""TensorBoard: a run for each trial, with its curves and, in HPARAMS, its configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata, plugin_data_pb2, summary_v2
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from tuitune.exporters.destination import DestinationError, Source, has_ended, has_failed
from tuitune.ipc.files import replace_file
from tuitune.store import reader, rows

_STATE = ".tuitune.json"  # how far the folder has been written


def open_tensorboard(source: Source, where: str) -> TensorBoard:
    """`where`: the folder of the runs. Raises DestinationError if it holds another study."""
    return TensorBoard(source, Path(where))


class TensorBoard:
    """Event files below a folder, one folder a trial; a new file for each process that writes."""

    def __init__(self, source: Source, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._writers: dict[int, EventFileWriter] = {}
        self._rows: dict[int, rows.TrialRow] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._state = {"study": source.tag, "reached": 0, "ended": []}
        except (OSError, ValueError) as error:
            raise DestinationError(f"{folder}: can't be written: {error}") from error
        if self._state["study"] != source.tag:
            raise DestinationError(f"{folder}: holds another study; name another folder")
        self._ended: set[int] = set(self._state["ended"])

    def reached(self) -> int:
        """Read from a file in this folder."""
        return int(self._state["reached"])

    def begin(self, trial: rows.TrialRow) -> None:
        """Keep its row; its event file is opened by its first event."""
        self._rows[trial.number] = trial

    def report(self, reports: Sequence[reader.Report]) -> None:
        """Add an event for each."""
        for one in reports:
            values = [Summary.Value(tag=tag, simple_value=v) for tag, v in one.metrics.items()]
            summary = Summary(value=values)
            event = Event(wall_time=one.time, step=one.step, summary=summary)
            self._writer(one.trial).add_event(event)

    def update(self, trial: rows.TrialRow) -> None:
        """End its session in HPARAMS if it has ended, and close its event file."""
        ended_before = trial.number not in self._writers and trial.number in self._ended
        if not has_ended(trial) or ended_before:
            return
        end = plugin_data_pb2.SessionEndInfo(
            status=STATUS_FAILURE if has_failed(trial) else STATUS_SUCCESS,
            end_time_secs=trial.ended or 0.0,
        )
        data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
        summary = Summary()
        summary.value.add(
            tag=metadata.SESSION_END_INFO_TAG,
            metadata=metadata.create_summary_metadata(data),
            tensor=metadata.NULL_TENSOR,
        )
        event = Event(wall_time=trial.ended or 0.0, summary=summary)
        self._writer(trial.number).add_event(event)
        self._writers.pop(trial.number).close()
        self._ended.add(trial.number)

    def flush(self, reached: int) -> None:
        """Write the event files to the disk, and then `reached`."""
        for writer in self._writers.values():
            writer.flush()
        self._state |= {"reached": reached, "ended": sorted(self._ended)}
        replace_file(self._folder / _STATE, json.dumps(self._state))

    def close(self) -> None:
        """Close the event files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, number: int) -> EventFileWriter:
        """The open event file of a trial; a new one begins with the configuration."""
        if number not in self._writers:
            writer = EventFileWriter(str(self._folder / f"{number:04d}"))
            self._writers[number] = writer
            writer.add_event(self._start(self._rows[number]))
        return self._writers[number]

    def _start(self, trial: rows.TrialRow) -> Event:
        values = {name: _plain(value) for name, value in trial.config.items()}
        began = trial.started or 0.0
        name = f"#{trial.number}"
        summary = summary_v2.hparams_pb(values, trial_id=name, start_time_secs=began)
        return Event(wall_time=began, summary=summary)


def _plain(value: Any) -> bool | int | float | str:
    """HPARAMS knows no lists and tables."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
