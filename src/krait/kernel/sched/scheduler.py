"""Giving the CPU to one thread after another.

A thread calls `schedule` once it has said what it waits for (its state is SLEEPING and something
will make it runnable), or `yield_now`. The switch happens on kernel stacks: `schedule` saves where
this thread is and returns in another one, which called it earlier. When nobody can run, the thread
that went to sleep last keeps the CPU and halts it inside `schedule`, so that being woken by a
device needs no switch at all.

Virtual time is measured in ticks of the time stamp counter, one reading a switch. A timer limits a
turn to `SLICE_NS` while others wait; otherwise no timer runs (tickless).

Vector registers and FS base stay where they are while a kernel thread runs: only when another
program's thread takes over are they saved. The page table likewise.

With several CPUs each has a queue. A thread that wakes goes to the CPU where it ran last if that is
idle, else to another idle one, else where it ran (`placement.py`); a CPU with nothing to do takes
from others' queues before it halts. A thread that has gone to sleep and in whose context its CPU is
halted can go on only there. Its CPU keeps no registers of a thread that has left it: they are saved
at once, and not only when another program's thread comes.

A dying thread cannot free the stack it stands on: it leaves itself in `cpu.departed`, and whoever
runs next drops it. Nothing on its stack is released, so it must call `exit_current` from a function
that owns no references.

Invariant: interrupts are off from the choice of the next thread to the first instruction after the
switch (`switching.py`). The kernel lock is held all the while, so no other CPU takes a thread whose
stack is not left yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from krait.kernel.arch.x86_64 import per_cpu
from krait.kernel.arch.x86_64.cpu import (
    disable_interrupts,
    enable_interrupts,
    interrupts_off,
    restore_interrupts,
)
from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.lang import (
    Errno,
    Struct,
    Text,
    Unowned,
    log,
    no_sleep,
    panic,
    sleeps,
    u32,
    u64,
)
from krait.kernel.sched import clock, kernel_lock, placement, rcu, timer
from krait.kernel.sched.cpu import (
    Cpu,
    SliceTimer,
    bit_of,
    call,
    cpu_at,
    cpus,
    lock_queue,
    running_on,
    show_work,
    this_cpu,
    unlock_queue,
)
from krait.kernel.sched.run_queue import BUCKET_SHIFT, urgent_time, urgent_waiting
from krait.kernel.sched.space import Space
from krait.kernel.sched.switching import (
    STAY,
    Change,
    change_stacks,
    change_to,
    charge,
    load_space,
    make_current,
    prepare_first_steps,
    save_program_state,
    settle,
    take_over_program_state,
)
from krait.kernel.sched.thread import (
    NORMAL_WEIGHT,
    RESCHEDULE,
    URGENT,
    Thread,
    ThreadState,
    current,
    current_thread,
    living,
)
from krait.kernel.sched.timer_queue import Timer
from krait.kernel.sched.waiter import Waiter

holds: Final = (Thread,)

SLICE_NS: Final = u64(4_000_000)
"""How long a thread may run while others wait."""
LEAST_SLICE_NS: Final = u64(250_000)
"""How long one with a small share may."""
MOST_SLICES: Final = u64(1000)
"""How many are counted at once when the timer of one was late."""
WAKE_GRAIN: Final = u64(1 << BUCKET_SHIFT)
"""A woken thread this much behind in virtual time interrupts the running one's turn."""
FIRST_KERNEL_TID: Final = u32(0x4000_0000)
"""Kernel threads are numbered where no program's thread ever is (pid_max is 2**22)."""


class SleepTimer(Timer):
    """Wakes a thread; each has one of its own."""

    thread: Thread | None = None


class Scheduler(Struct):
    """What belongs to no CPU."""

    next_tid: u32 = FIRST_KERNEL_TID
    release_stack: Callable[[Thread], None] | None = None
    """Frees the kernel stack of a dead thread; set when the kernel starts."""
    on_idle: Callable[[], None] | None = None
    """Called before the CPU is halted; it must not sleep."""


scheduler = Scheduler()
first_slice_timer = SliceTimer()


