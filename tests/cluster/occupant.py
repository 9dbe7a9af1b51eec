"""Another user's program on a cluster: it holds CPUs, and tells what is asked for.

Commands come by standard input: `groups` prints how many placement groups are pending, `drain ID`
lets a node leave the cluster, `ray VERSION` lets the cluster say that it has this Ray.
"""

from __future__ import annotations

import json
import os
import sys
import time

import ray
from ray._raylet import GcsClient
from ray.util import placement_group_table

_KEY, _SPACE = b"CLUSTER_METADATA", b"cluster"
_PREEMPTED = 2


class Holder:
    """An actor."""

    def pid(self) -> int:
        return os.getpid()


def main() -> None:
    address, *holds = sys.argv[1:]
    ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    client = GcsClient(address=address)
    make = ray.remote(Holder)
    actors = [make.options(num_cpus=float(cpus)).remote() for cpus in holds]
    ray.get([actor.pid.remote() for actor in actors])
    print("ready", flush=True)
    for line in sys.stdin:
        word, *more = line.split()
        if word == "groups":
            found = [group["state"] for group in placement_group_table().values()]
            print(found.count("PENDING"), flush=True)
        elif word == "drain":
            deadline = int((time.time() + 300) * 1000)
            print(client.drain_node(more[0], _PREEMPTED, "spot", deadline)[0], flush=True)
        elif word == "ray":
            found = json.loads(client.internal_kv_get(_KEY, _SPACE))
            before, found["ray_version"] = found["ray_version"], more[0]
            client.internal_kv_put(_KEY, json.dumps(found).encode(), True, _SPACE)
            print(before, flush=True)


if __name__ == "__main__":
    main()
