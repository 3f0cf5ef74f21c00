"""Waiting for events: poll, select, epoll, eventfd, pipe."""

from __future__ import annotations

from enum import IntFlag
from typing import Final, NamedTuple

from krait.kernel.errno import EINTR, EINVAL, EPERM
from krait.kernel.fs.epoll import Epoll, EpollEvent, EpollFlags
from krait.kernel.fs.eventfd import EventFile
from krait.kernel.fs.file import File
from krait.kernel.fs.open_flags import DIRECT, NONBLOCK, READ_WRITE
from krait.kernel.fs.pipe import make_pipe
from krait.kernel.fs.poll import (
    ALWAYS,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
    WaitTable,
)
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    UserPointer,
    i32,
    i64,
    inline,
    syscall,
    u16,
    u32,
    u64,
)
from krait.kernel.linux.descriptor_calls import descriptor_limit, install
from krait.kernel.linux.paths import open_file
from krait.kernel.linux.signal_calls import use_mask_until_return
from krait.kernel.linux.task import current_process, current_task
from krait.kernel.sched.clock import monotonic_ns
from krait.kernel.sched.timer import NEVER

MILLISECOND_NS: Final = u64(1_000_000)
SECOND_NS: Final = u64(1_000_000_000)
NOW: Final = u64(0)
SET_WORDS: Final = u32(16)  # FD_SETSIZE / 64
LEAST_TABLE: Final = u32(64)  # NR_OPEN_DEFAULT: select ignores what is beyond the table


class PollDescriptor(NamedTuple):
    """struct pollfd."""

    descriptor: i32
    events: u16
    found: u16


class TimeSpec(NamedTuple):
    """struct timespec."""

    seconds: i64
    nanoseconds: i64


class TimeValue(NamedTuple):
    """struct timeval."""

    seconds: i64
    microseconds: i64


class MaskArgument(NamedTuple):
    """The sixth argument of pselect6(2): a signal mask and its size."""

    address: u64
    size: u64


@syscall("poll")
def poll(descriptors: UserPointer[PollDescriptor], count: u32, timeout_ms: i32) -> u32:
    """poll(2); restarted, it keeps its deadline."""
    deadline_ns = current_task().take_restart_deadline()
    if deadline_ns == 0:
        deadline_ns = deadline_from_ms(timeout_ms)
    try:
        return poll_until(descriptors, count, deadline_ns)
    except Errno as error:
        if error.code == EINTR and deadline_ns != NEVER:
            current_task().restart_deadline_ns = deadline_ns
        raise


@syscall("ppoll")
def ppoll(
    descriptors: UserPointer[PollDescriptor],
    count: u32,
    timeout: UserPointer[TimeSpec],
    mask: UserPointer[u64],
    mask_size: u64,
) -> u32:
    """ppoll(2); Linux's system call writes the time left back, on errors too."""
    deadline_ns = deadline_from_spec(timeout)
    use_mask(mask, mask_size)
    try:
        return poll_until(descriptors, count, deadline_ns)
    finally:
        write_time_left(timeout, deadline_ns)


def use_mask(mask: UserPointer[u64], size: u64) -> None:
    """Let the call wait with another signal mask, if one was given; EINVAL, EFAULT."""
    if not mask.is_null:
        if size != 8:
            raise Errno(EINVAL)
        use_mask_until_return(current_task(), mask.load())


def deadline_from_ms(timeout_ms: i32) -> u64:
    """Turn a timeout in milliseconds, negative for none, into a moment of the monotonic clock."""
    if timeout_ms < 0:
        return NEVER
    if timeout_ms == 0:
        return NOW
    return monotonic_ns() + u64(timeout_ms) * MILLISECOND_NS


def deadline_from_spec(timeout: UserPointer[TimeSpec]) -> u64:
    """Turn a timeout, NULL for none, into a moment of the monotonic clock; EINVAL, EFAULT."""
    if timeout.is_null:
        return NEVER
    given = timeout.load()
    if given.seconds < 0 or given.nanoseconds < 0 or given.nanoseconds >= i64(SECOND_NS):
        raise Errno(EINVAL)
    return deadline_after(u64(given.seconds), u64(given.nanoseconds))


