"""Which errors say that a machine has run out of something, so that it may be there later?"""

from __future__ import annotations

import errno

SHORTAGES = {
    errno.EMFILE: "no open file is left to this process; `ulimit -n` sets how many it may have",
    errno.ENFILE: "no open file is left on this machine",
    errno.EAGAIN: "no process is left to this user; `ulimit -u` and the cgroup set how many",
    errno.ENOMEM: "no memory is left for another process",
    errno.EDQUOT: "this user's disk quota is used up",
    errno.ENOSPC: "no space is left on the disk",
}


def shortage(number: int | None) -> str:
    """What has run out, in words; empty for an error that waiting does not mend."""
    return SHORTAGES.get(number or 0, "")