def prepare(thread: Thread) -> None:
    """Give a new thread what it waits by; raises ENOMEM."""
    thread.waiter = Waiter()
    thread.sleep_timer = SleepTimer()
    thread.virtual_time = this_cpu().run_queue.base << BUCKET_SHIFT
    if thread.weight >= URGENT:
        thread.virtual_time = urgent_time(thread.weight)
    thread.cpu = this_cpu().index
    thread.started_ns = clock.monotonic_ns()
    if thread.tid == 0:
        thread.tid = scheduler.next_tid
        scheduler.next_tid += 1
    thread.life = thread


def become(thread: Thread) -> None:
    """Let the code that runs now, on `thread.kernel_stack_top`'s stack, be this thread."""
    prepare(thread)
    with interrupts_off():
        thread.state = ThreadState.RUNNING
        current_thread.set(living(thread))
        cpu = this_cpu()
        cpu.turn_began = ticks_now()
        if cpu.slice_timer is None:
            cpu.slice_timer = first_slice_timer
        if thread.vector_area != 0:
            cpu.program_thread = living(thread)
        per_cpu.set_kernel_stack(thread.kernel_stack_top)
        per_cpu.set_work(thread.work)


def spawn(entry: Callable[[u64], None], argument: u64, name: Text, stack_top: u64) -> Thread:
    """Start a kernel thread that calls `entry(argument)` and ends when that returns."""
    thread = Thread(kernel_stack_top=stack_top, entry=entry, argument=argument)
    thread.rename(name)
    begin(thread, _first_steps)
    return thread


def begin(thread: Thread, entry: Callable[[], NoReturn]) -> None:
    """Start a thread on the stack it has; `entry` calls `arrive` first, and never returns."""
    prepare(thread)
    prepare_first_steps(thread, entry)
    make_runnable(thread)


def hand_over(thread: Thread, entry: Callable[[], NoReturn]) -> NoReturn:
    """End the running thread and let a new one have its CPU, with no turn for either to be timed.

    `entry` is as for `begin`.
    """
    prepare(thread)
    prepare_first_steps(thread, entry)
    disable_interrupts()
    cpu = this_cpu()
    thread.state = ThreadState.RUNNABLE
    if cpus.several:
        placement.move(thread, cpu)
    cpu.run_queue.add(living(thread))
    exit_current()


def arrive() -> None:
    """Complete the switch to a thread that runs for the first time."""
    settle()
    _drop_departed()
    enable_interrupts()


@sleeps
def schedule() -> None:
    """Let others run until this thread has been made runnable and its turn has come."""
    flags = disable_interrupts()
    if not _is_interrupted(current()):
        now = ticks_now()
        charge(this_cpu(), current(), now)
        _switch(now)  # a dying thread does not come back: nothing may be held here
    restore_interrupts(flags)


def _is_interrupted(thread: Thread) -> bool:
    """Say whether a signal came just before an interruptible sleep, which then does not happen.

    An interrupt may send one between the sleeper's own look and this point.
    """
    if not thread.interrupt_pending or not thread.interruptible:
        return False
    if thread.state != ThreadState.SLEEPING:
        return False
    thread.state = ThreadState.RUNNING
    return True


@sleeps
def schedule_until(thread: Thread, deadline_ns: u64) -> None:
    """Do the same for this thread, and make it runnable at the deadline."""
    sleep_timer = thread.sleep_timer
    assert sleep_timer is not None, "a thread without a timer cannot sleep"
    sleep_timer.thread = thread
    timer.arm(sleep_timer, deadline_ns, _wake_sleeper)
    schedule()
    timer.cancel(sleep_timer)
    sleep_timer.thread = None


@sleeps
def yield_now() -> None:
    """Let the others who wait for the CPU go first."""
    if this_cpu().departed is not None:
        _drop_departed()  # unlocked_yield.py came here and could not
    if is_undisturbed(current()):
        return
    flags = disable_interrupts()
    now = ticks_now()
    if _leave_turn(now):
        this_cpu().run_queue.add_behind_first(current())
    _switch(now)
    restore_interrupts(flags)


