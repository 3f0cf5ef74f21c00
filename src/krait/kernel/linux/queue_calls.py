"""System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).

A message goes to the thread that has waited longest for one of its kind, if there is one.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from krait.kernel.errno import (
    E2BIG,
    EAGAIN,
    EFAULT,
    EIDRM,
    EINVAL,
    ENOMSG,
    ENOSPC,
    EPERM,
)
from krait.kernel.fs.credentials import CAP_SYS_RESOURCE
from krait.kernel.lang import (
    Buffer,
    Counted,
    Errno,
    Packed,
    Struct,
    UserPointer,
    UserSlice,
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
from krait.kernel.linux.ipc_objects import (
    IPC_NOWAIT,
    IPC_PRIVATE,
    READ,
    WRITE,
    IpcObject,
    IpcPermissions,
    IpcTable,
    check_get,
    existing,
    now_s,
)
from krait.kernel.linux.ipc_waiting import Waiting, WaitingList
from krait.kernel.linux.task import current_credentials, current_process
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.timer import NEVER
from krait.kernel.sched.wait_queue import WaitQueue

MESSAGE_MOST: Final = u64(8192)  # MSGMAX
QUEUE_BYTES: Final = u64(16384)  # MSGMNB
QUEUES_MOST: Final = u64(32000)  # MSGMNI

HIGHEST_TYPE: Final = i64(0x7FFF_FFFF_FFFF_FFFF)

MSG_NOERROR: Final = u32(0o10000)
MSG_EXCEPT: Final = u32(0o20000)
MSG_COPY: Final = u32(0o40000)


class QueueStatus(Packed):
    """struct msqid64_ds."""

    permissions: IpcPermissions = inline()
    sent_s: i64 = 0
    received_s: i64 = 0
    changed_s: i64 = 0
    bytes: u64 = 0
    count: u64 = 0
    room: u64 = 0
    last_sender: u32 = 0
    last_receiver: u32 = 0
    unused_0: u64 = 0
    unused_1: u64 = 0


static_assert(size_of(QueueStatus) == 120)


class QueueLimits(Packed):
    """struct msginfo."""

    pool: u32 = 0
    map: u32 = 0
    message: u32 = 8192
    room: u32 = 16384
    queues: u32 = 32000
    segment_size: u32 = 16
    total: u32 = 0
    segments: u16 = 0xFFFF
    padding: u16 = 0


static_assert(size_of(QueueLimits) == 32)


class QueuedMessage(Counted):
    """One message."""

    type: i64
    content: Buffer[u8]
    following: QueuedMessage | None = None


class Queue(IpcObject):
    """Messages in the order in which they came. Invariant: `bytes` is the sum of their lengths."""

    lock: SpinLock = inline()
    room_or_end: WaitQueue = inline()
    """Where senders wait."""
    receivers: WaitingList = inline()
    first: QueuedMessage | None = None
    last: QueuedMessage | None = None
    bytes: u64 = 0
    count: u64 = 0
    room: u64 = QUEUE_BYTES
    sent_s: i64 = 0
    received_s: i64 = 0
    last_sender: u32 = 0
    last_receiver: u32 = 0

    def append(self, message: QueuedMessage) -> None:
        """Put a message at the end."""
        if (last := self.last) is not None:
            last.following = message
        else:
            self.first = message
        self.last = message
        self.bytes += message.content.length
        self.count += 1

    def take(self, taken: QueuedMessage) -> None:
        """Take a message out."""
        before: QueuedMessage | None = None
        each = self.first
        while each is not None and each is not taken:
            before = each
            each = each.following
        if before is None:
            self.first = taken.following
        else:
            before.following = taken.following
        if taken.following is None:
            self.last = before
        taken.following = None
        self.bytes -= taken.content.length
        self.count -= 1

    def clear(self) -> None:
        """Drop all messages, one after the other."""
        while (first := self.first) is not None:
            self.take(first)

    def __del__(self) -> None:
        """Free the messages without recursion."""
        self.clear()


class Choice(IntEnum):
    """Which message msgrcv(2) wants."""

    ANY = 0
    TYPE = 1
    OTHER = 2
    LOWEST = 3
    PLACE = 4


class Receiver(Waiting):
    """A thread that waits for a message."""

    choice: Choice
    type: i64
    size: u64
    flags: u32
    pid: u32
    message: QueuedMessage | None = None
    error: u32 = 0
    """Why it gets none."""

    def wants(self, type: i64) -> bool:
        """Say whether a message of a type is for it."""
        match self.choice:
            case Choice.TYPE:
                return type == self.type
            case Choice.OTHER:
                return type != self.type
            case Choice.LOWEST:
                return type <= highest_of(self.type)
            case _:
                return True


def highest_of(type: i64) -> i64:
    """Give the highest type that a negative argument of msgrcv(2) stands for."""
    return -max(type, -HIGHEST_TYPE)


class Queues(Struct):
    """All queues."""

    table: IpcTable = inline()


queues = Queues()


@syscall("msgget", flags=0o3000)
def msgget(key: u32, flags: u32) -> u32:
    """Find or make a queue."""
    if key != IPC_PRIVATE:
        found = existing(queues.table.find_key(key), flags)
        if found is not None:
            check_get(found, flags)
            return found.id
    if queues.table.used >= QUEUES_MOST:
        raise Errno(ENOSPC)
    return queues.table.add(Queue(), key, flags)


def queue_of(id: u32) -> Queue:
    """Find a queue; EINVAL, EIDRM."""
    found = queues.table.get(id)
    if isinstance(found, Queue):
        return found
    raise Errno(EINVAL)


@syscall("msgsnd", flags=IPC_NOWAIT)
def msgsnd(id: u32, message: UserPointer[i64], size: u64, flags: u32) -> None:
    """Send a message; waits for room."""
    type = message.load()
    if size > MESSAGE_MOST or i64.truncate(u64(id)) < 0 or type < 1:
        raise Errno(EINVAL)
    content = Buffer[u8](length=size)
    UserSlice[u8](message.address.checked_add(8, EFAULT), size).copy_in(content.slice)
    made = QueuedMessage(type=type, content=content)
    queue = queue_of(id)
    queue.check(WRITE)
    with queue.lock:
        while queue.bytes + size > queue.room or queue.count + 1 > queue.room:
            if flags & IPC_NOWAIT != 0:
                raise Errno(EAGAIN)
            queue.room_or_end.wait_spin_until(queue.lock, NEVER)
            if queue.removed:
                raise Errno(EIDRM)
        if not hand_over(queue, made):
            queue.append(made)
        queue.last_sender = current_process().pid
        queue.sent_s = now_s()


def hand_over(queue: Queue, message: QueuedMessage) -> bool:
    """Give a message to who has waited longest for one of its kind; E2BIG ends a wait, too."""
    each = queue.receivers.first
    while each is not None and isinstance(each, Receiver):
        following = each.following
        if each.wants(message.type):
            queue.receivers.remove(each)
            if message.content.length <= each.size or each.flags & MSG_NOERROR != 0:
                each.message = message
                queue.last_receiver = each.pid
                queue.received_s = now_s()
                each.finish()
                return True
            each.error = u32(E2BIG)
            each.finish()
        each = following
    return False


@syscall("msgrcv", flags=IPC_NOWAIT | MSG_NOERROR | MSG_EXCEPT | MSG_COPY)
def msgrcv(id: u32, into: UserPointer[i64], size: u64, type: i64, flags: u32) -> u64:
    """Receive a message: any, of a type, of another, or of the lowest type up to a bound."""
    if i64.truncate(size) < 0 or id > u32(0x7FFFFFFF):
        raise Errno(EINVAL)
    if flags & MSG_COPY != 0:
        if flags & MSG_EXCEPT != 0 or flags & IPC_NOWAIT == 0:
            raise Errno(EINVAL)
    choice = choose(type, flags)
    queue = queue_of(id)
    queue.check(READ)
    pid = current_process().pid
    waiting = Receiver(choice=choice, type=type, size=size, flags=flags, pid=pid)
    with queue.lock:
        taken = find_message(queue, choice, type)
        if taken is None:
            if flags & IPC_NOWAIT != 0:
                raise Errno(ENOMSG)
            if queue.removed:
                raise Errno(EIDRM)
            queue.receivers.wait(waiting, queue.lock, NEVER)
            taken = waiting.message
        elif taken.content.length > size and flags & MSG_NOERROR == 0:
            raise Errno(E2BIG)
        elif flags & MSG_COPY == 0:
            queue.take(taken)
            queue.last_receiver = pid
            queue.received_s = now_s()
    queue.room_or_end.wake_all()
    if taken is None:
        raise Errno(waiting.error)
    length = min(taken.content.length, size)
    into.store(taken.type)
    content = UserSlice[u8](into.address.checked_add(8, EFAULT), length)
    content.copy_out(taken.content.slice.part(0, length))
    return length


def choose(type: i64, flags: u32) -> Choice:
    """Decode what is wanted."""
    if flags & MSG_COPY != 0:
        return Choice.PLACE
    if type == 0:
        return Choice.ANY
    if type < 0:
        return Choice.LOWEST
    return Choice.OTHER if flags & MSG_EXCEPT != 0 else Choice.TYPE


def find_message(queue: Queue, choice: Choice, type: i64) -> QueuedMessage | None:
    """Find the message that is wanted."""
    best: QueuedMessage | None = None
    lowest = highest_of(type)
    place: i64 = 0
    message = queue.first
    while message is not None:
        match choice:
            case Choice.ANY:
                return message
            case Choice.TYPE:
                if message.type == type:
                    return message
            case Choice.OTHER:
                if message.type != type:
                    return message
            case Choice.PLACE:
                if place == type:
                    return message
            case Choice.LOWEST:
                if message.type < lowest or (message.type == lowest and best is None):
                    best = message
                    lowest = message.type
        place += 1
        message = message.following
    return best


@syscall("msgctl")
def msgctl(id: u32, command: u32, into: u64) -> u32:
    """Tell about a queue, change its owner and room, remove it."""
    table = queues.table
    match command:
        case 3 | 12:  # IPC_INFO MSG_INFO
            limits = QueueLimits()
            if command == 12:
                limits.pool = u32(table.used)
            UserPointer[QueueLimits](into).copy_out(limits)
            return table.last_index()
        case 2 | 11 | 13:  # IPC_STAT MSG_STAT MSG_STAT_ANY
            found = table.asked(id, command, u32(13))
            if isinstance(found, Queue):
                write_status(found, UserPointer[QueueStatus](into))
            return u32(0) if command == 2 else found.id
        case 1:  # IPC_SET
            queue = queue_of(id)
            given = QueueStatus()
            UserPointer[QueueStatus](into).copy_in(given)
            queue.check_owner()
            if given.room > QUEUE_BYTES and not current_credentials().has(CAP_SYS_RESOURCE):
                raise Errno(EPERM)
            queue.set_owner(given.permissions)
            queue.room = min(given.room, u64(1 << 40))
            queue.room_or_end.wake_all()
        case 0:  # IPC_RMID
            queue = queue_of(id)
            queue.check_owner()
            table.remove(queue)
            with queue.lock:
                while (each := queue.receivers.first) is not None and isinstance(each, Receiver):
                    queue.receivers.remove(each)
                    each.error = u32(EIDRM)
                    each.finish()
            queue.room_or_end.wake_all()
        case _:
            raise Errno(EINVAL)
    return u32(0)


def write_status(queue: Queue, into: UserPointer[QueueStatus]) -> None:
    """Write struct msqid64_ds."""
    status = QueueStatus()
    queue.describe(status.permissions)
    status.sent_s = queue.sent_s
    status.received_s = queue.received_s
    status.changed_s = queue.changed_s
    status.bytes = queue.bytes
    status.count = queue.count
    status.room = queue.room
    status.last_sender = queue.last_sender
    status.last_receiver = queue.last_receiver
    into.copy_out(status)
