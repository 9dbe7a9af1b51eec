"""`doctor`, and the GPU lines of `check`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.core.placement.visibility import allowed
from tuitune.devices.doctor import Finding, findings, one
from tuitune.devices.host import host_room, make_state
from tuitune.devices.watchdog import look
from tuitune.messages.reasons import reason_words
from tuitune.messages.text import plain
from tuitune.store.schema import is_network

if TYPE_CHECKING:
    from tuitune.core.placement.snapshots import GpuSample, Snapshot
    from tuitune.core.spec import StudySpec

_LEFT_OUT = "left out by CUDA_VISIBLE_DEVICES or [devices] allow"


def gpu_lines(spec: StudySpec, seen: Snapshot) -> list[str]:
    """How a run of this study would use each GPU; one line if there are none."""
    if spec.trial.gpus == 0:
        return ["GPUs: none asked for"]
    if seen.problem:
        return [f"GPUs: none ({seen.problem}); trials run on the CPUs"]
    ours = allowed(seen.devices, os.environ, spec.devices.allow)
    gpus = spec.trial.gpus or 1.0
    each = "auto, as many on each as measured" if gpus == "auto" else f"{gpus:g} a trial"
    free = f", {spec.devices.leave_free} left to others" if spec.devices.leave_free else ""
    head = f"{each}{free}" if ours else "none that we may use; trials run on the CPUs"
    states = make_state(spec.devices).look(ours, seen, (), time.time())
    words = {gpu.uuid: reason_words(gpu.obstacle) or "would be used" for gpu in states}
    lines = [f"GPUs: {head}"]
    for device in seen.devices:
        why = device.trouble or words.get(device.uuid, _LEFT_OUT)
        lines.append(f"  {line(device)}: {why}")
        notes = one(device) if device.uuid in words and not device.trouble else ()
        lines += [f"    {note.text}" for note in notes]
    return lines


def line(device: GpuSample) -> str:
    """One device, as: 0 NVIDIA A100 (GPU-5a1c…), 0.3 of 85.9 GB, 0% busy."""
    memory = "memory unknown"
    if device.memory_total is not None:
        used = "?" if device.memory_used is None else f"{device.memory_used / 1e9:.1f}"
        memory = f"{used} of {device.memory_total / 1e9:.1f} GB"
        memory += " shared with the host" if device.unified else ""
    busy = "" if device.utilisation is None else f", {device.utilisation}% busy"
    uuid = device.uuid or "UUID unknown"
    short = uuid if len(uuid) <= 12 else f"{uuid[:12]}…"
    return f"{device.index} {device.name} ({short}), {memory}{busy}"


_SIGNS = {"ok": "ok   ", "note": "note ", "wrong": "wrong"}


def examine() -> int:
    """Print what was found on this machine; the exit status: 0, or 1 if something is wrong."""
    seen, room = look(), host_room()
    found = [
        Finding("ok", "CPUs", f"{room.cpus:g} slots, {room.memory / 1e9:.1f} GB of memory"),
        *findings(seen, os.environ),
        _folder(Path.cwd()),
    ]
    for finding in found:
        print(plain(f"{_SIGNS[finding.how]}  {finding.what}: {finding.text}"))
        if finding.what == "GPUs":
            for device in seen.devices:
                print(plain(f"         {line(device)}"))
    return int(any(finding.how == "wrong" for finding in found))


def _folder(path: Path) -> Finding:
    if is_network(path):
        words = f"{path} is on a network: studies here are slower; --runs DIR keeps them elsewhere"
        return Finding("note", "folder", words)
    return Finding("ok", "folder", f"{path} is on a disk of this machine")
