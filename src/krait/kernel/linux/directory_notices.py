"""Directory notices: fcntl(2) F_NOTIFY, the forerunner of inotify(7), which tells by signals.

A notice belongs to an open directory of a process. It says that something happened in the
directory, not to which file; without DN_MULTISHOT it says so once. It ends when any descriptor of
the open directory is closed (fs/notify/dnotify/dnotify.c).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENOTDIR
from krait.kernel.fs.async_notices import Reason
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.file_owner import FileOwner, OwnerKind
from krait.kernel.fs.notify import (
    IN_ACCESS,
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_MODIFY,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    RENAMED,
    Watch,
    add_watch,
    remove_watch,
)
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, Text, u32, u64
from krait.kernel.linux.file_owners import owner_of, signal_owner
from krait.kernel.linux.process import Process
from krait.kernel.linux.task import current_process, current_task

# fcntl.h
DN_ACCESS: Final = u32(0x1)
DN_MODIFY: Final = u32(0x2)
DN_CREATE: Final = u32(0x4)
DN_DELETE: Final = u32(0x8)
DN_RENAME: Final = u32(0x10)
DN_ATTRIB: Final = u32(0x20)
DN_MULTISHOT: Final = u32(0x80000000)


class DirectoryNotice(Watch):
    """What one process wants to know of an open directory.

    It refers to the open file, which the closing of a descriptor takes apart again.
    """

    file: File
    owner: FileOwner
    process: u64
    descriptor: u32
    again: bool

    def deliver(self, mask: u32, cookie: u32, name: Text) -> None:
        """Send the signal."""
        if not self.again:
            remove_watch(self)
        signal_owner(self.owner, current_process(), self.descriptor, Reason.MESSAGE)

    def expire(self) -> None:
        """The directory is gone."""
        remove_watch(self)

    def close_descriptor(self, file: File, process: u64) -> None:
        """End with the first descriptor that is closed."""
        if self.file is file and self.process == process:
            remove_watch(self)


def notify_directory(file: File, descriptor: u32, events: u32) -> None:
    """F_NOTIFY: tell of these events too, of none any more if there are none. ENOTDIR, ENOMEM."""
    process = current_process()
    dentry = file.dentry
    if events & ~DN_MULTISHOT == 0:
        file.close_descriptor(process.descriptors.owner)
        return
    if dentry is None or (vnode := dentry.vnode) is None or not vnode.is_directory:
        raise Errno(ENOTDIR)
    owner = owner_of(file)
    if owner.id == 0:
        owner.kind = u32(OwnerKind.PROCESS)
        owner.id = current_task().tid
    notice = notice_of(vnode, file, process)
    if notice is None:
        notice = make_notice(vnode, dentry, file, owner, process)
    notice.descriptor = descriptor
    notice.mask |= events_of(events)
    notice.again = notice.again or events & DN_MULTISHOT != 0


def notice_of(vnode: Vnode, file: File, process: Process) -> DirectoryNotice | None:
    """Find the notice that an open directory has already."""
    watch = vnode.watches
    while watch is not None:
        following = watch.next_on_vnode
        if isinstance(watch, DirectoryNotice):
            if watch.file is file and watch.process == process.descriptors.owner:
                return watch
        watch = following
    return None


def make_notice(
    vnode: Vnode, dentry: Dentry, file: File, owner: FileOwner, process: Process
) -> DirectoryNotice:
    """Make a notice that asks for nothing yet; ENOMEM."""
    notice = DirectoryNotice(
        vnode=vnode,
        dentry=dentry,
        file=file,
        owner=owner,
        process=process.descriptors.owner,
        descriptor=0,
        again=False,
    )
    add_watch(notice)
    return notice


def events_of(events: u32) -> u32:
    """Translate what F_NOTIFY calls events."""
    mask: u32 = 0
    if events & DN_ACCESS != 0:
        mask |= IN_ACCESS
    if events & DN_MODIFY != 0:
        mask |= IN_MODIFY
    if events & DN_CREATE != 0:
        mask |= IN_CREATE | IN_MOVED_TO
    if events & DN_DELETE != 0:
        mask |= IN_DELETE | IN_MOVED_FROM
    if events & DN_RENAME != 0:
        mask |= RENAMED
    if events & DN_ATTRIB != 0:
        mask |= IN_ATTRIB
    return mask
