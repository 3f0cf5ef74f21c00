"""POSIX message queues: mq_open(2) and its relatives (mq_overview(7)).

A queue is found by its name and is used through descriptors. Messages are kept by falling priority,
those of one priority in the order in which they came. A message goes to the thread that has waited
for one longest, and one that waited for room takes the place of one that is received at once. A
process may ask to be told when a message
comes into the empty queue, once; a thread that already waits for it has precedence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from krait.kernel.errno import (
    EACCES,
    EAGAIN,
    EBADF,
    EBUSY,
    EEXIST,
    EINVAL,
    EMFILE,
    EMSGSIZE,
    ENAMETOOLONG,
    ENOENT,
    ENOSPC,
    EPERM,
    ETIMEDOUT,
)
from krait.kernel.fs import modes, permission
from krait.kernel.fs.caller import Owner, owner_of_new
from krait.kernel.fs.credentials import CAP_FOWNER, CAP_SYS_RESOURCE
from krait.kernel.fs.file import File
from krait.kernel.fs.name import Name
from krait.kernel.fs.open_flags import NONBLOCK
from krait.kernel.fs.poll import READABLE, WRITABLE
from krait.kernel.fs.text_buffer import TextBuffer, make_text_buffer
from krait.kernel.lang import (
    Buffer,
    Counted,
    Errno,
    Struct,
    Text,
    UserPointer,
    UserSlice,
    i32,
    i64,
    inline,
    syscall,
    text,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.linux.descriptor_calls import install
from krait.kernel.linux.event_calls import TimeSpec
from krait.kernel.linux.ipc_waiting import Waiting, WaitingList
from krait.kernel.linux.limits import Resource
from krait.kernel.linux.paths import open_file, read_path
from krait.kernel.linux.send_signal import post
from krait.kernel.linux.signal_state import SignalInfo
from krait.kernel.linux.signals import is_valid
from krait.kernel.linux.task import current_credentials, current_process
from krait.kernel.linux.timer_calls import SignalEvent
from krait.kernel.sched import clock
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.wait_queue import WaitQueue

if TYPE_CHECKING:
    from krait.kernel.fs.poll import PollTable

MESSAGES_DEFAULT: Final = u64(10)  # /proc/sys/fs/mqueue/msg_default
SIZE_DEFAULT: Final = u64(8192)
MESSAGES_MOST: Final = u64(65536)  # HARD_MSGMAX
SIZE_MOST: Final = u64(16 << 20)  # HARD_MSGSIZEMAX
QUEUES_MOST: Final = u64(256)
PRIORITY_LIMIT: Final = u32(32768)  # MQ_PRIO_MAX
NAME_MOST: Final = u64(255)

OPEN_CREATE: Final = u32(0o100)
OPEN_EXCLUSIVE: Final = u32(0o200)
ACCESS_MODE: Final = u32(3)
KEPT_FLAGS: Final = u32(0o4003)

SIGEV_SIGNAL: Final = u32(0)
SIGEV_NONE: Final = u32(1)
SI_MESGQ: Final = i32(-3)


class QueueAttributes(NamedTuple):
    """struct mq_attr."""

    flags: u64
    most: u64
    size: u64
    present: u64
    unused_0: u64
    unused_1: u64
    unused_2: u64
    unused_3: u64


class PosixMessage(Counted):
    """One message."""

    priority: u32
    content: Buffer[u8]
    following: PosixMessage | None = None


class WaitingEnd(Waiting):
    """A thread that waits with a message for room, or for a message."""

    message: PosixMessage | None = None


class PosixQueue(Counted):
    """One queue. Invariant: messages are linked by falling priority, `count` of them."""

    name: Name = inline()
    lock: SpinLock = inline()
    changed: WaitQueue = inline()
    first: PosixMessage | None = None
    most: u64
    size: u64
    mode: u32
    owner: Owner
    count: u64 = 0
    senders: WaitingList = inline()
    receivers: WaitingList = inline()
    notified_pid: u32 = 0
    notified_kind: u32 = 0
    notified_signo: u32 = 0
    notified_value: u64 = 0
    following: PosixQueue | None = None

    def put(self, message: PosixMessage) -> None:
        """Put a message behind those of its priority and above; the lock is held."""
        before: PosixMessage | None = None
        each = self.first
        while each is not None and each.priority >= message.priority:
            before = each
            each = each.following
        message.following = each
        if before is None:
            self.first = message
        else:
            before.following = message
        self.count += 1

    def take(self) -> PosixMessage | None:
        """Take the first message; the lock is held."""
        if (message := self.first) is None:
            return None
        self.first = message.following
        message.following = None
        self.count -= 1
        return message

    def describe(self, out: TextBuffer) -> None:
        """Write what a read of the queue's file shows (mq_overview(7))."""
        present: u64 = 0
        each = self.first
        while each is not None:
            present += each.content.length
            each = each.following
        told = self.notified_pid != 0
        put_field(out, text(b"QSIZE:"), present, 10)
        put_field(out, text(b" NOTIFY:"), u64(self.notified_kind) if told else u64(0), 5)
        put_field(out, text(b" SIGNO:"), u64(self.notified_signo) if told else u64(0), 5)
        put_field(out, text(b" NOTIFY_PID:"), u64(self.notified_pid), 6)
        out.put_byte(u8(0x0A))

    def bytes(self) -> u64:
        """Give what the queue counts for RLIMIT_MSGQUEUE."""
        return self.most * (self.size + 48)

    def __del__(self) -> None:
        """Free the messages without recursion."""
        while self.take() is not None:
            pass
        posix_queues.bytes -= self.bytes()


