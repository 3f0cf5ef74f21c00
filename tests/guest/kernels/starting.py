"""How a kernel without programs starts, does its work and ends.

Its `krait_main` gives `run` an object that says what to do. A reference to a function would not do:
when one function that is called so may raise, every call of that type may.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import boot_info, context, descriptor_tables
from krait.kernel.arch.x86_64.cpu import enable_interrupts
from krait.kernel.arch.x86_64.image_layout import boot_stack_top
from krait.kernel.arch.x86_64.layout import DIRECT_MAP
from krait.kernel.arch.x86_64.second_cpus import AREA_PAGES
from krait.kernel.drivers import outcome
from krait.kernel.lang import Errno, Struct, log, text, u32, u64
from krait.kernel.mm import frames, kernel_stack
from krait.kernel.protocol.word_reader import WordReader
from krait.kernel.sched import clock, scheduler, second_cpus, thread_life, timer
from krait.kernel.sched.cpu import cpus
from krait.kernel.sched.sleep import sleep_until
from krait.kernel.sched.thread import Thread

POLL_NS: Final = u64(1_000_000)


class Work(Struct):
    """What a kernel does when it has started."""

    def obey(self, word: WordReader) -> None:
        """Act on a word of the command line, which is not for `run`."""

    def check(self) -> None:
        """Run the checks; all words have been read."""


def run(work: Work, start_info: u64) -> None:
    """Start, with as many CPUs as `cpus=` says, do the work, and end: 1 if anything raised."""
    try:
        start(start_info)
        word = WordReader(line=boot_info.boot_info.command_line)
        while word.next():
            if word.key().equals(text(b"cpus")):
                start_others(u32(word.number()))
            else:
                work.obey(word)
        work.check()
    except Errno as error:
        log("the start or a check raised {}", error.code)
        outcome.exit(u32(1))
    outcome.exit(u32(0))


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
