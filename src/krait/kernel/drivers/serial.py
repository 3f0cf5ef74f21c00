"""The first serial port, for the kernel's own words.

Panic reports, trace lines and the log leave here, byte by byte, without interrupts: it has to work
when nothing else does. The registers are those of the PC16550D (National Semiconductor, 1995). The
transmitter holds 16 bytes, so its state is asked for once every 16 bytes.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.ports import in8, out8
from krait.kernel.lang import Slice, Struct, u8, u16, u32

COM1: Final = u16(0x3F8)
INTERRUPT_ENABLE: Final = 1
FIFO_CONTROL: Final = 2
LINE_CONTROL: Final = 3
MODEM_CONTROL: Final = 4
LINE_STATUS: Final = 5

DIVISOR_LATCH: Final = u8(0x80)
EIGHT_BITS: Final = u8(0x03)
FIFO_ENABLE_AND_CLEAR: Final = u8(0x07)
READY_AND_REQUEST: Final = u8(0x03)
TRANSMITTER_EMPTY: Final = u8(0x20)

FIFO_BYTES: Final = 16
PATIENCE: Final = 100_000
"""How often the state is read before the bytes go out regardless: a dead port must not stop us."""


class SerialPort(Struct):
    """COM1, set up when the first byte is written."""

    started: bool = False

    def write(self, data: Slice[u8]) -> None:
        """Write all bytes and wait until they are in the transmitter."""
        if not self.started:
            self._start()
        room: u32 = 0
        for byte in data:
            if room == 0:
                self._wait()
                room = u32(FIFO_BYTES)
            out8(COM1, byte)
            room -= 1

    def _start(self) -> None:
        """115,200 baud, 8 data bits, no parity, no interrupts, FIFO on."""
        self.started = True
        out8(COM1 + INTERRUPT_ENABLE, 0)
        out8(COM1 + LINE_CONTROL, DIVISOR_LATCH)
        out8(COM1, 1)
        out8(COM1 + 1, 0)
        out8(COM1 + LINE_CONTROL, EIGHT_BITS)
        out8(COM1 + FIFO_CONTROL, FIFO_ENABLE_AND_CLEAR)
        out8(COM1 + MODEM_CONTROL, READY_AND_REQUEST)

    def _wait(self) -> None:
        """Wait until the transmitter is empty."""
        for _ in range(PATIENCE):
            if in8(COM1 + LINE_STATUS) & TRANSMITTER_EMPTY != 0:
                return


serial_port = SerialPort()