def deadline_after(seconds: u64, nanoseconds: u64) -> u64:
    """Add to the present; beyond what the clock can show is never."""
    if seconds == 0 and nanoseconds == 0:
        return NOW
    if seconds >= u64(1 << 33):
        return NEVER
    return monotonic_ns() + seconds * SECOND_NS + nanoseconds


def write_time_left(timeout: UserPointer[TimeSpec], deadline_ns: u64) -> None:
    """Tell the program how much of its timeout was left; a read-only timeout is no error."""
    if timeout.is_null:
        return
    left = time_left(deadline_ns)
    try:
        timeout.store(TimeSpec(seconds=i64(left // SECOND_NS), nanoseconds=i64(left % SECOND_NS)))
    except Errno:
        pass


def time_left(deadline_ns: u64) -> u64:
    """Give the nanoseconds until a deadline."""
    now = monotonic_ns()
    return deadline_ns - now if deadline_ns > now else u64(0)


def poll_until(descriptors: UserPointer[PollDescriptor], count: u32, deadline_ns: u64) -> u32:
    """Ask all, and sleep until one has something; the number of entries that have."""
    if u64(count) > descriptor_limit(current_process()):
        raise Errno(EINVAL)
    table = WaitTable()
    try:
        found = ask_all(descriptors, count, table if deadline_ns != NOW else None)
        while found == 0 and deadline_ns != NOW:
            in_time = table.sleep_until(deadline_ns)
            found = ask_all(descriptors, count, None)
            if not in_time:
                break
        return found
    finally:
        table.finish()


def ask_all(descriptors: UserPointer[PollDescriptor], count: u32, table: WaitTable | None) -> u32:
    """Fill in what each entry is ready for."""
    found: u32 = 0
    for index in range(count):
        entry = descriptors.load_at(u64(index))
        events: u32 = 0
        if entry.descriptor >= 0:
            events = ask_one(entry.descriptor, u32(entry.events), table)
        result = PollDescriptor(
            descriptor=entry.descriptor, events=entry.events, found=u16.truncate(events)
        )
        descriptors.store_at(u64(index), result)
        if events != 0:
            found += 1
    return found


def ask_one(descriptor: i32, wanted: u32, table: WaitTable | None) -> u32:
    """Give the events of one descriptor: POLLNVAL when it is not open."""
    try:
        file = open_file(descriptor)
    except Errno:
        return POLLNVAL
    return ask_file(file, table) & (wanted | ALWAYS)


def ask_file(file: File, table: WaitTable | None) -> u32:
    """Ask, and be woken through the table if there is one."""
    if table is not None:
        table.watch(file)
    return file.poll(table)


class SelectSets(Packed):
    """One call's bits: three sets of up to 1,024 descriptors."""

    read: Array[u64] = inline(16)
    write: Array[u64] = inline(16)
    exceptional: Array[u64] = inline(16)


IN_SET: Final = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR
OUT_SET: Final = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR
EXCEPTIONAL_SET: Final = POLLPRI


@syscall("select")
def select(
    count: i32,
    read: UserPointer[u64],
    write: UserPointer[u64],
    exceptional: UserPointer[u64],
    timeout: UserPointer[TimeValue],
) -> u32:
    """select(2); Linux writes the time left back, on errors too."""
    deadline_ns = NEVER
    if not timeout.is_null:
        given = timeout.load()
        if given.seconds < 0 or given.microseconds < 0:
            raise Errno(EINVAL)
        extra_seconds = u64(given.microseconds) // 1_000_000
        fraction_ns = u64(given.microseconds) % 1_000_000 * 1000
        deadline_ns = deadline_after(
            u64(given.seconds).checked_add(extra_seconds, EINVAL), fraction_ns
        )
    try:
        return select_until(count, read, write, exceptional, deadline_ns)
    finally:
        write_value_left(timeout, deadline_ns)


def write_value_left(timeout: UserPointer[TimeValue], deadline_ns: u64) -> None:
    """Do what `write_time_left` does, in microseconds."""
    if timeout.is_null:
        return
    left = time_left(deadline_ns)
    try:
        timeout.store(
            TimeValue(seconds=i64(left // SECOND_NS), microseconds=i64(left % SECOND_NS // 1000))
        )
    except Errno:
        pass


@syscall("pselect6")
def pselect6(
    count: i32,
    read: UserPointer[u64],
    write: UserPointer[u64],
    exceptional: UserPointer[u64],
    timeout: UserPointer[TimeSpec],
    mask: UserPointer[MaskArgument],
) -> u32:
    """pselect(2)."""
    deadline_ns = deadline_from_spec(timeout)
    if not mask.is_null:
        given = mask.load()
        use_mask(UserPointer[u64](given.address), given.size)
    try:
        return select_until(count, read, write, exceptional, deadline_ns)
    finally:
        write_time_left(timeout, deadline_ns)


def select_until(
    count: i32,
    read: UserPointer[u64],
    write: UserPointer[u64],
    exceptional: UserPointer[u64],
    deadline_ns: u64,
) -> u32:
    """Ask about every descriptor in a set, and sleep until one has something.

    Raises EBADF, EINVAL, EFAULT, EINTR.
    """
    if count < 0:
        raise Errno(EINVAL)
    most = max(current_process().descriptors.room(), LEAST_TABLE)
    limit = min(u32(count), min(most, SET_WORDS * 64))
    words = (limit + 63) // 64
    asked = SelectSets()
    load_set(read, asked.read, words)
    load_set(write, asked.write, words)
    load_set(exceptional, asked.exceptional, words)
    table = WaitTable()
    answer = SelectSets()
    try:
        found = ask_sets(asked, answer, limit, table if deadline_ns != NOW else None)
        while found == 0 and deadline_ns != NOW:
            in_time = table.sleep_until(deadline_ns)
            found = ask_sets(asked, answer, limit, None)
            if not in_time:
                break
    finally:
        table.finish()
    store_set(read, answer.read, words)
    store_set(write, answer.write, words)
    store_set(exceptional, answer.exceptional, words)
    return found


def load_set(pointer: UserPointer[u64], into: Array[u64], words: u32) -> None:
    """Copy a set in; NULL is the empty set."""
    if not pointer.is_null:
        for index in range(words):
            into[index] = pointer.load_at(u64(index))


def store_set(pointer: UserPointer[u64], words: Array[u64], count: u32) -> None:
    """Copy a set out."""
    if not pointer.is_null:
        for index in range(count):
            pointer.store_at(u64(index), words[index])


def ask_sets(asked: SelectSets, answer: SelectSets, limit: u32, table: WaitTable | None) -> u32:
    """Fill `answer`; the number of bits that are set in it."""
    found: u32 = 0
    for number in range(limit):
        word = number // 64
        bit = u64(1) << (number % 64)
        wants_read = asked.read[word] & bit != 0
        wants_write = asked.write[word] & bit != 0
        wants_exceptional = asked.exceptional[word] & bit != 0
        if not (wants_read or wants_write or wants_exceptional):
            continue
        events = ask_file(open_file(i32(number)), table)
        if wants_read and events & IN_SET != 0:
            answer.read[word] |= bit
            found += 1
        if wants_write and events & OUT_SET != 0:
            answer.write[word] |= bit
            found += 1
        if wants_exceptional and events & EXCEPTIONAL_SET != 0:
            answer.exceptional[word] |= bit
            found += 1
    return found


@syscall("epoll_create")
def epoll_create(size: i32) -> u32:
    """epoll_create(2)."""
    if size <= 0:
        raise Errno(EINVAL)
    return epoll_create1(EpollFlags(0))


@syscall("epoll_create1", flags=EpollFlags.CLOEXEC)
def epoll_create1(flags: EpollFlags) -> u32:
    """epoll_create1(2)."""
    if u32(flags) & ~u32(0o2000000) != 0:
        raise Errno(EINVAL)
    return install(Epoll(flags=READ_WRITE), u32(flags))


class EpollOperation:
    """epoll_ctl(2)."""

    ADD: Final = 1
    DEL: Final = 2
    MOD: Final = 3


@syscall("epoll_ctl")
def epoll_ctl(
    epoll_descriptor: i32, operation: u32, descriptor: i32, event: UserPointer[EpollEvent]
) -> None:
    """epoll_ctl(2)."""
    events: u32 = 0
    data: u64 = 0
    if operation != EpollOperation.DEL:
        given = EpollEvent(events=0, data=0)
        event.copy_in(given)
        events = given.events
        data = given.data
    epoll = epoll_behind(epoll_descriptor)
    file = open_file(descriptor)
    if file is epoll:
        raise Errno(EINVAL)
    if (vnode := file.vnode) is not None and (vnode.is_regular or vnode.is_directory):
        raise Errno(EPERM)
    match operation:
        case EpollOperation.ADD:
            epoll.add(descriptor, file, events, data)
        case EpollOperation.DEL:
            epoll.remove(descriptor, file)
        case EpollOperation.MOD:
            epoll.modify(descriptor, file, events, data)
        case _:
            raise Errno(EINVAL)


def epoll_behind(descriptor: i32) -> Epoll:
    """Find an epoll instance: EBADF when not open, EINVAL when something else."""
    file = open_file(descriptor)
    if isinstance(file, Epoll):
        return file
    raise Errno(EINVAL)


@syscall("epoll_wait")
def epoll_wait(descriptor: i32, events: UserPointer[EpollEvent], most: i32, timeout_ms: i32) -> u32:
    """epoll_wait(2)."""
    epoll = epoll_behind(descriptor)
    if most <= 0:
        raise Errno(EINVAL)
    return epoll.wait(events, u32(most), deadline_from_ms(timeout_ms))


@syscall("epoll_pwait")
def epoll_pwait(
    descriptor: i32,
    events: UserPointer[EpollEvent],
    most: i32,
    timeout_ms: i32,
    mask: UserPointer[u64],
    mask_size: u64,
) -> u32:
    """epoll_pwait(2)."""
    use_mask(mask, mask_size)
    return epoll_wait(descriptor, events, most, timeout_ms)


@syscall("epoll_pwait2")
def epoll_pwait2(
    descriptor: i32,
    events: UserPointer[EpollEvent],
    most: i32,
    timeout: UserPointer[TimeSpec],
    mask: UserPointer[u64],
    mask_size: u64,
) -> u32:
    """epoll_pwait2(2)."""
    epoll = epoll_behind(descriptor)
    if most <= 0:
        raise Errno(EINVAL)
    deadline_ns = deadline_from_spec(timeout)
    use_mask(mask, mask_size)
    return epoll.wait(events, u32(most), deadline_ns)


class EventFlags(IntFlag):
    """eventfd(2)."""

    SEMAPHORE = 1
    NONBLOCK = 0o4000
    CLOEXEC = 0o2000000


@syscall("eventfd")
def eventfd(initial: u32) -> u32:
    """eventfd(2) without flags."""
    return eventfd2(initial, EventFlags(0))


@syscall("eventfd2", flags=EventFlags.SEMAPHORE | EventFlags.NONBLOCK | EventFlags.CLOEXEC)
def eventfd2(initial: u32, flags: EventFlags) -> u32:
    """eventfd(2)."""
    bits = u32(flags)
    if bits & ~u32(0o2004001) != 0:
        raise Errno(EINVAL)
    file = EventFile(
        flags=READ_WRITE | (bits & NONBLOCK),
        counter=u64(initial),
        semaphore=EventFlags.SEMAPHORE in flags,
    )
    return install(file, bits)


class PipeFlags(IntFlag):
    """pipe2(2)."""

    NONBLOCK = 0o4000
    DIRECT = 0o40000
    CLOEXEC = 0o2000000


@syscall("pipe")
def pipe(ends: UserPointer[i32]) -> None:
    """pipe(2)."""
    pipe2(ends, PipeFlags(0))


@syscall("pipe2", flags=PipeFlags.NONBLOCK | PipeFlags.DIRECT | PipeFlags.CLOEXEC)
def pipe2(ends: UserPointer[i32], flags: PipeFlags) -> None:
    """pipe2(2)."""
    bits = u32(flags)
    if bits & ~u32(0o2044000) != 0:
        raise Errno(EINVAL)
    made = make_pipe(bits & (NONBLOCK | DIRECT))
    install_pair(made.reader, made.writer, bits, ends)


def install_pair(first: File, second: File, flags: u32, into: UserPointer[i32]) -> None:
    """Give two files descriptors and tell the program which; nothing stays when that fails."""
    descriptors = current_process().descriptors
    first_number = install(first, flags)
    try:
        second_number = install(second, flags)
    except Errno:
        descriptors.close(first_number)
        raise
    try:
        into.store_at(0, i32(first_number))
        into.store_at(1, i32(second_number))
    except Errno:
        descriptors.close(first_number)
        descriptors.close(second_number)
        raise
