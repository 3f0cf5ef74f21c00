"""A kernel whose second CPU reads a page that the first one, which has no space loaded, replaces.

Invariant of the unsafe part: the exports stand where the real kernel's stand; the reader reads an
address of the space that its thread has loaded, where a page is mapped all the time.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import page_table
from krait.kernel.arch.x86_64.cpu import interrupts_off, pause
from krait.kernel.arch.x86_64.layout import PAGE_SIZE
from krait.kernel.lang import (
    Atomic,
    Struct,
    export,
    inline,
    load,
    log,
    text,
    u32,
    u64,
)
from krait.kernel.mm import frames, kernel_stack, translations
from krait.kernel.mm.page_range import entry_for
from krait.kernel.mm.protection import Protection
from krait.kernel.sched import clock, entitlement, kernel_lock, scheduler, thread_life
from krait.kernel.sched.cpu import bit_of, this_cpu
from krait.kernel.sched.sleep import sleep_until
from krait.kernel.sched.space import Space
from tests.guest.kernels import no_programs, starting

unsafe: Final = True

ENTRY_POINTS: Final = (no_programs.on_trap,)
MILLISECOND: Final = u64(1_000_000)
READER: Final = 1
"""The CPU that reads."""
ADDRESS: Final = u64(1 << 30)


class Shared(Struct):
    """What the CPUs share."""

    space: Space | None = None
    seen: Atomic[u64] = inline(0)
    """What the reader has read last."""
    rounds: Atomic[u64] = inline(0)
    to_end: Atomic[bool] = inline(False)
    ended: Atomic[bool] = inline(False)


shared = Shared()


class Check(starting.Work):
    """The one check."""

    def check(self) -> None:
        """Let the reader see one page, and after it was replaced no other than the next."""
        space = Space(root=page_table.make_root())
        shared.space = space
        entries = page_table.make_leaf(space.root, ADDRESS)
        place = page_table.index(ADDRESS)
        entries[place] = page_of(u64(1))
        thread = thread_life.spawn(read, u64(0), text(b"reader"), kernel_stack.allocate())
        entitlement.set_affinity(thread, bit_of(u32(READER)))
        while shared.seen.load() != 1:
            sleep_until(clock.monotonic_ns() + MILLISECOND)
        assert this_cpu().space is None, "this CPU is to have no space"
        entries[place] = page_of(u64(2))
        translations.forget(space, ADDRESS, ADDRESS + PAGE_SIZE)
        rounds = shared.rounds.load()
        while shared.rounds.load() < rounds + 2:
            pause()
        assert shared.seen.load() == 2, "a CPU reads by an old translation"
        shared.to_end.store(True)
        while not shared.ended.load():
            sleep_until(clock.monotonic_ns() + MILLISECOND)
        log("the other CPU has forgotten")


the_check = Check()


@export("krait_main")
def main(start_info: u64) -> None:
    """Start the second CPU, and replace what it reads."""
    starting.run(the_check, start_info)


def page_of(number: u64) -> u64:
    """Make the entry of a page that begins with a number."""
    frame = frames.allocate_zeroed()
    frames.words_of(frame)[0] = number
    return entry_for(frame, Protection.READ, False)


def read(_argument: u64) -> None:
    """Read again and again, with the space loaded and without the kernel lock."""
    scheduler.use_space(shared.space)
    with interrupts_off():
        kernel_lock.drop()
    while not shared.to_end.load():
        shared.seen.store(load(u64, ADDRESS))
        shared.rounds.store(shared.rounds.load() + 1)
    with interrupts_off():
        kernel_lock.take()
    shared.ended.store(True)
