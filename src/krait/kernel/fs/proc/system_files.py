"""The files of /proc that describe the system (proc(5))."""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.boot_info import boot_info
from krait.kernel.arch.x86_64.cpu import cpuid
from krait.kernel.fs.lazy_directory import LazyDirectory
from krait.kernel.fs.proc.mounts import write_mounts
from krait.kernel.fs.proc.source import processes
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Text, text, u8, u32, u64
from krait.kernel.mm import frames
from krait.kernel.sched import clock

KIB_PER_FRAME: Final = 4
SECOND_NS: Final = 1_000_000_000
HUNDREDTH_NS: Final = 10_000_000
LABEL_WIDTH: Final = 16
NUMBER_WIDTH: Final = 8


def fill(root: LazyDirectory) -> None:
    """Add the files."""
    root.add_text(text(b"cmdline"), write_command_line)
    root.add_text(text(b"cpuinfo"), write_cpuinfo)
    root.add_text(text(b"filesystems"), write_filesystems)
    root.add_text(text(b"loadavg"), write_loadavg)
    root.add_text(text(b"meminfo"), write_meminfo)
    root.add_text(text(b"mounts"), write_mounts)
    root.add_text(text(b"stat"), write_stat)
    root.add_text(text(b"swaps"), write_swaps)
    root.add_text(text(b"uptime"), write_uptime)
    root.add_text(text(b"version"), write_version)


def write_command_line(out: TextBuffer) -> None:
    """Write the boot words."""
    out.put_line(boot_info.command_line)


def write_filesystems(out: TextBuffer) -> None:
    """Write the kinds of file system."""
    out.put(text(b"nodev\tproc\nnodev\tsysfs\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\toverlay\n"))
    out.put(text(b"nodev\tpipefs\nnodev\tsockfs\n\trofs\n"))


def write_loadavg(out: TextBuffer) -> None:
    """Write the load, which nobody averages here: one task runs, the one that reads."""
    out.put(text(b"0.00 0.00 0.00 1/1 1\n"))


def write_meminfo(out: TextBuffer) -> None:
    """Write how memory is used."""
    total = frames.total() * KIB_PER_FRAME
    free = frames.free() * KIB_PER_FRAME
    put_size(out, text(b"MemTotal:"), total)
    put_size(out, text(b"MemFree:"), free)
    put_size(out, text(b"MemAvailable:"), free)
    put_size(out, text(b"Buffers:"), u64(0))
    put_size(out, text(b"Cached:"), u64(0))
    put_size(out, text(b"SwapCached:"), u64(0))
    put_size(out, text(b"SwapTotal:"), u64(0))
    put_size(out, text(b"SwapFree:"), u64(0))
    put_size(out, text(b"Shmem:"), u64(0))
    put_size(out, text(b"CommitLimit:"), total)
    put_size(out, text(b"Committed_AS:"), total - free)
    put_label(out, text(b"HugePages_Total:"))
    out.put(text(b"       0\n"))
    put_label(out, text(b"HugePages_Free:"))
    out.put(text(b"       0\n"))
    put_size(out, text(b"Hugepagesize:"), u64(2048))


def put_size(out: TextBuffer, label: Text, kib: u64) -> None:
    """Write a line of meminfo."""
    put_label(out, label)
    out.put_padded(kib, u64(NUMBER_WIDTH))
    out.put(text(b" kB\n"))


def put_label(out: TextBuffer, label: Text) -> None:
    """Write a label and fill up its column."""
    start = out.length
    out.put(label)
    out.pad_to(u64(LABEL_WIDTH), start)


