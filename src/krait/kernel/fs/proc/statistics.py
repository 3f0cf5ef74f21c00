"""/proc/stat, interrupts, loadavg, meminfo, uptime, vmstat: what the machine has done so far."""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.interrupts import count_all, interrupts
from krait.kernel.fs import memory_facts, processors
from krait.kernel.fs.proc.source import FaultCounts, processes
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Text, text, u32, u64
from krait.kernel.mm.commitment import commit_limit
from krait.kernel.mm.large_pages import LARGE_PAGES, large_pages
from krait.kernel.mm.overcommit import promises
from krait.kernel.sched import clock
from krait.kernel.sched.load import ONE, active_threads, load

KIB_PER_FRAME: Final = 4
SECOND_NS: Final = 1_000_000_000
HUNDREDTH_NS: Final = 10_000_000
LABEL_WIDTH: Final = 16
NUMBER_WIDTH: Final = 8
COLUMN_WIDTH: Final = 10
AVERAGES: Final = 3


def write_loadavg(out: TextBuffer) -> None:
    """Write three averages, runnable and all threads, and the thread id given out last."""
    for index in range(u64(AVERAGES)):
        rounded = load.averages[index] + ONE // 200
        out.put_decimal(rounded // ONE)
        out.put(text(b"."))
        out.put_zero_padded(rounded % ONE * 100 // ONE, u64(2))
        out.put(text(b" "))
    out.put_decimal(active_threads())
    out.put(text(b"/"))
    out.put_decimal(u64(thread_count()))
    out.put(text(b" "))
    last = processes.last_pid
    out.put_decimal(u64(last()) if last is not None else u64(0))
    out.put(text(b"\n"))


def thread_count() -> u32:
    """Return the number of threads."""
    count = processes.thread_count
    return count() if count is not None else u32(0)


def write_meminfo(out: TextBuffer) -> None:
    """Write how memory is used; active is what stays, inactive what the shrinkers may drop."""
    facts = memory_facts.read()
    put_size(out, text(b"MemTotal:"), facts.total)
    put_size(out, text(b"MemFree:"), facts.free)
    put_size(out, text(b"MemAvailable:"), facts.available)
    put_size(out, text(b"Buffers:"), u64(0))
    put_size(out, text(b"Cached:"), facts.cached)
    put_size(out, text(b"SwapCached:"), u64(0))
    kept = facts.anonymous + facts.shared
    put_size(out, text(b"Active:"), kept)
    put_size(out, text(b"Inactive:"), facts.cached - facts.shared)
    put_size(out, text(b"Active(anon):"), kept)
    put_size(out, text(b"Inactive(anon):"), u64(0))
    put_size(out, text(b"Active(file):"), u64(0))
    put_size(out, text(b"Inactive(file):"), facts.cached - facts.shared)
    put_size(out, text(b"SwapTotal:"), u64(0))
    put_size(out, text(b"SwapFree:"), u64(0))
    put_size(out, text(b"Dirty:"), u64(0))
    put_size(out, text(b"Writeback:"), u64(0))
    put_size(out, text(b"AnonPages:"), facts.anonymous)
    put_size(out, text(b"Shmem:"), facts.shared)
    put_size(out, text(b"Slab:"), facts.slabs)
    put_size(out, text(b"SReclaimable:"), facts.names)
    put_size(out, text(b"SUnreclaim:"), facts.slabs - facts.names)
    put_size(out, text(b"KernelStack:"), facts.stacks)
    put_size(out, text(b"PageTables:"), facts.tables)
    put_size(out, text(b"CommitLimit:"), commit_limit())
    put_size(out, text(b"Committed_AS:"), promises.pages)
    put_size(out, text(b"AnonHugePages:"), large_pages.in_use * LARGE_PAGES)
    put_count(out, text(b"HugePages_Total:"), u64(0))
    put_count(out, text(b"HugePages_Free:"), u64(0))
    put_count(out, text(b"HugePages_Rsvd:"), u64(0))
    put_count(out, text(b"HugePages_Surp:"), u64(0))
    put_size(out, text(b"Hugepagesize:"), u64(512))


def put_size(out: TextBuffer, label: Text, pages: u64) -> None:
    """Write a line of meminfo."""
    put_label(out, label)
    out.put_padded(pages * KIB_PER_FRAME, u64(NUMBER_WIDTH))
    out.put(text(b" kB\n"))


def put_count(out: TextBuffer, label: Text, value: u64) -> None:
    """Write a line of meminfo that is no size."""
    put_label(out, label)
    out.put_padded(value, u64(NUMBER_WIDTH))
    out.put(text(b"\n"))


def put_label(out: TextBuffer, label: Text) -> None:
    """Write a label and fill up its column."""
    start = out.length
    out.put(label)
    out.pad_to(u64(LABEL_WIDTH), start)


def write_vmstat(out: TextBuffer) -> None:
    """Write the same in pages, and how often memory was asked for."""
    facts = memory_facts.read()
    counts = fault_counts()
    put_line(out, text(b"nr_free_pages "), facts.free)
    put_line(out, text(b"nr_anon_pages "), facts.anonymous)
    put_line(out, text(b"nr_file_pages "), facts.cached)
    put_line(out, text(b"nr_shmem "), facts.shared)
    put_line(out, text(b"nr_kernel_stack "), facts.stacks * KIB_PER_FRAME)
    put_line(out, text(b"nr_page_table_pages "), facts.tables)
    put_line(out, text(b"nr_slab_reclaimable "), facts.names)
    put_line(out, text(b"nr_slab_unreclaimable "), facts.slabs - facts.names)
    put_line(out, text(b"nr_dirty "), u64(0))
    put_line(out, text(b"nr_writeback "), u64(0))
    put_line(out, text(b"nr_anon_transparent_hugepages "), large_pages.in_use)
    put_line(out, text(b"pgfault "), counts.all)
    put_line(out, text(b"pgmajfault "), counts.waited)
    put_line(out, text(b"pswpin "), u64(0))
    put_line(out, text(b"pswpout "), u64(0))
    put_line(out, text(b"oom_kill "), u64(0))
    put_line(out, text(b"thp_fault_alloc "), large_pages.made)
    put_line(out, text(b"thp_fault_fallback "), large_pages.refused)
    put_line(out, text(b"thp_collapse_alloc "), large_pages.collapsed)
    put_line(out, text(b"thp_split_pmd "), large_pages.parted)


def fault_counts() -> FaultCounts:
    """Return the page faults so far."""
    count = processes.fault_counts
    return count() if count is not None else FaultCounts(u64(0), u64(0))


def write_uptime(out: TextBuffer) -> None:
    """Write the seconds since the start, and those that CPUs were idle, added up."""
    put_hundredths(out, clock.monotonic_ns())
    out.put(text(b" "))
    idle: u64 = 0
    for cpu in range(processors.count()):
        idle += processors.idle_ns(cpu)
    put_hundredths(out, idle)
    out.put(text(b"\n"))


def put_hundredths(out: TextBuffer, time_ns: u64) -> None:
    """Append seconds with two digits."""
    hundredths = time_ns // HUNDREDTH_NS
    out.put_decimal(hundredths // 100)
    out.put(text(b"."))
    out.put_zero_padded(hundredths % 100, u64(2))


def write_stat(out: TextBuffer) -> None:
    """Write what the CPUs did, in hundredths of a second, and how often what happened."""
    put_times(out, text(b"cpu  "), u32(0), processors.count())
    for cpu in range(processors.count()):
        out.put(text(b"cpu"))
        out.put_decimal(u64(cpu))
        put_times(out, text(b" "), cpu, cpu + 1)
    out.put(text(b"intr "))
    out.put_decimal(count_all())
    for index in range(interrupts.used):
        out.put(text(b" "))
        out.put_decimal(interrupts.handlers[index].count)
    switches = processes.switch_count
    put_line(out, text(b"\nctxt "), switches() if switches is not None else u64(0))
    put_line(out, text(b"btime "), (clock.realtime_ns() - clock.monotonic_ns()) // SECOND_NS)
    last = processes.last_pid
    put_line(out, text(b"processes "), u64(last()) if last is not None else u64(0))
    put_line(out, text(b"procs_running "), active_threads())
    put_line(out, text(b"procs_blocked "), u64(0))
    put_line(out, text(b"softirq "), u64(0))


def put_times(out: TextBuffer, label: Text, first: u32, end: u32) -> None:
    """Write a line of times: all that a CPU was not idle counts as user time."""
    busy: u64 = 0
    idle: u64 = 0
    for cpu in range(first, end):
        cpu_idle = processors.idle_ns(cpu)
        idle += cpu_idle
        busy += clock.monotonic_ns() - min(cpu_idle, clock.monotonic_ns())
    out.put(label)
    out.put_decimal(busy // HUNDREDTH_NS)
    out.put(text(b" 0 0 "))
    out.put_decimal(idle // HUNDREDTH_NS)
    out.put(text(b" 0 0 0 0 0 0\n"))


def write_interrupts(out: TextBuffer) -> None:
    """Write a line a vector; devices interrupt the first CPU."""
    out.put(text(b"    "))
    for cpu in range(processors.count()):
        out.put(text(b"       CPU"))
        out.put_decimal(u64(cpu))
    out.put(text(b"       \n"))
    for index in range(interrupts.used):
        out.put_padded(u64(index), u64(3))
        out.put(text(b":"))
        put_columns(out, interrupts.handlers[index].count)
        out.put(text(b"  virtio\n"))
    out.put(text(b"LOC:"))
    for cpu in range(processors.count()):
        put_column(out, interrupts.timer_counts[cpu])
    out.put(text(b"   Local timer interrupts\nRES:"))
    for cpu in range(processors.count()):
        put_column(out, interrupts.calls[cpu])
    out.put(text(b"   Rescheduling interrupts\nSPU:"))
    put_columns(out, interrupts.strays)
    out.put(text(b"   Spurious interrupts\n"))


def put_columns(out: TextBuffer, count: u64) -> None:
    """Append a number a CPU, all of it at the first."""
    for cpu in range(processors.count()):
        put_column(out, count if cpu == 0 else u64(0))


def put_column(out: TextBuffer, count: u64) -> None:
    """Append the number of one CPU."""
    out.put(text(b" "))
    out.put_padded(count, u64(COLUMN_WIDTH))


def put_line(out: TextBuffer, label: Text, value: u64) -> None:
    """Write a label and a number."""
    out.put(label)
    out.put_decimal(value)
    out.put(text(b"\n"))