def put_field(out: TextBuffer, name: Text, value: u64, width: u64) -> None:
    """Write a number behind its name, with spaces up to a width."""
    out.put(name)
    start = out.length
    out.put_decimal(value)
    out.pad_to(width, start)


class PosixQueues(Struct):
    """All queues that have a name."""

    first: PosixQueue | None = None
    count: u64 = 0
    bytes: u64 = 0

    def find(self, name: Text) -> PosixQueue | None:
        """Find a queue by its name."""
        queue = self.first
        while queue is not None and not queue.name.text().equals(name):
            queue = queue.following
        return queue

    def remove(self, gone: PosixQueue) -> None:
        """Take a queue's name away."""
        before: PosixQueue | None = None
        queue = self.first
        while queue is not None and queue is not gone:
            before = queue
            queue = queue.following
        if before is None:
            self.first = gone.following
        else:
            before.following = gone.following
        gone.following = None
        self.count -= 1


posix_queues = PosixQueues()


class QueueFile(File):
    """A descriptor's way to a queue."""

    queue: PosixQueue

    def anonymous_owner(self) -> Owner:
        """Return who made the queue."""
        return self.queue.owner

    def anonymous_mode(self) -> u32:
        """Return the mode of a file in mqueuefs."""
        return modes.REGULAR | self.queue.mode

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows."""
        return text(b"/dev/mqueue")

    def read(self, into: UserSlice[u8]) -> usize:
        """Read what the queue is like at the position; messages are read by mq_receive(3)."""
        count = self.read_at(self.offset, into)
        self.offset += count
        return count

    def read_at(self, offset: u64, into: UserSlice[u8]) -> usize:
        """Read what the queue is like."""
        out = make_text_buffer(u64(0))
        self.queue.describe(out)
        if offset >= out.length:
            return u64(0)
        count = min(into.length, out.length - offset)
        into.part(u64(0), count).copy_out(out.text().part(offset, offset + count))
        return count

    def poll(self, table: PollTable | None) -> u32:
        """Readable with a message, writable with room."""
        queue = self.queue
        if table is not None:
            table.add(queue.changed)
        events: u32 = 0
        if queue.count != 0:
            events |= READABLE
        if queue.count < queue.most:
            events |= WRITABLE
        return events

    def close_descriptor(self, owner: u64) -> None:
        """A process that closes the queue is not told any more."""
        if self.queue.notified_pid == current_process().pid:
            self.queue.notified_pid = 0


@syscall("mq_open", flags=0o4300)
def mq_open(
    name: UserPointer[u8], flags: u32, mode: u32, attributes: UserPointer[QueueAttributes]
) -> u32:
    """Find or make a queue; the C library leaves out the slash before the name."""
    given = QueueAttributes(
        u64(0), MESSAGES_DEFAULT, SIZE_DEFAULT, u64(0), u64(0), u64(0), u64(0), u64(0)
    )
    if not attributes.is_null:
        given = attributes.load()
    path = read_path(name)
    check_name(path)
    queue = posix_queues.find(path)
    if queue is None:
        if flags & OPEN_CREATE == 0:
            raise Errno(ENOENT)
        return open_new(make_queue(path, mode, given), flags)
    if flags & OPEN_CREATE != 0 and flags & OPEN_EXCLUSIVE != 0:
        raise Errno(EEXIST)
    if flags & ACCESS_MODE == ACCESS_MODE:
        raise Errno(EINVAL)
    check_queue(queue, permission.wanted_by(flags & ACCESS_MODE))
    return open_queue(queue, flags)


def open_new(queue: PosixQueue, flags: u32) -> u32:
    """Open a queue that was just made, which is not there if that fails."""
    try:
        return open_queue(queue, flags)
    except Errno:
        posix_queues.remove(queue)
        raise


def open_queue(queue: PosixQueue, flags: u32) -> u32:
    """Give a descriptor of a queue; EMFILE, ENOMEM."""
    return install(QueueFile(flags=flags & KEPT_FLAGS, queue=queue), u32(0o2000000))


def check_queue(queue: PosixQueue, wanted: u32) -> None:
    """Refuse what a queue's mode does not allow: EACCES."""
    mode = modes.REGULAR | queue.mode
    who = current_credentials()
    if not permission.allowed(who, mode, queue.owner.uid, queue.owner.gid, wanted):
        raise Errno(EACCES)


