"""inotify(7): a file from which events of watched files are read.

Events wait in a list; one that says the same as the last is dropped, and so are those beyond a
limit, for which one event says that some were lost. That event is made with the file, because
telling must not fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from krait.kernel.errno import EAGAIN, EEXIST, EINVAL, EMFILE, ENOSPC, ENOTTY
from krait.kernel.fs.async_notices import AsyncNotices, Reason
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.name import Name
from krait.kernel.fs.notify import (
    IN_ALL_EVENTS,
    IN_DELETE_SELF,
    IN_ISDIR,
    IN_MOVE_SELF,
    Watch,
    add_watch,
    remove_watch,
)
from krait.kernel.fs.poll import READABLE
from krait.kernel.fs.vnode import Vnode
from krait.kernel.fs.watch_limits import INSTANCES_MOST, watched, watches_most
from krait.kernel.lang import (
    Array,
    Counted,
    Errno,
    Packed,
    Text,
    UserPointer,
    UserSlice,
    Weak,
    i32,
    i64,
    inline,
    size_of,
    static_assert,
    text,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.wait_queue import WaitQueue

if TYPE_CHECKING:
    from krait.kernel.fs.poll import PollTable

EVENTS_MOST: Final = u64(16384)  # /proc/sys/fs/inotify/max_queued_events
IN_Q_OVERFLOW: Final = u32(0x4000)
IN_IGNORED: Final = u32(0x8000)
IN_MASK_CREATE: Final = u32(1 << 28)
IN_MASK_ADD: Final = u32(1 << 29)
IN_ONESHOT: Final = u32(1 << 31)
KEPT: Final = IN_ALL_EVENTS | u32(1 << 26) | IN_ONESHOT | u32(0x2000)
FIONREAD: Final = u32(0x541B)
HEADER_BYTES: Final = u64(16)
PADDED_NAME: Final = 272


class EventHeader(Packed):
    """struct inotify_event, without the name."""

    watch: i32 = 0
    mask: u32 = 0
    cookie: u32 = 0
    length: u32 = 0


static_assert(size_of(EventHeader) == 16)


class InotifyEvent(Counted):
    """One event that waits to be read."""

    watch: i32
    mask: u32
    cookie: u32 = 0
    name: Name = inline()
    following: InotifyEvent | None = None

    def padded(self) -> u64:
        """Give the room of the name, with its zeros."""
        length = self.name.text().length
        return u64(0) if length == 0 else (length + 1 + 15) & ~u64(15)


class InotifyWatch(Watch):
    """One watch of an inotify file."""

    file: Weak[Inotify]
    number: i32
    next_of_file: InotifyWatch | None = None

    def deliver(self, mask: u32, cookie: u32, name: Text) -> None:
        """Queue an event; with IN_ONESHOT it is the last."""
        if (file := self.file.get()) is None:
            return
        shown = mask & ~IN_ISDIR if mask & (IN_DELETE_SELF | IN_MOVE_SELF) != 0 else mask
        file.queue(self.number, shown, cookie, name)
        if self.mask & IN_ONESHOT != 0:
            file.drop(self)

    def expire(self) -> None:
        """The file is gone."""
        if (file := self.file.get()) is not None:
            file.drop(self)
        else:
            remove_watch(self)

    def __del__(self) -> None:
        """Count it out."""
        watched.watches -= 1


class Inotify(File):
    """An inotify instance. Invariant: `count` events wait, without the overflow event."""

    lock: SpinLock = inline()
    changed: WaitQueue = inline()
    first: InotifyEvent | None = None
    last: InotifyEvent | None = None
    count: u64 = 0
    overflow: InotifyEvent
    overflowed: bool = False
    watches: InotifyWatch | None = None
    last_number: i32 = 0
    notices: AsyncNotices | None = None

    def async_notices(self, index: u32) -> AsyncNotices | None:
        """Return the list of those who want to know of events."""
        if index == 0 and self.notices is None:
            self.notices = AsyncNotices()
        return self.notices if index == 0 else None

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows."""
        return text(b"anon_inode:inotify")

    def watch(self, vnode: Vnode, dentry: Dentry, mask: u32) -> i32:
        """Add a watch or change the one there is; give its number. EEXIST, ENOMEM, ENOSPC."""
        each = self.watches
        while each is not None:
            if each.vnode is vnode:
                if mask & IN_MASK_CREATE != 0:
                    raise Errno(EEXIST)
                each.mask = mask & KEPT | (each.mask if mask & IN_MASK_ADD != 0 else u32(0))
                return each.number
            each = each.next_of_file
        if watched.watches >= watches_most():
            raise Errno(ENOSPC)
        made = InotifyWatch(
            vnode=vnode,
            dentry=dentry,
            mask=mask & KEPT,
            file=Weak(self),
            number=self.last_number.checked_add(1, ENOSPC),
        )
        watched.watches += 1
        self.last_number += 1
        made.next_of_file = self.watches
        self.watches = made
        add_watch(made)
        return made.number

    def forget(self, number: i32) -> None:
        """Remove a watch by its number; EINVAL."""
        each = self.watches
        while each is not None:
            if each.number == number:
                self.drop(each)
                return
            each = each.next_of_file
        raise Errno(EINVAL)

    def drop(self, gone: InotifyWatch) -> None:
        """Remove a watch, and say so."""
        remove_watch(gone)
        before: InotifyWatch | None = None
        each = self.watches
        while each is not None:
            following = each.next_of_file
            if each is gone:
                if before is None:
                    self.watches = following
                else:
                    before.next_of_file = following
                each.next_of_file = None
                self.queue(gone.number, IN_IGNORED, u32(0), text(b""))
                return
            before = each
            each = following

    def queue(self, number: i32, mask: u32, cookie: u32, name: Text) -> None:
        """Add an event at the end, unless it repeats the last; never fails."""
        if (last := self.last) is not None:
            if last.watch == number and last.mask == mask and last.cookie == cookie:
                if last.name.text().equals(name):
                    return
        if self.count >= EVENTS_MOST:
            self.lose()
            return
        try:
            made = InotifyEvent(watch=number, mask=mask, cookie=cookie)
            made.name.set(name)
        except Errno:
            self.lose()
            return
        self.append(made)
        self.count += 1
        self.wake()

    def lose(self) -> None:
        """Say once that events were lost."""
        if not self.overflowed:
            self.overflowed = True
            self.append(self.overflow)
            self.wake()

    def wake(self) -> None:
        """There is an event."""
        self.changed.wake_all()
        if (notices := self.notices) is not None:
            notices.tell(Reason.IN)

    def append(self, event: InotifyEvent) -> None:
        """Put an event at the end."""
        if (last := self.last) is not None:
            last.following = event
        else:
            self.first = event
        self.last = event

    def take(self) -> None:
        """Drop the first event."""
        if (event := self.first) is None:
            return
        self.first = event.following
        event.following = None
        if self.first is None:
            self.last = None
        if event is self.overflow:
            self.overflowed = False
        else:
            self.count -= 1

    def read(self, into: UserSlice[u8]) -> usize:
        """Read as many whole events as fit; waits for the first.

        Raises EINVAL when it does not fit, EAGAIN, EINTR, EFAULT.
        """
        with self.lock:
            while self.first is None:
                if self.is_nonblocking:
                    raise Errno(EAGAIN)
                self.changed.wait_spin_until(self.lock, NEVER)
        done: u64 = 0
        while (event := self.first) is not None:
            size = HEADER_BYTES + event.padded()
            if size > into.length - done:
                if done == 0:
                    raise Errno(EINVAL)
                break
            self.take()
            write_event(event, into.part(done, done + size))
            done += size
        return done

    def poll(self, table: PollTable | None) -> u32:
        """Readable when an event waits."""
        if table is not None:
            table.add(self.changed)
        return READABLE if self.first is not None else u32(0)

    def control(self, command: u32, argument: u64) -> i64:
        """Answer FIONREAD: the bytes of all events that wait."""
        if command != FIONREAD:
            raise Errno(ENOTTY)
        total: u64 = 0
        event = self.first
        while event is not None:
            total += HEADER_BYTES + event.padded()
            event = event.following
        UserPointer[i32](argument).store(i32.truncate(total))
        return 0

    def __del__(self) -> None:
        """Leave all vnodes."""
        watched.instances -= 1
        self.release()
        while (watch := self.watches) is not None:
            remove_watch(watch)
            self.watches = watch.next_of_file
            watch.next_of_file = None
        while self.first is not None:
            self.take()


def make_inotify(flags: u32) -> Inotify:
    """Make an instance. Raises ENOMEM, EMFILE."""
    if watched.instances >= INSTANCES_MOST:
        raise Errno(EMFILE)
    made = Inotify(flags=flags, overflow=InotifyEvent(watch=-1, mask=IN_Q_OVERFLOW))
    watched.instances += 1
    return made


def write_event(event: InotifyEvent, into: UserSlice[u8]) -> None:
    """Write one event; EFAULT."""
    padded = event.padded()
    header = EventHeader(
        watch=event.watch, mask=event.mask, cookie=event.cookie, length=u32(padded)
    )
    UserPointer[EventHeader](into.address).copy_out(header)
    if padded != 0:
        room: Array[u8] = inline(PADDED_NAME)
        name = event.name.text()
        room.part(0, name.length).copy_from(name)
        into.part(HEADER_BYTES, into.length).copy_out(room.part(0, padded))
