"""The files of /sys that programs read: CPUs, NUMA nodes, transparent huge pages."""

from __future__ import annotations

from krait.kernel.fs.file_system import BLOCK_SIZE, FileSystem, Statistics, device_numbers
from krait.kernel.fs.lazy_directory import LazyDirectory, make_lazy_directory
from krait.kernel.fs.text_buffer import TextBuffer
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


def fill_cpus(directory: LazyDirectory) -> None:
    """Add /sys/devices/system/cpu."""
    directory.add_text(text(b"online"), write_first)
    directory.add_text(text(b"possible"), write_first)
    directory.add_text(text(b"present"), write_first)
    directory.add_directory(text(b"cpu0"), fill_nothing)


def fill_nodes(directory: LazyDirectory) -> None:
    """Add /sys/devices/system/node."""
    directory.add_text(text(b"online"), write_first)
    directory.add_text(text(b"possible"), write_first)
    directory.add_directory(text(b"node0"), fill_node)


def fill_node(directory: LazyDirectory) -> None:
    """Add the one node."""
    directory.add_text(text(b"cpulist"), write_first)


def fill_kernel(directory: LazyDirectory) -> None:
    """Add /sys/kernel."""
    directory.add_directory(text(b"mm"), fill_mm)


def fill_mm(directory: LazyDirectory) -> None:
    """Add /sys/kernel/mm."""
    directory.add_directory(text(b"transparent_hugepage"), fill_huge_pages)


def fill_huge_pages(directory: LazyDirectory) -> None:
    """Add /sys/kernel/mm/transparent_hugepage."""
    directory.add_text(text(b"enabled"), write_huge_pages)
    directory.add_text(text(b"hpage_pmd_size"), write_huge_page_size)


def fill_fs(directory: LazyDirectory) -> None:
    """Add /sys/fs."""
    directory.add_directory(text(b"cgroup"), fill_nothing)


def fill_nothing(directory: LazyDirectory) -> None:
    """Leave a directory empty."""


def write_first(out: TextBuffer) -> None:
    """Write the list of the one CPU or node."""
    out.put(text(b"0\n"))


def write_huge_pages(out: TextBuffer) -> None:
    """Write that programs do not get huge pages unasked."""
    out.put(text(b"always madvise [never]\n"))


def write_huge_page_size(out: TextBuffer) -> None:
    """Write the size of a huge page."""
    out.put(text(b"2097152\n"))
