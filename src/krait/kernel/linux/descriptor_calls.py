"""Descriptors: close, dup, fcntl, ioctl."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.config import config
from krait.kernel.errno import EBADF, EINVAL, ENOTTY, EPERM
from krait.kernel.fs.anonymous import vnode_of
from krait.kernel.fs.credentials import CAP_SYS_RESOURCE
from krait.kernel.fs.file import File
from krait.kernel.fs.memfd import add_seals, get_seals
from krait.kernel.fs.open_flags import ASYNC, DIRECT, NONBLOCK, PATH, OpenFlags
from krait.kernel.fs.permission import check_owner
from krait.kernel.fs.pipe import pipe_of
from krait.kernel.lang import Errno, UserPointer, i32, i64, syscall, u8, u32, u64
from krait.kernel.linux.async_signals import change_async
from krait.kernel.linux.descriptors import CLOSE_ON_EXEC
from krait.kernel.linux.directory_notices import notify_directory
from krait.kernel.linux.file_owners import (
    OwnerRequest,
    set_any_owner,
    set_owner,
    set_signal,
    show_any_owner,
    shown_owner,
    shown_signal,
)
from krait.kernel.linux.limits import Resource
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.process import Process
from krait.kernel.linux.record_locks import (
    RecordLock,
    lock_for_process,
    record_lock,
    test_record_lock,
)
from krait.kernel.linux.task import current_credentials, current_files, current_process

OPEN_CLOSE_ON_EXEC: Final = u32(0o2000000)


def install(file: File, flags: u32) -> u32:
    """Give a new file the lowest free descriptor; `flags` may have O_CLOEXEC.

    Raises EMFILE, ENOMEM.
    """
    process = current_process()
    marks = CLOSE_ON_EXEC if flags & OPEN_CLOSE_ON_EXEC != 0 else u8(0)
    return process.descriptors.install(file, descriptor_limit(process), marks=marks)


def descriptor_limit(process: Process) -> u64:
    """Give RLIMIT_NOFILE."""
    return process.limits.soft(Resource.NOFILE)


@syscall("close")
def close(descriptor: i32) -> None:
    """close(2)."""
    current_process().descriptors.close(u32.truncate(descriptor))


class CloseRangeFlags(IntFlag):
    """close_range(2)."""

    UNSHARE = 2
    CLOEXEC = 4


@syscall("close_range", flags=CloseRangeFlags.UNSHARE | CloseRangeFlags.CLOEXEC)
def close_range(first: u32, last: u32, flags: CloseRangeFlags) -> None:
    """close_range(2); the threads of a process cannot part with its table."""
    if first > last or u32(flags) & ~u32(6) != 0:
        raise Errno(EINVAL)
    process = current_process()
    if CloseRangeFlags.UNSHARE in flags and process.task_count > 1:
        raise Errno(EINVAL)
    descriptors = process.descriptors
    number = descriptors.next_used(first)
    while number <= last and number < descriptors.room():
        if CloseRangeFlags.CLOEXEC in flags:
            descriptors.set_marks(number, CLOSE_ON_EXEC)
        else:
            descriptors.close(number)
        number = descriptors.next_used(number + 1)


@syscall("dup")
def dup(descriptor: i32) -> u32:
    """dup(2)."""
    return install(open_file(descriptor), 0)


@syscall("dup2")
def dup2(old: i32, new: i32) -> i32:
    """dup2(2)."""
    file = open_file(old)
    if old != new:
        replace(file, new, u8(0))
    return new


@syscall("dup3", flags=OPEN_CLOSE_ON_EXEC)
def dup3(old: i32, new: i32, flags: u32) -> i32:
    """dup3(2)."""
    if old == new or flags & ~OPEN_CLOSE_ON_EXEC != 0:
        raise Errno(EINVAL)
    replace(open_file(old), new, CLOSE_ON_EXEC if flags != 0 else u8(0))
    return new


def replace(file: File, descriptor: i32, marks: u8) -> None:
    """Make `descriptor` stand for `file`; EBADF beyond the limit."""
    process = current_process()
    if descriptor < 0 or u64(descriptor) >= descriptor_limit(process):
        raise Errno(EBADF)
    process.descriptors.replace(u32(descriptor), file, marks=marks)


class Control:
    """Commands of fcntl(2), as numbers: a program may pass any other."""

    DUPFD: Final = 0
    GETFD: Final = 1
    SETFD: Final = 2
    GETFL: Final = 3
    SETFL: Final = 4
    GETLK: Final = 5
    SETLK: Final = 6
    SETLKW: Final = 7
    SETOWN: Final = 8
    GETOWN: Final = 9
    SETSIG: Final = 10
    GETSIG: Final = 11
    SETOWN_EX: Final = 15
    GETOWN_EX: Final = 16
    OFD_GETLK: Final = 36
    OFD_SETLK: Final = 37
    OFD_SETLKW: Final = 38
    NOTIFY: Final = 1026
    DUPFD_CLOEXEC: Final = 1030
    SETPIPE_SZ: Final = 1031
    GETPIPE_SZ: Final = 1032
    ADD_SEALS: Final = 1033
    GET_SEALS: Final = 1034


def set_flags(file: File, descriptor: u32, flags: u32) -> None:
    """Set the status flags of an open file; EPERM for O_NOATIME on a file of another user's.

    O_ASYNC stays cleared where no signals come.
    """
    if (
        flags & ~file.flags & u32(OpenFlags.NO_ACCESS_TIME) != 0
        and (who := current_files().rights) is not None
    ):
        check_owner(who, vnode_of(file))
    if flags & DIRECT != 0 and pipe_of(file) is None and not vnode_of(file).is_regular:
        raise Errno(EINVAL)
    if config.ipc:
        try:
            change_async(file, descriptor, wanted=flags & ASYNC != 0)
        except Errno as error:
            if error.code != ENOTTY:
                raise
    file.set_status_flags(flags)


@syscall("fcntl")
def fcntl(descriptor: i32, command: u32, argument: u64) -> i64:
    """fcntl(2)."""
    file = open_file(descriptor)
    process = current_process()
    if file.flags & PATH != 0 and not concerns_descriptor(command):
        raise Errno(EBADF)
    match command:
        case Control.DUPFD:
            return i64(duplicate(file, argument, u8(0)))
        case Control.DUPFD_CLOEXEC:
            return i64(duplicate(file, argument, CLOSE_ON_EXEC))
        case Control.GETFD:
            return i64(process.descriptors.marks_of(u32.truncate(descriptor)))
        case Control.SETFD:
            process.descriptors.set_marks(u32.truncate(descriptor), u8.truncate(argument) & 1)
            return 0
        case Control.GETFL:
            return i64(file.flags)
        case Control.SETFL:
            set_flags(file, u32.truncate(descriptor), u32.truncate(argument))
            return 0
        case Control.GETLK:
            test_record_lock(file, UserPointer[RecordLock](argument), of_file=False)
            return 0
        case Control.SETLK | Control.SETLKW:
            waits = command == Control.SETLKW
            given = UserPointer[RecordLock](argument).load()
            lock_for_process(file, descriptor, given, waits=waits)
            return 0
        case Control.OFD_GETLK:
            test_record_lock(file, UserPointer[RecordLock](argument), of_file=True)
            return 0
        case Control.OFD_SETLK | Control.OFD_SETLKW:
            waits = command == Control.OFD_SETLKW
            given = UserPointer[RecordLock](argument).load()
            record_lock(file, given, of_file=True, waits=waits)
            return 0
        case Control.SETPIPE_SZ:
            if (pipe := pipe_of(file)) is None:
                raise Errno(EBADF)
            privileged = current_credentials().has(CAP_SYS_RESOURCE)
            return i64(pipe.resize(u64(u32.truncate(argument)), privileged=privileged))
        case Control.GETPIPE_SZ:
            if (pipe := pipe_of(file)) is None:
                raise Errno(EBADF)
            return i64(pipe.capacity)
        case Control.ADD_SEALS:
            if not file.is_writable:
                raise Errno(EPERM)
            add_seals(file, u32.truncate(argument))
            return 0
        case Control.GET_SEALS:
            return i64(get_seals(file))
        case _:
            if config.ipc:
                return control_signals(file, descriptor, command, argument)
            raise Errno(EINVAL)


def control_signals(file: File, descriptor: i32, command: u32, argument: u64) -> i64:
    """Commands about signals: who gets them, which, and about what happens in a directory."""
    match command:
        case Control.SETOWN:
            set_owner(file, i32.truncate(argument))
        case Control.GETOWN:
            return shown_owner(file)
        case Control.SETOWN_EX:
            set_any_owner(file, UserPointer[OwnerRequest](argument))
        case Control.GETOWN_EX:
            show_any_owner(file, UserPointer[OwnerRequest](argument))
        case Control.SETSIG:
            set_signal(file, argument)
        case Control.GETSIG:
            return shown_signal(file)
        case Control.NOTIFY:
            notify_directory(file, u32.truncate(descriptor), u32.truncate(argument))
        case _:
            raise Errno(EINVAL)
    return 0


def concerns_descriptor(command: u32) -> bool:
    """Say whether a command is allowed for a file that is open as a path only (open(2), O_PATH)."""
    return command in (
        Control.DUPFD, Control.DUPFD_CLOEXEC, Control.GETFD, Control.SETFD, Control.GETFL
    )  # fmt: skip


def duplicate(file: File, least: u64, marks: u8) -> u32:
    """F_DUPFD: the lowest free number at or above `least`; EINVAL beyond the limit."""
    process = current_process()
    limit = descriptor_limit(process)
    if least >= limit:
        raise Errno(EINVAL)
    return process.descriptors.install_from(file, u32(least), limit, marks=marks)


@syscall("ioctl")
def ioctl(descriptor: i32, command: u32, argument: u64) -> i64:
    """ioctl(2): what concerns any descriptor here, the rest by the file."""
    file = open_file(descriptor)
    if file.flags & PATH != 0:
        raise Errno(EBADF)
    descriptors = current_process().descriptors
    match command:
        case 0x5451:  # FIOCLEX
            descriptors.set_marks(u32.truncate(descriptor), CLOSE_ON_EXEC)
            return 0
        case 0x5450:  # FIONCLEX
            descriptors.set_marks(u32.truncate(descriptor), u8(0))
            return 0
        case 0x5421:  # FIONBIO
            switch_status_flag(file, NONBLOCK, argument)
            return 0
        case 0x5452:  # FIOASYNC
            wanted = UserPointer[i32](argument).load()
            if not config.ipc:
                raise Errno(ENOTTY)
            change_async(file, u32.truncate(descriptor), wanted=wanted != 0)
            return 0
        case _:
            return file.control(command, argument)


def switch_status_flag(file: File, flag: u32, argument: u64) -> None:
    """Set or clear a status flag by the int that `argument` points to."""
    wanted = UserPointer[i32](argument).load()
    file.set_status_flags(file.flags | flag if wanted != 0 else file.flags & ~flag)
