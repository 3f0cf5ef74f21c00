"""/proc/self/{status,stat,statm,limits}: what a process is and uses (proc(5))."""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.table_source import table_source
from krait.kernel.fs import processors
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Struct, Text, i64, text, u32, u64
from krait.kernel.linux.limits import INFINITY, RESOURCE_COUNT, Resource
from krait.kernel.linux.memory_limits import locked_bytes
from krait.kernel.linux.process import Process
from krait.kernel.linux.signals import HANDLER_DEFAULT, HANDLER_IGNORE, SIGNAL_LIMIT
from krait.kernel.linux.task import Task
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.census import Census
from krait.kernel.mm.protection import Protection
from krait.kernel.sched.thread import ThreadState

TICK_NS: Final = 10_000_000

LIMIT_NAMES: Final[list[Text]] = [
    text(name.ljust(25).encode())
    for name in (
        "Max cpu time",
        "Max file size",
        "Max data size",
        "Max stack size",
        "Max core file size",
        "Max resident set",
        "Max processes",
        "Max open files",
        "Max locked memory",
        "Max address space",
        "Max file locks",
        "Max pending signals",
        "Max msgqueue size",
        "Max nice priority",
        "Max realtime priority",
        "Max realtime timeout",
    )
]
LIMIT_UNITS: Final[list[Text]] = [
    text(unit.encode())
    for unit in (
        *("seconds", "bytes", "bytes", "bytes", "bytes", "bytes", "processes", "files", "bytes"),
        *("bytes", "locks", "signals", "bytes", "", "", "us"),
    )
]


STATE_NAMES: Final[list[Text]] = [
    text(name) for name in (b"R (running)", b"S (sleeping)", b"D (disk sleep)", b"X (dead)")
]


class Sizes(Struct):
    """Bytes of address space by use, as Linux counts them (mm/mmap.c, vm_stat_account)."""

    data: u64 = 0
    stack: u64 = 0
    code: u64 = 0

    def add(self, space: AddressSpace) -> None:
        """Add every mapping."""
        area = space.first_vma()
        while area is not None:
            if area.grows_down:
                self.stack += area.length
            elif Protection.WRITE in area.protection:
                if not area.is_shared:
                    self.data += area.length
            elif Protection.EXECUTE in area.protection:
                self.code += area.length
            area = space.next_vma(area)


def pages_between(start: u64, end: u64) -> u64:
    """Return the number of pages that a range touches."""
    return ((end + 0xFFF) >> 12) - (start >> 12)


def state_of(task: Task) -> u32:
    """Return what the thread is doing, as a place in `STATE_NAMES`."""
    match task.state:
        case ThreadState.RUNNING | ThreadState.RUNNABLE:
            return u32(0)
        case ThreadState.SLEEPING:
            return u32(1) if task.interruptible else u32(2)
        case _:
            return u32(3)


def write_status(process: Process, task: Task, out: TextBuffer) -> None:
    """Write `status`."""
    who = task.credentials
    out.put(text(b"Name:\t"))
    out.put_line(task.name_text())
    out.put(text(b"Umask:\t"))
    out.put_octal_padded(u64(process.fs.umask), 4)
    out.put(text(b"\nState:\t"))
    out.put_line(STATE_NAMES[state_of(task)])
    put_number(out, text(b"Tgid:\t"), u64(process.pid))
    put_number(out, text(b"Ngid:\t"), 0)
    put_number(out, text(b"Pid:\t"), u64(task.tid))
    put_number(out, text(b"PPid:\t"), u64(process.parent_pid))
    put_number(out, text(b"TracerPid:\t"), 0)
    put_four(out, text(b"Uid:"), who.uid, who.euid, who.suid, who.fsuid)
    put_four(out, text(b"Gid:"), who.gid, who.egid, who.sgid, who.fsgid)
    put_number(out, text(b"FDSize:\t"), u64(max(process.descriptors.room(), u32(64))))
    out.put(text(b"Groups:\t"))
    if (groups := who.groups) is not None:
        ids = groups.ids
        for gid in ids.slice:
            out.put_decimal(u64(gid))
            out.put(text(b" "))
    else:
        out.put(text(b" "))
    out.put(text(b"\n"))
    put_number(out, text(b"NStgid:\t"), u64(process.pid))
    put_number(out, text(b"NSpid:\t"), u64(task.tid))
    put_number(out, text(b"NSpgid:\t"), u64(process.group_id))
    put_number(out, text(b"NSsid:\t"), u64(process.session_id))
    write_memory_status(process, out)
    out.put(text(b"CoreDumping:\t0\n"))
    put_number(
        out, text(b"THP_enabled:\t"), u64(0) if process.space.without_large_pages else u64(1)
    )
    put_number(out, text(b"Threads:\t"), u64(process.task_count))
    write_signal_status(process, task, out)
    put_mask(out, text(b"CapInh:\t"), who.inheritable)
    put_mask(out, text(b"CapPrm:\t"), who.permitted)
    put_mask(out, text(b"CapEff:\t"), who.effective)
    put_mask(out, text(b"CapBnd:\t"), who.bounding)
    put_mask(out, text(b"CapAmb:\t"), who.ambient)
    put_number(out, text(b"NoNewPrivs:\t"), u64(who.no_new_privileges))
    out.put(text(b"Seccomp:\t0\nSeccomp_filters:\t0\nCpus_allowed:\t"))
    allowed = task.affinity & processors.everybody()
    processors.put_mask(out, allowed)
    out.put(text(b"\nCpus_allowed_list:\t"))
    processors.put_list(out, allowed)
    out.put(text(b"\nMems_allowed:\t1\nMems_allowed_list:\t0\n"))
    forced = min(task.preemptions, task.switches)
    put_number(out, text(b"voluntary_ctxt_switches:\t"), task.switches - forced)
    put_number(out, text(b"nonvoluntary_ctxt_switches:\t"), forced)