@sleeps
def preempt() -> None:
    """Give up the CPU because `RESCHEDULE` asks for it; called on the way back to program code.

    Unlike a thread that yields, one with a larger share may be the next again.
    """
    thread = current()
    clear_work(thread, RESCHEDULE)
    thread.preemptions += 1
    if is_undisturbed(thread):
        return
    flags = disable_interrupts()
    now = ticks_now()
    if _leave_turn(now):
        this_cpu().run_queue.add_again(thread)
    _switch(now)
    restore_interrupts(flags)


@no_sleep
def make_runnable(thread: Thread) -> None:
    """Let a sleeping thread run; one that is not asleep is left alone."""
    with interrupts_off():
        if thread.state != ThreadState.SLEEPING:
            return
        cpu = this_cpu()
        thread.state = ThreadState.RUNNABLE
        if cpus.several:
            home = placement.choose(thread)
            if home != cpu.index:
                _enqueue_at(living(thread), home)
                return
            placement.move(thread, cpu)
        if cpu.is_idle:
            cpu.run_queue.add(living(thread))
            return
        running = current()
        charge(cpu, running, ticks_now())
        cpu.run_queue.advance(running.virtual_time)
        cpu.run_queue.add(living(thread))
        if running is thread:
            return
        if _goes_before(thread, running):
            add_work(running, RESCHEDULE)
        else:
            _begin_slice(cpu, running)


def _goes_before(thread: Thread, running: Thread) -> bool:
    """Say whether a thread that wakes ends the running one's turn."""
    return thread.virtual_time + WAKE_GRAIN < running.virtual_time


def set_weight(thread: Thread, weight: u32) -> None:
    """Change a thread's share or priority, also while it waits for a CPU.

    One whose priority falls goes before its new equals, one whose priority rises behind them
    (sched(7)).
    """
    with interrupts_off():
        cpu = cpu_at(thread.cpu)
        queue = cpu.run_queue
        lock_queue(cpu)
        is_lowered = weight < thread.weight
        is_queued = thread.state == ThreadState.RUNNABLE and queue.remove(thread)
        if weight >= URGENT:
            thread.virtual_time = urgent_time(weight)
        elif thread.weight >= URGENT:
            thread.virtual_time = queue.base << BUCKET_SHIFT
        thread.weight = weight
        if is_queued and is_lowered and weight >= URGENT:
            queue.add_ahead(living(thread))
            is_queued = False
        unlock_queue(cpu)
        if is_queued:
            thread.state = ThreadState.SLEEPING
            make_runnable(thread)
        elif thread.state == ThreadState.RUNNING and (
            queue.is_more_urgent(weight) or (cpus.several and placement.is_awaited(cpu, weight))
        ):
            add_work(thread, RESCHEDULE)


def set_affinity(thread: Thread, mask: u64) -> None:
    """Say on which CPUs a thread may run; at least one of them is there."""
    with interrupts_off():
        thread.affinity = mask
        may_stay_there = mask & bit_of(thread.cpu) != 0
        if not cpus.several or (may_stay_there and thread.weight < URGENT):
            return
        if thread.state == ThreadState.RUNNING:
            if not may_stay_there:
                add_work(thread, RESCHEDULE)
        elif thread.state == ThreadState.RUNNABLE and not placement.is_bound(thread):
            cpu = cpu_at(thread.cpu)
            home = placement.choose(thread)
            if home == cpu.index:
                return
            lock_queue(cpu)
            is_queued = cpu.run_queue.remove(thread)
            unlock_queue(cpu)
            if is_queued:
                _enqueue_at(living(thread), home)


def may_stay(thread: Thread) -> bool:
    """Say whether the running thread may go on where it is."""
    return not cpus.several or thread.affinity & bit_of(thread.cpu) & cpus.online != 0


def is_undisturbed(thread: Thread) -> bool:
    """Say whether the running thread may go on because nobody waits for its CPU."""
    cpu = this_cpu()
    if not cpu.run_queue.is_empty():
        return False
    return not cpus.several or (may_stay(thread) and urgent_waiting.cpus.load() == 0)


def interrupt_thread(thread: Thread) -> None:
    """Say that a signal waits, and end an interruptible sleep."""
    thread.interrupt_pending = True
    if thread.interruptible:
        make_runnable(thread)


