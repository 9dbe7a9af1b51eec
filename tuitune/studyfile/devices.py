"""Which GPUs are taken, by the table [devices]?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.spec import DevicesSpec
from tuitune.studyfile.problems import kind

if TYPE_CHECKING:
    from tuitune.studyfile.table import Table

_DEFAULT = DevicesSpec()


def read_devices(table: Table) -> DevicesSpec:
    return DevicesSpec(
        allow=_allow(table),
        leave_free=table.whole("leave_free", _DEFAULT.leave_free, low=0),
        share=_yes(table, "share", default=_DEFAULT.share),
        on_foreign=table.one_of("on_foreign", _DEFAULT.on_foreign, ("drain", "pause", "ignore")),
    )


def _allow(table: Table) -> tuple[str | int, ...]:
    value = table.content.get("allow", [])
    example = 'write allow = [0, 1], or UUIDs: allow = ["GPU-5a1c"]'
    if not isinstance(value, list):
        table.wrong("allow", f"is {kind(value)}, not a list; {example}")
        return ()
    for word in value:
        whole = isinstance(word, int) and not isinstance(word, bool) and word >= 0
        if not whole and not (isinstance(word, str) and word.startswith(("GPU-", "MIG-"))):
            table.wrong("allow", f"names GPUs by nvidia-smi's number or by UUID; {example}")
            return ()
    if "allow" in table.content and not value:
        table.wrong("allow", "allows no GPU; leave it out for all, or set gpus = 0 in [trial]")
    return tuple(value)


def _yes(table: Table, key: str, *, default: bool) -> bool:
    value = table.content.get(key, default)
    if not isinstance(value, bool):
        table.wrong(key, f"is {kind(value)}; write {key} = true or {key} = false")
        return default
    return value