def check_name(name: Text) -> None:
    """Refuse what is no name of a file; ENOENT, ENAMETOOLONG, EACCES."""
    if name.length == 0:
        raise Errno(ENOENT)
    if name.length > NAME_MOST:
        raise Errno(ENAMETOOLONG)
    if name.find(0x2F) != name.length:
        raise Errno(EACCES)


def make_queue(name: Text, mode: u32, given: QueueAttributes) -> PosixQueue:
    """Make an empty queue; EINVAL, EMFILE, ENOSPC."""
    process = current_process()
    most = given.most
    size = given.size
    privileged = current_credentials().has(CAP_SYS_RESOURCE)
    if most == 0 or size == 0:
        raise Errno(EINVAL)
    if most > (MESSAGES_MOST if privileged else MESSAGES_DEFAULT):
        raise Errno(EINVAL)
    if size > (SIZE_MOST if privileged else SIZE_DEFAULT):
        raise Errno(EINVAL)
    if posix_queues.count >= QUEUES_MOST and not privileged:
        raise Errno(ENOSPC)
    wanted = posix_queues.bytes + most * (size + 48)
    if wanted > process.limits.soft(Resource.MSGQUEUE):
        raise Errno(EMFILE)
    made = PosixQueue(
        most=most, size=size, mode=mode & 0o777 & ~process.fs.umask, owner=owner_of_new()
    )
    posix_queues.bytes = wanted
    made.name.set(name)
    made.following = posix_queues.first
    posix_queues.first = made
    posix_queues.count += 1
    return made


@syscall("mq_unlink")
def mq_unlink(name: UserPointer[u8]) -> None:
    """Take a queue's name away; it goes with its last descriptor."""
    path = read_path(name)
    check_name(path)
    queue = posix_queues.find(path)
    if queue is None:
        raise Errno(ENOENT)
    check_unlinking(queue)
    posix_queues.remove(queue)


def check_unlinking(queue: PosixQueue) -> None:
    """Refuse all but the owner, as /dev/mqueue is sticky: EPERM."""
    who = current_credentials()
    if who.fsuid != queue.owner.uid and not who.has(CAP_FOWNER):
        raise Errno(EPERM)


def queue_behind(descriptor: i32) -> QueueFile:
    """Find an open queue; EBADF."""
    file = open_file(descriptor)
    if isinstance(file, QueueFile):
        return file
    raise Errno(EBADF)


def deadline_at(timeout: UserPointer[TimeSpec]) -> u64:
    """Turn a moment of the wall clock into one of the monotonic clock; EINVAL, EFAULT."""
    if timeout.is_null:
        return NEVER
    given = timeout.load()
    if given.seconds < 0 or given.nanoseconds < 0 or given.nanoseconds >= 1_000_000_000:
        raise Errno(EINVAL)
    if given.seconds >= i64(1 << 33):
        return NEVER
    moment = u64(given.seconds) * 1_000_000_000 + u64(given.nanoseconds)
    now = clock.realtime_ns()
    if moment <= now:
        return u64(1)
    return clock.monotonic_ns() + (moment - now)


@syscall("mq_timedsend")
def mq_timedsend(
    descriptor: i32, address: u64, length: u64, priority: u32, timeout: UserPointer[TimeSpec]
) -> None:
    """Send a message; waits for room."""
    if priority >= PRIORITY_LIMIT:
        raise Errno(EINVAL)
    deadline_ns = deadline_at(timeout)
    file = queue_behind(descriptor)
    file.check_writable()
    queue = file.queue
    if length > queue.size:
        raise Errno(EMSGSIZE)
    content = Buffer[u8](length=length)
    UserSlice[u8](address, length).copy_in(content.slice)
    message = PosixMessage(priority=priority, content=content)
    waiting = WaitingEnd(message=message)
    tells = False
    with queue.lock:
        if queue.count >= queue.most:
            wait(queue, queue.senders, waiting, file, deadline_ns)
            return
        receiver = queue.receivers.first
        if receiver is not None and isinstance(receiver, WaitingEnd):
            receiver.message = message
            queue.receivers.remove(receiver)
            receiver.finish()
            return
        tells = queue.count == 0 and queue.notified_pid != 0
        queue.put(message)
    queue.changed.wake_all()
    if tells:
        tell(queue)


