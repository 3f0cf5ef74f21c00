"""A process as /proc shows it: the answers to what fs/proc asks."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EACCES, EINVAL
from krait.kernel.fs.caller import ROOT, Owner
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.lazy_directory import decimal_number
from krait.kernel.fs.proc.source import FaultCounts, ProcessEntry, ProcessSource, processes
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Array, Errno, Text, UserSlice, i64, inline, text, u8, u32, u64
from krait.kernel.linux.identity import machine_identity
from krait.kernel.linux.numbers import CALL_NAMES, LIMIT
from krait.kernel.linux.proc_mappings import write_maps, write_smaps, write_smaps_rollup
from krait.kernel.linux.proc_status import (
    write_limits,
    write_stat,
    write_statm,
    write_status,
)
from krait.kernel.linux.process import Process
from krait.kernel.linux.process_table import process_table
from krait.kernel.linux.shares import fair_share_of
from krait.kernel.linux.task import Task, current_process, current_task
from krait.kernel.linux.threads import cpu_time_ns, find_task
from krait.kernel.mm import frames
from krait.kernel.mm.census import Census
from krait.kernel.mm.fault_injection import injection
from krait.kernel.sched import clock
from krait.kernel.sched.thread import ThreadState

NONE: Final = 0xFFFFFFFF
CHUNK: Final = 256
ADJUSTMENT_MAX: Final = 1000  # OOM_SCORE_ADJ_MAX
NAME_WIDTH: Final = 45
VALUE_WIDTH: Final = 21


class LinuxProcess(ProcessSource):
    """One process, or one thread of it."""

    process: Process
    task: Task
    is_thread: bool = False

    def pid(self) -> u32:
        """Return the number of the process or thread."""
        return self.task.tid if self.is_thread else self.process.pid

    def used_ns(self) -> u64:
        """Return the CPU time of the thread, or of all threads."""
        return self.task.cpu_time_ns() if self.is_thread else cpu_time_ns(self.process)

    def owner(self, *, hidden: bool) -> Owner:
        """Return whose files these are: the effective user's, root's if nobody is to look."""
        if hidden and self.process.dumpable == 0:
            return ROOT
        who = self.task.credentials
        return Owner(who.euid, who.egid)

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
        if found >= self.process.descriptors.room():
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
        return LinuxProcess(process=self.process, task=task, is_thread=True)

    def write(self, entry: ProcessEntry, out: TextBuffer) -> None:
        """Write the text of a file."""
        process = self.process
        match entry:
            case ProcessEntry.MAPS:
                write_maps(process, out)
            case ProcessEntry.SMAPS:
                write_smaps(process, out)
            case ProcessEntry.SMAPS_ROLLUP:
                write_smaps_rollup(process, out)
            case ProcessEntry.STAT:
                write_stat(process, self.task, self.used_ns(), out)
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
                out.put_decimal(u64(oom_score(process)))
                out.put(text(b"\n"))
            case ProcessEntry.OOM_SCORE_ADJ:
                put_signed(out, process.oom_score_adjustment)
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
            case ProcessEntry.WCHAN:
                write_wait_channel(self.task, out)
            case ProcessEntry.SCHED:
                write_scheduling(process, self.task, out)
            case ProcessEntry.SESSIONID:
                out.put(text(b"4294967295"))
            case ProcessEntry.CPUSET:
                out.put(text(b"/\n"))
            case ProcessEntry.COREDUMP_FILTER:
                out.put(text(b"00000033\n"))
            case ProcessEntry.TIMERSLACK_NS:
                out.put_decimal(process.timer_slack_ns)
                out.put(text(b"\n"))
            case ProcessEntry.UID_MAP | ProcessEntry.GID_MAP:
                out.put(text(b"         0          0 4294967295\n"))
            case ProcessEntry.SETGROUPS:
                out.put(text(b"allow\n"))
            case ProcessEntry.IO:
                process.transferred.write_to(out)
            case ProcessEntry.FAIL_NTH:
                out.put_decimal(injection.left)
                out.put(text(b"\n"))
            case _:
                raise Errno(EINVAL)

    def accept(self, entry: ProcessEntry, data: Text) -> None:
        """Take a new name or adjustment."""
        match entry:
            case ProcessEntry.COMM:
                self.task.rename(data)
            case ProcessEntry.OOM_SCORE_ADJ:
                self.process.oom_score_adjustment = adjustment_of(data)
            case ProcessEntry.FAIL_NTH:
                injection.once(decimal_number(data))
            case _:
                raise Errno(EACCES)


def start() -> None:
    """Let /proc find the processes."""
    processes.find = find
    processes.next_pid = next_pid
    processes.current_pid = current_pid
    processes.current_tid = current_tid
    processes.last_pid = last_pid
    processes.thread_count = thread_count
    processes.switch_count = switch_count
    processes.fault_counts = fault_counts
    processes.anonymous_pages = anonymous_pages
    processes.busy_ns = busy_ns
    processes.take_host_name = take_host_name
    processes.write_domain_name = write_domain_name
    processes.take_domain_name = take_domain_name
    processes.write_host_name = write_host_name
    processes.write_version = write_version
    processes.write_release = write_release
    processes.write_build = write_build


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


def current_tid() -> u32:
    """Return the calling thread's id."""
    return current_task().tid


