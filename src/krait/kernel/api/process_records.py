"""What processes and threads look like from outside, as records for the host."""

from __future__ import annotations

from typing import Final

from krait.kernel.api.record_writer import RecordWriter
from krait.kernel.arch.x86_64.interrupts import count_all
from krait.kernel.errno import ESRCH
from krait.kernel.fs import processors
from krait.kernel.fs.file import File
from krait.kernel.fs.path import link_text
from krait.kernel.fs.proc.descriptors import anonymous_name
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Errno, inline, size_of, u8, u32, u64, view
from krait.kernel.linux.descriptors import CLOSE_ON_EXEC
from krait.kernel.linux.identity import machine_identity
from krait.kernel.linux.numbers import LIMIT
from krait.kernel.linux.process import Process
from krait.kernel.linux.process_table import process_table
from krait.kernel.linux.task import Task
from krait.kernel.linux.threads import cpu_time_ns
from krait.kernel.mm import frames, peek
from krait.kernel.mm.census import Census
from krait.kernel.protocol.look import EVERY, NOBODY, Record, Side, State
from krait.kernel.protocol.look_records import (
    CpuRecord,
    DescriptorRecord,
    FrameRecord,
    MachineRecord,
    MappingRecord,
    ProcessRecord,
    ThreadRecord,
)
from krait.kernel.sched import clock
from krait.kernel.sched.backtrace import Backtrace
from krait.kernel.sched.load import load
from krait.kernel.sched.thread import ThreadState

PAGE_SHIFT: Final = 12
COMMAND_MAX: Final = 1024
NAME_MAX: Final = 512
FRAMES_MAX: Final = 64
CLOEXEC: Final = 0o2000000


def write_snapshot(out: RecordWriter) -> None:
    """Write the machine, its CPUs, its processes and all threads."""
    write_machine(out)
    for number in range(processors.count()):
        record = view(CpuRecord, out.begin(Record.CPU, size_of(CpuRecord)))
        record.number = number
        record.tid = processors.running_tid(number)
        record.idle_ns = processors.idle_ns(number)
    process = process_table.first
    if process is not None:
        write_process(process, out)
        task = process.first_task
        while task is not None:
            write_thread(process, task, out)
            task = thread_behind(process, task)


def thread_behind(process: Process, task: Task) -> Task | None:
    """Give the thread behind another, which may have ended while its record waited for the host."""
    after = task.next_task
    if after is None and process.last_task is not task:
        after = process.first_task
        while after is not None and after.tid <= task.tid:
            after = after.next_task
    return after


def write_machine(out: RecordWriter) -> None:
    """Write what belongs to no process."""
    record = view(MachineRecord, out.begin(Record.MACHINE, size_of(MachineRecord)))
    record.uptime_ns = clock.monotonic_ns()
    record.cpus = processors.count()
    record.load_1 = u32.truncate(load.averages[0])
    record.load_5 = u32.truncate(load.averages[1])
    record.load_15 = u32.truncate(load.averages[2])
    record.memory_total = frames.total() << PAGE_SHIFT
    record.memory_free = frames.free() << PAGE_SHIFT
    record.interrupts = count_all()
    out.put(machine_identity.host_name())


def write_process(process: Process, out: RecordWriter) -> None:
    """Write one process and its command line."""
    record = view(ProcessRecord, out.begin(Record.PROCESS, size_of(ProcessRecord)))
    record.pid = process.pid
    record.parent = process.parent_pid
    record.uid = user_of(process)
    record.threads = process.task_count
    record.cpu_ns = cpu_time_ns(process)
    record.started_ns = process.started_ns
    record.resident = process.space.resident_pages << PAGE_SHIFT
    record.virtual = process.space.total_bytes()
    record.faults = process.space.faults
    length = min(process.argument_end - process.argument_start, u64(COMMAND_MAX))
    place = out.room().part(0, length)
    out.add(peek.copy(process.space.root, process.argument_start, place))


def user_of(process: Process) -> u32:
    """Return the effective user of a process's first thread; root's when all have ended."""
    task = process.first_task
    return task.credentials.euid if task is not None else u32(0)


def write_thread(process: Process, task: Task, out: RecordWriter) -> None:
    """Write one thread."""
    record = view(ThreadRecord, out.begin(Record.THREAD, size_of(ThreadRecord)))
    record.tid = task.tid
    record.pid = process.pid
    record.state = u8(u32(state_of(task)))
    record.priority = u8.truncate(task.real_time_priority)
    record.nice = u8(u32(task.nice + 20))
    record.cpu = task.cpu
    record.call = NOBODY
    record.cpu_ns = task.cpu_time_ns()
    record.switches = task.switches
    record.preemptions = task.preemptions
    if task.state == ThreadState.SLEEPING:
        number = u32.truncate(task.frame().orig_rax)
        if number < LIMIT:
            record.call = number
        record.waits_at = waiting_place(task)
    out.put(task.name_text())


