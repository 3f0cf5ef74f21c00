"""What a kernel without programs does before its checks."""

from __future__ import annotations

from krait.kernel.arch.x86_64 import boot_info, context, descriptor_tables
from krait.kernel.arch.x86_64.cpu import enable_interrupts
from krait.kernel.arch.x86_64.image_layout import boot_stack_top
from krait.kernel.lang import u64
from krait.kernel.mm import frames, kernel_stack
from krait.kernel.sched import clock, scheduler, timer
from krait.kernel.sched.thread import Thread


def start(start_info: u64) -> None:
    """Do what boot.py does, up to the first thread."""
    descriptor_tables.start()
    context.start()
    boot_info.start(start_info)
    frames.start()
    clock.start()
    timer.start()
    scheduler.scheduler.release_stack = kernel_stack.release_of
    scheduler.become(Thread(kernel_stack_top=boot_stack_top()))
    enable_interrupts()
