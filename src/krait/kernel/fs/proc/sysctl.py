"""/proc/sys: the settings that programs read (sysctl(8)).

Most are facts of this kernel and cannot be written. What can be changed is answered by whoever
acts on it, through `source.processes`. A file that Linux has and that would say nothing true here
is left out.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.drivers import random
from krait.kernel.errno import EINVAL
from krait.kernel.fs.lazy_directory import FixedFile, LazyDirectory, fixed_files
from krait.kernel.fs.proc.memory_settings import fill_memory_settings
from krait.kernel.fs.proc.source import processes
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.fs.watch_limits import interests_most, watches_most
from krait.kernel.lang import Array, Errno, Struct, Text, inline, text, u8, u32, u64

FILES: Final[list[FixedFile]] = []
"""Those of all directories, one after the other."""


class TablePart(NamedTuple):
    """The files of one directory."""

    first: u32
    end: u32


def table_part(contents: dict[str, str]) -> TablePart:
    """Add a directory's files to the table, at build time."""
    first = u32(len(FILES))
    FILES.extend(fixed_files(contents))
    return TablePart(first, u32(len(FILES)))


KERNEL_FILES: Final = table_part(
    {
        "arch": "x86_64",
        "cap_last_cap": "40",
        "core_pattern": "core",  # no core is ever written
        "core_uses_pid": "0",
        "dmesg_restrict": "0",
        "kptr_restrict": "0",
        "msgmax": "8192",
        "msgmnb": "16384",
        "msgmni": "32000",
        "ngroups_max": "65536",
        "ostype": "Linux",
        "overflowgid": "65534",
        "overflowuid": "65534",
        "panic": "0",
        "perf_event_paranoid": "4",  # perf_event_open(2) is not there for anybody
        "pid_max": "4194304",
        "randomize_va_space": "2",
        "sched_rr_timeslice_ms": "4",
        "sched_rt_period_us": "1000000",
        "sched_rt_runtime_us": "950000",
        "sem": "32000\t1024000000\t500\t32000",
        "shmall": "18446744073692774399",
        "shmmax": "18446744073692774399",
        "shmmni": "4096",
        "sysctl_writes_strict": "1",
        "tainted": "0",
        "threads-max": "65536",
        "unprivileged_bpf_disabled": "2",
    }
)
RANDOM_FILES: Final = table_part(
    {"entropy_avail": "256", "poolsize": "256", "write_wakeup_threshold": "256"}
)
VM_FILES: Final = table_part(
    {
        "admin_reserve_kbytes": "0",
        "dirty_background_ratio": "10",
        "dirty_ratio": "20",
        "legacy_va_layout": "0",
        "max_map_count": "65530",
        "mmap_min_addr": "65536",
        "mmap_rnd_bits": "28",
        "nr_hugepages": "0",
        "nr_overcommit_hugepages": "0",
        "oom_kill_allocating_task": "1",
        "page-cluster": "0",
        "panic_on_oom": "0",
        "swappiness": "0",
        "unprivileged_userfaultfd": "0",
        "user_reserve_kbytes": "0",
        "vfs_cache_pressure": "100",
        "zone_reclaim_mode": "0",
    }
)
FS_FILES: Final = table_part(
    {
        "aio-max-nr": "65536",
        "dir-notify-enable": "1",
        "file-max": "9223372036854775807",
        "lease-break-time": "45",
        "leases-enable": "0",
        "mount-max": "32",
        "nr_open": "1048576",
        "overflowgid": "65534",
        "overflowuid": "65534",
        "pipe-max-size": "1048576",
        "pipe-user-pages-hard": "0",
        "pipe-user-pages-soft": "0",
        "protected_fifos": "0",
        "protected_hardlinks": "0",
        "protected_regular": "0",
        "protected_symlinks": "0",
        "suid_dumpable": "0",
    }
)
INOTIFY_FILES: Final = table_part(
    {
        "max_queued_events": "16384",
        "max_user_instances": "128",
    }
)
QUEUE_FILES: Final = table_part(
    {
        "msg_default": "10",
        "msg_max": "10",
        "msgsize_default": "8192",
        "msgsize_max": "8192",
        "queues_max": "256",
    }
)
NET_CORE_FILES: Final = table_part(
    {
        "optmem_max": "131072",
        "rmem_default": "212992",
        "rmem_max": "212992",
        "somaxconn": "4096",
        "wmem_default": "212992",
        "wmem_max": "212992",
    }
)
NET_UNIX_FILES: Final = table_part({"max_dgram_qlen": "10"})


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
    add_fixed(group, KERNEL_FILES)
    group.add_text(text(b"osrelease"), write_release)
    group.add_text(text(b"version"), write_build)
    group.add_setting(text(b"hostname"), write_host_name, take_host_name)
    group.add_setting(text(b"domainname"), write_domain_name, take_domain_name)
    group.add_text(text(b"ns_last_pid"), write_last_pid)
    group.add_directory(text(b"random"), fill_random)


