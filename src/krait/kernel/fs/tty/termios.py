"""Terminal settings as on x86-64 Linux (termios(3), <asm-generic/termbits.h>)."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from krait.kernel.lang import Array, Packed, inline, size_of, static_assert, u8, u16, u32


class Termios(Packed):
    """`struct termios` of the kernel: what TCGETS gives."""

    input_flags: u32
    output_flags: u32
    control_flags: u32
    local_flags: u32
    line: u8
    characters: Array[u8] = inline(19)


class Termios2(Packed):
    """`struct termios2`: with speeds of any value (TCGETS2)."""

    input_flags: u32
    output_flags: u32
    control_flags: u32
    local_flags: u32
    line: u8
    characters: Array[u8] = inline(19)
    input_speed: u32
    output_speed: u32


class WindowSize(Packed):
    """`struct winsize`."""

    rows: u16
    columns: u16
    width_pixels: u16
    height_pixels: u16


static_assert(size_of(Termios) == 36)
static_assert(size_of(Termios2) == 44)
static_assert(size_of(WindowSize) == 8)


class Input(IntFlag):
    """c_iflag."""

    IGNBRK = 0o1
    BRKINT = 0o2
    IGNPAR = 0o4
    PARMRK = 0o10
    INPCK = 0o20
    ISTRIP = 0o40
    INLCR = 0o100
    IGNCR = 0o200
    ICRNL = 0o400
    IUCLC = 0o1000
    IXON = 0o2000
    IXANY = 0o4000
    IXOFF = 0o10000
    IMAXBEL = 0o20000
    IUTF8 = 0o40000


class Output(IntFlag):
    """c_oflag."""

    OPOST = 0o1
    OLCUC = 0o2
    ONLCR = 0o4
    OCRNL = 0o10
    ONOCR = 0o20
    ONLRET = 0o40
    TAB3 = 0o14000


class Local(IntFlag):
    """c_lflag."""

    ISIG = 0o1
    ICANON = 0o2
    ECHO = 0o10
    ECHOE = 0o20
    ECHOK = 0o40
    ECHONL = 0o100
    NOFLSH = 0o200
    TOSTOP = 0o400
    ECHOCTL = 0o1000
    ECHOPRT = 0o2000
    ECHOKE = 0o4000
    IEXTEN = 0o100000


VINTR: Final = 0
VQUIT: Final = 1
VERASE: Final = 2
VKILL: Final = 3
VEOF: Final = 4
VTIME: Final = 5
VMIN: Final = 6
VSTART: Final = 8
VSTOP: Final = 9
VSUSP: Final = 10
VEOL: Final = 11
VREPRINT: Final = 12
VWERASE: Final = 14
VLNEXT: Final = 15
VEOL2: Final = 16

CHARACTERS: Final = 19

# What a Linux console starts with (tty_std_termios, INIT_C_CC).
FIRST_INPUT: Final = 0o400 | 0o2000 | 0o40000  # ICRNL IXON IUTF8
FIRST_OUTPUT: Final = 0o1 | 0o4  # OPOST ONLCR
FIRST_CONTROL: Final = 0o17 | 0o60 | 0o200  # B38400 CS8 CREAD
FIRST_LOCAL: Final = 0o1 | 0o2 | 0o10 | 0o20 | 0o40 | 0o1000 | 0o4000 | 0o100000
FIRST_CHARACTERS: Final = (
    b"\x03\x1c\x7f\x15\x04\x00\x01\x00\x11\x13\x1a\x00\x12\x0f\x17\x16\x00\x00\x00"
)
FIRST_SPEED: Final = 38400
