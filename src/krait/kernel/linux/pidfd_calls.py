"""Processes as descriptors: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).

There is one process, so such a descriptor names its holder. It becomes readable when the process
ends, which the holder does not live to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krait.kernel.config import config
from krait.kernel.errno import EBADF, EINVAL, ESRCH
from krait.kernel.fs.file import File
from krait.kernel.fs.open_flags import NONBLOCK, PATH, READ_WRITE
from krait.kernel.fs.proc.process import ProcessDirectory
from krait.kernel.lang import Errno, Text, UserPointer, i32, syscall, text, u32
from krait.kernel.linux.descriptor_calls import OPEN_CLOSE_ON_EXEC, install
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import post
from krait.kernel.linux.signal_calls import process_of, read_information, sender_information
from krait.kernel.linux.signal_frame import SignalInformation
from krait.kernel.linux.signals import SI_USER, SIGNAL_LIMIT
from krait.kernel.linux.task import current_process
from krait.kernel.linux.threads import find_task

if TYPE_CHECKING:
    from krait.kernel.fs.poll import PollTable


class PidFile(File):
    """A process."""

    pid: u32 = 0

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows."""
        return text(b"anon_inode:[pidfd]")

    def poll(self, _table: PollTable | None) -> u32:
        """Not ready: the process is there."""
        return u32(0)


@syscall("pidfd_open", flags=NONBLOCK)
def pidfd_open(pid: i32, flags: u32) -> u32:
    """Give a descriptor for a process; EINVAL for a thread that does not lead one."""
    if flags & ~NONBLOCK != 0 or pid <= 0:
        raise Errno(EINVAL)
    process = current_process()
    if u32(pid) != process.pid:
        raise Errno(ESRCH if find_task(process, u32(pid)) is None else EINVAL)
    return install(PidFile(flags=flags | READ_WRITE, pid=process.pid), OPEN_CLOSE_ON_EXEC)


@syscall("pidfd_send_signal")
def pidfd_send_signal(
    descriptor: i32, signo: u32, given: UserPointer[SignalInformation], flags: u32
) -> None:
    """Send a signal, as kill(2), or with information, as rt_sigqueueinfo(2).

    For this call a directory /proc/PID names its process, too.
    """
    if flags != 0:
        raise Errno(EINVAL)
    process = process_to_signal(descriptor)
    if signo > SIGNAL_LIMIT:
        raise Errno(EINVAL)
    info = sender_information(signo, SI_USER)
    if not given.is_null:
        raw = SignalInformation()
        given.copy_in(raw)
        if raw.signo != signo:
            raise Errno(EINVAL)
        info = read_information(signo, given)
    if signo != 0:
        post(process, info)


@syscall("pidfd_getfd")
def pidfd_getfd(descriptor: i32, wanted: i32, flags: u32) -> u32:
    """Give another descriptor for a file that a process has open."""
    if flags != 0:
        raise Errno(EINVAL)
    process_behind(descriptor)
    return install(open_file(wanted), OPEN_CLOSE_ON_EXEC)


def process_to_signal(descriptor: i32) -> Process:
    """Find the process that a descriptor or a directory of /proc names; EBADF, ESRCH."""
    if config.proc:
        file = open_file(descriptor)
        vnode = file.vnode
        if isinstance(vnode, ProcessDirectory) and not vnode.is_thread and file.flags & PATH == 0:
            return process_of(i32(vnode.source.pid()))
    return process_behind(descriptor)


def process_behind(descriptor: i32) -> Process:
    """Find the process that a descriptor names; EBADF, ESRCH."""
    file = open_file(descriptor)
    if not isinstance(file, PidFile):
        raise Errno(EBADF)
    return process_of(i32(file.pid))
