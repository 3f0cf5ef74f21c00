"""Giving the CPU to one thread after another.

A thread calls `schedule` once it has said what it waits for (its state is SLEEPING and something
will make it runnable), or `yield_now`. The switch happens on kernel stacks: `schedule` saves where
this thread is and returns in another one, which called it earlier. When nobody can run, the thread
that went to sleep last keeps the CPU and halts it inside `schedule`, so that being woken by a
device needs no switch at all.

Virtual time is measured in ticks of the time stamp counter, one reading a switch.

Vector registers and FS base stay where they are while a kernel thread runs: only when another
program's thread takes over are they saved. The page table likewise.

With several CPUs each has a queue, and one with nothing to do takes from others' before it halts. A
thread that has gone to sleep and in whose context its CPU is halted can go on only there. Its CPU
keeps no registers of a thread that has left it: they are saved at once, and not only when another
program's thread comes.

Who is to run is decided in `waking.py`, what a thread is entitled to in `entitlement.py`; how it
begins and ends is in `thread_life.py`.

Invariant: interrupts are off from the choice of the next thread to the first instruction after the
switch (`switching.py`). The kernel lock is held all the while, so no other CPU takes a thread whose
stack is not left yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64.cpu import disable_interrupts, interrupts_off, restore_interrupts
from krait.kernel.arch.x86_64.tsc import ticks_now
from krait.kernel.lang import Struct, Unowned, sleeps, u64
from krait.kernel.sched import kernel_lock, placement, rcu, timer
from krait.kernel.sched.cpu import Cpu, bit_of, cpus, this_cpu
from krait.kernel.sched.run_queue import urgent_waiting
from krait.kernel.sched.space import Space
from krait.kernel.sched.switching import (
    STAY,
    Change,
    change_stacks,
    change_to,
    charge,
    load_space,
    make_current,
    save_program_state,
    settle,
    take_over_program_state,
)
from krait.kernel.sched.thread import RESCHEDULE, URGENT, Thread, ThreadState, current, living
from krait.kernel.sched.timer_queue import Timer
from krait.kernel.sched.waking import begin_slice, clear_work, enqueue_at, make_runnable

holds: Final = (Thread,)


class SleepTimer(Timer):
    """Wakes a thread; each has one of its own."""

    thread: Thread | None = None


class Scheduler(Struct):
    """What belongs to no CPU."""

    release_stack: Callable[[Thread], None] | None = None
    """Frees the kernel stack of a dead thread; set when the kernel starts."""
    on_idle: Callable[[], None] | None = None
    """Called before the CPU is halted; it must not sleep."""


scheduler = Scheduler()


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


def _wake_sleeper(timer: Timer) -> None:
    """Wake the thread whose sleep is over."""
    if isinstance(timer, SleepTimer) and (thread := timer.thread) is not None:
        make_runnable(thread)


@sleeps
def yield_now() -> None:
    """Let the others who wait for the CPU go first."""
    if this_cpu().departed is not None:
        drop_departed()  # unlocked_yield.py came here and could not
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


def is_undisturbed(thread: Thread) -> bool:
    """Say whether the running thread may go on because nobody waits for its CPU."""
    cpu = this_cpu()
    if not cpu.run_queue.is_empty():
        return False
    return not cpus.several or (may_stay(thread) and urgent_waiting.cpus.load() == 0)


def may_stay(thread: Thread) -> bool:
    """Say whether the running thread may go on where it is."""
    return not cpus.several or thread.affinity & bit_of(thread.cpu) & cpus.online != 0


def use_space(space: Space | None) -> None:
    """Change the running thread's address space, as execve does."""
    with interrupts_off():
        current().space = space
        load_space(this_cpu(), space)


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
    enqueue_at(thread, home)
    return False


def _switch(now: u64) -> None:
    """Go on in the next thread; returns when this one is the next."""
    change = _choose(now)
    if change.load != 0:
        change_stacks(change)
        settle()
        if this_cpu().departed is not None:
            drop_departed()


def drop_departed() -> None:
    """Free what the last thread to run left behind if it is dead."""
    cpu = this_cpu()
    departed = cpu.departed
    if departed is not None:
        if (release := scheduler.release_stack) is not None:
            release(departed)
        departed.life = None
        cpu.departed = None


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
        begin_slice(cpu, following)
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
        enqueue_at(following, placement.choose_any(following))
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
