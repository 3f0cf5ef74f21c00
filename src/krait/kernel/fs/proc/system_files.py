"""The files of /proc that describe the system (proc(5)), and where each of them is written."""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.boot_info import boot_info
from krait.kernel.config import config
from krait.kernel.fs.lazy_directory import FixedFile, LazyDirectory, fixed_files
from krait.kernel.fs.proc.cpuinfo import write_cpuinfo
from krait.kernel.fs.proc.mounts import write_mounts
from krait.kernel.fs.proc.slabinfo import write_slabinfo
from krait.kernel.fs.proc.source import processes
from krait.kernel.fs.proc.statistics import (
    write_interrupts,
    write_loadavg,
    write_meminfo,
    write_stat,
    write_uptime,
    write_vmstat,
)
from krait.kernel.fs.rofs.disk import disk_facts
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import text, u32, u64

SECTORS_PER_KIB: Final = 2
DISK_MAJOR: Final = 254  # virtblk, as Linux numbers it

FILES: Final[list[FixedFile]] = fixed_files(
    {
        "cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
        "cpuset\t0\t1\t1\ncpu\t0\t1\t1\ncpuacct\t0\t1\t1\nblkio\t0\t1\t1\nmemory\t0\t1\t1\n"
        "pids\t0\t1\t1",
        "devices": "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"
        "\nBlock devices:\n254 virtblk",
        "filesystems": "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevtmpfs\n"
        "nodev\tsockfs\nnodev\tpipefs\nnodev\toverlay\n\trofs",
        "swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority",
    }
)


def fill(root: LazyDirectory) -> None:
    """Add the files."""
    for index in range(u32(len(FILES))):
        root.add_row(FILES[index].name, write_fixed_file, index)
    root.add_text(text(b"cmdline"), write_command_line)
    root.add_text(text(b"cpuinfo"), write_cpuinfo)
    root.add_text(text(b"interrupts"), write_interrupts)
    root.add_text(text(b"loadavg"), write_loadavg)
    root.add_text(text(b"meminfo"), write_meminfo)
    root.add_text(text(b"mounts"), write_mounts)
    root.add_text(text(b"partitions"), write_partitions)
    root.add_text(text(b"diskstats"), write_disk_statistics)
    root.add_text(text(b"slabinfo"), write_slabinfo)
    root.add_text(text(b"stat"), write_stat)
    root.add_text(text(b"uptime"), write_uptime)
    root.add_text(text(b"version"), write_version)
    root.add_text(text(b"vmstat"), write_vmstat)


def write_command_line(out: TextBuffer) -> None:
    """Write the boot words."""
    out.put_line(boot_info.command_line)


def write_version(out: TextBuffer) -> None:
    """Write what uname(2) says, in one line."""
    write = processes.write_version
    if write is not None:
        write(out)


def write_partitions(out: TextBuffer) -> None:
    """Write the disk of the image, if it is on one."""
    out.put(text(b"major minor  #blocks  name\n\n"))
    if not config.disk:
        return
    disk = disk_facts()
    if disk.sectors != 0:
        out.put_padded(u64(DISK_MAJOR), u64(4))
        out.put_padded(u64(0), u64(9))
        out.put_padded(disk.sectors // SECTORS_PER_KIB, u64(11))
        out.put(text(b" vda\n"))


def write_disk_statistics(out: TextBuffer) -> None:
    """Write how often the disk was read."""
    if not config.disk:
        return
    disk = disk_facts()
    if disk.sectors != 0:
        out.put_padded(u64(DISK_MAJOR), u64(4))
        out.put_padded(u64(0), u64(8))
        out.put(text(b" vda "))
        out.put_decimal(disk.reads)
        out.put(text(b" 0 "))
        out.put_decimal(disk.sectors_read)
        out.put(text(b" 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"))


def write_fixed_file(index: u32, out: TextBuffer) -> None:
    """Write a fixed file by its place in the table."""
    out.put(FILES[index].content)
