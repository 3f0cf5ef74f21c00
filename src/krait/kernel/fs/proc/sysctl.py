"""/proc/sys: the few settings that programs read (sysctl(8)); none can be changed."""

from __future__ import annotations

from krait.kernel.drivers import random
from krait.kernel.fs.lazy_directory import LazyDirectory
from krait.kernel.fs.proc.source import processes
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Array, Struct, inline, text, u8, u64


class BootId(Struct):
    """The UUID of this boot, made when it is first asked for."""

    made: bool = False
    bytes: Array[u8] = inline(16)


boot_id = BootId()


def fill_sysctl(root: LazyDirectory) -> None:
    """Add the groups."""
    root.add_directory(text(b"kernel"), fill_kernel)
    root.add_directory(text(b"vm"), fill_vm)
    root.add_directory(text(b"fs"), fill_fs)
    root.add_directory(text(b"net"), fill_net)


def fill_kernel(group: LazyDirectory) -> None:
    """Add sys/kernel."""
    group.add_text(text(b"ostype"), write_system_type)
    group.add_text(text(b"osrelease"), write_release)
    group.add_text(text(b"version"), write_build)
    group.add_text(text(b"hostname"), write_host_name)
    group.add_text(text(b"domainname"), write_domain_name)
    group.add_text(text(b"pid_max"), write_pid_max)
    group.add_text(text(b"threads-max"), write_threads_max)
    group.add_text(text(b"ngroups_max"), write_ngroups_max)
    group.add_text(text(b"cap_last_cap"), write_cap_last)
    group.add_text(text(b"randomize_va_space"), write_two)
    group.add_text(text(b"core_pattern"), write_core_pattern)
    group.add_text(text(b"overflowuid"), write_overflow_id)
    group.add_text(text(b"overflowgid"), write_overflow_id)
    group.add_directory(text(b"random"), fill_random)


def fill_random(group: LazyDirectory) -> None:
    """Add sys/kernel/random."""
    group.add_text(text(b"boot_id"), write_boot_id)
    group.add_text(text(b"uuid"), write_uuid)
    group.add_text(text(b"entropy_avail"), write_entropy)
    group.add_text(text(b"poolsize"), write_entropy)


def fill_vm(group: LazyDirectory) -> None:
    """Add sys/vm."""
    group.add_text(text(b"overcommit_memory"), write_one)
    group.add_text(text(b"overcommit_ratio"), write_fifty)
    group.add_text(text(b"max_map_count"), write_map_count)
    group.add_text(text(b"mmap_min_addr"), write_lowest_address)
    group.add_text(text(b"swappiness"), write_zero)


def fill_fs(group: LazyDirectory) -> None:
    """Add sys/fs."""
    group.add_text(text(b"file-max"), write_file_max)
    group.add_text(text(b"nr_open"), write_nr_open)
    group.add_text(text(b"pipe-max-size"), write_pipe_max)
    group.add_text(text(b"protected_hardlinks"), write_zero)
    group.add_text(text(b"protected_symlinks"), write_zero)


def fill_net(group: LazyDirectory) -> None:
    """Add sys/net."""
    group.add_directory(text(b"core"), fill_net_core)


def fill_net_core(group: LazyDirectory) -> None:
    """Add sys/net/core."""
    group.add_text(text(b"somaxconn"), write_somaxconn)


def write_system_type(out: TextBuffer) -> None:
    """Write the name of the ABI."""
    out.put(text(b"Linux\n"))


def write_release(out: TextBuffer) -> None:
    """Write what `uname -r` says."""
    write = processes.write_release
    if write is not None:
        write(out)
    out.put(text(b"\n"))


def write_build(out: TextBuffer) -> None:
    """Write what `uname -v` says."""
    write = processes.write_build
    if write is not None:
        write(out)
    out.put(text(b"\n"))


def write_host_name(out: TextBuffer) -> None:
    """Write what `uname -n` says."""
    write = processes.write_host_name
    if write is not None:
        write(out)
    out.put(text(b"\n"))


def write_domain_name(out: TextBuffer) -> None:
    """Write Linux's word for no NIS domain."""
    out.put(text(b"(none)\n"))


def write_core_pattern(out: TextBuffer) -> None:
    """Write the default; no core is ever written."""
    out.put(text(b"core\n"))


def write_pid_max(out: TextBuffer) -> None:
    """Write the number behind the highest pid."""
    out.put(text(b"4194304\n"))


def write_threads_max(out: TextBuffer) -> None:
    """Write the limit of threads."""
    out.put(text(b"65536\n"))


def write_ngroups_max(out: TextBuffer) -> None:
    """Write NGROUPS_MAX."""
    out.put(text(b"65536\n"))


def write_cap_last(out: TextBuffer) -> None:
    """Write CAP_LAST_CAP."""
    out.put(text(b"40\n"))


def write_overflow_id(out: TextBuffer) -> None:
    """Write the id of nobody."""
    out.put(text(b"65534\n"))


def write_map_count(out: TextBuffer) -> None:
    """Write the limit of mappings."""
    out.put(text(b"65530\n"))


def write_lowest_address(out: TextBuffer) -> None:
    """Write the lowest address that can be mapped."""
    out.put(text(b"65536\n"))


def write_file_max(out: TextBuffer) -> None:
    """Write the limit of open files."""
    out.put(text(b"9223372036854775807\n"))


def write_nr_open(out: TextBuffer) -> None:
    """Write the limit of descriptors."""
    out.put(text(b"1048576\n"))


def write_pipe_max(out: TextBuffer) -> None:
    """Write the limit of a pipe's size."""
    out.put(text(b"1048576\n"))


def write_somaxconn(out: TextBuffer) -> None:
    """Write the limit of a listen queue."""
    out.put(text(b"4096\n"))


def write_entropy(out: TextBuffer) -> None:
    """Write the size of the random pool."""
    out.put(text(b"256\n"))


def write_fifty(out: TextBuffer) -> None:
    """Write 50."""
    out.put(text(b"50\n"))


def write_zero(out: TextBuffer) -> None:
    """Write 0."""
    out.put(text(b"0\n"))


def write_one(out: TextBuffer) -> None:
    """Write 1: memory is given out without asking how much there is."""
    out.put(text(b"1\n"))


def write_two(out: TextBuffer) -> None:
    """Write 2: stack, mappings and heap are randomised."""
    out.put(text(b"2\n"))


def write_boot_id(out: TextBuffer) -> None:
    """Write the UUID of this boot."""
    if not boot_id.made:
        boot_id.made = True
        random.fill(boot_id.bytes)
    put_uuid(out, boot_id.bytes)


def write_uuid(out: TextBuffer) -> None:
    """Write a new UUID at each read."""
    fresh: Array[u8] = inline(16)
    random.fill(fresh)
    put_uuid(out, fresh)


def put_uuid(out: TextBuffer, raw: Array[u8]) -> None:
    """Write a random UUID (RFC 9562, version 4)."""
    raw[6] = (raw[6] & 0x0F) | 0x40
    raw[8] = (raw[8] & 0x3F) | 0x80
    for index in range(u64(16)):
        if index in (4, 6, 8, 10):
            out.put(text(b"-"))
        out.put_hex_padded(u64(raw[index]), u64(2))
    out.put(text(b"\n"))
