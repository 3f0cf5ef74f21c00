"""O_ASYNC: SIGIO, or the signal of F_SETSIG, when an open file becomes ready (fcntl(2)).

`fs/async_notices.py` has the lists; here they are entered, and what they tell becomes a signal.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENOTTY
from krait.kernel.fs.async_notices import AsyncNotice, Reason
from krait.kernel.fs.file import File
from krait.kernel.fs.file_owner import FileOwner, OwnerKind
from krait.kernel.fs.open_flags import ASYNC
from krait.kernel.fs.tty.terminal_file import TerminalFile
from krait.kernel.lang import Errno, i32, u32, u64
from krait.kernel.linux.file_owners import info_about, owner_of, plain_info, signal_owner
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import post_once_more
from krait.kernel.linux.signal_state import QueuedSignal, SignalInfo, make_queued
from krait.kernel.linux.task import Task, current_process
from krait.kernel.linux.threads import find_task

LISTS_MOST: Final = u32(2)
"""A FIFO that is open for both is in two."""


class SignalNotice(AsyncNotice):
    """Sends the signal."""

    owner: FileOwner
    process: Process
    descriptor: u32
    """The one that O_ASYNC was set with, which `si_fd` shows."""
    prepared: QueuedSignal
    """For interrupts."""

    def tell(self, reason: Reason) -> None:
        """Send to the file's owner."""
        signal_owner(self.owner, self.process, self.descriptor, reason)

    def tell_from_interrupt(self, reason: Reason) -> None:
        """Send it with what was allocated before."""
        owner = self.owner
        process = self.process
        target: Task | None = None
        if owner.kind == u32(OwnerKind.THREAD):
            target = find_task(process, owner.id)
            if target is None:
                return
        elif not owner.is_of(process.pid, process.group_id):
            return
        info = plain_info() if owner.signo == 0 else info_about(owner, self.descriptor, reason)
        pending = process.pending
        if target is not None:
            pending = target.signals.pending
        if pending.wants(info.signo):
            post_once_more(process, target, self.prepared, info)


def change_async(file: File, descriptor: u32, *, wanted: bool) -> None:
    """Set or clear O_ASYNC; raises ENOTTY for kinds of file that send no signals, ENOMEM."""
    if wanted == (file.flags & ASYNC != 0):
        return
    if file.async_notices(u32(0)) is None:
        raise Errno(ENOTTY)
    owner = owner_of(file)
    owner.leave()
    file.flags &= ~u32(ASYNC)
    if not wanted:
        return
    for index in range(LISTS_MOST):
        places = file.async_notices(index)
        if places is not None:
            process = current_process()
            notice = SignalNotice(
                places=places,
                owner=owner,
                process=process,
                descriptor=descriptor,
                prepared=make_queued(SignalInfo(u32(0), 0, i32(0), u64(0), u64(0), u64(0))),
            )
            owner.keep(notice)
            places.add(notice)
    if isinstance(file, TerminalFile) and owner.id == 0:
        owner.kind = u32(OwnerKind.GROUP)  # tty_fasync of drivers/tty/tty_io.c
        owner.id = current_process().group_id
    file.flags |= u32(ASYNC)