def write_memory_status(process: Process, out: TextBuffer) -> None:
    """Write the lines of `status` about memory."""
    space = process.space
    total = space.total_bytes() >> 10
    sizes = Sizes()
    sizes.add(space)
    census = Census()
    census.add_space(space)
    program = pages_between(process.code_start, process.code_end) * 4
    put_kib(out, text(b"VmPeak:\t"), max(total, space.vmas.most_pages * 4))
    put_kib(out, text(b"VmSize:\t"), total)
    put_kib(out, text(b"VmLck:\t"), locked_bytes(space) >> 10)
    put_kib(out, text(b"VmPin:\t"), 0)
    put_kib(out, text(b"VmHWM:\t"), space.resident_peak * 4)
    put_kib(out, text(b"VmRSS:\t"), census.resident * 4)
    put_kib(out, text(b"RssAnon:\t"), census.anonymous * 4)
    put_kib(out, text(b"RssFile:\t"), census.file() * 4)
    put_kib(out, text(b"RssShmem:\t"), census.shared_memory * 4)
    put_kib(out, text(b"VmData:\t"), sizes.data >> 10)
    put_kib(out, text(b"VmStk:\t"), sizes.stack >> 10)
    put_kib(out, text(b"VmExe:\t"), program)
    put_kib(out, text(b"VmLib:\t"), (sizes.code >> 10) - min(sizes.code >> 10, program))
    put_kib(out, text(b"VmPTE:\t"), table_source.in_use * 4)
    put_kib(out, text(b"VmSwap:\t"), 0)
    put_kib(out, text(b"HugetlbPages:\t"), 0)


def write_signal_status(process: Process, task: Task, out: TextBuffer) -> None:
    """Write the lines of `status` about signals."""
    ignored: u64 = 0
    caught: u64 = 0
    for index in range(u32(SIGNAL_LIMIT)):
        handler = process.actions.of(index + 1).handler
        if handler == HANDLER_IGNORE:
            ignored |= u64(1) << index
        elif handler != HANDLER_DEFAULT:
            caught |= u64(1) << index
    out.put(text(b"SigQ:\t0/"))
    out.put_decimal(process.limits.soft(Resource.SIGPENDING))
    out.put(text(b"\n"))
    put_mask(out, text(b"SigPnd:\t"), task.signals.pending.bits)
    put_mask(out, text(b"ShdPnd:\t"), process.pending.bits)
    put_mask(out, text(b"SigBlk:\t"), task.signals.blocked)
    put_mask(out, text(b"SigIgn:\t"), ignored)
    put_mask(out, text(b"SigCgt:\t"), caught)


