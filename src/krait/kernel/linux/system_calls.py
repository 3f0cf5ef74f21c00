"""The machine and the process's own switches: uname(2), sysinfo(2), prctl(2), arch_prctl(2)."""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.cpu import read_fs_base, write_fs_base
from krait.kernel.drivers import outcome
from krait.kernel.errno import EINVAL, ENOSYS, EPERM
from krait.kernel.fs.credentials import CAP_SETPCAP, CAP_SYS_BOOT, CAP_SYS_TTY_CONFIG
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    Slice,
    Text,
    UserPointer,
    UserSlice,
    i32,
    i64,
    inline,
    size_of,
    static_assert,
    syscall,
    text,
    u8,
    u16,
    u32,
    u64,
)
from krait.kernel.linux.changing_credentials import commit, to_change
from krait.kernel.linux.identity import machine_identity
from krait.kernel.linux.signals import SIGNAL_LIMIT
from krait.kernel.linux.task import current_credentials, current_process, current_task
from krait.kernel.mm import frames
from krait.kernel.sched import clock

PROGRAM_TOP: Final = 0x7FFF_FFFF_F000
FIELD: Final = 65  # __NEW_UTS_LEN + 1

LAST_CAPABILITY: Final = 40

REBOOT_MAGIC_1: Final = 0xFEE1DEAD
REBOOT_RESTART: Final = 0x01234567
REBOOT_HALT: Final = 0xCDEF0123
REBOOT_POWER_OFF: Final = 0x4321FEDC

PERSONALITY_QUERY: Final = 0xFFFFFFFF


class SystemNames(Packed):
    """`struct new_utsname`."""

    system: Array[u8] = inline(FIELD)
    node: Array[u8] = inline(FIELD)
    release: Array[u8] = inline(FIELD)
    version: Array[u8] = inline(FIELD)
    machine: Array[u8] = inline(FIELD)
    domain: Array[u8] = inline(FIELD)


static_assert(size_of(SystemNames) == 390)


class SystemInformation(Packed):
    """`struct sysinfo`."""

    uptime: i64 = 0
    load_1: u64 = 0
    load_5: u64 = 0
    load_15: u64 = 0
    total_memory: u64 = 0
    free_memory: u64 = 0
    shared_memory: u64 = 0
    buffer_memory: u64 = 0
    total_swap: u64 = 0
    free_swap: u64 = 0
    processes: u16 = 1
    padding: u16 = 0
    padding_2: u32 = 0
    total_high: u64 = 0
    free_high: u64 = 0
    unit: u32 = 1
    padding_3: u32 = 0


static_assert(size_of(SystemInformation) == 112)


@syscall("uname")
def uname(into: UserPointer[SystemNames]) -> None:
    """Give the names of system and machine."""
    names = SystemNames()
    put(names.system, text(b"Linux"))
    put(names.node, machine_identity.host_name())
    put(names.release, machine_identity.release())
    put(names.version, machine_identity.version())
    put(names.machine, text(b"x86_64"))
    put(names.domain, machine_identity.domain_name())
    into.copy_out(names)


@syscall("sethostname")
def sethostname(name: UserPointer[u8], length: i32) -> None:
    """Name the machine."""
    if length < 0 or length >= FIELD:
        raise Errno(EINVAL)
    buffer: Array[u8] = inline(FIELD)
    part = buffer.part(0, u64(length))
    UserSlice[u8](name.address, u64(length)).copy_in(part)
    machine_identity.set_host_name(part)


@syscall("setdomainname")
def setdomainname(name: UserPointer[u8], length: i32) -> None:
    """Name the NIS domain."""
    if length < 0 or length >= FIELD:
        raise Errno(EINVAL)
    buffer: Array[u8] = inline(FIELD)
    part = buffer.part(0, u64(length))
    UserSlice[u8](name.address, u64(length)).copy_in(part)
    machine_identity.set_domain_name(part)


