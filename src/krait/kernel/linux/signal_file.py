"""signalfd(2): pending signals read from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from krait.kernel.errno import EAGAIN, EINVAL
from krait.kernel.fs.file import File
from krait.kernel.fs.poll import POLLIN
from krait.kernel.lang import (
    Array,
    Errno,
    Packed,
    Text,
    UserPointer,
    UserSlice,
    i32,
    inline,
    size_of,
    static_assert,
    text,
    u8,
    u32,
    u64,
    usize,
)
from krait.kernel.linux.signal_delivery import take_from
from krait.kernel.linux.signal_state import SignalInfo
from krait.kernel.linux.signals import SI_TIMER, SIGCHLD
from krait.kernel.linux.task import Task, current_task
from krait.kernel.sched.timer import NEVER

if TYPE_CHECKING:
    from krait.kernel.fs.poll import PollTable

RECORD_SIZE: Final = 128


class SignalRecord(Packed):
    """`struct signalfd_siginfo`."""

    signo: u32 = 0
    error: i32 = 0
    code: i32 = 0
    pid: u32 = 0
    uid: u32 = 0
    descriptor: i32 = 0
    timer: u32 = 0
    band: u32 = 0
    overrun: u32 = 0
    trap_number: u32 = 0
    status: i32 = 0
    int_value: i32 = 0
    pointer_value: u64 = 0
    user_time: u64 = 0
    system_time: u64 = 0
    address: u64 = 0
    rest: Array[u8] = inline(48)


static_assert(size_of(SignalRecord) == RECORD_SIZE)


class SignalFile(File):
    """A file that gives the reader's pending signals out of a set."""

    mask: u64

    def anonymous_name(self) -> Text:
        """Return what /proc/self/fd shows."""
        return text(b"anon_inode:[signalfd]")

    def read(self, into: UserSlice[u8]) -> usize:
        """Take signals, at least one; 128 bytes each. Raises EINVAL, EAGAIN, EINTR, EFAULT."""
        if into.length < RECORD_SIZE:
            raise Errno(EINVAL)
        task = current_task()
        info = self.wait_for_signal(task)
        done: u64 = 0
        while True:
            try:
                give_record(info, UserPointer[SignalRecord](into.address + done))
            except Errno:
                if done == 0:
                    raise
                return done
            done += RECORD_SIZE
            if into.length - done < RECORD_SIZE:
                return done
            info = take_from(task, task.process, self.mask)
            if info.signo == 0:
                return done

    def wait_for_signal(self, task: Task) -> SignalInfo:
        """Take the first signal, waiting for it."""
        process = task.process
        while True:
            info = take_from(task, process, self.mask)
            if info.signo != 0:
                return info
            if self.is_nonblocking:
                raise Errno(EAGAIN)
            with process.signal_lock:
                if (task.signals.pending.bits | process.pending.bits) & self.mask == 0:
                    process.signal_arrival.wait_spin_until(process.signal_lock, NEVER)

    def poll(self, table: PollTable | None) -> u32:
        """Readable when a signal of the set is pending."""
        task = current_task()
        process = task.process
        if table is not None:
            table.add(process.signal_arrival)
        if (task.signals.pending.bits | process.pending.bits) & self.mask != 0:
            return POLLIN
        return u32(0)


def give_record(info: SignalInfo, into: UserPointer[SignalRecord]) -> None:
    """Copy one signal out."""
    record = SignalRecord()
    record.signo = info.signo
    record.error = info.error
    record.code = info.code
    if info.code == SI_TIMER:
        record.timer = u32.truncate(info.word0)
        record.overrun = u32.truncate(info.word0 >> 32)
    else:
        record.pid = u32.truncate(info.word0)
        record.uid = u32.truncate(info.word0 >> 32)
        record.address = info.word0
    if info.signo == SIGCHLD:
        record.status = i32.truncate(info.word1)
    record.int_value = i32.truncate(info.word1)
    record.pointer_value = info.word1
    into.copy_out(record)
