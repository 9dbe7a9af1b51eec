"""Which file system a path lies on, read from mountinfo as the kernel writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuitune.store import schema

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw shared:2 - proc proc rw
40 22 0:40 / /home rw,relatime shared:3 master:4 - nfs4 server:/home rw,vers=4.2
41 40 8:2 / /home/scratch rw - xfs /dev/sdb1 rw
42 22 0:42 / /mnt/my\040data rw - fuse.sshfs me@far:/data rw
43 22 0:43 / /lustre rw - lustre 10.0.0.1@tcp:/fs rw
44 22 8:3 / /twice rw - nfs server:/old rw
45 22 8:4 / /twice rw - ext4 /dev/sdc1 rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/work/runs", "ext4"),
        ("/home", "nfs4"),
        ("/home/me/runs/cifar", "nfs4"),
        ("/homely", "ext4"),
        ("/home/scratch/runs", "xfs"),
        ("/mnt/my data/runs", "fuse.sshfs"),
        ("/mnt/my", "ext4"),
        ("/lustre/me", "lustre"),
        ("/twice/runs", "ext4"),
    ],
)
def test_the_nearest_and_latest_mount_counts(path: str, kind: str) -> None:
    assert schema.filesystem_kind(Path(path), MOUNTS) == kind


def test_nonsense_has_no_kind() -> None:
    assert schema.filesystem_kind(Path("/a"), "") == ""
    assert schema.filesystem_kind(Path("/a"), "x - y\n1 2 3") == ""


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("nfs4", True),
        ("lustre", True),
        ("fuse", True),
        ("fuse.sshfs", True),
        ("virtiofs", True),
        ("ext4", False),
        ("fuseblk", False),
    ],
)
def test_where_machines_share_a_path(
    text: str, network: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 8:1 / / rw - {text} source rw\n")
    monkeypatch.setattr(schema, "MOUNTS", mounts)
    assert schema.is_network(tmp_path) is network


def test_this_machine_knows_its_own() -> None:
    assert schema.filesystem_kind(Path("/proc/self")) == "proc"


def test_a_machine_without_mountinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MOUNTS", tmp_path / "nothing")
    assert not schema.is_network(tmp_path)
