"""The end of a thread, up to where it leaves its process.

It cannot leave from within a system call, where references are held. So it is taken out of its
process and a note is left; the way back to the program, where nothing is held any more, goes to
the scheduler instead (`syscall_entry`, `program_return`).
"""

from __future__ import annotations

from krait.kernel.linux.futex_exit import clear_tid, release_futexes
from krait.kernel.linux.futex_lock import abandon
from krait.kernel.linux.process import Process
from krait.kernel.linux.send_signal import notice
from krait.kernel.linux.task import WORK_EXIT, Task
from krait.kernel.linux.threads import remove_task
from krait.kernel.sched import waking


def leave(task: Task) -> None:
    """Take the calling thread out of its process, and let the way back end it."""
    process = task.process
    release_futexes(task)
    clear_tid(task)
    abandon(task)  # whoever came while a page was waited for; from here on nobody finds the thread
    remove_task(process, task)
    waking.add_work(task, WORK_EXIT)
    if process.pending.bits != 0:
        notice_all(process)
    if process.exec_task is not None:
        with process.signal_lock:
            process.thread_left.wake_all()


def notice_all(process: Process) -> None:
    """Let every thread look for signals that another one will not take any more."""
    with process.signal_lock:
        task = process.first_task
        while task is not None:
            notice(task, process)
            task = task.next_task
