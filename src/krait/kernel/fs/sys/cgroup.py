"""/sys/fs/cgroup: the one control group, version 2, as a container sees its own.

No limit is set in it: the limit is the machine itself, whose CPUs and memory run-times count when
they find `max` here (the JVM, Node.js and .NET look into this directory first). What is measured is
measured for the whole machine, which is the group.

It is a file system of its own, as statfs(2) and /proc/self/mountinfo tell, that is always there
inside /sys.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.fs import memory_facts, processors
from krait.kernel.fs.file_system import BLOCK_SIZE, FileSystem, Statistics, device_numbers
from krait.kernel.fs.lazy_directory import (
    FixedFile,
    LazyDirectory,
    fixed_files,
    make_lazy_directory,
)
from krait.kernel.fs.proc.source import processes
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Struct, Text, text, u32, u64

MAGIC = u64(0x63677270)  # CGROUP2_SUPER_MAGIC, <linux/magic.h>
MICROSECOND_NS: Final = 1000

FILES: Final[list[FixedFile]] = fixed_files(
    {
        "cgroup.controllers": "cpuset cpu io memory pids",
        "cgroup.events": "populated 1\nfrozen 0",
        "cgroup.freeze": "0",
        "cgroup.max.depth": "max",
        "cgroup.max.descendants": "max",
        "cgroup.stat": "nr_descendants 0\nnr_dying_descendants 0",
        "cgroup.subtree_control": "",
        "cgroup.type": "domain",
        "cpu.max": "max 100000",
        "cpu.max.burst": "0",
        "cpu.weight": "100",
        "cpu.weight.nice": "0",
        "cpuset.cpus": "",
        "cpuset.mems": "",
        "cpuset.mems.effective": "0",
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0",
        "memory.high": "max",
        "memory.low": "0",
        "memory.max": "max",
        "memory.min": "0",
        "memory.oom.group": "0",
        "memory.swap.current": "0",
        "memory.swap.max": "max",
        "pids.max": "max",
    }
)


class ControlGroupFileSystem(FileSystem):
    """The file system of the group."""

    def kind(self) -> Text:
        """Return the file system's name."""
        return text(b"cgroup2")

    def statistics(self) -> Statistics:
        """Return what statfs(2) shows."""
        return Statistics(MAGIC, BLOCK_SIZE, u64(0), u64(0), u64(0), u64(0), u64(255), u64(0))


class ControlGroup(Struct):
    """The device number of the file system, for the mount table; 0 before /sys was looked at."""

    device: u64 = 0


control_group = ControlGroup()


def make_control_group() -> Vnode:
    """Make the directory."""
    control_group.device = device_numbers.take()
    store = ControlGroupFileSystem(device=control_group.device, generated=True)
    return make_lazy_directory(store, fill)


def fill(directory: LazyDirectory) -> None:
    """Add the files."""
    for index in range(u32(len(FILES))):
        directory.add_row(FILES[index].name, write_fixed_file, index)
    directory.add_text(text(b"cgroup.procs"), write_processes)
    directory.add_text(text(b"cgroup.threads"), write_threads)
    directory.add_text(text(b"cpu.stat"), write_cpu_statistics)
    directory.add_text(text(b"cpuset.cpus.effective"), processors.write_all)
    directory.add_text(text(b"memory.current"), write_memory_used)
    directory.add_text(text(b"memory.peak"), write_memory_peak)
    directory.add_text(text(b"memory.stat"), write_memory_statistics)
    directory.add_text(text(b"pids.current"), write_task_count)


def write_processes(out: TextBuffer) -> None:
    """Write the ids of all processes."""
    next_pid = processes.next_pid
    if next_pid is None:
        return
    pid = next_pid(1)
    while pid != 0:
        put_line(out, u64(pid))
        pid = next_pid(pid + 1)


def write_threads(out: TextBuffer) -> None:
    """Write the ids of all threads."""
    next_pid = processes.next_pid
    find = processes.find
    if next_pid is None or find is None:
        return
    pid = next_pid(1)
    while pid != 0:
        if (source := find(pid)) is not None:
            tid = source.next_thread(1)
            while tid != 0:
                put_line(out, u64(tid))
                tid = source.next_thread(tid + 1)
        pid = next_pid(pid + 1)


def write_task_count(out: TextBuffer) -> None:
    """Write the number of threads."""
    count = processes.thread_count
    put_line(out, u64(count()) if count is not None else u64(0))


def write_cpu_statistics(out: TextBuffer) -> None:
    """Write the CPU time that was used; there is no quota that could throttle."""
    busy = processes.busy_ns
    used = busy() // MICROSECOND_NS if busy is not None else u64(0)
    out.put(text(b"usage_usec "))
    put_line(out, used)
    out.put(text(b"user_usec "))
    put_line(out, used)
    out.put(text(b"system_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"))


def write_memory_used(out: TextBuffer) -> None:
    """Write the bytes in use."""
    facts = memory_facts.read()
    put_line(out, (facts.total - facts.free) << 12)


def write_memory_peak(out: TextBuffer) -> None:
    """Write the highest number of bytes that was seen in use."""
    put_line(out, memory_facts.peak() << 12)


def write_memory_statistics(out: TextBuffer) -> None:
    """Write what the memory is used for."""
    facts = memory_facts.read()
    put_bytes(out, text(b"anon "), facts.anonymous)
    put_bytes(out, text(b"file "), facts.cached)
    put_bytes(out, text(b"kernel "), facts.kernel)
    put_bytes(out, text(b"kernel_stack "), facts.stacks)
    put_bytes(out, text(b"pagetables "), facts.tables)
    put_bytes(out, text(b"shmem "), facts.shared)
    put_bytes(out, text(b"slab "), facts.slabs)


def put_bytes(out: TextBuffer, label: Text, pages: u64) -> None:
    """Write a label and a size."""
    out.put(label)
    put_line(out, pages << 12)


def put_line(out: TextBuffer, value: u64) -> None:
    """Write a number and a line feed."""
    out.put_decimal(value)
    out.put(text(b"\n"))


def write_fixed_file(index: u32, out: TextBuffer) -> None:
    """Write a fixed file by its place in the table."""
    out.put(FILES[index].content)
