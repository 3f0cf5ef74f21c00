"""How a run ended, and when each phase of the boot was reached.

The kernel writes records to a debug port (isa-debugcon at `PORT`), which has a file behind it on
the host. A record is {magic u8, type u8, payload length u16 little endian, payload}. The last
record whose type ends a run decides its status; without one the VM died. QEMU itself is ended by a
write to isa-debug-exit at `EXIT_PORT`: its status says nothing but that the kernel asked for it.

A status alone would not do: isa-debug-exit cannot report an even status, and 0 is also what QEMU
ends with when the guest triple-faults under `-no-reboot`.
"""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PORT: Final = 0xE9
EXIT_PORT: Final = 0xF4
EXIT_PORT_SIZE: Final = 4
MAGIC: Final = 0x4B
HEADER_BYTES: Final = 4


class RecordType(IntEnum):
    """The payload that follows each type; integers are little endian, text is UTF-8."""

    EXIT = 1
    """status u32."""
    SIGNAL = 2
    """signo u32, rip u64, address u64: a signal ended the program."""
    PANIC = 3
    """text: the kernel failed."""
    IMAGE_ERROR = 4
    """text: a page of the image does not match its checksum, or the image is not one."""
    MEMORY_SHORT = 5
    """needed bytes u64, present bytes u64."""
    EXEC_ERROR = 6
    """errno u32, path text: the program could not be executed."""
    BOOT_PHASE = 7
    """`BootPhase` u8, TSC u64, nanoseconds since kernel entry u64."""
    CLOCK = 8
    """TSC ticks a second u64."""
    REBOOT = 9
    """Nothing: the program asked for a restart."""
    STUCK = 10
    """text: the kernel does not go on."""


class BootPhase(IntEnum):
    """What has just been completed. A configuration may skip some."""

    ENTRY = 0
    """The first instruction of the kernel in long mode."""
    MEMORY = 1
    """Physical ranges known, page allocator and slabs ready."""
    TRAPS = 2
    """Descriptor tables, interrupt controllers."""
    CLOCK = 3
    """Time is served."""
    SCHEDULER = 4
    """Threads can run."""
    DEVICES = 5
    """Devices found; those needed for the root have been started."""
    ROOT = 6
    """The root file system and /dev, /proc, /tmp are mounted."""
    LOADED = 7
    """The program and its interpreter are mapped, the stack is filled."""
    PROGRAM = 8
    """The program's first instruction comes next."""
    EXIT = 9
    """The program has ended."""
