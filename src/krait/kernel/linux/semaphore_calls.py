"""System V semaphores: semget(2), semop(2), semtimedop(2), semctl(2).

The operations of a call happen all or not at all: they are tried one after the other, and what was
done is taken back when one has to wait. Whoever changes the set does the operations of those who
wait, in the order in which they came, and then lets them go on (ipc/sem.c, update_queue). So who
gives and takes in a loop does not starve the others, and nobody wakes in vain.

SEM_UNDO sums up what a process would have to give back when it ends; `forget_process` does so.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import (
    E2BIG,
    EAGAIN,
    EFBIG,
    EIDRM,
    EINVAL,
    ENOSPC,
    ERANGE,
)
from krait.kernel.lang import (
    Buffer,
    Counted,
    Errno,
    Packed,
    Struct,
    UserPointer,
    i16,
    i32,
    i64,
    inline,
    size_of,
    static_assert,
    syscall,
    u16,
    u32,
    u64,
)
from krait.kernel.linux.event_calls import TimeSpec, deadline_from_spec
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
from krait.kernel.linux.task import current_process
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.timer import NEVER

SETS_MOST: Final = u64(32000)  # SEMMNI
OF_SET_MOST: Final = u32(32000)  # SEMMSL
OPERATIONS_MOST: Final = u64(500)  # SEMOPM
VALUE_MOST: Final = i32(32767)  # SEMVMX
SEM_UNDO: Final = i16(0x1000)


class Operation(NamedTuple):
    """struct sembuf."""

    number: u16
    change: i16
    flags: i16


class SetStatus(Packed):
    """struct semid64_ds."""

    permissions: IpcPermissions = inline()
    operated_s: i64 = 0
    unused_0: u64 = 0
    changed_s: i64 = 0
    unused_1: u64 = 0
    count: u64 = 0
    unused_2: u64 = 0
    unused_3: u64 = 0


static_assert(size_of(SetStatus) == 104)


class SetLimits(Packed):
    """struct seminfo."""

    map: u32 = 1024000000
    sets: u32 = 32000
    semaphores: u32 = 1024000000
    undos: u32 = 1024000000
    of_set: u32 = 32000
    operations: u32 = 500
    of_process: u32 = 500
    undo_size: u32 = 20
    value: u32 = 32767
    adjustment: u32 = 32767


static_assert(size_of(SetLimits) == 40)


class Undo(Counted):
    """What one process has to give back to one set."""

    pid: u32
    adjustments: Buffer[i32]
    following: Undo | None = None


class WaitingCall(Waiting):
    """A call, which may have to wait."""

    operations: Buffer[Operation]
    undo: Undo | None
    pid: u32
    stopped: u64
    """Which of its operations it waits for."""
    error: u32 = 0
    """What the call ends with, 0: it was done."""

    def end(self, error: u32) -> None:
        """Let the caller go on with a result."""
        self.error = error
        self.finish()


class SemaphoreSet(IpcObject):
    """Some semaphores, with who changed each last and who waits for them."""

    lock: SpinLock = inline()
    values: Buffer[i32]
    pids: Buffer[u32]
    waiting: WaitingList = inline()
    operated_s: i64 = 0
    undos: Undo | None = None

    @property
    def count(self) -> u32:
        """The number of semaphores."""
        return u32(self.values.length)

    def waiting_for(self, number: u64, *, zero: bool) -> i64:
        """Count the calls that wait for a semaphore, to become 0 or to rise."""
        count: i64 = 0
        each = self.waiting.first
        while each is not None:
            following = each.following
            if isinstance(each, WaitingCall):
                operation = each.operations[each.stopped]
                if u64(operation.number) == number and (operation.change == 0) == zero:
                    count += 1
            each = following
        return count

    def undo_of(self, pid: u32) -> Undo:
        """Find or make the undo record of a process. Raises ENOMEM."""
        undo = self.undos
        while undo is not None:
            if undo.pid == pid:
                return undo
            undo = undo.following
        made = Undo(pid=pid, adjustments=Buffer[i32](length=self.values.length))
        made.following = self.undos
        self.undos = made
        return made

    def clear_undos(self, number: u64) -> None:
        """A value that is set needs no undoing."""
        undo = self.undos
        while undo is not None:
            undo.adjustments[number] = 0
            undo = undo.following


class SemaphoreSets(Struct):
    """All sets."""

    table: IpcTable = inline()


sets = SemaphoreSets()


@syscall("semget", flags=0o3000)
def semget(key: u32, count: i32, flags: u32) -> u32:
    """Find or make a set."""
    if count < 0 or count > i32(OF_SET_MOST):
        raise Errno(EINVAL)
    if key != IPC_PRIVATE:
        found = existing(sets.table.find_key(key), flags)
        if found is not None and isinstance(found, SemaphoreSet):
            if u32(count) > found.count:
                raise Errno(EINVAL)
            check_get(found, flags)
            return found.id
    if count == 0:
        raise Errno(EINVAL)
    if sets.table.used >= SETS_MOST:
        raise Errno(ENOSPC)
    length = u64(count)
    made = SemaphoreSet(
        values=Buffer[i32](length=length),
        pids=Buffer[u32](length=length),
    )
    return sets.table.add(made, key, flags)


def set_of(id: u32) -> SemaphoreSet:
    """Find a set; EINVAL, EIDRM."""
    found = sets.table.get(id)
    if isinstance(found, SemaphoreSet):
        return found
    raise Errno(EINVAL)


@syscall("semop")
def semop(id: u32, operations: UserPointer[Operation], count: u64) -> None:
    """Do operations, all at once."""
    operate(id, operations, count, NEVER)


@syscall("semtimedop")
def semtimedop(
    id: u32, operations: UserPointer[Operation], count: u64, timeout: UserPointer[TimeSpec]
) -> None:
    """Do operations, all at once, or give up: EAGAIN."""
    operate(id, operations, count, deadline_from_spec(timeout))


def operate(id: u32, pointer: UserPointer[Operation], count: u64, deadline_ns: u64) -> None:
    """Try, and wait while that is not possible."""
    if count == 0:
        raise Errno(EINVAL)
    if count > OPERATIONS_MOST:
        raise Errno(E2BIG)
    operations = Buffer[Operation](length=count)
    alters = False
    undoes = False
    for index in range(count):
        given = pointer.load_at(index)
        operations[index] = given
        alters = alters or given.change != 0
        undoes = undoes or given.flags & SEM_UNDO != 0
    set = set_of(id)
    for index in range(count):
        if u32(operations[index].number) >= set.count:
            raise Errno(EFBIG)
    set.check(WRITE if alters else READ)
    pid = current_process().pid
    undo: Undo | None = None
    if undoes:
        undo = set.undo_of(pid)
    waiting = WaitingCall(operations=operations, undo=undo, pid=pid, stopped=u64(0))
    with set.lock:
        if set.removed:
            raise Errno(EIDRM)
        if not is_finished(set, waiting):
            if deadline_ns == 0 or not set.waiting.wait(waiting, set.lock, deadline_ns):
                raise Errno(EAGAIN)
        elif waiting.error == 0 and alters:
            serve(set)
        if waiting.error != 0:
            raise Errno(waiting.error)


def is_finished(set: SemaphoreSet, waiting: WaitingCall) -> bool:
    """Try the operations of a call; False if it has to wait."""
    operations = waiting.operations
    try:
        waiting.stopped = attempt(set, operations, waiting.undo)
    except Errno as error:
        waiting.end(error.code)
        return True
    if waiting.stopped == operations.length:
        for index in range(operations.length):
            set.pids[operations[index].number] = waiting.pid
        set.operated_s = now_s()
        waiting.end(u32(0))
        return True
    if i32(operations[waiting.stopped].flags) & i32(IPC_NOWAIT) != 0:
        waiting.end(u32(EAGAIN))
        return True
    return False


def serve(set: SemaphoreSet) -> None:
    """Do what those who wait want, as far as it goes after a change; the lock is held.

    What one of them gives, or takes away to nothing, may be for one who came before.
    """
    for_zero = False
    each = set.waiting.first
    while each is not None and isinstance(each, WaitingCall):
        following = each.following
        if is_finished(set, each):
            set.waiting.remove(each)
            if each.error == 0 and (for_zero or gives(each.operations)):
                following = set.waiting.first
                for_zero = False
        elif each.operations[each.stopped].change == 0:
            for_zero = True
        each = following


def gives(operations: Buffer[Operation]) -> bool:
    """Say whether one of the operations raises a value."""
    for index in range(operations.length):
        if operations[index].change > 0:
            return True
    return False


def attempt(set: SemaphoreSet, operations: Buffer[Operation], undo: Undo | None) -> u64:
    """Do all, or nothing and give the one that has to wait. Raises ERANGE."""
    done: u64 = 0
    while done < operations.length:
        operation = operations[done]
        value = set.values[operation.number]
        change = i32(operation.change)
        if change == 0:
            if value != 0:
                break
        elif value + change < 0:
            break
        elif value + change > VALUE_MOST or is_too_much(undo, operation):
            take_back(set, operations, undo, done)
            raise Errno(ERANGE)
        else:
            set.values[operation.number] = value + change
            if undo is not None and operation.flags & SEM_UNDO != 0:
                undo.adjustments[operation.number] -= change
        done += 1
    if done < operations.length:
        take_back(set, operations, undo, done)
    return done


def is_too_much(undo: Undo | None, operation: Operation) -> bool:
    """Say whether there would be more to give back than SEMAEM, below 0 one more."""
    if undo is None or operation.flags & SEM_UNDO == 0:
        return False
    adjustment = undo.adjustments[operation.number] - i32(operation.change)
    return adjustment < -VALUE_MOST - 1 or adjustment > VALUE_MOST


def take_back(
    set: SemaphoreSet, operations: Buffer[Operation], undo: Undo | None, count: u64
) -> None:
    """Undo the first operations of a call."""
    for index in range(count):
        operation = operations[index]
        set.values[operation.number] -= i32(operation.change)
        if undo is not None and operation.flags & SEM_UNDO != 0:
            undo.adjustments[operation.number] += i32(operation.change)


@syscall("semctl")
def semctl(id: u32, number: i32, command: u32, argument: u64) -> i64:
    """Tell about a set, read and set values, change its owner, remove it."""
    match command:
        case 3 | 19:  # IPC_INFO SEM_INFO
            limits = SetLimits()
            if command == 19:
                limits.undo_size = u32(sets.table.used)
            UserPointer[SetLimits](argument).copy_out(limits)
            return i64(sets.table.last_index())
        case 2 | 18 | 20:  # IPC_STAT SEM_STAT SEM_STAT_ANY
            found = sets.table.asked(id, command, u32(20))
            if isinstance(found, SemaphoreSet):
                write_status(found, UserPointer[SetStatus](argument))
            return i64(0) if command == 2 else i64(found.id)
        case 0:  # IPC_RMID
            remove_set(set_of(id))
        case 1:  # IPC_SET
            set = set_of(id)
            given = SetStatus()
            UserPointer[SetStatus](argument).copy_in(given)
            set.check_owner()
            set.set_owner(given.permissions)
        case 13:  # GETALL
            get_all(set_of(id), UserPointer[u16](argument))
        case 17:  # SETALL
            set_all(set_of(id), UserPointer[u16](argument))
        case 16:  # SETVAL
            set_value(set_of(id), number, i32.truncate(argument))
        case 11 | 12 | 14 | 15:  # GETPID GETVAL GETNCNT GETZCNT
            set = set_of(id)
            set.check(READ)
            return get_one(set, checked_number(set, number), command)
        case _:
            raise Errno(EINVAL)
    return i64(0)


def checked_number(set: SemaphoreSet, number: i32) -> u64:
    """Refuse a semaphore that the set does not have."""
    if number < 0 or u32(number) >= set.count:
        raise Errno(EINVAL)
    return u64(number)


def get_one(set: SemaphoreSet, number: u64, command: u32) -> i64:
    """Read one semaphore."""
    match command:
        case 11:  # GETPID
            return i64(set.pids[number])
        case 12:  # GETVAL
            return i64(set.values[number])
        case 14:  # GETNCNT
            return set.waiting_for(number, zero=False)
        case _:  # GETZCNT
            return set.waiting_for(number, zero=True)


def set_value(set: SemaphoreSet, number: i32, value: i32) -> None:
    """Set one value."""
    if value < 0 or value > VALUE_MOST:
        raise Errno(ERANGE)
    set.check(WRITE)
    place = checked_number(set, number)
    with set.lock:
        set.values[place] = value
        set.pids[place] = current_process().pid
        set.clear_undos(place)
        set.changed_s = now_s()
        serve(set)


def get_all(set: SemaphoreSet, into: UserPointer[u16]) -> None:
    """Write all values."""
    set.check(READ)
    for index in range(u64(set.count)):
        into.store_at(index, u16(set.values[index]))


def set_all(set: SemaphoreSet, pointer: UserPointer[u16]) -> None:
    """Set all values; ERANGE changes nothing."""
    set.check(WRITE)
    given = Buffer[i32](length=u64(set.count))
    for index in range(given.length):
        value = i32(pointer.load_at(index))
        if value > VALUE_MOST:
            raise Errno(ERANGE)
        given[index] = value
    with set.lock:
        if set.removed:
            raise Errno(EIDRM)
        for index in range(given.length):
            set.values[index] = given[index]
            set.pids[index] = current_process().pid
            set.clear_undos(index)
        set.changed_s = now_s()
        serve(set)


def remove_set(set: SemaphoreSet) -> None:
    """Remove a set; whoever waits gets EIDRM."""
    set.check_owner()
    sets.table.remove(set)
    with set.lock:
        while (each := set.waiting.first) is not None and isinstance(each, WaitingCall):
            set.waiting.remove(each)
            each.end(u32(EIDRM))


def write_status(set: SemaphoreSet, into: UserPointer[SetStatus]) -> None:
    """Write struct semid64_ds."""
    status = SetStatus()
    set.describe(status.permissions)
    status.operated_s = set.operated_s
    status.changed_s = set.changed_s
    status.count = u64(set.count)
    into.copy_out(status)


def forget_process(pid: u32) -> None:
    """Give back what a process that ends has taken with SEM_UNDO."""
    if (slots := sets.table.slots) is None:
        return
    for index in range(slots.length):
        set = slots[index]
        if set is not None and isinstance(set, SemaphoreSet):
            undo_in(set, pid)


def undo_in(set: SemaphoreSet, pid: u32) -> None:
    """Apply the undo record of one process to one set; a value stays within its bounds."""
    undo = set.undos
    while undo is not None:
        if undo.pid == pid:
            for number in range(undo.adjustments.length):
                value = set.values[number] + undo.adjustments[number]
                set.values[number] = min(max(value, i32(0)), VALUE_MOST)
                undo.adjustments[number] = 0
            with set.lock:
                serve(set)
        undo = undo.following
