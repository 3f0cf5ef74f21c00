"""The way into a system call and back: one table jump while nothing else is asked for.

The entry code (arch/x86_64/syscall.S) has put the program's registers on the thread's kernel stack,
with the number in `orig_rax`, and calls `system_call`. Handlers know nothing of
registers; results, tracing, restarting, signals and rescheduling are all done here. `Task.work` is
one word, so the common call tests it once before and once after.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import per_cpu
from krait.kernel.arch.x86_64.cpu import disable_interrupts
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.errno import EINTR, ENOSYS
from krait.kernel.lang import export, i64, u32, u64
from krait.kernel.linux import strace
from krait.kernel.linux.numbers import LIMIT
from krait.kernel.linux.program_return import ENDED, finish_call
from krait.kernel.linux.table import TABLE, TRACING
from krait.kernel.linux.task import WORK_TRACE, Task, current_task
from krait.kernel.sched import thread_life

INTERRUPTED: Final = i64(-int(EINTR))
NOT_IMPLEMENTED: Final = i64(-int(ENOSYS))
"""What the entry sees when a call raised EINTR."""


@export("krait_syscall")
def system_call(frame: TrapFrame) -> u64:
    """Carry out the call that the program's registers describe.

    Returns with interrupts off; not 0 if all of the frame is to be loaded.
    """
    return go_back(carry_out(frame))


def go_back(answer: u64) -> u64:
    """End a thread that does not go back, where no reference to anything is held."""
    per_cpu.clear_entry_mark()
    if answer == ENDED:
        thread_life.exit_current()
    return answer


def carry_out(frame: TrapFrame) -> u64:
    """Do the whole call."""
    number = u32.truncate(frame.orig_rax)
    task = current_task()
    if TRACING and task.work & WORK_TRACE != 0:
        return traced_call(task, frame, number)
    result = invoke(frame, number)
    frame.rax = u64.truncate(result)
    disable_interrupts()
    if task.work == 0 and result != INTERRUPTED:
        return 0
    return finish_call(task, frame, number, result == INTERRUPTED)


@export("krait_after_call")
def after_call(frame: TrapFrame, result: i64) -> u64:
    """Finish a call that the entry code made by itself, because of what came up meanwhile.

    Called and left with interrupts off; the result is as `system_call`'s.
    """
    frame.rax = u64.truncate(result)
    return go_back(finish_after(frame, result))


def finish_after(frame: TrapFrame, result: i64) -> u64:
    """Do what came up during a call."""
    number = u32.truncate(frame.orig_rax)
    return finish_call(current_task(), frame, number, result == INTERRUPTED)


def invoke(frame: TrapFrame, number: u32) -> i64:
    """Call the handler; a number beyond the table is as unknown as a gap in it."""
    if number >= LIMIT:
        return NOT_IMPLEMENTED
    return TABLE[number].invoke(frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9)


def traced_call(task: Task, frame: TrapFrame, number: u32) -> u64:
    """Do the same with a line in the log."""
    strace.begin(frame, number)
    result = invoke(frame, number)
    strace.end(frame, number, result)
    frame.rax = u64.truncate(result)
    return finish_call(task, frame, number, result == INTERRUPTED)
