"""Sampling what the CPU does: `krait run --profile`.

A timer notes a thousand times a second that a sample is due on every busy CPU, and interrupts the
others. The interrupt takes it on its way out, when it knows what it interrupted: the kernel's
frames, found by frame pointers on the kernel stack, then the program's, as far as they are in
memory. Samples are runs of words in a ring; a kernel thread (api/profiling.py) empties it and sends
them to the host. A full ring loses samples and counts them. An idle CPU is not sampled.

    head (tid, CPU, number of kernel frames, number of program frames), addresses
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64.image_layout import is_kernel_code
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.fs import processors
from krait.kernel.lang import Array, Buffer, Slice, Struct, inline, u64
from krait.kernel.linux.task import Task
from krait.kernel.mm import peek
from krait.kernel.sched import clock, timer
from krait.kernel.sched.backtrace import Backtrace
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.thread import Thread, current
from krait.kernel.sched.timer_queue import Timer
from krait.kernel.sched.wait_queue import WaitQueue

SECOND_NS: Final = 1_000_000_000
RING_WORDS: Final = 32768
HALF_FULL: Final = RING_WORDS // 2
KERNEL_FRAMES: Final = 40
PROGRAM_FRAMES: Final = 48
SAMPLE_WORDS: Final = 1 + KERNEL_FRAMES + PROGRAM_FRAMES
CPU_SHIFT: Final = 32
KERNEL_SHIFT: Final = 48
PROGRAM_SHIFT: Final = 56


class Sampler(Struct):
    """The ring, and when the next sample is due."""

    due: u64 = 0
    """The CPUs that are to take a sample."""
    period_ns: u64 = 0
    """0: nothing is sampled."""
    next_ns: u64 = 0
    lock: SpinLock = inline()
    filled: WaitQueue = inline()
    ring: Buffer[u64] | None = None
    head: u64 = 0
    """Words that were ever put in, and taken out."""
    tail: u64 = 0
    lost: u64 = 0
    sample: Array[u64] = inline(SAMPLE_WORDS)
    on_start: Callable[[], None] | None = None
    """Makes the thread that empties the ring."""


sampler = Sampler()
sample_timer = Timer()


def start(rate_hz: u64) -> None:
    """Begin to sample; raises ENOMEM."""
    on_start = sampler.on_start
    if rate_hz == 0 or rate_hz > SECOND_NS or on_start is None:
        return
    sampler.ring = Buffer[u64](length=RING_WORDS)
    sampler.period_ns = SECOND_NS // rate_hz
    sampler.next_ns = clock.monotonic_ns() + sampler.period_ns
    on_start()
    timer.arm(sample_timer, sampler.next_ns, note_due)


def note_due(_timer: Timer) -> None:
    """Ask every busy CPU for a sample; runs in the timer interrupt of one."""
    sampler.due = processors.busy_set()
    processors.call(sampler.due)
    now_ns = clock.monotonic_ns()
    sampler.next_ns = max(sampler.next_ns, now_ns) + sampler.period_ns
    timer.arm(sample_timer, sampler.next_ns, note_due)


def take(frame: TrapFrame) -> None:
    """Record what an interrupt has interrupted."""
    own = u64(1) << processors.own_index()
    if sampler.due & own == 0:
        return
    sampler.due &= ~own
    if processors.is_idle_here():
        return
    thread = current()
    kernel = u64(0)
    if is_kernel_code(frame.rip):
        kernel = take_kernel_frames(thread, frame)
    program = u64(0)
    if isinstance(thread, Task):
        program = take_program_frames(thread, 1 + kernel)
    place = u64(thread.tid) | u64(processors.own_index()) << CPU_SHIFT
    sampler.sample[0] = place | kernel << KERNEL_SHIFT | program << PROGRAM_SHIFT
    with sampler.lock:
        put(sampler.sample.part(0, 1 + kernel + program))


def take_kernel_frames(thread: Thread, frame: TrapFrame) -> u64:
    """Note the kernel's frames; return how many."""
    trace = Backtrace()
    trace.begin_interrupted(thread, frame.rip, frame.rbp, frame.rsp)
    count: u64 = 0
    while trace.address != 0 and count < KERNEL_FRAMES:
        sampler.sample[1 + count] = trace.address
        count += 1
        trace.step()
    return count


def take_program_frames(task: Task, place: u64) -> u64:
    """Note the program's frames from a place on; return how many."""
    frame = task.frame()
    root = task.process.space.root
    sampler.sample[place] = frame.rip
    count: u64 = 1
    base = frame.rbp
    while count < PROGRAM_FRAMES:
        above = peek.word_at(root, base)
        address = peek.word_at(root, base.wrapping_add(8))
        if not above.present or not address.present or address.value == 0:
            break
        sampler.sample[place + count] = address.value
        count += 1
        if above.value <= base:
            break
        base = above.value
    return count


def put(words: Slice[u64]) -> None:
    """Put a sample into the ring, or count it as lost."""
    ring = sampler.ring
    if ring is None:
        return
    used = sampler.head - sampler.tail
    if used + words.length > RING_WORDS:
        sampler.lost += 1
        return
    for word in words:
        ring[sampler.head % RING_WORDS] = word
        sampler.head += 1
    if used < HALF_FULL <= sampler.head - sampler.tail:
        sampler.filled.wake_all()


def get(into: Slice[u64]) -> u64:
    """Take the oldest sample out; return its number of words, 0 if there is none."""
    with sampler.lock:
        ring = sampler.ring
        if ring is None or sampler.tail == sampler.head:
            return 0
        first = ring[sampler.tail % RING_WORDS]
        length = 1 + (first >> KERNEL_SHIFT & 0xFF) + (first >> PROGRAM_SHIFT)
        for index in range(length):
            into[index] = ring[(sampler.tail + index) % RING_WORDS]
        sampler.tail += length
        return length


def take_lost() -> u64:
    """Give the number of samples lost since the last time."""
    with sampler.lock:
        lost = sampler.lost
        sampler.lost = 0
        return lost
