"""What a system call without the kernel lock may know of the thread that makes it.

The running thread stays as long as it runs, and so does its process; nothing needs to be counted
in order to read numbers of theirs. Others may change them at the same time: each is one word, read
once.

Unsafe: the thread is reached by its address. Invariant: program code has made the call, so the
running thread is a `Task`.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.credentials import Credentials
from krait.kernel.lang import Unowned, address_of, at, load, no_kernel_lock, u32, u64
from krait.kernel.linux.process import Process
from krait.kernel.linux.task import Task
from krait.kernel.sched.thread import current_thread

unsafe: Final = True


@no_kernel_lock
def running() -> u64:
    """Give where the running thread is."""
    return load(u64, address_of(current_thread))


@no_kernel_lock
def tid() -> u32:
    """Give the id of the thread."""
    return at(Task, running()).tid


@no_kernel_lock
def affinity() -> u64:
    """Give the CPUs on which the thread may run."""
    return at(Task, running()).affinity


@no_kernel_lock
def is_restarting() -> bool:
    """Say whether the thread goes on with a sleep that a signal has interrupted."""
    return at(Task, running()).restart_deadline_ns != 0


@no_kernel_lock
def pid() -> u32:
    """Give the id of the process."""
    return at(Process, process()).pid


@no_kernel_lock
def parent_pid() -> u32:
    """Give the id of the parent."""
    return at(Process, process()).parent_pid


@no_kernel_lock
def group_id() -> u32:
    """Give the process group."""
    return at(Process, process()).group_id


@no_kernel_lock
def credentials() -> Unowned[Credentials]:
    """Give whose rights the thread has."""
    return at(Credentials, address_of(at(Task, running()).credentials))


@no_kernel_lock
def space() -> u64:
    """Give where the address space of the process is, to be told from others."""
    return address_of(at(Process, process()).space)


@no_kernel_lock
def process() -> u64:
    """Give where the process is."""
    return address_of(at(Task, running()).process)
