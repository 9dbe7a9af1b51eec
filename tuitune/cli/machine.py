"""`doctor`, and the GPU lines of `check`."""

import os
import pwd
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tuitune.core.placement import snapshots, visibility
from tuitune.core.sizes import gib, size
from tuitune.core.spec import StudySpec
from tuitune.devices import host, parking, quarantine, watchdog
from tuitune.devices.doctor import Finding, findings, one
from tuitune.engine import leases, settings
from tuitune.messages import reasons, text
from tuitune.store.schema import is_network

_LEFT_OUT = "left out by CUDA_VISIBLE_DEVICES or [devices] allow"


def gpu_lines(spec: StudySpec, seen: snapshots.Snapshot, slots: float) -> list[str]:
    """How a run of this study would use each GPU; one line if there are none. slots: of CPUs."""
    if spec.trial.gpus == 0:
        return ["GPUs: none asked for"]
    if seen.problem:
        return [f"GPUs: none ({seen.problem}); trials run on the CPUs"]
    ours = visibility.allowed(seen.devices, os.environ, spec.devices.allow)
    gpus = spec.trial.gpus or 1.0
    each = "auto, as many on each as measured" if gpus == "auto" else f"{gpus:g} a trial"
    free = f", {spec.devices.leave_free} left to others" if spec.devices.leave_free else ""
    now = text.allowance(leases.allowed_now(settings.settings_of(spec), time.time()))
    free += f", {now}" if now else ""
    head = f"{each}{free}" if ours else "none that this study may use; trials run on the CPUs"
    states = host.make_state(spec.devices).look(ours, seen, (), time.time())
    words = {gpu.uuid: reasons.reason_words(gpu.obstacle) or "would be used" for gpu in states}
    aside = {one.uuid: reasons.reason_words(one.why) for one in quarantine.listed_here(os.environ)}
    lines = [f"GPUs: {head}", *([f"  {seen.unmeasured}"] if seen.unmeasured else [])]
    there = settings.usable(ours, aside)
    idle = reasons.idle_gpus(slots, spec.trial.cpus, len(there), spec.trial.gpus)
    lines += [f"  {idle}"] if idle else []
    lines += [f"  parking: {parking.parking_words()}"] if spec.parks else []
    for device in seen.devices:
        why = device.trouble or aside.get(device.uuid) or words.get(device.uuid, _LEFT_OUT)
        lines.append(f"  {line(device)}: {why}")
        known = device.uuid in words and not (device.trouble or seen.unmeasured)
        notes = one(device) if known else ()
        lines += [f"    {note.text}" for note in notes]
    return lines


def gpu_warnings(spec: StudySpec) -> Iterator[str]:
    """What of [devices] may surprise on this machine."""
    devices = spec.devices
    if spec.trial.gpus != 0 and (words := settings.pause_warning(spec)):
        yield words
    for login in devices.yield_to:
        try:
            pwd.getpwnam(login)
        except KeyError:
            yield f'[devices] yield_to: this machine has no login "{login}"'
    if devices.on_foreign in {"pause", "park"}:
        return
    remedy = 'write on_foreign = "pause" to let them save and leave'
    on_foreign = f'[devices] on_foreign = "{devices.on_foreign}"'
    if devices.yield_to:
        yield f"{on_foreign}: trials beside a login of yield_to run to their end; {remedy}"
    if devices.max_gpus is not None or devices.hours:
        yield f"{on_foreign}: trials run to their end when fewer GPUs are allowed; {remedy}"


def line(device: snapshots.GpuSample) -> str:
    """One device, as: 0 NVIDIA A100 (GPU-5a1c…), 0.3/80 GiB, 0% busy."""
    memory = "memory unknown"
    if device.memory_total is not None:
        used = "?" if device.memory_used is None else gib(device.memory_used)
        memory = f"{used}/{gib(device.memory_total)} GiB"
        memory += " shared with the host" if device.unified else ""
    busy = "" if device.utilisation is None else f", {device.utilisation}% busy"
    uuid = device.uuid or "UUID unknown"
    short = uuid if len(uuid) <= 12 else f"{uuid[:12]}…"
    return f"{device.index} {device.name} ({short}), {memory}{busy}"


_SIGNS = {"ok": "ok   ", "note": "note ", "wrong": "wrong"}


def examine() -> int:
    """Print what was found on this machine; the exit status: 0, or 1 if something is wrong."""
    seen, room = watchdog.look(partial(print, file=sys.stderr)), host.host_room()
    found = [
        Finding("ok", "CPUs", f"{room.cpus:g} slots, {size(room.memory)} of memory"),
        *findings(seen, os.environ, quarantine.listed_here(os.environ)),
        _folder(Path.cwd()),
    ]
    for finding in found:
        print(text.plain(f"{_SIGNS[finding.how]}  {finding.what}: {finding.text}"))
        if finding.what == "GPUs":
            for device in seen.devices:
                print(text.plain(f"         {line(device)}"))
    return int(any(finding.how == "wrong" for finding in found))


def _folder(path: Path) -> Finding:
    if is_network(path):
        words = f"{path} is on a network, where writes are slower; --runs DIR chooses another place"
        return Finding("note", "folder", words)
    return Finding("ok", "folder", f"{path} is on a disk of this machine")
