"""/proc/self/{status,stat,statm,limits}: what a process is and uses (proc(5))."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Text, i64, text, u32, u64
from krait.kernel.linux.limits import INFINITY, RESOURCE_COUNT
from krait.kernel.linux.process import Process
from krait.kernel.linux.signals import HANDLER_DEFAULT, HANDLER_IGNORE, SIGNAL_LIMIT
from krait.kernel.linux.task import Task

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
        "seconds bytes bytes bytes bytes bytes processes files bytes bytes locks signals bytes  "
        " us".replace("  ", " - - ").split()
    )
]


def write_status(process: Process, task: Task, out: TextBuffer) -> None:
    """Write `status`."""
    who = process.credentials
    out.put(text(b"Name:\t"))
    out.put_line(task.name_text())
    out.put(text(b"Umask:\t"))
    out.put_octal_padded(u64(process.fs.umask), 4)
    out.put(text(b"\nState:\tR (running)\n"))
    put_number(out, text(b"Tgid:\t"), u64(process.pid))
    put_number(out, text(b"Ngid:\t"), 0)
    put_number(out, text(b"Pid:\t"), u64(task.tid))
    put_number(out, text(b"PPid:\t"), u64(process.parent_pid))
    put_number(out, text(b"TracerPid:\t"), 0)
    put_four(out, text(b"Uid:"), who.uid, who.euid, who.suid, who.fsuid)
    put_four(out, text(b"Gid:"), who.gid, who.egid, who.sgid, who.fsgid)
    put_number(out, text(b"FDSize:\t"), u64(max(process.descriptors.end(), u32(64))))
    out.put(text(b"Groups:\t"))
    for index in range(who.group_count):
        out.put_decimal(u64(who.groups[index]))
        out.put(text(b" "))
    out.put(text(b"\n"))
    write_memory_status(process, out)
    put_number(out, text(b"Threads:\t"), u64(process.task_count))
    write_signal_status(process, task, out)
    put_mask(out, text(b"CapInh:\t"), who.inheritable)
    put_mask(out, text(b"CapPrm:\t"), who.permitted)
    put_mask(out, text(b"CapEff:\t"), who.effective)
    put_mask(out, text(b"CapBnd:\t"), who.bounding)
    put_mask(out, text(b"CapAmb:\t"), who.ambient)
    put_number(out, text(b"NoNewPrivs:\t"), u64(who.no_new_privileges))
    put_number(out, text(b"Seccomp:\t"), 0)
    out.put(text(b"Cpus_allowed:\t1\nCpus_allowed_list:\t0\n"))
    out.put(text(b"Mems_allowed:\t1\nMems_allowed_list:\t0\n"))
    put_number(out, text(b"voluntary_ctxt_switches:\t"), task.switches)
    put_number(out, text(b"nonvoluntary_ctxt_switches:\t"), 0)


def write_memory_status(process: Process, out: TextBuffer) -> None:
    """Write the lines of `status` about memory."""
    space = process.space
    total = space.total_bytes() >> 10
    resident = space.resident_pages * 4
    put_kib(out, text(b"VmPeak:\t"), total)
    put_kib(out, text(b"VmSize:\t"), total)
    put_kib(out, text(b"VmLck:\t"), 0)
    put_kib(out, text(b"VmPin:\t"), 0)
    put_kib(out, text(b"VmHWM:\t"), space.resident_peak * 4)
    put_kib(out, text(b"VmRSS:\t"), resident)
    put_kib(out, text(b"RssAnon:\t"), resident)
    put_kib(out, text(b"RssFile:\t"), 0)
    put_kib(out, text(b"RssShmem:\t"), 0)
    put_kib(out, text(b"VmData:\t"), (space.brk_end - space.brk_start) >> 10)
    put_kib(out, text(b"VmStk:\t"), 132)
    put_kib(out, text(b"VmExe:\t"), (process.code_end - process.code_start) >> 10)
    put_kib(out, text(b"VmLib:\t"), 0)
    put_kib(out, text(b"VmPTE:\t"), 0)
    put_kib(out, text(b"VmSwap:\t"), 0)


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
    out.put(text(b"SigQ:\t0/4096\n"))
    put_mask(out, text(b"SigPnd:\t"), task.signals.pending.bits)
    put_mask(out, text(b"ShdPnd:\t"), process.pending.bits)
    put_mask(out, text(b"SigBlk:\t"), task.signals.blocked)
    put_mask(out, text(b"SigIgn:\t"), ignored)
    put_mask(out, text(b"SigCgt:\t"), caught)


def write_stat(process: Process, task: Task, out: TextBuffer) -> None:
    """Write `stat`: 52 fields on one line."""
    space = process.space
    ticks = task.cpu_time_ns() // TICK_NS
    out.put_decimal(u64(task.tid))
    out.put(text(b" ("))
    out.put(task.name_text())
    out.put(text(b") R"))
    put_field(out, u64(process.parent_pid))
    put_field(out, u64(process.group_id))
    put_field(out, u64(process.session_id))
    out.put(text(b" 1025 "))
    out.put_decimal(u64(process.group_id))
    out.put(text(b" 4194560"))
    put_field(out, space.faults)
    out.put(text(b" 0 0 0"))
    put_field(out, ticks)
    out.put(text(b" 0 0 0"))
    put_field(out, u64(i64(20 + task.nice)))
    put_signed(out, i64(task.nice))
    out.put(text(b" 1 0"))
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
    out.put(text(b" 0 0 0 0 0 17 0 0 0 0 0 0"))
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
    put_field(out, space.resident_pages)
    out.put(text(b" 0"))
    put_field(out, (process.code_end - process.code_start) >> 12)
    out.put(text(b" 0"))
    put_field(out, (space.brk_end - space.brk_start) >> 12)
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