def add_work(thread: Thread, bits: u32) -> None:
    """Ask a thread to do something before it goes back to program code."""
    with interrupts_off():
        thread.work |= bits
        if current() is thread:
            per_cpu.change_work(thread.work)
        elif cpus.several:
            show_work(thread)


def clear_work(thread: Thread, bits: u32) -> None:
    """Note that it has been done."""
    with interrupts_off():
        thread.work &= ~bits
        if current() is thread:
            per_cpu.change_work(thread.work)
        elif cpus.several:
            show_work(thread)


def use_space(space: Space | None) -> None:
    """Change the running thread's address space, as execve does."""
    with interrupts_off():
        current().space = space
        load_space(this_cpu(), space)


def exit_current() -> NoReturn:
    """End the running thread; see the module's text for who may call this."""
    disable_interrupts()
    _bury()
    schedule()
    panic("a dead thread runs")


def _bury() -> None:
    """Mark the running thread dead and let the next one drop it."""
    thread = current()
    thread.state = ThreadState.DEAD
    this_cpu().departed = thread
    for index in range(cpus.count):
        cpu = cpu_at(index)
        if cpu.program_thread is thread:
            cpu.program_thread = None


def _drop_departed() -> None:
    """Free what the last thread to run left behind if it is dead."""
    cpu = this_cpu()
    departed = cpu.departed
    if departed is not None:
        if (release := scheduler.release_stack) is not None:
            release(departed)
        departed.life = None
        cpu.departed = None


def _first_steps() -> NoReturn:
    """Run a kernel thread from its first instruction to its last."""
    arrive()
    _run_entry()
    exit_current()


def _run_entry() -> None:
    """Call what the thread was made for."""
    thread = current()
    if (entry := thread.entry) is not None:
        try:
            entry(thread.argument)
        except Errno as error:
            log("kernel thread {} ended with error {}", thread.name_text(), error.code)


def _leave_turn(now: u64) -> bool:
    """Charge the running thread; False if it does not stay and is in another CPU's queue now."""
    thread = current()
    charge(this_cpu(), thread, now)
    thread.state = ThreadState.RUNNABLE
    if not cpus.several:
        return True
    home = placement.home_after_turn(thread)
    if home == thread.cpu:
        return True
    _enqueue_at(thread, home)
    return False


def _enqueue_at(thread: Unowned[Thread], home: u32) -> None:
    """Put a thread into the queue of another CPU, and let that know."""
    cpu = cpu_at(home)
    placement.move(thread, cpu)
    lock_queue(cpu)
    running = running_on(home)
    goes_before = False
    if running is not None and not cpu.is_idle:
        charge(cpu, running, ticks_now())
        cpu.run_queue.advance(running.virtual_time)
        goes_before = _goes_before(thread, running)
    cpu.run_queue.add(thread)
    unlock_queue(cpu)
    if cpu.is_idle:
        if cpus.idle & bit_of(home) != 0:
            cpus.idle &= ~bit_of(home)
            call(home)
    elif running is None:
        return  # it has not begun yet
    elif goes_before:
        add_work(running, RESCHEDULE)
    elif (slice_timer := cpu.slice_timer) is not None and not slice_timer.armed:
        call(home)


def on_call() -> None:
    """Look at the queue because another CPU has put a thread there; interrupts are off."""
    cpu = this_cpu()
    if not cpu.is_idle and not cpu.run_queue.is_empty():
        _begin_slice(cpu, current())


def _begin_slice(cpu: Cpu, thread: Thread) -> None:
    """Limit the turn of the thread that runs or is about to, unless it is limited."""
    if (slice_timer := cpu.slice_timer) is not None and not slice_timer.armed:
        timer.arm(slice_timer, clock.monotonic_ns() + _slice_ns(thread), _end_slice)


