"""Signals about files: fcntl(2) F_SETOWN, F_SETOWN_EX, F_SETSIG, and sending them.

Directory notices (`directory_notices.py`) and O_ASYNC (`async_signals.py`) are what sends them.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL, ESRCH
from krait.kernel.fs.async_notices import Reason
from krait.kernel.fs.file import File
from krait.kernel.fs.file_owner import FileOwner, OwnerKind
from krait.kernel.lang import (
    Errno,
    Packed,
    UserPointer,
    i32,
    i64,
    size_of,
    static_assert,
    u32,
    u64,
)
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import post, post_to_task
from krait.kernel.linux.signal_state import SignalInfo
from krait.kernel.linux.signals import SI_KERNEL, SIGIO, SIGNAL_LIMIT
from krait.kernel.linux.task import current_process
from krait.kernel.linux.threads import find_task

BANDS: Final = [u64(0), u64(0x41), u64(0x304), u64(0x441), u64(0x8), u64(0x82), u64(0x18)]
"""The POLL* events of each reason (band_table of fs/fcntl.c)."""
SI_SIGIO: Final = i32(-5)
OWN_CODES: Final = u64(0x8002_09B0)
"""Signals whose codes have meanings of their own: ILL TRAP BUS FPE SEGV CHLD SYS, by number."""


class OwnerRequest(Packed):
    """struct f_owner_ex."""

    kind: u32 = 0
    id: u32 = 0


static_assert(size_of(OwnerRequest) == 8)


def owner_of(file: File) -> FileOwner:
    """Give a file's owner, made when it is asked for first; ENOMEM."""
    owner = file.signal_owner
    if owner is None:
        owner = FileOwner()
        file.signal_owner = owner
    return owner


def set_owner(file: File, who: i32) -> None:
    """F_SETOWN: a process, or a group as a negative number. EINVAL, ESRCH, ENOMEM."""
    if who >= 0:
        choose_owner(file, u32(OwnerKind.PROCESS), u32(who))
        return
    if who == -0x80000000:
        raise Errno(EINVAL)
    choose_owner(file, u32(OwnerKind.GROUP), u32(-who))


def set_any_owner(file: File, request: UserPointer[OwnerRequest]) -> None:
    """F_SETOWN_EX. EFAULT, EINVAL, ESRCH, ENOMEM."""
    wanted = OwnerRequest()
    request.copy_in(wanted)
    if wanted.kind > u32(OwnerKind.GROUP):
        raise Errno(EINVAL)
    choose_owner(file, wanted.kind, wanted.id)


def choose_owner(file: File, kind: u32, id: u32) -> None:
    """Set the owner, 0 for nobody; ESRCH, ENOMEM."""
    process = current_process()
    known = id == process.pid or id == process.group_id or find_task(process, id) is not None
    if id != 0 and not known:
        raise Errno(ESRCH)
    owner = owner_of(file)
    owner.kind = kind
    owner.id = id


def shown_owner(file: File) -> i64:
    """F_GETOWN: the number, negative for a group; 0 for nobody."""
    if (owner := file.signal_owner) is None:
        return 0
    return -i64(owner.id) if owner.kind == u32(OwnerKind.GROUP) else i64(owner.id)


def show_any_owner(file: File, into: UserPointer[OwnerRequest]) -> None:
    """F_GETOWN_EX; EFAULT."""
    shown = OwnerRequest()
    if (owner := file.signal_owner) is not None:
        shown.kind = owner.kind
        shown.id = owner.id
    into.copy_out(shown)


def set_signal(file: File, signo: u64) -> None:
    """F_SETSIG; EINVAL for what is no signal, ENOMEM."""
    if signo > SIGNAL_LIMIT:
        raise Errno(EINVAL)
    owner_of(file).signo = u32(signo)


def shown_signal(file: File) -> i64:
    """F_GETSIG."""
    owner = file.signal_owner
    return 0 if owner is None else i64(owner.signo)


def signal_owner(owner: FileOwner, process: Process, descriptor: u32, reason: Reason) -> None:
    """Tell the owner that something happened (send_sigio of fs/fcntl.c).

    A signal that cannot be queued becomes SIGIO.
    """
    if owner.signo == 0:
        send_plain(process, owner)
        return
    try:
        send(process, owner, info_about(owner, descriptor, reason))
    except Errno:
        send_plain(process, owner)


def info_about(owner: FileOwner, descriptor: u32, reason: Reason) -> SignalInfo:
    """Give what the signal of F_SETSIG tells."""
    has_own_codes = owner.signo < 32 and OWN_CODES >> u64(owner.signo) & 1 != 0
    code = SI_SIGIO if has_own_codes else i32(u32(reason))
    return SignalInfo(owner.signo, 0, code, BANDS[u32(reason)], u64(descriptor), 0)


def plain_info() -> SignalInfo:
    """Give what SIGIO tells if there is no F_SETSIG: nothing."""
    return SignalInfo(SIGIO, 0, SI_KERNEL, 0, 0, 0)


def send_plain(process: Process, owner: FileOwner) -> None:
    """Send SIGIO, as the kernel itself does; never fails, as a standard signal needs no memory."""
    try:
        send(process, owner, plain_info())
    except Errno:
        return


def send(process: Process, owner: FileOwner, info: SignalInfo) -> None:
    """Send to a thread, the process or its group; what is not there any more gets nothing."""
    if owner.kind == u32(OwnerKind.THREAD):
        if (task := find_task(process, owner.id)) is not None:
            post_to_task(task, info)
    elif owner.is_of(process.pid, process.group_id):
        post(process, info)
