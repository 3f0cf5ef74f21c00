"""What a kernel without programs does before its checks."""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import boot_info, context, descriptor_tables
from krait.kernel.arch.x86_64.cpu import enable_interrupts
from krait.kernel.arch.x86_64.image_layout import boot_stack_top
from krait.kernel.arch.x86_64.layout import DIRECT_MAP
from krait.kernel.arch.x86_64.second_cpus import AREA_PAGES
from krait.kernel.lang import u32, u64
from krait.kernel.mm import frames, kernel_stack
from krait.kernel.sched import clock, scheduler, second_cpus, thread_life, timer
from krait.kernel.sched.cpu import cpus
from krait.kernel.sched.sleep import sleep_until
from krait.kernel.sched.thread import Thread

POLL_NS: Final = u64(1_000_000)


def start(start_info: u64) -> None:
    """Do what boot.py does, up to the first thread."""
    descriptor_tables.start()
    context.start()
    boot_info.start(start_info)
    frames.start()
    clock.start()
    timer.start()
    scheduler.scheduler.release_stack = kernel_stack.release_of
    thread_life.become(Thread(kernel_stack_top=boot_stack_top()))
    enable_interrupts()


def start_others(count: u32) -> None:
    """Start the other CPUs, and wait until all are there."""
    second_cpus.start(count, make_area, kernel_stack.allocate)
    while cpus.online != cpus.present:
        sleep_until(clock.monotonic_ns() + POLL_NS)


def make_area() -> u64:
    """Give memory for one more CPU."""
    return u64(frames.allocate_contiguous(u64(AREA_PAGES))) + DIRECT_MAP
