"""The first line of Python: what is started in which order, up to the program's first instruction.

    boot.S            long mode, final page tables, a stack
    descriptor tables traps and system calls have a place to go
    boot info         what the monitor told
    frames            memory; from here on objects can be made
    long words        the command line is completed
    clock, timer      time is served, without waiting for a calibration
    scheduler         what runs here becomes a thread
    root              the image is mounted
    first program     is loaded and runs, as process 1

Nothing is started that the program may not need: devices, consoles and most of /proc and /dev wait
for their first use.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.api import looking, profiling
from krait.kernel.arch.x86_64 import boot_info, context, descriptor_tables
from krait.kernel.arch.x86_64.image_layout import boot_stack_top
from krait.kernel.arch.x86_64.layout import DIRECT_MAP
from krait.kernel.arch.x86_64.second_cpus import AREA_PAGES, CPUS_MAX
from krait.kernel.config import config
from krait.kernel.drivers import fw_cfg, log, long_words, panic, watchdog
from krait.kernel.fs import root
from krait.kernel.lang import Errno, export, text, u32, u64
from krait.kernel.lang import log as say
from krait.kernel.lang import panic as stop
from krait.kernel.linux import first_program, program_return, syscall_entry, traps
from krait.kernel.mm import frames, heap, kernel_stack
from krait.kernel.protocol import boot_words
from krait.kernel.protocol.outcome import BootPhase
from krait.kernel.protocol.word_reader import WordReader
from krait.kernel.sched import clock, scheduler, second_cpus, thread_life, timer
from krait.kernel.sched.thread import Thread
from krait.kernel.trace.boot_phases import mark, mark_at

ENTRY_POINTS: Final = (heap, log, panic, program_return, syscall_entry, traps)
"""Modules that assembly and the compiler's runtime call into."""


@export("krait_main")
def main(start_info: u64) -> None:
    """Start everything; `start_info` is the physical address of PVH's hvm_start_info."""
    try:
        start(start_info)
    except Errno as error:
        stop("the kernel does not start: error {}", error.code)


def start(start_info: u64) -> None:
    """Start one part after the other; returns only by an error."""
    descriptor_tables.start()
    context.start()
    boot_info.start(start_info)
    mark_at(BootPhase.ENTRY, boot_info.boot_info.entry_tsc)
    mark(BootPhase.TRAPS)
    frames.start()
    long_words.join()
    mark(BootPhase.MEMORY)
    clock.start()
    timer.start()
    mark(BootPhase.CLOCK)
    scheduler.scheduler.release_stack = kernel_stack.release_of
    thread = Thread(kernel_stack_top=boot_stack_top())
    thread.rename(text(b"boot"))
    thread_life.become(thread)
    obey_words()
    mark(BootPhase.SCHEDULER)
    if config.look:
        looking.start()
    if config.profile:
        profiling.start()
    root.mount()
    mark(BootPhase.ROOT)
    first_program.run()


def obey_words() -> None:
    """Start the watchdog, and as many CPUs as there are, if the command line says so."""
    count: u64 = 1
    reader = WordReader(line=boot_info.boot_info.command_line)
    while reader.next():
        if reader.key().equals(text(boot_words.CPUS)):
            count = reader.number()
        elif config.watchdog and reader.key().equals(text(boot_words.WATCHDOG)):
            watchdog.start(reader.number())
    if count > 1:
        start_cpus(u32(min(count, u64(CPUS_MAX))))


def start_cpus(count: u32) -> None:
    """Start so many CPUs, or those that the machine says it has; the last word counts."""
    present = fw_cfg.cpus()
    if present != 0 and present < count:
        say("there are {} of {} CPUs", present, count)
        count = present
    if count > 1:
        second_cpus.start(count, make_cpu_area, kernel_stack.allocate)


def make_cpu_area() -> u64:
    """Return the address of memory for one more CPU; raises ENOMEM."""
    return u64(frames.allocate_contiguous(u64(AREA_PAGES))) + DIRECT_MAP
