"""The files of /sys that programs read: CPUs, NUMA nodes, huge pages, the control group."""

from __future__ import annotations

from krait.kernel.fs.file_system import BLOCK_SIZE, FileSystem, Statistics, device_numbers
from krait.kernel.fs.lazy_directory import LazyDirectory, make_lazy_directory
from krait.kernel.fs.sys.cgroup import make_control_group
from krait.kernel.fs.sys.cpus import fill_cpus
from krait.kernel.fs.sys.huge_pages import fill_mm
from krait.kernel.fs.sys.nodes import fill_nodes
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Text, text, u64

MAGIC = u64(0x62656572)  # SYSFS_MAGIC, <linux/magic.h>


class SysFileSystem(FileSystem):
    """/sys."""

    def kind(self) -> Text:
        """Return the file system's name."""
        return text(b"sysfs")

    def statistics(self) -> Statistics:
        """Return what statfs(2) shows."""
        return Statistics(MAGIC, BLOCK_SIZE, u64(0), u64(0), u64(0), u64(0), u64(255), u64(0))


def make_sys_root() -> Vnode:
    """Make /sys."""
    return make_lazy_directory(SysFileSystem(device=device_numbers.take(), generated=True), fill)


def fill(root: LazyDirectory) -> None:
    """Add the top directories."""
    root.add_directory(text(b"devices"), fill_devices)
    root.add_directory(text(b"kernel"), fill_kernel)
    root.add_directory(text(b"fs"), fill_fs)


def fill_devices(directory: LazyDirectory) -> None:
    """Add /sys/devices."""
    directory.add_directory(text(b"system"), fill_system)


def fill_system(directory: LazyDirectory) -> None:
    """Add /sys/devices/system."""
    directory.add_directory(text(b"cpu"), fill_cpus)
    directory.add_directory(text(b"node"), fill_nodes)


def fill_kernel(directory: LazyDirectory) -> None:
    """Add /sys/kernel."""
    directory.add_directory(text(b"mm"), fill_mm)


def fill_fs(directory: LazyDirectory) -> None:
    """Add /sys/fs."""
    directory.add(text(b"cgroup"), make_control_group())
