"""Where things are in virtual memory, and the constants that assembly has in layout.h.

0x0000000000010000  the program, below it nothing is ever mapped
0xffff800000000000  slot 256: the direct map, physical memory 0 to 512 GiB, never executable
0xffff808000000000  slot 257: kernel stacks; from its middle on, devices beyond 512 GiB
0xffffffff80100000  slot 511: the kernel image
"""

from __future__ import annotations

from typing import Final

PAGE_SIZE: Final = 4096
PAGE_SHIFT: Final = 12

PROGRAM_START: Final = 0x10000
"""The least address that a program can map."""
PROGRAM_END: Final = 0x0000_8000_0000_0000 - PAGE_SIZE
"""TASK_SIZE of Linux: the last page is left out, since a `syscall` at its end would leave a
non-canonical return address."""

DIRECT_MAP: Final = 0xFFFF_8000_0000_0000
DIRECT_MAP_SIZE: Final = 1 << 39
STACK_AREA: Final = 0xFFFF_8080_0000_0000
DEVICE_AREA: Final = STACK_AREA + (1 << 38)
KERNEL_BASE: Final = 0xFFFF_FFFF_8000_0000

CODE_SELECTOR: Final = 0x08
DATA_SELECTOR: Final = 0x10
TSS_SELECTOR: Final = 0x18
NUMBER_SELECTOR: Final = 0x28
"""Of a segment whose limit is the CPU's number, which programs read with `lsl`."""

FRAME_SIZE: Final = 176

IST_AREA_SIZE: Final = 8192
IST_STACK_SIZE: Final = 1024

HOLDS_NOT: Final = 0
HOLDS_LOCK: Final = 1
HOLDS_ALONE: Final = 2
SERVICE_VECTOR: Final = 0xF0
TRAMPOLINE: Final = 0x8000
