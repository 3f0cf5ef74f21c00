"""A kernel that checks threads, waiting and timers, and ends with status 0 if all is well.

Each check logs a line when it has passed; one that fails is a panic by `assert`.

Invariant of the unsafe part: the export stands where the real kernel's stands.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import apic
from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.errno import EINTR, EIO
from krait.kernel.lang import (
    Array,
    Errno,
    Struct,
    at,
    export,
    inline,
    log,
    text,
    u64,
)
from krait.kernel.mm import frames, kernel_stack
from krait.kernel.sched import clock, scheduler, thread_life, timer, waking
from krait.kernel.sched.cpu import this_cpu
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.sleep import sleep_until
from krait.kernel.sched.thread import current
from krait.kernel.sched.timer_queue import Timer
from krait.kernel.sched.wait_queue import WaitQueue
from krait.kernel.sched.waiter import Waiter
from tests.guest.kernels import no_programs, starting

unsafe: Final = True

ENTRY_POINTS: Final = (no_programs.on_trap,)
MILLISECOND: Final = u64(1_000_000)
TIMERS: Final = 40


class Shared(Struct):
    """What the threads of one check share."""

    lock: Mutex = inline()
    queue: WaitQueue = inline()
    counter: u64 = 0
    turn: u64 = 0
    finished: u64 = 0
    interrupted: u64 = 0
    order: Array[u64] = inline(64)

    def note(self, number: u64) -> None:
        """Append to the order of events."""
        self.order[self.counter] = number
        self.counter += 1

    def reset(self) -> None:
        """Start a new check."""
        self.counter = 0
        self.turn = 0
        self.finished = 0
        self.interrupted = 0


shared = Shared()
timers: Final = [Timer() for _ in range(TIMERS)]


class Checks(starting.Work):
    """All checks."""

    def check(self) -> None:
        """Run every check."""
        check_exclusion()
        check_turns()
        check_deadline()
        check_interruption()
        check_wake_order()
        check_callback()
        check_timers()
        check_short_countdowns()
        check_shares()
        check_idle()
        check_stacks()


checks = Checks()


@export("krait_main")
def main(start_info: u64) -> None:
    """Start what threads need, run the checks, end."""
    starting.run(checks, start_info)


def join(count: u64) -> None:
    """Wait until so many threads have finished."""
    limit = clock.monotonic_ns() + 20_000 * MILLISECOND
    while shared.finished < count:
        assert clock.monotonic_ns() < limit, "a thread does not finish"
        sleep_until(clock.monotonic_ns() + MILLISECOND)


def settle() -> None:
    """Let every thread run until it waits."""
    while not this_cpu().run_queue.is_empty():
        scheduler.yield_now()


def slow_increment(times: u64) -> None:
    """Read, sleep, write: loses updates unless the lock excludes the others."""
    for _ in range(times):
        with shared.lock:
            before = shared.counter
            sleep_until(clock.monotonic_ns() + 50_000)
            shared.counter = before + 1
    shared.finished += 1


def check_exclusion() -> None:
    """A mutex excludes, also while its holder sleeps."""
    shared.reset()
    for _ in range(3):
        thread_life.spawn(slow_increment, u64(20), text(b"slow"), kernel_stack.allocate())
    join(u64(3))
    assert shared.counter == 60, "an update was lost"
    log("ok exclusion")


def take_turns(me: u64) -> None:
    """Wait for our turn, give it to the next."""
    for _ in range(300):
        with shared.lock:
            while shared.turn != me:
                shared.queue.wait(shared.lock)
            shared.turn = (me + 1) % 3
            shared.queue.wake_all()
    shared.finished += 1


def check_turns() -> None:
    """No wake-up is lost between three threads."""
    shared.reset()
    for index in range(u64(3)):
        thread_life.spawn(take_turns, index, text(b"turns"), kernel_stack.allocate())
    join(u64(3))
    log("ok turns")


def wake_later(delay_ns: u64) -> None:
    """Wake one waiter after a while."""
    sleep_until(clock.monotonic_ns() + delay_ns)
    shared.queue.wake_one()
    shared.finished += 1


def check_deadline() -> None:
    """Waiting ends at the deadline, not before; or by a wake-up."""
    shared.reset()
    with shared.lock:
        deadline_ns = clock.monotonic_ns() + 3 * MILLISECOND
        assert not shared.queue.wait_until(shared.lock, deadline_ns), "nobody woke us"
        assert clock.monotonic_ns() >= deadline_ns, "woken early"
        assert shared.queue.is_empty(), "left in the queue"
        assert not shared.queue.wait_until(shared.lock, u64(0)), "a deadline in the past"
    thread_life.spawn(wake_later, 2 * MILLISECOND, text(b"waker"), kernel_stack.allocate())
    with shared.lock:
        deadline_ns = clock.monotonic_ns() + 5_000 * MILLISECOND
        assert shared.queue.wait_until(shared.lock, deadline_ns), "not woken"
        assert clock.monotonic_ns() < deadline_ns, "woken by the deadline"
        assert shared.lock.is_held(), "the lock is not ours"
    join(u64(1))
    log("ok deadline")


def wait_for_ever(_argument: u64) -> None:
    """Wait until interrupted."""
    with shared.lock:
        try:
            shared.queue.wait(shared.lock)
        except Errno as error:
            if error.code == EINTR and shared.lock.is_held():
                shared.interrupted += 1
    shared.finished += 1


def check_interruption() -> None:
    """An interrupted wait raises EINTR, before and during the sleep."""
    shared.reset()
    asleep = thread_life.spawn(wait_for_ever, u64(0), text(b"asleep"), kernel_stack.allocate())
    settle()
    waking.interrupt_thread(asleep)
    early = thread_life.spawn(wait_for_ever, u64(0), text(b"early"), kernel_stack.allocate())
    waking.interrupt_thread(early)
    join(u64(2))
    assert shared.interrupted == 2, "not interrupted"
    assert shared.queue.is_empty(), "left in the queue"
    log("ok interruption")


def wait_and_note(number: u64) -> None:
    """Wait once, then note who was woken."""
    with shared.lock:
        shared.queue.wait_uninterruptible(shared.lock)
        shared.note(number)
    shared.finished += 1


def check_wake_order() -> None:
    """`wake_one` wakes exactly one, first come, first served."""
    shared.reset()
    for index in range(u64(5)):
        thread_life.spawn(wait_and_note, index, text(b"waiter"), kernel_stack.allocate())
        settle()
    for index in range(u64(5)):
        assert shared.queue.wake_one(), "nobody waits"
        settle()
        assert shared.counter == index + 1, "woke another number than one"
        assert shared.order[index] == index, "out of order"
    assert not shared.queue.wake_one(), "somebody is left"
    join(u64(5))
    log("ok wake order")


def count_wake(_waiter: Waiter) -> None:
    """Count a wake-up."""
    shared.turn += 1


def check_callback() -> None:
    """A callback stays in the queue, and does not use up a wake-up."""
    shared.reset()
    waiter = Waiter(on_wake=count_wake)
    shared.queue.add(waiter)
    thread_life.spawn(wait_and_note, u64(0), text(b"waiter"), kernel_stack.allocate())
    settle()
    assert shared.queue.wake_one(), "the thread is behind the callback"
    join(u64(1))
    shared.queue.wake_all()
    assert shared.turn == 2, "the callback runs at each wake-up"
    shared.queue.remove(waiter)
    shared.queue.wake_all()
    assert shared.turn == 2, "a removed callback does not run"
    log("ok callback")


def timer_fired(each: Timer) -> None:
    """Note a deadline; they must come in order and not early."""
    assert clock.monotonic_ns() >= each.deadline_ns, "fired early"
    assert shared.turn <= each.deadline_ns, "out of order"
    shared.turn = each.deadline_ns
    shared.counter += 1


def check_timers() -> None:
    """Timers fire in order, cancelled ones do not."""
    shared.reset()
    now = clock.monotonic_ns()
    with interrupts_off():  # the host may stop us at any place for longer than the delays
        for index in range(u64(TIMERS)):
            delay_ns = (index * 7919 % 97) * 100_000 + MILLISECOND
            timer.arm(timers[index], now + delay_ns, timer_fired)
        for index in range(u64(TIMERS)):
            if index % 4 == 0:
                timer.cancel(timers[index])
    sleep_until(clock.monotonic_ns() + 15 * MILLISECOND)
    assert shared.counter == TIMERS - TIMERS // 4, "another number of timers fired"
    log("ok timers")


def check_short_countdowns() -> None:
    """A short countdown never begins again by itself, before the rate is settled and after."""
    shared.reset()
    registers = at(apic.LocalApic, apic.place.address)
    while True:
        settled = clock.is_settled()
        with interrupts_off():
            timer.arm(timers[0], clock.monotonic_ns() + 1000, timer_fired)
            repeats = registers.timer_entry.load() & apic.PERIODIC != 0
            assert not repeats, "a late monitor may serve its turns for ever"
        sleep_until(clock.monotonic_ns() + 20 * MILLISECOND)
        if settled:
            break
    log("ok short countdowns")


def use_share(number: u64) -> None:
    """Run for a while, giving way all the time."""
    while shared.turn == 0:
        shared.order[number] += 1
        scheduler.yield_now()
    shared.finished += 1


def check_shares() -> None:
    """Threads that give way to each other all get their share, however busy the host."""
    shared.reset()
    for index in range(u64(3)):
        shared.order[index] = 0
        thread_life.spawn(use_share, index, text(b"share"), kernel_stack.allocate())
    sleep_until(clock.monotonic_ns() + 30 * MILLISECOND)
    shared.turn = 1
    join(u64(3))
    for index in range(u64(3)):
        assert shared.order[index] > 10, "a thread gets nothing"
    log("ok shares")


def check_idle() -> None:
    """Sleeping costs no CPU time."""
    thread = current()
    before = thread.ran_ticks
    for _ in range(5):
        sleep_until(clock.monotonic_ns() + 20 * MILLISECOND)
    ran_ns = clock.ticks_to_ns(thread.ran_ticks - before)
    assert ran_ns < 50 * MILLISECOND, "idling is charged"
    log("ok idle")


def fail(_argument: u64) -> None:
    """End by an error."""
    shared.finished += 1
    raise Errno(EIO)


def check_stacks() -> None:
    """Stacks and threads of the dead are used again."""
    shared.reset()
    thread_life.spawn(fail, u64(0), text(b"first"), kernel_stack.allocate())
    join(u64(1))
    free = frames.free()
    for index in range(u64(100)):
        thread_life.spawn(fail, u64(0), text(b"short"), kernel_stack.allocate())
        join(index + 2)
    assert frames.free() + 8 >= free, "memory is lost"
    log("ok stacks")