def last_pid() -> u32:
    """Return the id that was given to a thread last."""
    process = process_table.first
    return process.next_tid - 1 if process is not None else u32(0)


def thread_count() -> u32:
    """Return the number of threads of all processes."""
    process = process_table.first
    return process.task_count if process is not None else u32(0)


def switch_count() -> u64:
    """Return how often threads of programs were given a CPU."""
    process = process_table.first
    if process is None:
        return 0
    total = process.ended_switches
    task = process.first_task
    while task is not None:
        total += task.switches
        task = task.next_task
    return total


def fault_counts() -> FaultCounts:
    """Return the page faults of all processes."""
    process = process_table.first
    if process is None:
        return FaultCounts(0, 0)
    return FaultCounts(process.space.faults, process.space.faults_waited)


def anonymous_pages() -> u64:
    """Return the pages of programs that are no file's."""
    process = process_table.first
    if process is None:
        return 0
    census = Census()
    census.add_space(process.space)
    return census.anonymous


def busy_ns() -> u64:
    """Return the CPU time of all processes."""
    process = process_table.first
    return cpu_time_ns(process) if process is not None else u64(0)


def take_host_name(name: Text) -> None:
    """Rename the machine."""
    machine_identity.set_host_name(name)


def write_domain_name(out: TextBuffer) -> None:
    """Write the NIS domain."""
    out.put(machine_identity.domain_name())


def take_domain_name(name: Text) -> None:
    """Change the NIS domain."""
    machine_identity.set_domain_name(name)


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


def adjustment_of(data: Text) -> i64:
    """Read a number from -1000 to 1000; raises EINVAL."""
    negative = data.length != 0 and data[0] == 0x2D
    value = i64(decimal_number(data.part(1, data.length) if negative else data))
    if value > ADJUSTMENT_MAX:
        raise Errno(EINVAL)
    return -value if negative else value


def oom_score(process: Process) -> i64:
    """Give how likely the process is to be ended (fs/proc/base.c, proc_oom_score)."""
    share = i64(process.space.resident_pages * 1000 // frames.total())
    points = (1000 + share + process.oom_score_adjustment) * 2 // 3
    return max(points, i64(0))


def put_signed(out: TextBuffer, value: i64) -> None:
    """Append a number with its sign."""
    if value < 0:
        out.put(text(b"-"))
        value = -value
    out.put_decimal(u64(value))


def write_wait_channel(task: Task, out: TextBuffer) -> None:
    """Write the system call in which the thread sleeps, `0` when it does not."""
    number = u32.truncate(task.frame().orig_rax)
    if task.state != ThreadState.SLEEPING or number >= LIMIT:
        out.put(text(b"0"))
    else:
        out.put(CALL_NAMES[number])


def write_scheduling(process: Process, task: Task, out: TextBuffer) -> None:
    """Write `sched` (kernel/sched/debug.c, proc_sched_show_task), as far as it is kept here."""
    out.put(task.name_text())
    out.put(text(b" ("))
    out.put_decimal(u64(task.tid))
    out.put(text(b", #threads: "))
    out.put_decimal(u64(process.task_count))
    out.put(text(b")\n"))
    out.put(text(b"-------------------------------------------------------------------\n"))
    put_milliseconds(out, text(b"se.exec_start"), clock.monotonic_ns())
    put_milliseconds(out, text(b"se.vruntime"), clock.ticks_to_ns(task.virtual_time))
    put_milliseconds(out, text(b"se.sum_exec_runtime"), task.cpu_time_ns())
    forced = min(task.preemptions, task.switches)
    put_scheduling_number(out, text(b"nr_switches"), task.switches)
    put_scheduling_number(out, text(b"nr_voluntary_switches"), task.switches - forced)
    put_scheduling_number(out, text(b"nr_involuntary_switches"), forced)
    put_scheduling_number(out, text(b"se.load.weight"), u64(fair_share_of(task)) * 1024)
    put_scheduling_number(out, text(b"policy"), u64(task.policy))
    priority = 120 + i64(task.nice)
    if task.policy in (1, 2):
        priority = 99 - i64(task.real_time_priority)
    put_scheduling_number(out, text(b"prio"), u64(priority))


def put_scheduling_number(out: TextBuffer, name: Text, value: u64) -> None:
    """Write one line of `sched`."""
    start_column = out.length
    out.put(name)
    out.pad_to(NAME_WIDTH, start_column)
    out.put(text(b":"))
    out.put_padded(value, VALUE_WIDTH)
    out.put(text(b"\n"))


def put_milliseconds(out: TextBuffer, name: Text, value_ns: u64) -> None:
    """Write one line of `sched` with a time."""
    start_column = out.length
    out.put(name)
    out.pad_to(NAME_WIDTH, start_column)
    out.put(text(b":"))
    out.put_padded(value_ns // 1_000_000, VALUE_WIDTH - 7)
    out.put(text(b"."))
    out.put_zero_padded(value_ns % 1_000_000, 6)
    out.put(text(b"\n"))
