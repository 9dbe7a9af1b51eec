"""The processes that a driver lists, described by /proc."""

import pwd
import threading

import psutil

from tuitune.core.placement.snapshots import DeviceProcess


class Processes:
    """Describes processes, and looks names of users up.

    A look-up may take long, as by LDAP: each is done once, on a thread of its own, and until then
    the user is shown by number.
    """

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def describe(self, pid: int, memory: int | None) -> DeviceProcess:
        """A process; without user, name and ancestors if it is gone or outside our container."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                uid, name = process.uids().real, process.name()
            ancestors = (pid, *(parent.pid for parent in process.parents()))
        except psutil.Error:
            return DeviceProcess(pid, "", "", memory)
        return DeviceProcess(pid, self._user(uid), name, memory, ancestors, uid)

    def _user(self, uid: int) -> str:
        if uid not in self._names:
            self._names[uid] = str(uid)
            search = threading.Thread(target=self._search, args=(uid,), daemon=True)
            search.start()
            search.join(0.05)  # most are known at once
        return self._names[uid]

    def _search(self, uid: int) -> None:
        try:
            self._names[uid] = pwd.getpwuid(uid).pw_name
        except KeyError:
            return
