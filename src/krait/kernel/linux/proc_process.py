"""A process as /proc shows it: the answers to what fs/proc asks."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EACCES, EINVAL
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.proc.source import ProcessEntry, ProcessSource, processes
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Array, Errno, Text, UserSlice, inline, text, u8, u32, u64
from krait.kernel.linux.identity import machine_identity
from krait.kernel.linux.proc_mappings import write_maps, write_smaps
from krait.kernel.linux.proc_status import write_limits, write_stat, write_statm, write_status
from krait.kernel.linux.process import Process
from krait.kernel.linux.process_table import process_table
from krait.kernel.linux.task import Task, current_process
from krait.kernel.linux.threads import find_task
from krait.kernel.sched import clock
from krait.kernel.sched.cpu import cpu

NONE: Final = 0xFFFFFFFF
CHUNK: Final = 256
TICK_NS: Final = 10_000_000


class LinuxProcess(ProcessSource):
    """One process and its only thread."""

    process: Process
    task: Task

    def pid(self) -> u32:
        """Return the process id."""
        return self.process.pid

    def executable(self) -> Dentry | None:
        """Return what it runs."""
        return self.process.executable

    def working_directory(self) -> Dentry:
        """Return its current directory."""
        return self.process.fs.cwd

    def root(self) -> Dentry:
        """Return its root directory."""
        return self.process.fs.root

    def file(self, descriptor: u32) -> File | None:
        """Return an open file."""
        try:
            return self.process.descriptors.get(descriptor)
        except Errno:
            return None

    def next_descriptor(self, start: u32) -> u32:
        """Return the next descriptor in use."""
        found = self.process.descriptors.next_used(start)
        if found >= self.process.descriptors.end():
            return NONE
        return found

    def next_thread(self, start: u32) -> u32:
        """Return the next thread id."""
        found: u32 = 0
        task = self.process.first_task
        while task is not None:
            if task.tid >= start and (found == 0 or task.tid < found):
                found = task.tid
            task = task.next_task
        return found

    def thread(self, tid: u32) -> ProcessSource | None:
        """Return the thread."""
        task = find_task(self.process, tid)
        if task is None:
            return None
        return LinuxProcess(process=self.process, task=task)

    def write(self, entry: ProcessEntry, out: TextBuffer) -> None:
        """Write the text of a file."""
        process = self.process
        match entry:
            case ProcessEntry.MAPS:
                write_maps(process, out)
            case ProcessEntry.SMAPS | ProcessEntry.SMAPS_ROLLUP:
                write_smaps(process, out)
            case ProcessEntry.STAT:
                write_stat(process, self.task, out)
            case ProcessEntry.STATM:
                write_statm(process, out)
            case ProcessEntry.STATUS:
                write_status(process, self.task, out)
            case ProcessEntry.CMDLINE:
                copy_memory(process.argument_start, process.argument_end, out)
            case ProcessEntry.ENVIRON:
                copy_memory(process.environment_start, process.environment_end, out)
            case ProcessEntry.AUXV:
                for index in range(process.auxiliary_length):
                    put_word(out, process.auxiliary[index])
            case ProcessEntry.COMM:
                out.put_line(self.task.name_text())
            case ProcessEntry.LIMITS:
                write_limits(process, out)
            case ProcessEntry.CGROUP:
                out.put(text(b"0::/\n"))
            case ProcessEntry.OOM_SCORE:
                out.put(text(b"0\n"))
            case ProcessEntry.OOM_SCORE_ADJ:
                out.put_decimal(process.oom_score_adjustment)
                out.put(text(b"\n"))
            case ProcessEntry.PERSONALITY:
                out.put_hex_padded(u64(process.personality), 8)
                out.put(text(b"\n"))
            case ProcessEntry.LOGINUID:
                out.put(text(b"4294967295"))
            case ProcessEntry.SCHEDSTAT:
                out.put_decimal(self.task.cpu_time_ns())
                out.put(text(b" 0 "))
                out.put_decimal(self.task.switches)
                out.put(text(b"\n"))
            case ProcessEntry.IO:
                out.put(text(b"rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\n"))
                out.put(text(b"read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"))
            case ProcessEntry.WCHAN:
                out.put(text(b"0"))
            case _:
                raise Errno(EINVAL)

    def accept(self, entry: ProcessEntry, data: Text) -> None:
        """Take a new name or adjustment."""
        match entry:
            case ProcessEntry.COMM:
                self.task.rename(data.part(0, data.find(0x0A)))
            case ProcessEntry.OOM_SCORE_ADJ:
                self.process.oom_score_adjustment = number_of(data)
            case _:
                raise Errno(EACCES)


def start() -> None:
    """Let /proc find the processes."""
    processes.find = find
    processes.next_pid = next_pid
    processes.current_pid = current_pid
    processes.write_host_name = write_host_name
    processes.write_version = write_version
    processes.write_release = write_release
    processes.write_build = write_build
    processes.write_cpu_times = write_cpu_times


def find(pid: u32) -> ProcessSource | None:
    """Find a process by its id."""
    process = process_table.find(pid)
    if process is None:
        return None
    task = process.leader
    if task is None:
        return None
    return LinuxProcess(process=process, task=task)


def next_pid(start_pid: u32) -> u32:
    """Return the first process id from a number on, 0 if there is none."""
    process = process_table.first
    if process is not None and start_pid <= process.pid:
        return process.pid
    return 0


def current_pid() -> u32:
    """Return the calling process's id."""
    return current_process().pid


def write_host_name(out: TextBuffer) -> None:
    """Write the node name."""
    out.put(machine_identity.host_name())


def write_release(out: TextBuffer) -> None:
    """Write the release."""
    out.put(machine_identity.release())


def write_build(out: TextBuffer) -> None:
    """Write the version."""
    out.put(machine_identity.version())


def write_version(out: TextBuffer) -> None:
    """Write the line of /proc/version."""
    out.put(text(b"Linux version "))
    out.put(machine_identity.release())
    out.put(text(b" (krait@krait) (kernel Python) "))
    out.put(machine_identity.version())


def write_cpu_times(out: TextBuffer) -> None:
    """Write ticks in user, nice, system, idle and the rest."""
    idle = clock.ticks_to_ns(cpu.idle_ticks) // TICK_NS
    total = clock.monotonic_ns() // TICK_NS
    out.put_decimal(total - min(idle, total))
    out.put(text(b" 0 0 "))
    out.put_decimal(idle)
    out.put(text(b" 0 0 0 0 0 0"))


def copy_memory(start_address: u64, end: u64, out: TextBuffer) -> None:
    """Append a range of the program's memory, as far as it is there."""
    chunk: Array[u8] = inline(CHUNK)
    address = start_address
    while address < end:
        count = min(end - address, u64(CHUNK))
        try:
            UserSlice[u8](address, count).copy_in(chunk.part(0, count))
        except Errno:
            return
        out.put(chunk.part(0, count))
        address += count


def put_word(out: TextBuffer, word: u64) -> None:
    """Append eight bytes, the lowest first."""
    for index in range(u64(8)):
        out.put_byte(u8.truncate(word >> index * 8))


def number_of(data: Text) -> u64:
    """Read a decimal number; a negative one counts as 0."""
    value: u64 = 0
    for byte in data:
        if not 0x30 <= byte <= 0x39:
            break
        value = value.wrapping_mul(10).wrapping_add(u64(byte - 0x30))
    return value
