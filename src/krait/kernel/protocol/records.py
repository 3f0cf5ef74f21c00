"""Wire layouts of what the kernel writes and reads.

What each is for is said in `outcome`, `control` and `console_frames`.
"""

from __future__ import annotations

from krait.kernel.lang import Packed, u8, u16, u32, u64


class OutcomeHeader(Packed):
    """Opens every record on the debug port."""

    magic: u8
    type: u8
    length: u16


class ExitRecord(Packed):
    """`RecordType.EXIT`."""

    status: u32


class SignalRecord(Packed):
    """`RecordType.SIGNAL`."""

    signo: u32
    rip: u64
    address: u64


class MemoryShortRecord(Packed):
    """`RecordType.MEMORY_SHORT`."""

    needed_bytes: u64
    present_bytes: u64


class ExecErrorRecord(Packed):
    """`RecordType.EXEC_ERROR`; the path follows."""

    code: u32


class BootPhaseRecord(Packed):
    """`RecordType.BOOT_PHASE`."""

    phase: u8
    tsc: u64
    since_entry_ns: u64


class ClockRecord(Packed):
    """`RecordType.CLOCK`."""

    tsc_hz: u64


class FrameHeader(Packed):
    """Opens every frame of standard input."""

    length: u32


class ControlHeader(Packed):
    """Opens every message on the control console."""

    type: u16
    flags: u16
    length: u32


class SignalMessage(Packed):
    """`MessageType.SIGNAL`."""

    signo: u32


class WindowSizeMessage(Packed):
    """`MessageType.WINDOW_SIZE`."""

    rows: u16
    columns: u16


class TerminalModeMessage(Packed):
    """`MessageType.TERMINAL_MODE`."""

    mode: u32
