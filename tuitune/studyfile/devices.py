"""The tables [devices], [notify] and [log]."""

import re

from tuitune import plugins
from tuitune.core.placement.hours import Window, overlap
from tuitune.core.space import spell
from tuitune.core.spec import DevicesSpec, LogSpec, NotifySpec, TrialSpec
from tuitune.studyfile.hints import LOGS, did_you_mean
from tuitune.studyfile.problems import Problems, kind
from tuitune.studyfile.table import Table

_WINDOW = r"\s*(\d\d?)(?::(\d\d))?\s*-\s*(\d\d?)(?::(\d\d))?\s*"
_DAY = 24 * 60
_DEFAULT = DevicesSpec()


def read_devices(table: Table) -> DevicesSpec:
    """[devices]."""
    return DevicesSpec(
        allow=_allow(table),
        leave_free=table.whole("leave_free", _DEFAULT.leave_free, low=0),
        share=_yes(table, "share", default=_DEFAULT.share),
        on_foreign=table.one_of(
            "on_foreign", _DEFAULT.on_foreign, ("drain", "pause", "park", "ignore")
        ),
        yield_to=_logins(table),
        max_gpus=table.whole("max_gpus", _DEFAULT.max_gpus, low=0),
        hours=_hours(table),
    )


def check_parking(problems: Problems, trial: TrialSpec, devices: DevicesSpec) -> None:
    """Record that trials are to be parked which can't be: commands, and those on several GPUs."""
    if trial.command is not None:
        words = "parks a function of Python, and a command may be any number of processes"
    elif trial.gpu_count > 1:
        words = "parks a trial on one GPU, and this one has several"
    else:
        return
    if trial.pause == "park":
        problems.add("trial", "pause", "park", f'{words}; write pause = "save"')
    if devices.on_foreign == "park":
        problems.add("devices", "on_foreign", "park", f'{words}; write on_foreign = "pause"')


def read_notify(table: Table) -> NotifySpec:
    """[notify]."""
    value = table.content.get("command")
    example = 'write command = ["mail", "-s", "tuitune", "anna"]'
    if value is None:
        return NotifySpec()
    if not isinstance(value, list):
        table.wrong("command", f"is {kind(value)}, not a list of words; {example}")
    elif not value or not all(isinstance(word, str) for word in value):
        table.wrong("command", f"is to be a program and its arguments, all of them text; {example}")
    elif any("\0" in word for word in value):
        table.wrong("command", "contains a NUL character, which no program can get; remove it")
    else:
        return NotifySpec(tuple(value))
    return NotifySpec()


def read_log(table: Table) -> LogSpec:
    """[log]."""
    value = table.content.get("to", [])
    example = f'write to = ["{LOGS[0]}"]'
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        table.wrong("to", f"is to be a list of names; {example}")
        return LogSpec()
    for name in value:
        if name not in LOGS and name not in (installed := plugins.names(plugins.DESTINATIONS)):
            known = did_you_mean(name, [*LOGS, *installed])
            table.wrong(
                "to", f"{spell(name)} is not a tool that studies can be written to; {known}"
            )
    places = []
    for name in dict.fromkeys([*LOGS, *value]):
        where = table.text(name, "")
        if where and name not in value:
            table.unused(name, "to", "has no effect, as it is not in `to`; add it there")
        elif where:
            places.append((name, where))
    return LogSpec(tuple(dict.fromkeys(value)), tuple(places))


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


def _logins(table: Table) -> tuple[str, ...]:
    value = table.content.get("yield_to", [])
    example = 'write yield_to = ["anna"]'
    if not isinstance(value, list):
        table.wrong("yield_to", f"is {kind(value)}, not a list; {example}")
        return ()
    if not all(isinstance(login, str) and login.strip() for login in value):
        table.wrong("yield_to", f"has the logins of users; {example}")
        return ()
    return tuple(value)


def _hours(table: Table) -> tuple[Window, ...]:
    value = table.content.get("hours", {})
    example = 'write hours = { "22-08" = 8, "08-22" = 2 }'
    if not isinstance(value, dict):
        table.wrong("hours", f"is {kind(value)}, not a table; {example}")
        return ()
    windows = []
    for text, count in value.items():
        times = _times(text)
        if times is None:
            table.wrong("hours", f"{spell(text)} is not a part of a day; {example}")
            return ()
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            table.wrong(
                "hours", f"{spell(text)} = {spell(count)} is not a number of GPUs; {example}"
            )
            return ()
        windows.append(Window(*times, count))
    if both := overlap(windows):
        one, other = (spell(list(value)[place]) for place in both)
        table.wrong("hours", f"{one} and {other} overlap; let one end where the other starts")
        return ()
    return tuple(windows)


def _times(text: str) -> tuple[int, int] | None:
    """Minutes of the day of "22-08", "08:30-12" or "00-24"; None where it is none of these."""
    found = re.fullmatch(_WINDOW, text)
    if found is None:
        return None
    start, end = (60 * int(found[at]) + int(found[at + 1] or 0) for at in (1, 3))
    sound = all(int(found[at] or 0) < 60 for at in (2, 4))
    return (start, end) if sound and start < _DAY and end <= _DAY and start != end else None