def fill_random(group: LazyDirectory) -> None:
    """Add sys/kernel/random."""
    add_fixed(group, RANDOM_FILES)
    group.add_text(text(b"boot_id"), write_boot_id)
    group.add_text(text(b"uuid"), write_uuid)


def fill_vm(group: LazyDirectory) -> None:
    """Add sys/vm."""
    add_fixed(group, VM_FILES)
    fill_memory_settings(group)


def fill_fs(group: LazyDirectory) -> None:
    """Add sys/fs."""
    add_fixed(group, FS_FILES)
    group.add_text(text(b"file-nr"), write_file_count)
    group.add_directory(text(b"inotify"), fill_inotify)
    group.add_directory(text(b"epoll"), fill_epoll)
    group.add_directory(text(b"mqueue"), fill_queues)


def fill_inotify(group: LazyDirectory) -> None:
    """Add sys/fs/inotify."""
    add_fixed(group, INOTIFY_FILES)
    group.add_text(text(b"max_user_watches"), write_watches_most)


def fill_epoll(group: LazyDirectory) -> None:
    """Add sys/fs/epoll."""
    group.add_text(text(b"max_user_watches"), write_interests_most)


def fill_queues(group: LazyDirectory) -> None:
    """Add sys/fs/mqueue."""
    add_fixed(group, QUEUE_FILES)


def fill_net(group: LazyDirectory) -> None:
    """Add sys/net."""
    group.add_directory(text(b"core"), fill_net_core)
    group.add_directory(text(b"unix"), fill_net_unix)


def fill_net_core(group: LazyDirectory) -> None:
    """Add sys/net/core."""
    add_fixed(group, NET_CORE_FILES)


def fill_net_unix(group: LazyDirectory) -> None:
    """Add sys/net/unix."""
    add_fixed(group, NET_UNIX_FILES)


def add_fixed(group: LazyDirectory, part: TablePart) -> None:
    """Add the files of a directory that are in the table."""
    for index in range(part.first, part.end):
        group.add_row(FILES[index].name, write_fixed_file, index)


def write_fixed_file(index: u32, out: TextBuffer) -> None:
    """Write a file by its place in the table."""
    out.put(FILES[index].content)


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


def take_host_name(data: Text) -> None:
    """Rename the machine."""
    take = processes.take_host_name
    if take is None or data.length == 0:
        raise Errno(EINVAL)
    take(data.part(0, data.find(u8(0x0A))))


def write_domain_name(out: TextBuffer) -> None:
    """Write the NIS domain."""
    write = processes.write_domain_name
    if write is not None:
        write(out)
    out.put(text(b"\n"))


def take_domain_name(data: Text) -> None:
    """Change the NIS domain."""
    take = processes.take_domain_name
    if take is None or data.length == 0:
        raise Errno(EINVAL)
    take(data.part(0, data.find(u8(0x0A))))


def write_last_pid(out: TextBuffer) -> None:
    """Write the number that was given to a thread last."""
    last = processes.last_pid
    out.put_decimal(u64(last()) if last is not None else u64(0))
    out.put(text(b"\n"))


def write_file_count(out: TextBuffer) -> None:
    """Write how many files are open, 0 as since Linux 2.6, and the limit."""
    count = processes.open_files
    out.put_decimal(count() if count is not None else u64(0))
    out.put(text(b"\t0\t9223372036854775807\n"))


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


def write_watches_most(out: TextBuffer) -> None:
    """Write how many inotify watches there may be."""
    out.put_decimal(watches_most())
    out.put(text(b"\n"))


def write_interests_most(out: TextBuffer) -> None:
    """Write how many descriptors epoll instances may watch."""
    out.put_decimal(interests_most())
    out.put(text(b"\n"))
