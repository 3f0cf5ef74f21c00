"""epoll(7): an interest list that remembers who became ready.

Every registered file has an `Interest`. A file names its wait queues once, when it is added, and a
waiter stays on each of them; when one fires the interest goes to the ready list. `epoll_wait` asks
only the files on that list, so its cost follows the number of ready files, not of watched ones
(Banga, Mogul and Druschel, "A scalable and explicit event delivery mechanism for UNIX", 1999, is
where the idea comes from).

 - level-triggered: an interest that still has events goes back to the end of the ready list and is
 asked again next time; - EPOLLET: it comes back only when a queue fires again; - EPOLLONESHOT: its
 mask is cleared after one report, until EPOLL_CTL_MOD.

An interest refers weakly to its file: closing the last descriptor frees the file, and the interest,
which can never report again, is dropped when it is next met. Wakers may run in interrupts, so the
ready list is under a spin lock.

Waiters leave the queues of a file (`watching.py`) when the interest or the file ends.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.errno import EEXIST, EFAULT, EINVAL, ELOOP, ENOENT, ENOSPC
from krait.kernel.fs.file import File
from krait.kernel.fs.poll import ALWAYS, READABLE, PollTable
from krait.kernel.fs.watch_limits import interests_most, watched
from krait.kernel.fs.watching import Watch, Watcher, WatchTable
from krait.kernel.lang import (
    Buffer,
    Errno,
    Packed,
    Struct,
    Text,
    UserPointer,
    Weak,
    i32,
    i64,
    inline,
    size_of,
    static_assert,
    text,
    u32,
    u64,
)
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import WaitQueue
from krait.kernel.sched.waiter import Waiter

EPOLLEXCLUSIVE: Final = u32(1 << 28)
EPOLLWAKEUP: Final = u32(1 << 29)
EPOLLONESHOT: Final = u32(1 << 30)
EPOLLET: Final = u32(1 << 31)
MODES: Final = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET
MOST_NESTED: Final = u32(4)  # EP_MAX_NESTS
FIRST_BUCKETS: Final = u64(8)
EXCLUSIVE_EVENTS: Final = u32(0x1D) | EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLET
"""EPOLLEXCLUSIVE_OK_BITS."""


class EpollEvent(Packed):
    """struct epoll_event, packed on x86-64 (epoll_ctl(2))."""

    events: u32
    data: u64


static_assert(size_of(EpollEvent) == 12)


class EpollFlags(IntFlag):
    """Flags of epoll_create1(2)."""

    CLOEXEC = 0o2000000


class Interest(Watcher):
    """One watched descriptor."""

    file: Weak[File]
    epoll: Weak[Epoll]
    descriptor: i32
    events: u32
    data: u64
    is_ready: bool = False
    next_ready: Interest | None = None
    following: Interest | None = None  # in the interest list

    def fired(self) -> None:
        """Go to the ready list."""
        if (epoll := self.epoll.get()) is not None:
            epoll.make_ready(self)

    def __del__(self) -> None:
        """Count it out."""
        watched.interests -= 1


class Nesting(Struct):
    """Who lets an instance watch another, one after the other: two at once could make a ring."""

    lock: Mutex = inline()


nesting = Nesting()


class Epoll(File):
    """An epoll instance. `lock` guards the table of interests, `ready_lock` the ready list.

    The table is hashed by descriptor and doubles with the number of interests.
    """

    lock: Mutex = inline()
    buckets: Buffer[Interest | None] | None = None
    count: u64 = 0
    ready_lock: SpinLock = inline()
    first_ready: Interest | None = None
    last_ready: Interest | None = None
    sleepers: WaitQueue = inline()  # in epoll_wait
    watchers: WaitQueue = inline()  # poll and other instances

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows."""
        return text(b"anon_inode:[eventpoll]")

    def add(self, descriptor: i32, file: File, events: u32, data: u64) -> None:
        """EPOLL_CTL_ADD: raises EEXIST, ELOOP, ENOMEM, ENOSPC."""
        if events & EPOLLEXCLUSIVE != 0 and events & ~EXCLUSIVE_EVENTS != 0:
            raise Errno(EINVAL)
        if isinstance(file, Epoll):
            if file is self or events & EPOLLEXCLUSIVE != 0:
                raise Errno(EINVAL)
            with nesting.lock:
                if _contains(file, self) or _depth(file) + 1 + _height(self) > MOST_NESTED:
                    raise Errno(ELOOP)
                self._add(descriptor, file, events, data)
        else:
            self._add(descriptor, file, events, data)

    def _add(self, descriptor: i32, file: File, events: u32, data: u64) -> None:
        """Watch a file, or be as before. Raises EEXIST, ENOMEM, ENOSPC."""
        with self.lock:
            if self._find(descriptor, file) is not None:
                raise Errno(EEXIST)
            if watched.interests >= interests_most():
                raise Errno(ENOSPC)
            interest = Interest(
                file=Weak(file), epoll=Weak(self), descriptor=descriptor, events=events, data=data
            )
            watched.interests += 1
            table = WatchTable(watcher=interest, file=file)
            self._insert(interest)
            try:
                found = file.poll(table)
            except Errno:
                self._drop(interest)
                raise
            if found & (events | ALWAYS) != 0:
                self.make_ready(interest)

    def modify(self, descriptor: i32, file: File, events: u32, data: u64) -> None:
        """EPOLL_CTL_MOD: raises ENOENT; EINVAL when EPOLLEXCLUSIVE is involved."""
        with self.lock:
            if (interest := self._find(descriptor, file)) is None:
                raise Errno(ENOENT)
            if (interest.events | events) & EPOLLEXCLUSIVE != 0:
                raise Errno(EINVAL)
            interest.events = events
            interest.data = data
            if file.poll(None) & (events | ALWAYS) != 0:
                self.make_ready(interest)

    def remove(self, descriptor: i32, file: File) -> None:
        """EPOLL_CTL_DEL: raises ENOENT."""
        with self.lock:
            if (interest := self._find(descriptor, file)) is None:
                raise Errno(ENOENT)
            self._drop(interest)

    def make_ready(self, interest: Interest) -> None:
        """Put an interest into the ready list, and wake a sleeper and all who watch the instance.

        They hear of it each time: who watches edges has not seen this one.
        """
        self._append_ready(interest)
        self.sleepers.wake_one()
        self.watchers.wake_all()

    def wait(self, into: UserPointer[EpollEvent], most: u32, deadline_ns: u64) -> u32:
        """Report up to `most` events; 0 when `deadline_ns` comes first. Raises EINTR, EFAULT."""
        while True:
            with self.lock:
                count = self._collect(into, most)
            if self.first_ready is not None:
                self.sleepers.wake_one()
            if count != 0 or deadline_ns == 0:
                return count
            with self.ready_lock:
                while self.first_ready is None:
                    if not self.sleepers.wait_spin_until(self.ready_lock, deadline_ns):
                        return 0

    def seek(self, offset: i64, whence: u32) -> u64:
        """Stay at 0, as Linux does for such files (noop_llseek)."""
        return 0

    def poll(self, table: PollTable | None) -> u32:
        """Readable when some watched file is."""
        if table is not None:
            table.add(self.watchers)
        with self.lock:
            return READABLE if self._any_ready() else u32(0)

    def _collect(self, into: UserPointer[EpollEvent], most: u32) -> u32:
        """Ask the files on the ready list, each at most once; the lock is held."""
        count: u32 = 0
        until = self.last_ready
        while count < most:
            if (interest := self._take_ready()) is None:
                break
            is_last = until is not None and interest is until
            try:
                count += self._report(interest, into, count)
            except Errno:
                if count == 0:
                    raise
                break
            if is_last:
                break
        return count

    def _report(self, interest: Interest, into: UserPointer[EpollEvent], index: u32) -> u32:
        """Write one event if there is any: 1 or 0."""
        if (file := interest.file.get()) is None:
            self._drop(interest)
            return 0
        wanted = interest.events
        events = file.poll(None) & (wanted | ALWAYS) & ~MODES
        if wanted & ~MODES == 0 or events == 0:
            return 0
        try:
            place = UserPointer[EpollEvent](into.address.checked_add(u64(index) * 12, EFAULT))
            place.copy_out(EpollEvent(events=events, data=interest.data))
        except Errno:
            self._put_back(interest)
            raise
        if wanted & EPOLLONESHOT != 0:
            interest.events = wanted & MODES
        elif wanted & EPOLLET == 0:
            self._append_ready(interest)
        return 1

    def _any_ready(self) -> bool:
        """Drop from the front what is not ready any more; the lock is held."""
        while (interest := self._take_ready()) is not None:
            if (file := interest.file.get()) is None:
                self._drop(interest)
            elif file.poll(None) & (interest.events | ALWAYS) & ~MODES != 0:
                self._put_back(interest)
                return True
        return False

    def _append_ready(self, interest: Interest) -> None:
        """Put an interest at the end of the ready list, unless it is there."""
        with self.ready_lock:
            if interest.is_ready:
                return
            interest.is_ready = True
            if (last := self.last_ready) is not None:
                last.next_ready = interest
            else:
                self.first_ready = interest
            self.last_ready = interest

    def _take_ready(self) -> Interest | None:
        with self.ready_lock:
            if (interest := self.first_ready) is None:
                return None
            self.first_ready = interest.next_ready
            if self.first_ready is None:
                self.last_ready = None
            interest.next_ready = None
            interest.is_ready = False
            return interest

    def _put_back(self, interest: Interest) -> None:
        """Return an interest to the front, without a wake-up."""
        with self.ready_lock:
            if interest.is_ready:
                return
            interest.is_ready = True
            interest.next_ready = self.first_ready
            if self.first_ready is None:
                self.last_ready = interest
            self.first_ready = interest

    def _bucket(self, buckets: Buffer[Interest | None], descriptor: i32) -> u64:
        return u64(u32.truncate(descriptor)) & (buckets.length - 1)

    def _find(self, descriptor: i32, file: File) -> Interest | None:
        """Find the interest in (descriptor, file), dropping those of closed files on the way."""
        if (buckets := self.buckets) is None:
            return None
        interest = buckets[self._bucket(buckets, descriptor)]
        while interest is not None:
            following = interest.following
            watched = interest.file.get()
            if watched is None:
                self._drop(interest)
            elif interest.descriptor == descriptor and watched is file:
                return interest
            interest = following
        return None

    def _insert(self, interest: Interest) -> None:
        """Put an interest into the table. Raises ENOMEM."""
        buckets = self.buckets
        if buckets is None or self.count >= buckets.length:
            buckets = self._grow()
        place = self._bucket(buckets, interest.descriptor)
        interest.following = buckets[place]
        buckets[place] = interest
        self.count += 1

    def _grow(self) -> Buffer[Interest | None]:
        old = self.buckets
        if old is None:
            first = Buffer[Interest | None](length=FIRST_BUCKETS)
            self.buckets = first
            return first
        larger = Buffer[Interest | None](length=old.length * 2)
        for index in range(old.length):
            interest = old[index]
            while interest is not None:
                following = interest.following
                place = self._bucket(larger, interest.descriptor)
                interest.following = larger[place]
                larger[place] = interest
                interest = following
        self.buckets = larger
        return larger

    def _drop(self, interest: Interest) -> None:
        """Leave the file's queues, the ready list and the table."""
        _leave_queues(interest)
        self._unready(interest)
        if (buckets := self.buckets) is None:
            return
        place = self._bucket(buckets, interest.descriptor)
        before: Interest | None = None
        each = buckets[place]
        while each is not None:
            if each is interest:
                self.count -= 1
                if before is None:
                    buckets[place] = interest.following
                else:
                    before.following = interest.following
                return
            before = each
            each = each.following

    def _unready(self, interest: Interest) -> None:
        with self.ready_lock:
            if not interest.is_ready:
                return
            before: Interest | None = None
            each = self.first_ready
            while each is not None:
                if each is interest:
                    if before is None:
                        self.first_ready = interest.next_ready
                    else:
                        before.next_ready = interest.next_ready
                    if interest.next_ready is None:
                        self.last_ready = before
                    break
                before = each
                each = each.next_ready
            interest.next_ready = None
            interest.is_ready = False

    def __del__(self) -> None:
        self.release()
        if (buckets := self.buckets) is not None:
            for index in range(buckets.length):
                interest = buckets[index]
                buckets[index] = None
                while interest is not None:
                    _leave_queues(interest)
                    interest.next_ready = None
                    following = interest.following
                    interest.following = None
                    interest = following
        self.first_ready = None
        self.last_ready = None


