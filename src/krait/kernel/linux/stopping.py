"""SIGSTOP and SIGCONT: all threads stop, until somebody lets them go on.

A thread stops on its way back to the program; until then it does in the kernel what it was about
to. What can continue the process are a timer of its own, the host, and SIGKILL.
"""

from __future__ import annotations

from krait.kernel.linux.process import Process
from krait.kernel.linux.task import WORK_STOP, Task
from krait.kernel.sched.waking import add_work, clear_work


def stop_process(process: Process) -> None:
    """Let every thread stop before it goes back to the program."""
    with process.signal_lock:
        process.stopped = True
        task = process.first_task
        while task is not None:
            add_work(task, WORK_STOP)
            task = task.next_task


def wait_while_stopped(task: Task) -> None:
    """Sleep until the process goes on."""
    process = task.process
    with process.signal_lock:
        while process.stopped:
            process.continued.wait_spin(process.signal_lock)
    clear_work(task, WORK_STOP)