@syscall("sysinfo")
def sysinfo(into: UserPointer[SystemInformation]) -> None:
    """Give uptime and memory."""
    found = SystemInformation()
    found.uptime = i64(clock.monotonic_ns() // 1_000_000_000)
    found.total_memory = frames.total() * 4096
    found.free_memory = frames.free() * 4096
    into.copy_out(found)


@syscall("umask")
def umask(mask: u32) -> u32:
    """Set the permissions that new files do not get; gives the old mask."""
    files = current_process().fs
    old = files.umask
    files.umask = mask & 0o777
    return old


@syscall("personality")
def personality(wanted: u32) -> u32:
    """Get and set the execution domain: only Linux's own, flags are remembered."""
    process = current_process()
    old = process.personality
    if wanted != PERSONALITY_QUERY:
        if wanted & 0xFF != 0:
            raise Errno(EINVAL)
        process.personality = wanted
    return old


@syscall("arch_prctl")
def arch_prctl(code: u32, address: u64) -> None:
    """Set and get FS base; GS belongs to the kernel."""
    match code:
        case 0x1002:  # ARCH_SET_FS
            if address >= PROGRAM_TOP:
                raise Errno(EPERM)
            write_fs_base(address)
        case 0x1003:  # ARCH_GET_FS
            UserPointer[u64](address).store(read_fs_base())
        case 0x1001:  # ARCH_SET_GS
            raise Errno(EPERM)
        case 0x1004:  # ARCH_GET_GS
            UserPointer[u64](address).store(0)
        case _:
            raise Errno(EINVAL)


@syscall("prctl")
def prctl(option: u32, a: u64, b: u64, c: u64, d: u64) -> i64:
    """Do one of many things to the calling process."""
    process = current_process()
    match option:
        case 1:  # PR_SET_PDEATHSIG
            if a > SIGNAL_LIMIT:
                raise Errno(EINVAL)
            process.parent_death_signal = u32.truncate(a)
        case 2:  # PR_GET_PDEATHSIG
            UserPointer[u32](a).store(process.parent_death_signal)
        case 3:  # PR_GET_DUMPABLE
            return i64(process.dumpable)
        case 4:  # PR_SET_DUMPABLE
            if a > 1:
                raise Errno(EINVAL)
            process.dumpable = u32.truncate(a)
        case 7:  # PR_GET_KEEPCAPS
            return 1 if current_credentials().keep_capabilities else 0
        case 8:  # PR_SET_KEEPCAPS
            if a > 1:
                raise Errno(EINVAL)
            who = to_change()
            who.keep_capabilities = a == 1
            commit(who)
        case 15:  # PR_SET_NAME
            set_name(UserPointer[u8](a))
        case 16:  # PR_GET_NAME
            name = current_task().name
            UserSlice[u8](a, name.length).copy_out(name)
        case 21:  # PR_GET_SECCOMP
            return 0
        case 23:  # PR_CAPBSET_READ
            if a > LAST_CAPABILITY:
                raise Errno(EINVAL)
            return i64(current_credentials().bounding >> a & 1)
        case 24:  # PR_CAPBSET_DROP
            if a > LAST_CAPABILITY:
                raise Errno(EINVAL)
            who = to_change()
            if not who.has(CAP_SETPCAP):
                raise Errno(EPERM)
            who.bounding &= ~(u64(1) << a)
            commit(who)
        case 29:  # PR_SET_TIMERSLACK
            process.timer_slack_ns = 50_000 if a == 0 or i64.truncate(a) < 0 else a
        case 30:  # PR_GET_TIMERSLACK
            return i64.truncate(process.timer_slack_ns)
        case 36:  # PR_SET_CHILD_SUBREAPER
            process.child_subreaper = a != 0
        case 37:  # PR_GET_CHILD_SUBREAPER
            UserPointer[u32](a).store(u32(process.child_subreaper))
        case 38:  # PR_SET_NO_NEW_PRIVS
            if a != 1 or b != 0 or c != 0 or d != 0:
                raise Errno(EINVAL)
            who = to_change()
            who.no_new_privileges = True
            commit(who)
        case 39:  # PR_GET_NO_NEW_PRIVS
            if a != 0 or b != 0 or c != 0 or d != 0:
                raise Errno(EINVAL)
            return 1 if current_credentials().no_new_privileges else 0
        case 40:  # PR_GET_TID_ADDRESS
            UserPointer[u64](a).store(current_task().clear_child_tid)
        case 41:  # PR_SET_THP_DISABLE
            if b != 0 or c != 0 or d != 0:
                raise Errno(EINVAL)
            process.space.without_large_pages = a != 0
        case 42:  # PR_GET_THP_DISABLE
            if a != 0 or b != 0 or c != 0 or d != 0:
                raise Errno(EINVAL)
            return 1 if process.space.without_large_pages else 0
        case 47:  # PR_CAP_AMBIENT
            return ambient(a, b)
        case _:
            raise Errno(EINVAL)
    return 0


@syscall("reboot")
def reboot(magic: u32, magic_2: u32, command: u32, argument: u64) -> None:
    """End the run, as the first process of a machine may."""
    if not current_credentials().has(CAP_SYS_BOOT):
        raise Errno(EPERM)
    if magic != REBOOT_MAGIC_1 or magic_2 not in (
        0x28121969,
        0x05121996,
        0x16041998,
        0x20112000,
    ):
        raise Errno(EINVAL)
    if command in (REBOOT_HALT, REBOOT_POWER_OFF):
        outcome.exit(0)
    if command == REBOOT_RESTART:
        outcome.reboot()
    if command not in (0, 0x89ABCDEF):
        raise Errno(EINVAL)


@syscall("syslog")
def syslog(kind: u32, into: UserPointer[u8], length: i32) -> u32:
    """Refuse to hand out the kernel log, which goes to the console; its size is 0."""
    if kind in (9, 10):
        return 0
    if kind > 10:
        raise Errno(EINVAL)
    raise Errno(ENOSYS)


@syscall("vhangup")
def vhangup() -> None:
    """Hang up the terminal, of which nobody else has a view."""
    if not current_credentials().has(CAP_SYS_TTY_CONFIG):
        raise Errno(EPERM)


@syscall("iopl")
def iopl(level: u32) -> None:
    """Refuse direct access to ports."""
    if level > 3:
        raise Errno(EINVAL)
    raise Errno(EPERM)


@syscall("ioperm")
def ioperm(first: u64, count: u64, enable: i32) -> None:
    """Refuse direct access to ports."""
    if first > 65535 or count > 65536 or first + count > 65536:
        raise Errno(EINVAL)
    raise Errno(EPERM)


def put(field: Slice[u8], value: Text) -> None:
    """Fill a field of `struct utsname`, which stays terminated."""
    length = min(value.length, field.length - 1)
    field.part(0, length).copy_from(value.part(0, length))


def set_name(pointer: UserPointer[u8]) -> None:
    """Copy a thread's name in, cut to 15 bytes."""
    name: Array[u8] = inline(16)
    length: u64 = 0
    while length < 15:
        byte = pointer.load_at(length)
        if byte == 0:
            break
        name[length] = byte
        length += 1
    current_task().rename(name.part(0, length))


def ambient(operation: u64, capability: u64) -> i64:
    """Get and change the ambient capabilities."""
    who = to_change()
    if operation == 4:
        who.ambient = 0
        commit(who)
        return 0
    if capability > LAST_CAPABILITY:
        raise Errno(EINVAL)
    bit = u64(1) << capability
    match operation:
        case 1:  # PR_CAP_AMBIENT_IS_SET
            return 1 if who.ambient & bit != 0 else 0
        case 2:  # PR_CAP_AMBIENT_RAISE
            if who.permitted & who.inheritable & bit == 0:
                raise Errno(EPERM)
            who.ambient |= bit
            commit(who)
            return 0
        case 3:  # PR_CAP_AMBIENT_LOWER
            who.ambient &= ~bit
            commit(who)
            return 0
        case _:
            raise Errno(EINVAL)
