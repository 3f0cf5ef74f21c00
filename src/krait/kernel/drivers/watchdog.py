"""Notices that the kernel stands still: it spins, with interrupts on or off, or waits for itself.

Nothing inside a CPU interrupts it while its interrupts are off, so a device does: QEMU's watchdog
(ib700, which is a port for the time and nothing else), whose action is a non-maskable interrupt of
every CPU. It comes once in `watchdog=` seconds, and each CPU looks at what it has interrupted.
Nobody has to keep the watchdog quiet: the interrupt sets it again. So it costs an instruction or
two for each halt and nothing else, and there is no tick.

A CPU that runs a program or is halted is well, however long: a program may compute, and one whose
threads all wait is its own affair. A CPU in the kernel is well if it has since last time gone back
to a program, halted, or changed threads, or memory was given out or back, of which a system call
that takes long has much to do. Going back to a program shows in a bit of the word that the way back
tests anyway: the interrupt sets it, and the way back clears it, as does work that takes long and
lets others go on (`long_work.py`). A CPU that waits for the kernel lock is well while another one
has it, which will be looked at itself. What is not well `STRIKES` times in a row is stuck, and the
machine ends.

(Linux, Documentation/admin-guide/lockup-watchdogs.rst, needs a thread and a timer that tick on each
CPU. Without this device there is no watchdog.)

Invariant: this runs on the stack of the interrupt,
which may come anywhere; it counts no references, takes no lock, and changes nothing but its own
notes, one bit and a port.
"""

from __future__ import annotations

from typing import Final, NoReturn

from krait.kernel.arch.x86_64 import per_cpu
from krait.kernel.arch.x86_64.image_layout import is_halted_at, is_kernel_code
from krait.kernel.arch.x86_64.ports import out8
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.drivers.panic import begin, end, log_place, panic_report
from krait.kernel.drivers.stopped_cpus import stopped_cpus
from krait.kernel.lang import PerCpu, Struct, export, log, u8, u16, u64
from krait.kernel.mm import frames
from krait.kernel.protocol.outcome import RecordType
from krait.kernel.sched.cpu import cpus, is_waiting_for_lock, switches_on, this_cpu

SET_TIME: Final = u16(0x443)
"""Sets the time to 30 seconds less twice what is written (qemu, hw/watchdog/wdt_ib700.c)."""
LONGEST_S: Final = 30
STRIKES: Final = 3
INTERRUPT_FLAG: Final = 0x200


class Watchdog(Struct):
    """How often to look."""

    period_s: u64 = 0


class Watch(Struct):
    """What one CPU had done when it was looked at last."""

    switches: u64 = 0
    halts: u64 = 0
    free: u64 = 0
    strikes: u64 = 0


watchdog = Watchdog()
watches: PerCpu[Watch] = PerCpu(Watch())


def start(period_s: u64) -> None:
    """Look at all CPUs every so many seconds, an even number up to 30; 0: never."""
    if period_s >= 2:
        watchdog.period_s = min(period_s, u64(LONGEST_S))
        stopped_cpus.look = is_stuck
        set_again()


def set_again() -> None:
    """Let the next interrupt come."""
    out8(SET_TIME, u8((LONGEST_S - watchdog.period_s) // 2))


def is_stuck(frame: TrapFrame) -> bool:
    """Look at what the interrupt has interrupted; True: for the last time."""
    if per_cpu.index() == 0:
        set_again()
    watch = watches.get()
    if not is_kernel_code(frame.rip):
        frame.rflags |= INTERRUPT_FLAG  # a program in ring 0 can clear it, and keep its CPU
        watch.strikes = 0
    elif is_halted_at(frame.rip) or has_moved(watch):
        watch.strikes = 0
    elif is_waiting_for_lock(per_cpu.index()) and is_lock_held():
        watch.strikes = 0
    else:
        watch.strikes += 1
    return watch.strikes >= STRIKES


def has_moved(watch: Watch) -> bool:
    """Say whether this CPU has got anywhere since the last time, and note where it is."""
    switches = switches_on(per_cpu.index())
    halts = this_cpu().halts
    free = frames.free()
    moved = (
        not per_cpu.is_entry_marked()
        or watch.switches != switches
        or watch.halts != halts
        or watch.free != free
    )
    watch.switches = switches
    watch.halts = halts
    watch.free = free
    per_cpu.mark_entry()
    return moved


def is_lock_held() -> bool:
    """Say whether a CPU has the kernel lock."""
    for index in range(cpus.count):
        if per_cpu.holds_lock_at(cpus.areas[index]):
            return True
    return False


@export("krait_stuck")
def report(frame: TrapFrame) -> NoReturn:
    """End because this CPU does not go on."""
    begin()
    seconds = watchdog.period_s * STRIKES
    if is_waiting_for_lock(per_cpu.index()):
        log("CPU {} has waited for the kernel lock for {} s, and no CPU has it", per_cpu.index(),
            seconds)  # fmt: skip
    else:
        log("CPU {} has been in the kernel for {} s", per_cpu.index(), seconds)
    panic_report.keep_message()
    log_place(frame)
    end(RecordType.STUCK)