def state_of(task: Task) -> State:
    """Say what a thread is doing."""
    match task.state:
        case ThreadState.RUNNING:
            return State.RUNNING
        case ThreadState.RUNNABLE:
            return State.RUNNABLE
        case ThreadState.SLEEPING:
            return State.SLEEPING if task.interruptible else State.WAITING
        case _:
            return State.ENDED


def waiting_place(task: Task) -> u64:
    """Return where in the kernel a thread has gone to sleep."""
    trace = Backtrace()
    trace.begin_sleeping(task)
    return trace.address


def write_descriptors(pid: u32, out: RecordWriter) -> None:
    """Write the open files of a process."""
    process = find_process(pid)
    table = process.descriptors
    number = table.next_used(0)
    while number < table.room():
        try:
            write_descriptor(number, table.get(number), table.marks_of(number), out)
        except Errno:
            pass
        number = table.next_used(number + 1)


def write_descriptor(number: u32, file: File, marks: u8, out: RecordWriter) -> None:
    """Write one open file."""
    record = view(DescriptorRecord, out.begin(Record.DESCRIPTOR, size_of(DescriptorRecord)))
    record.number = number
    record.flags = file.flags | (u32(CLOEXEC) if marks & CLOSE_ON_EXEC != 0 else u32(0))
    record.position = file.offset
    record.mode = file.anonymous_mode()
    vnode = file.vnode
    if vnode is not None:
        record.mode = vnode.mode
        record.size = vnode.size
        record.inode = vnode.ino
    dentry = file.dentry
    if dentry is None:
        out.add(anonymous_name(file, out.room()))
        return
    try:
        out.add(link_text(dentry, out.room()))
    except Errno:
        return


def write_mappings(pid: u32, out: RecordWriter) -> None:
    """Write the mappings of a process."""
    write_mappings_of(find_process(pid), out)


def write_mappings_of(process: Process, out: RecordWriter) -> None:
    """Write every mapping and how much of it is in memory."""
    census = Census()
    name: Array[u8] = inline(NAME_MAX)
    area = process.space.first_vma()
    while area is not None:
        census.clear()
        census.add(process.space, area)
        record = view(MappingRecord, out.begin(Record.MAPPING, size_of(MappingRecord)))
        record.start = area.start
        record.end = area.end
        record.resident = census.resident << PAGE_SHIFT
        record.protection = u32.truncate(u64(area.protection)) & 7
        record.shared = u32(1) if area.is_shared else u32(0)
        pager = area.pager
        if isinstance(pager, Vnode):
            record.offset = area.offset_pages << PAGE_SHIFT
            record.inode = pager.ino
        out.put(name.part(0, area.describe(name)))
        area = process.space.next_vma(area)


def write_stacks(tid: u32, out: RecordWriter) -> None:
    """Write the call chain of one thread, or of all; raises ESRCH."""
    process = process_table.first
    if process is None:
        raise Errno(ESRCH)
    found = tid == EVERY
    task = process.first_task
    while task is not None:
        if tid in (EVERY, task.tid):
            found = True
            write_thread(process, task, out)
            write_kernel_frames(task, out)
            write_program_frames(task, out)
        task = thread_behind(process, task)
    if not found:
        raise Errno(ESRCH)
    write_mappings_of(process, out)


def write_kernel_frames(task: Task, out: RecordWriter) -> None:
    """Write where a thread that does not run is in the kernel."""
    if task.state == ThreadState.RUNNING:
        return
    trace = Backtrace()
    trace.begin_sleeping(task)
    for _ in range(FRAMES_MAX):
        if trace.address == 0:
            return
        write_frame(task.tid, Side.KERNEL, trace.address, out)
        trace.step()


def write_program_frames(task: Task, out: RecordWriter) -> None:
    """Write where the program was when it entered the kernel, by its frame pointers."""
    frame = task.frame()
    write_frame(task.tid, Side.PROGRAM, frame.rip, out)
    base = frame.rbp
    for _ in range(FRAMES_MAX):
        above = peek.word_at(task.process.space.root, base)
        address = peek.word_at(task.process.space.root, base.wrapping_add(8))
        if not above.present or not address.present or address.value == 0:
            return
        write_frame(task.tid, Side.PROGRAM, address.value, out)
        if above.value <= base:
            return
        base = above.value


def write_frame(tid: u32, side: Side, address: u64, out: RecordWriter) -> None:
    """Write one return address."""
    record = view(FrameRecord, out.begin(Record.FRAME, size_of(FrameRecord)))
    record.tid = tid
    record.side = u32(side)
    record.address = address


def find_process(pid: u32) -> Process:
    """Find a process; raises ESRCH."""
    process = process_table.find(pid)
    if process is None:
        raise Errno(ESRCH)
    return process
