"""Linux AIO: io_setup(2), io_submit(2), io_getevents(2) and their relatives.

Reading and writing happen while the call submits, as they do on Linux for files that are cached;
their completions wait in the context. A poll request stays: a waiter on each queue of its file
wakes who waits for completions, and whether it is complete is asked then.

The number of a context is the address of a page that it maps, because the C library looks there
for a ring that it could read by itself; it finds zeros and calls.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import EAGAIN, EFAULT, EINPROGRESS, EINVAL, EOPNOTSUPP
from krait.kernel.fs.eventfd import EventFile, settling
from krait.kernel.fs.file import File
from krait.kernel.fs.poll import ALWAYS, READABLE, WRITABLE
from krait.kernel.fs.scatter_list import MOST_AT_ONCE, VECTOR_MOST, ScatterList, Vector
from krait.kernel.fs.watching import Watcher, WatchTable
from krait.kernel.lang import (
    Buffer,
    Counted,
    Errno,
    Packed,
    Struct,
    UserPointer,
    UserSlice,
    Weak,
    i32,
    i64,
    inline,
    size_of,
    static_assert,
    syscall,
    u8,
    u16,
    u32,
    u64,
)
from krait.kernel.linux.event_calls import (
    MaskArgument,
    TimeSpec,
    deadline_from_spec,
    use_mask,
)
from krait.kernel.linux.io_calls import Direction, append_list, move_list
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.task import current_process
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import WaitQueue

CONTEXT_MOST: Final = u32(65536)  # fs.aio-max-nr
PAGE_SIZE: Final = u64(4096)
LEAST_ROOM: Final = u64(126)  # completions in Linux's ring of one page, which is never smaller
FLAG_RESFD: Final = u32(1)

PREAD: Final = 0
PWRITE: Final = 1
FSYNC: Final = 2
FDSYNC: Final = 3
POLL: Final = 5
PREADV: Final = 7
PWRITEV: Final = 8

RWF_HIPRI: Final = u32(1)
RWF_NOWAIT: Final = u32(8)
RWF_APPEND: Final = u32(16)
RWF_KNOWN: Final = u32(31)


class Request(Packed):
    """struct iocb."""

    data: u64 = 0
    key: u32 = 0
    flags: u32 = 0
    operation: u16 = 0
    priority: u16 = 0
    descriptor: u32 = 0
    address: u64 = 0
    length: u64 = 0
    offset: i64 = 0
    reserved: u64 = 0
    options: u32 = 0
    event_descriptor: u32 = 0


static_assert(size_of(Request) == 64)


class Completion(NamedTuple):
    """struct io_event."""

    data: u64
    request: u64
    result: i64
    result_2: i64


class PollRequest(Watcher):
    """A request that waits for a file, which it keeps, to be ready."""

    context: Weak[AioContext]
    file: File
    data: u64
    request: u64
    events: u32
    counter: EventFile | None = None
    following: PollRequest | None = None

    def fired(self) -> None:
        """The request may be complete: whoever waits for the context looks."""
        if (context := self.context.get()) is not None:
            context.fired = True
            context.changed.wake_all()
            if (counter := self.counter) is not None:
                counter.ask()


class AioContext(Counted):
    """Completions in a ring, and requests that wait.

    Invariant: requests that wait or are being carried out and completions together are at most
    `completions.length`.
    """

    number: u64
    asked: u32  # for how many requests
    completions: Buffer[Completion]
    first: u64 = 0
    count: u64 = 0
    waiting: PollRequest | None = None
    waiting_count: u64 = 0
    running_count: u64 = 0  # being carried out
    looking: bool = False
    destroyed: bool = False
    fired: bool = False  # something may be complete since the last look
    lock: SpinLock = inline()
    changed: WaitQueue = inline()
    following: AioContext | None = None

    def end(self) -> None:
        """Cancel what waits, and let nobody wait for it."""
        self.destroyed = True
        while (waiting := self.waiting) is not None:
            self.unlink(waiting)
        self.changed.wake_all()

    def has_room(self) -> bool:
        """Say whether one more request may be submitted."""
        return self.count + self.waiting_count + self.running_count < self.completions.length

    def complete(self, data: u64, request: u64, result: i64, counter: EventFile | None) -> None:
        """Queue a completion; there is room."""
        place = (self.first + self.count) % self.completions.length
        self.completions[place] = Completion(data, request, result, i64(0))
        self.count += 1
        self.fired = True
        self.changed.wake_all()
        if counter is not None:
            counter.signal()

    def look(self) -> None:
        """Complete the poll requests whose files are ready; asking a file may sleep."""
        if self.looking:
            return
        self.looking = True
        self.fired = False
        each = self.waiting
        while each is not None:
            found = each.file.poll(None) & (each.events | ALWAYS)
            following = each.following
            if found != 0 and self.unlink(each):
                self.complete(each.data, each.request, i64(found), each.counter)
            elif found != 0:
                self.fired = True  # somebody else was here meanwhile, so the list may go on
            each = following
        self.looking = False

    def take_first(self) -> Completion:
        """Take the first completion; there is one."""
        found = self.completions[self.first]
        self.first = (self.first + 1) % self.completions.length
        self.count -= 1
        return found

    def put_back(self, completion: Completion) -> None:
        """Return a completion to the front; there is room, as for one that is carried out."""
        self.first = (self.first + self.completions.length - 1) % self.completions.length
        self.completions[self.first] = completion
        self.count += 1

    def unlink(self, gone: PollRequest) -> bool:
        """Take a request off its queues and out of the list; False if somebody has done so."""
        before: PollRequest | None = None
        each = self.waiting
        while each is not None and each is not gone:
            before = each
            each = each.following
        if each is None:
            return False
        gone.leave_queues(gone.file)
        if before is None:
            self.waiting = gone.following
        else:
            before.following = gone.following
        gone.following = None
        self.waiting_count -= 1
        return True

    def __del__(self) -> None:
        """Leave all queues."""
        while (waiting := self.waiting) is not None:
            self.unlink(waiting)


class AioContexts(Struct):
    """All contexts."""

    first: AioContext | None = None
    total: u32 = 0
    looking: bool = False
    again: bool = False
    """Asked for while `look` was at work: a file that it asks may be an eventfd that is told."""

    def find(self, number: u64) -> AioContext:
        """Find a context; EINVAL."""
        each = self.first
        while each is not None:
            if each.number == number:
                return each
            each = each.following
        raise Errno(EINVAL)

    def remove(self, gone: AioContext) -> None:
        """Take a context out."""
        before: AioContext | None = None
        each = self.first
        while each is not None:
            following = each.following
            if each is gone:
                if before is None:
                    self.first = following
                else:
                    before.following = following
                each.following = None
                self.total -= gone.asked
                return
            before = each
            each = following

    def look(self) -> None:
        """Complete what is ready, for who asks an eventfd that is told of it."""
        self.again = True
        if self.looking:
            return
        self.looking = True
        while self.again:
            self.again = False
            each = self.first
            while each is not None:
                if each.fired:
                    each.look()
                each = each.following
        self.looking = False

    def end_all(self) -> None:
        """Another program begins: what waits is cancelled (exit_aio of Linux)."""
        while (each := self.first) is not None:
            self.remove(each)
            each.end()


contexts = AioContexts()


def look_at_all(_counter: EventFile) -> None:
    """Complete what is ready in all contexts."""
    contexts.look()


def end_all() -> None:
    """End all contexts."""
    contexts.end_all()


@syscall("io_setup")
def io_setup(count: u32, into: UserPointer[u64]) -> None:
    """Make a context for a number of requests at a time."""
    if into.load() != 0 or count == 0 or i32.truncate(u64(count)) < 0:
        raise Errno(EINVAL)
    if count > CONTEXT_MOST - contexts.total:
        raise Errno(EAGAIN)
    completions = Buffer[Completion](length=max(u64(count), LEAST_ROOM))
    space = current_process().space
    page = space.map(
        0, PAGE_SIZE, Protection.READ, MapFlags.PRIVATE | MapFlags.ANONYMOUS, None, 0, None
    )
    try:
        made = AioContext(number=page, asked=count, completions=completions)
        into.store(page)
    except Errno:
        space.unmap(page, PAGE_SIZE)
        raise
    current_process().end_aio = end_all
    made.following = contexts.first
    contexts.first = made
    contexts.total += count


@syscall("io_destroy")
def io_destroy(number: u64) -> None:
    """End a context: what waits is cancelled."""
    context = contexts.find(number)
    contexts.remove(context)
    context.end()
    current_process().space.unmap(number, PAGE_SIZE)


@syscall("io_submit")
def io_submit(number: u64, count: i64, requests: UserPointer[u64]) -> u64:
    """Submit requests; an error behind the first only ends the call."""
    context = contexts.find(number)
    if count < 0:
        raise Errno(EINVAL)
    wanted = min(u64(count), context.completions.length)
    done: u64 = 0
    while done < wanted:
        try:
            submit_one(context, requests.load_at(done))
        except Errno:
            if done == 0:
                raise
            break
        done += 1
    return done


def submit_one(context: AioContext, address: u64) -> None:
    """Submit one request; EAGAIN, EBADF, EFAULT, EINVAL."""
    request = Request()
    pointer = UserPointer[Request](address)
    pointer.copy_in(request)
    if request.reserved != 0 or i64.truncate(request.length) < 0:
        raise Errno(EINVAL)
    if not context.has_room():
        raise Errno(EAGAIN)
    context.running_count += 1
    try:
        submit_in_room(context, request, address)
    finally:
        context.running_count -= 1


def submit_in_room(context: AioContext, request: Request, address: u64) -> None:
    """Submit one request for whose completion there is room; EBADF, EFAULT, EINVAL."""
    file = open_file(i32.truncate(u64(request.descriptor)))
    counter: EventFile | None = None
    if request.options & FLAG_RESFD != 0:
        found = open_file(i32.truncate(u64(request.event_descriptor)))
        if not isinstance(found, EventFile):
            raise Errno(EINVAL)
        counter = found
        settling.settle = look_at_all
    UserPointer[u32](address.checked_add(8, EFAULT)).store(0)
    if request.operation == POLL:
        submit_poll(context, request, address, file, counter)
        return
    result: i64 = 0
    list = ScatterList()
    load_memory(request, list)
    check_request(request, file)
    try:
        result = i64(carry_out(request, file, list))
    except Errno as error:
        result = -i64(error.code)
    context.complete(request.data, address, result, counter)


def load_memory(request: Request, list: ScatterList) -> None:
    """Find the memory that a request reads or writes; EINVAL, EFAULT."""
    if request.operation in (PREADV, PWRITEV):
        if request.length > u64(VECTOR_MOST):
            raise Errno(EINVAL)
        list.load(UserPointer[Vector](request.address), u32(request.length))
    else:
        list.set_one(UserSlice[u8](request.address, min(request.length, MOST_AT_ONCE)))


def check_request(request: Request, file: File) -> None:
    """Refuse what cannot be submitted; EBADF, EINVAL."""
    match request.operation:
        case 0 | 7:  # PREAD PREADV
            file.check_readable()
        case 1 | 8:  # PWRITE PWRITEV
            file.check_writable()
        case 2 | 3:  # FSYNC FDSYNC
            if request.address != 0 or request.offset != 0 or request.length != 0:
                raise Errno(EINVAL)
            if request.flags != 0:
                raise Errno(EINVAL)
        case _:
            raise Errno(EINVAL)
    if request.flags & ~RWF_KNOWN != 0:
        raise Errno(EOPNOTSUPP)
    if request.offset < 0 and (vnode := file.vnode) is not None and vnode.is_regular:
        raise Errno(EINVAL)


def carry_out(request: Request, file: File, list: ScatterList) -> u64:
    """Read, write or sync."""
    if request.operation in (FSYNC, FDSYNC):
        file.sync()
        return 0
    reads = request.operation in (PREAD, PREADV)
    vnode = file.vnode
    if vnode is None or not vnode.is_regular:
        wanted = u32(READABLE) if reads else u32(WRITABLE)
        if request.flags & RWF_NOWAIT != 0 and file.poll(None) & wanted == 0:
            raise Errno(EAGAIN)
        return file.read_pieces(list) if reads else file.write_pieces(list)
    if request.flags & RWF_APPEND != 0 and not reads:
        return append_list(file, vnode, list)
    return move_list(file, list, request.offset, Direction.READ if reads else Direction.WRITE)


def submit_poll(
    context: AioContext, request: Request, address: u64, file: File, counter: EventFile | None
) -> None:
    """Wait for a file to be ready, in the context."""
    if request.length != 0 or request.offset != 0 or request.flags != 0:
        raise Errno(EINVAL)
    if request.address > 0xFFFF:
        raise Errno(EINVAL)
    made = PollRequest(
        context=Weak(context),
        file=file,
        data=request.data,
        request=address,
        events=u32(request.address),
        counter=counter,
    )
    made.following = context.waiting
    context.waiting = made
    context.waiting_count += 1
    table = WatchTable(watcher=made, file=file)
    try:
        file.poll(table)
    except Errno:
        context.unlink(made)
        raise
    context.look()


@syscall("io_cancel")
def io_cancel(number: u64, address: u64, _result: u64) -> None:
    """Cancel a poll request, which then completes at once: EINPROGRESS says so."""
    context = contexts.find(number)
    UserPointer[u32](address.checked_add(8, EFAULT)).load()
    each = context.waiting
    while each is not None:
        if each.request == address:
            context.unlink(each)
            context.complete(each.data, address, i64(0), each.counter)
            raise Errno(EINPROGRESS)
        each = each.following
    raise Errno(EINVAL)


@syscall("io_getevents")
def io_getevents(
    number: u64,
    least: i64,
    most: i64,
    into: UserPointer[Completion],
    timeout: UserPointer[TimeSpec],
) -> u64:
    """Take completions: at least `least` unless the time is over first."""
    return take_completions(number, least, most, into, deadline_from_spec(timeout))


@syscall("io_pgetevents")
def io_pgetevents(
    number: u64,
    least: i64,
    most: i64,
    into: UserPointer[Completion],
    timeout: UserPointer[TimeSpec],
    mask: UserPointer[MaskArgument],
) -> u64:
    """Take completions, waiting with another signal mask."""
    deadline_ns = deadline_from_spec(timeout)
    if not mask.is_null:
        given = mask.load()
        use_mask(UserPointer[u64](given.address), given.size)
    return take_completions(number, least, most, into, deadline_ns)


def take_completions(
    number: u64, least: i64, most: i64, into: UserPointer[Completion], deadline_ns: u64
) -> u64:
    """Copy completions out as they come."""
    context = contexts.find(number)
    if least < 0 or most < 0 or least > most:
        raise Errno(EINVAL)
    done: u64 = 0
    while True:
        context.fired = False
        context.look()
        while context.count != 0 and done < u64(most):
            try:
                give_first(context, into, done)
            except Errno:
                if done == 0:
                    raise
                return done
            done += 1
        if done >= u64(least) or deadline_ns == 0 or context.destroyed:
            return done
        try:
            in_time = True
            with context.lock:
                while in_time and not context.fired and not context.destroyed:
                    in_time = context.changed.wait_spin_until(context.lock, deadline_ns)
        except Errno:
            if done == 0:
                raise
            return done
        if not in_time:
            deadline_ns = 0


def give_first(context: AioContext, into: UserPointer[Completion], place: u64) -> None:
    """Copy the first completion out; EFAULT leaves it there. Bringing the page in may sleep."""
    context.running_count += 1
    completion = context.take_first()
    try:
        into.store_at(place, completion)
    except Errno:
        context.put_back(completion)
        raise
    finally:
        context.running_count -= 1
