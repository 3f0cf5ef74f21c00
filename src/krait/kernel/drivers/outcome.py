"""Ending the run, and telling the host how it ended.

Whatever is still on its way out of the consoles is waited for first, then one record goes to the
debug port, then the emulator is asked to end. Where it cannot be asked, the keyboard controller's
reset line ends the VM (`-no-reboot`), and failing that a triple fault does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from krait.kernel.arch.x86_64.cpu import disable_interrupts, reset, stop
from krait.kernel.arch.x86_64.ports import out8
from krait.kernel.config import config
from krait.kernel.drivers.debug_port import emit, end_emulator
from krait.kernel.lang import Array, Struct, Text, inline, size_of, u8, u16, u32, u64, usize, view
from krait.kernel.protocol.outcome import BootPhase, RecordType
from krait.kernel.protocol.records import (
    BootPhaseRecord,
    ClockRecord,
    ExecErrorRecord,
    ExitRecord,
    MemoryShortRecord,
    SignalRecord,
)
from krait.kernel.sched import clock
from krait.kernel.trace.boot_phases import PHASES, boot_phases, mark

KEYBOARD_COMMAND: Final = u16(0x64)
PULSE_RESET: Final = u8(0xFE)
PATH_LIMIT: Final = 512


class Ending(Struct):
    """What the end of a run depends on."""

    report: Callable[[], None] | None = None
    """Sends the host what it is still to know; set by who has something to say."""
    flush: Callable[[], None] | None = None
    """Waits until the consoles have taken everything; set when the first of them starts."""
    report_phases: bool = False
    """The host asked for a boot chart."""
    entry_ticks: u64 = 0
    """The time stamp counter at the kernel's first instruction."""


ending = Ending()


def exit(status: u32) -> NoReturn:
    """The program ended by itself."""
    buffer: Array[u8] = inline(size_of(ExitRecord))
    view(ExitRecord, buffer).status = status
    _finish(RecordType.EXIT, buffer)


def signal_death(signo: u32, rip: u64, address: u64) -> NoReturn:
    """A signal ended the program."""
    buffer: Array[u8] = inline(size_of(SignalRecord))
    record = view(SignalRecord, buffer)
    record.signo = signo
    record.rip = rip
    record.address = address
    _finish(RecordType.SIGNAL, buffer)


def image_error(reason: Text) -> NoReturn:
    """The image is damaged, or none."""
    _finish(RecordType.IMAGE_ERROR, reason)


def memory_short(needed: u64, present: u64) -> NoReturn:
    """The memory does not suffice; both in bytes."""
    buffer: Array[u8] = inline(size_of(MemoryShortRecord))
    record = view(MemoryShortRecord, buffer)
    record.needed_bytes = needed
    record.present_bytes = present
    _finish(RecordType.MEMORY_SHORT, buffer)


def exec_error(code: u32, path: Text) -> NoReturn:
    """The program could not be executed."""
    buffer: Array[u8] = inline(size_of(ExecErrorRecord) + PATH_LIMIT)
    head = usize(size_of(ExecErrorRecord))
    length = min(path.length, usize(PATH_LIMIT))
    view(ExecErrorRecord, buffer).code = code
    buffer.part(head, head + length).copy_from(path.part(0, length))
    _finish(RecordType.EXEC_ERROR, buffer.part(0, head + length))


def reboot() -> NoReturn:
    """The program asked for a restart."""
    nothing: Array[u8] = inline(1)
    _finish(RecordType.REBOOT, nothing.part(0, 0))


def stop_machine() -> NoReturn:
    """End the VM by whatever means there is."""
    end_emulator()
    out8(KEYBOARD_COMMAND, PULSE_RESET)
    reset()
    stop()


def _finish(type: RecordType, payload: Text) -> NoReturn:
    """Flush, report, end."""
    mark(BootPhase.EXIT)
    if (report := ending.report) is not None:
        ending.report = None
        report()
    if (flush := ending.flush) is not None:
        flush()
    disable_interrupts()
    if config.bootchart and ending.report_phases:
        _report_phases()
    emit(type, payload)
    stop_machine()


def _report_phases() -> None:
    """Write the stamps of the boot, in nanoseconds since the first instruction."""
    buffer: Array[u8] = inline(size_of(BootPhaseRecord))
    record = view(BootPhaseRecord, buffer)
    for phase in range(PHASES):
        stamp = boot_phases.stamps[phase]
        if stamp != 0:
            record.phase = u8(phase)
            record.tsc = stamp
            record.since_entry_ns = clock.ticks_to_ns(stamp.wrapping_sub(ending.entry_ticks))
            emit(RecordType.BOOT_PHASE, buffer)
    rate: Array[u8] = inline(size_of(ClockRecord))
    view(ClockRecord, rate).tsc_hz = clock.tick_rate_hz()
    emit(RecordType.CLOCK, rate)