def _leave_queues(interest: Interest) -> None:
    """Take the waiters off; a file that is gone has done so."""
    if (file := interest.file.get()) is not None:
        interest.leave_queues(file)
    interest.watches = None


def _contains(inner: Epoll, outer: Epoll) -> bool:
    """Say whether `outer` is watched by `inner` or by what that watches."""
    if (buckets := inner.buckets) is None:
        return False
    for index in range(buckets.length):
        interest = buckets[index]
        while interest is not None:
            if (file := interest.file.get()) is not None and isinstance(file, Epoll):
                if file is outer or _contains(file, outer):
                    return True
            interest = interest.following
    return False


def _depth(epoll: Epoll) -> u32:
    """Give how many levels of epoll instances are below this one."""
    deepest: u32 = 0
    if (buckets := epoll.buckets) is not None:
        for index in range(buckets.length):
            interest = buckets[index]
            while interest is not None:
                if (file := interest.file.get()) is not None and isinstance(file, Epoll):
                    deepest = max(deepest, _depth(file) + 1)
                interest = interest.following
    return deepest


def _height(epoll: Epoll) -> u32:
    """Give how many levels of epoll instances watch this one."""
    highest: u32 = 0
    waiter = epoll.watchers.first
    while waiter is not None:
        highest = max(highest, _height_through(waiter))
        waiter = waiter.next
    return highest


def _height_through(waiter: Waiter) -> u32:
    """Give how many levels watch through one waiter of an instance's queue."""
    if isinstance(waiter, Watch):
        interest = waiter.watcher.get()
        if interest is not None and isinstance(interest, Interest):
            if (above := interest.epoll.get()) is not None:
                return _height(above) + 1
    return u32(0)