def _slice_ns(thread: Thread) -> u64:
    """Give the length of a turn: short for a small share, so that the queue's ring is enough."""
    if thread.weight >= NORMAL_WEIGHT:
        return SLICE_NS
    return max(SLICE_NS * u64(thread.weight) // NORMAL_WEIGHT, LEAST_SLICE_NS)


def _switch(now: u64) -> None:
    """Go on in the next thread; returns when this one is the next."""
    change = _choose(now)
    if change.load != 0:
        change_stacks(change)
        settle()
        if this_cpu().departed is not None:
            _drop_departed()


def _choose(now: u64) -> Change:
    """Take the next thread and make it the running one; its `load` is 0 if it is so already."""
    cpu = this_cpu()
    previous = current()
    following = cpu.run_queue.take()
    if following is None:
        following = _find_work(cpu, previous, now)
    if cpus.several:
        following = _reconsider(cpu, previous, following)
    following.state = ThreadState.RUNNING
    if not cpu.run_queue.is_empty():
        _begin_slice(cpu, following)
    if following is previous:
        return STAY
    following.switches += 1
    if cpus.several:
        save_program_state(cpu, previous)
        following.cpu = cpu.index
    if following.vector_area != 0:
        take_over_program_state(cpu, following)
    make_current(following)
    return change_to(previous, following)


def _reconsider(cpu: Cpu, previous: Thread, following: Unowned[Thread]) -> Unowned[Thread]:
    """Give who is to run instead: another CPU's urgent thread, or none where this one may not."""
    if urgent_waiting.cpus.load() != 0 and not cpu.run_queue.owes_turns():
        if (urgent := placement.pull(cpu, following.weight)) is not None:
            _put_back(cpu, following)
            return urgent
    if following is previous and not may_stay(following):
        _enqueue_at(following, placement.choose_any(following))
        if (idle_thread := cpu.idle_thread) is not None:
            return living(idle_thread)
    return following


def _put_back(cpu: Cpu, thread: Unowned[Thread]) -> None:
    """Let a thread that was about to run wait, before its equals; the idle one never waits."""
    if thread is cpu.idle_thread:
        return
    if thread.weight >= URGENT:
        cpu.run_queue.add_ahead(thread)
    else:
        cpu.run_queue.add(thread)


def _find_work(cpu: Cpu, previous: Thread, now: u64) -> Unowned[Thread]:
    """Give a thread of another CPU's, or the one that comes after a pause."""
    if cpus.several:
        if (stolen := placement.take_from_others(cpu)) is not None:
            return stolen
        if previous.state != ThreadState.SLEEPING and (idle := cpu.idle_thread) is not None:
            return living(idle)  # it is dead, or waits for another CPU: its context must be left
    return _idle(cpu, now)


def _idle(cpu: Cpu, now: u64) -> Unowned[Thread]:
    """Halt the CPU until somebody can run; nobody is charged for it."""
    if (on_idle := scheduler.on_idle) is not None:
        on_idle()
    if cpus.several:
        rcu.advance()
    cpu.is_idle = True
    cpu.idle_began = now
    following = cpu.run_queue.take()
    while following is None:
        cpus.idle |= bit_of(cpu.index)
        cpu.halts += 1
        kernel_lock.halt()
        cpus.idle &= ~bit_of(cpu.index)
        following = cpu.run_queue.take()
        if following is None and cpus.several:
            following = placement.take_from_others(cpu)
    cpu.is_idle = False
    cpu.turn_began = ticks_now()
    cpu.idle_ticks += cpu.turn_began - now
    return following


def _wake_sleeper(timer: Timer) -> None:
    """Wake the thread whose sleep is over."""
    if isinstance(timer, SleepTimer) and (thread := timer.thread) is not None:
        make_runnable(thread)


def _end_slice(expired: Timer) -> None:
    """End the running thread's turn if others wait."""
    cpu = this_cpu()
    if cpu.run_queue.is_empty():
        return
    now_ns = clock.monotonic_ns()
    late_ns = now_ns - min(expired.deadline_ns, now_ns)
    slices = u32(1) + u32(min(late_ns // SLICE_NS, MOST_SLICES))
    if cpu.run_queue.is_relieved(current(), slices):
        add_work(current(), RESCHEDULE)
    else:
        _begin_slice(cpu, current())
    if cpus.several and (surplus := placement.surplus(cpu)) is not None:
        _enqueue_at(surplus, placement.least_loaded(surplus))
