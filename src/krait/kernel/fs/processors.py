"""What /proc and /sys say about CPUs: how many, which, and how sets of them are written.

All CPUs are alike: one package, one thread a core, one NUMA node, none offline.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import text, u8, u32, u64
from krait.kernel.sched import clock
from krait.kernel.sched.cpu import bit_of, cpu_at, cpus, idle_ticks_of, running_on, this_cpu
from krait.kernel.sched.cpu import call as call_cpu

NOBODY: Final = 0xFFFFFFFF
GROUP_BITS: Final = 32  # lib/bitmap: masks are written in groups of eight digits


def count() -> u32:
    """Return how many CPUs there are."""
    return cpus.count


def everybody() -> u64:
    """Return the set of all."""
    return (u64(2) << u64(count() - 1)).wrapping_sub(1) if count() < 64 else ~u64(0)


def idle_ns(index: u32) -> u64:
    """Return how long a CPU has been idle."""
    return clock.ticks_to_ns(idle_ticks_of(index, ticks_now()))


def is_idle_here() -> bool:
    """Tell whether the CPU that runs this was halted before it was interrupted."""
    return this_cpu().is_idle


def own_index() -> u32:
    """Return the number of the CPU that runs this."""
    return this_cpu().index


def busy_set() -> u64:
    """Return the CPUs that run and are not idle."""
    busy: u64 = 0
    for index in range(cpus.count):
        if cpus.online & bit_of(index) != 0 and not cpu_at(index).is_idle:
            busy |= bit_of(index)
    return busy


def call(members: u64) -> None:
    """Interrupt those CPUs of a set that are not this one."""
    for index in range(cpus.count):
        if members & bit_of(index) != 0 and index != own_index():
            call_cpu(index)


def running_tid(index: u32) -> u32:
    """Return the thread that a CPU runs, `NOBODY` when it is idle."""
    running = running_on(index)
    if running is None or cpu_at(index).is_idle:
        return NOBODY
    return running.tid


def put_list(out: TextBuffer, members: u64) -> None:
    """Append a set as ranges, `0-3,8`."""
    first = True
    cpu: u64 = 0
    while cpu < 64:
        if members >> cpu & 1 == 0:
            cpu += 1
            continue
        end = cpu
        while end < 63 and members >> (end + 1) & 1 != 0:
            end += 1
        if not first:
            out.put(text(b","))
        first = False
        out.put_decimal(cpu)
        if end != cpu:
            out.put(text(b"-"))
            out.put_decimal(end)
        cpu = end + 1


def put_mask(out: TextBuffer, members: u64) -> None:
    """Append a set as a number, in as many digits as there are CPUs for."""
    bits = u64(count())
    if bits <= GROUP_BITS:
        out.put_hex_padded(members, (bits + 3) // 4)
        return
    out.put_hex_padded(members >> GROUP_BITS, (bits - GROUP_BITS + 3) // 4)
    out.put_byte(u8(0x2C))
    out.put_hex_padded(members & 0xFFFF_FFFF, u64(8))


def write_all(out: TextBuffer) -> None:
    """Write the list of all."""
    put_list(out, everybody())
    out.put(text(b"\n"))


def write_all_mask(out: TextBuffer) -> None:
    """Write the mask of all."""
    put_mask(out, everybody())
    out.put(text(b"\n"))
