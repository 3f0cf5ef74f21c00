"""The disk of a Linux guest: an ext4 file system with the files of one program.

Debian's cloud kernel has ext4 built in, the devices are modules. It is read-only to the guest, so
that every run starts from the same disk; /tmp, /dev, /proc and /sys are bound into it by init.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

MODULES = ("virtio", "virtio_ring", "virtio_mmio", "virtio_blk")
"""In the order in which they must be loaded."""
SPARE = 32 << 20  # for the tables of the file system
INODE_SHARE = 4096 + 256  # what a small file takes of the disk: a block and an inode


def make_disk(folder: Path, contents: Mapping[str, tuple[int, bytes]]) -> Path:
    """Write files into an ext4 image named by their contents; the same one is made only once."""
    digest = hashlib.sha256()
    for path, (mode, data) in sorted(contents.items()):
        digest.update(f"{path} {mode} {len(data)}\n".encode())
        digest.update(data)
    target = folder / f"{digest.hexdigest()[:16]}.ext4"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        tree, image = Path(scratch) / "tree", Path(scratch) / "image"
        for name in ("dev", "proc", "sys", "tmp", "root"):
            (tree / name).mkdir(parents=True)
        for path, (mode, data) in contents.items():
            place = tree / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            place.chmod(mode)
        size = sum(len(data) + INODE_SHARE for _, data in contents.values()) * 9 // 8 + SPARE
        with image.open("wb") as file:
            file.truncate(size)
        subprocess.run(
            ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, image],
            check=True, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        )  # fmt: skip
        image.rename(target)
    return target