def write_uptime(out: TextBuffer) -> None:
    """Write seconds since the start, and idle ones."""
    hundredths = clock.monotonic_ns() // HUNDREDTH_NS
    out.put_decimal(hundredths // 100)
    out.put(text(b"."))
    out.put_zero_padded(hundredths % 100, u64(2))
    out.put(text(b" 0.00\n"))


def write_stat(out: TextBuffer) -> None:
    """Write what the CPU did, in hundredths of a second."""
    put_cpu_times(out, text(b"cpu  "))
    put_cpu_times(out, text(b"cpu0 "))
    out.put(text(b"intr 0\nctxt 0\nbtime "))
    started = (clock.realtime_ns() - clock.monotonic_ns()) // SECOND_NS
    out.put_decimal(started)
    out.put(text(b"\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"))


def put_cpu_times(out: TextBuffer, label: Text) -> None:
    """Write one line of times."""
    out.put(label)
    write = processes.write_cpu_times
    if write is None:
        out.put(text(b"0 0 0 0 0 0 0 0 0 0"))
    else:
        write(out)
    out.put(text(b"\n"))


def write_swaps(out: TextBuffer) -> None:
    """Write the heading only: there is no swap."""
    out.put(text(b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"))


def write_version(out: TextBuffer) -> None:
    """Write what uname(2) says, in one line."""
    write = processes.write_version
    if write is not None:
        write(out)


def write_cpuinfo(out: TextBuffer) -> None:
    """Write what CPUID says of the one CPU."""
    vendor = cpuid(u32(0), u32(0))
    version = cpuid(u32(1), u32(0))
    family = (version.eax >> 8) & 0xF
    model = (version.eax >> 4) & 0xF
    if family == 0xF:
        family += (version.eax >> 20) & 0xFF
    if family in (6, 15):
        model += ((version.eax >> 16) & 0xF) << 4
    out.put(text(b"processor\t: 0\nvendor_id\t: "))
    put_register_text(out, vendor.ebx)
    put_register_text(out, vendor.edx)
    put_register_text(out, vendor.ecx)
    out.put(text(b"\ncpu family\t: "))
    out.put_decimal(u64(family))
    out.put(text(b"\nmodel\t\t: "))
    out.put_decimal(u64(model))
    out.put(text(b"\nmodel name\t: "))
    put_brand(out)
    out.put(text(b"\nstepping\t: "))
    out.put_decimal(u64(version.eax & 0xF))
    out.put(text(b"\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n"))
    out.put(text(b"fpu\t\t: yes\nflags\t\t:"))
    put_flags(out, version.edx, version.ecx)
    out.put(text(b"\naddress sizes\t: 40 bits physical, 48 bits virtual\n\n"))


def put_register_text(out: TextBuffer, register: u32) -> None:
    """Write the four characters in a register, leaving out zeros."""
    rest = register
    for _index in range(4):
        byte = u8.truncate(rest)
        if byte != 0:
            out.put_byte(byte)
        rest >>= 8


def put_brand(out: TextBuffer) -> None:
    """Write the brand string, leaves 0x80000002 to 4."""
    if cpuid(u32(0x80000000), u32(0)).eax < 0x80000004:
        out.put(text(b"unknown"))
        return
    for leaf in range(u32(0x80000002), u32(0x80000005)):
        part = cpuid(leaf, u32(0))
        put_register_text(out, part.eax)
        put_register_text(out, part.ebx)
        put_register_text(out, part.ecx)
        put_register_text(out, part.edx)


def put_flags(out: TextBuffer, edx: u32, ecx: u32) -> None:
    """Write the features that programs look for."""
    put_flag(out, edx, u32(0), text(b" fpu"))
    put_flag(out, edx, u32(4), text(b" tsc"))
    put_flag(out, edx, u32(8), text(b" cx8"))
    put_flag(out, edx, u32(15), text(b" cmov"))
    put_flag(out, edx, u32(23), text(b" mmx"))
    put_flag(out, edx, u32(24), text(b" fxsr"))
    put_flag(out, edx, u32(25), text(b" sse"))
    put_flag(out, edx, u32(26), text(b" sse2"))
    put_flag(out, ecx, u32(0), text(b" pni"))
    put_flag(out, ecx, u32(1), text(b" pclmulqdq"))
    put_flag(out, ecx, u32(9), text(b" ssse3"))
    put_flag(out, ecx, u32(12), text(b" fma"))
    put_flag(out, ecx, u32(13), text(b" cx16"))
    put_flag(out, ecx, u32(19), text(b" sse4_1"))
    put_flag(out, ecx, u32(20), text(b" sse4_2"))
    put_flag(out, ecx, u32(22), text(b" movbe"))
    put_flag(out, ecx, u32(23), text(b" popcnt"))
    put_flag(out, ecx, u32(25), text(b" aes"))
    put_flag(out, ecx, u32(26), text(b" xsave"))
    put_flag(out, ecx, u32(28), text(b" avx"))
    put_flag(out, ecx, u32(30), text(b" rdrand"))
    put_flag(out, ecx, u32(31), text(b" hypervisor"))
    leaf7 = cpuid(u32(7), u32(0))
    put_flag(out, leaf7.ebx, u32(3), text(b" bmi1"))
    put_flag(out, leaf7.ebx, u32(5), text(b" avx2"))
    put_flag(out, leaf7.ebx, u32(8), text(b" bmi2"))
    put_flag(out, leaf7.ebx, u32(9), text(b" erms"))
    put_flag(out, leaf7.ebx, u32(18), text(b" rdseed"))
    put_flag(out, leaf7.ebx, u32(19), text(b" adx"))
    extended = cpuid(u32(0x80000001), u32(0))
    put_flag(out, extended.edx, u32(20), text(b" nx"))
    put_flag(out, extended.edx, u32(29), text(b" lm"))
    put_flag(out, extended.ecx, u32(0), text(b" lahf_lm"))
    put_flag(out, extended.ecx, u32(5), text(b" abm"))


def put_flag(out: TextBuffer, register: u32, bit: u32, name: Text) -> None:
    """Write one feature if its bit is set."""
    if register & (u32(1) << bit) != 0:
        out.put(name)