def write_stat(process: Process, task: Task, used_ns: u64, out: TextBuffer) -> None:
    """Write `stat`: 52 fields on one line; `used_ns` of the process, or of one thread."""
    space = process.space
    ticks = used_ns // TICK_NS
    out.put_decimal(u64(task.tid))
    out.put(text(b" ("))
    out.put(task.name_text())
    out.put(text(b") "))
    out.put_byte(STATE_NAMES[state_of(task)][0])
    put_field(out, u64(process.parent_pid))
    put_field(out, u64(process.group_id))
    put_field(out, u64(process.session_id))
    out.put(text(b" 0 -1 4194560"))
    put_field(out, space.faults - space.faults_waited)
    out.put(text(b" 0"))
    put_field(out, space.faults_waited)
    out.put(text(b" 0"))
    put_field(out, ticks)
    out.put(text(b" 0 0 0"))
    if task.policy in (1, 2):
        put_signed(out, -1 - i64(task.real_time_priority))
    else:
        put_field(out, u64(i64(20 + task.nice)))
    put_signed(out, i64(task.nice))
    put_field(out, u64(process.task_count))
    out.put(text(b" 0"))
    put_field(out, process.started_ns // TICK_NS)
    put_field(out, space.total_bytes())
    put_field(out, space.resident_pages)
    put_field(out, u64(INFINITY))
    put_field(out, process.code_start)
    put_field(out, process.code_end)
    put_field(out, process.stack_start)
    out.put(text(b" 0 0"))
    put_field(out, task.signals.pending.bits)
    put_field(out, task.signals.blocked)
    out.put(text(b" 0 0 0 0 0 17"))
    put_field(out, u64(task.cpu))
    put_field(out, u64(task.real_time_priority))
    put_field(out, u64(task.policy))
    out.put(text(b" 0 0 0"))
    put_field(out, process.data_start)
    put_field(out, process.data_end)
    put_field(out, space.brk_start)
    put_field(out, process.argument_start)
    put_field(out, process.argument_end)
    put_field(out, process.environment_start)
    put_field(out, process.environment_end)
    out.put(text(b" 0\n"))


def write_statm(process: Process, out: TextBuffer) -> None:
    """Write `statm`, in pages."""
    space = process.space
    out.put_decimal(space.total_bytes() >> 12)
    census = Census()
    census.add_space(space)
    sizes = Sizes()
    sizes.add(space)
    put_field(out, census.resident)
    put_field(out, census.file() + census.shared_memory)
    put_field(out, pages_between(process.code_start, process.code_end))
    out.put(text(b" 0"))
    put_field(out, (sizes.data + sizes.stack) >> 12)
    out.put(text(b" 0\n"))


def write_limits(process: Process, out: TextBuffer) -> None:
    """Write `limits`."""
    out.put(
        text(b"Limit                     Soft Limit           Hard Limit           Units     \n")
    )
    for index in range(u32(RESOURCE_COUNT)):
        limit = process.limits.table[index]
        out.put(LIMIT_NAMES[index])
        out.put(text(b" "))
        put_limit(out, limit.soft)
        put_limit(out, limit.hard)
        start = out.length
        out.put(LIMIT_UNITS[index])
        if out.length != start:
            out.pad_to(10, start)
        out.put(text(b"\n"))


def put_limit(out: TextBuffer, value: u64) -> None:
    """Write a limit in a column of 20."""
    start = out.length
    if value == INFINITY:
        out.put(text(b"unlimited"))
    else:
        out.put_decimal(value)
    out.pad_to(21, start)


def put_number(out: TextBuffer, name: Text, value: u64) -> None:
    """Write a name and a number."""
    out.put(name)
    out.put_decimal(value)
    out.put(text(b"\n"))


def put_kib(out: TextBuffer, name: Text, value: u64) -> None:
    """Write a name and a size."""
    out.put(name)
    out.put_padded(value, 8)
    out.put(text(b" kB\n"))


def put_mask(out: TextBuffer, name: Text, value: u64) -> None:
    """Write a name and a set."""
    out.put(name)
    out.put_hex_padded(value, 16)
    out.put(text(b"\n"))


def put_four(out: TextBuffer, name: Text, a: u32, b: u32, c: u32, d: u32) -> None:
    """Write four ids."""
    out.put(name)
    put_tabbed(out, a)
    put_tabbed(out, b)
    put_tabbed(out, c)
    put_tabbed(out, d)
    out.put(text(b"\n"))


def put_tabbed(out: TextBuffer, value: u32) -> None:
    """Write an id behind a tab."""
    out.put(text(b"\t"))
    out.put_decimal(u64(value))


def put_field(out: TextBuffer, value: u64) -> None:
    """Write a number behind a space."""
    out.put(text(b" "))
    out.put_decimal(value)


def put_signed(out: TextBuffer, value: i64) -> None:
    """Write a signed number behind a space."""
    out.put(text(b" "))
    if value < 0:
        out.put(text(b"-"))
        value = -value
    out.put_decimal(u64(value))