def wait(
    queue: PosixQueue, list: WaitingList, waiting: WaitingEnd, file: QueueFile, deadline_ns: u64
) -> None:
    """Sleep until somebody has done what is waited for; EAGAIN, EINTR, ETIMEDOUT."""
    if file.flags & NONBLOCK != 0:
        raise Errno(EAGAIN)
    if not list.wait(waiting, queue.lock, deadline_ns):
        raise Errno(ETIMEDOUT)


def tell(queue: PosixQueue) -> None:
    """Send the signal that was asked for, once."""
    queue.notified_pid = 0
    if queue.notified_signo == 0:
        return
    process = current_process()
    sender = u64(process.pid) | u64(current_credentials().uid) << 32
    info = SignalInfo(queue.notified_signo, 0, SI_MESGQ, sender, queue.notified_value, u64(0))
    try:
        post(process, info)
    except Errno:
        return


@syscall("mq_timedreceive")
def mq_timedreceive(
    descriptor: i32,
    address: u64,
    length: u64,
    priority: UserPointer[u32],
    timeout: UserPointer[TimeSpec],
) -> usize:
    """Receive the first message of the highest priority."""
    deadline_ns = deadline_at(timeout)
    file = queue_behind(descriptor)
    file.check_readable()
    queue = file.queue
    if length < queue.size:
        raise Errno(EMSGSIZE)
    waiting = WaitingEnd()
    with queue.lock:
        taken = queue.take()
        if taken is None:
            wait(queue, queue.receivers, waiting, file, deadline_ns)
            taken = waiting.message
        else:
            let_in(queue)
    queue.changed.wake_all()
    if taken is None:
        raise Errno(EAGAIN)
    if not priority.is_null:
        priority.store(taken.priority)
    UserSlice[u8](address, taken.content.length).copy_out(taken.content.slice)
    return taken.content.length


def let_in(queue: PosixQueue) -> None:
    """Put the message of who has waited longest for room into the queue; the lock is held."""
    sender = queue.senders.first
    if sender is not None and isinstance(sender, WaitingEnd):
        if (message := sender.message) is not None:
            queue.put(message)
        queue.senders.remove(sender)
        sender.finish()


@syscall("mq_notify")
def mq_notify(descriptor: i32, event: UserPointer[SignalEvent]) -> None:
    """Ask to be told of a message in the empty queue, or no more."""
    pid = current_process().pid
    if event.is_null:
        queue = queue_behind(descriptor).queue
        if queue.notified_pid == pid:
            queue.notified_pid = 0
        return
    given = SignalEvent()
    event.copy_in(given)
    if given.notify not in (SIGEV_SIGNAL, SIGEV_NONE):
        raise Errno(EINVAL)
    if given.notify == SIGEV_SIGNAL and given.signo != 0 and not is_valid(given.signo):
        raise Errno(EINVAL)
    queue = queue_behind(descriptor).queue
    if queue.notified_pid != 0:
        raise Errno(EBUSY)
    queue.notified_pid = pid
    queue.notified_kind = given.notify
    queue.notified_signo = given.signo if given.notify == SIGEV_SIGNAL else u32(0)
    queue.notified_value = given.value


@syscall("mq_getsetattr")
def mq_getsetattr(
    descriptor: i32, new: UserPointer[QueueAttributes], old: UserPointer[QueueAttributes]
) -> None:
    """Read what a queue is like, and switch O_NONBLOCK."""
    wanted: u64 = 0
    if not new.is_null:
        wanted = new.load().flags
        if wanted & ~u64(NONBLOCK) != 0:
            raise Errno(EINVAL)
    file = queue_behind(descriptor)
    queue = file.queue
    shown = QueueAttributes(
        u64(file.flags & NONBLOCK),
        queue.most,
        queue.size,
        queue.count,
        u64(0),
        u64(0),
        u64(0),
        u64(0),
    )
    if not new.is_null:
        file.flags = (file.flags & ~u32(NONBLOCK)) | u32(wanted)
    if not old.is_null:
        old.store(shown)
