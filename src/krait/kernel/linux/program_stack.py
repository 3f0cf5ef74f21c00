"""The stack a program starts on (System V ABI, AMD64 supplement, 3.4.1).

top     eight zero bytes
        path of the executable (AT_EXECFN)
        strings of environ, strings of argv
        16 random bytes (AT_RANDOM), "x86_64" (AT_PLATFORM)
        auxiliary vector, environ, argv, argc   <- stack pointer, a multiple of 16
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from krait.kernel.arch.x86_64 import context
from krait.kernel.arch.x86_64.cpu import cpuid
from krait.kernel.lang import (
    Buffer,
    Slice,
    Struct,
    Text,
    UserSlice,
    size_of,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.arguments import Arguments
from krait.kernel.linux.process import AUXILIARY_WORDS, Process
from krait.kernel.linux.signal_frame import SignalFrame
from krait.kernel.linux.task import current_credentials

RANDOM_BYTES: Final = 16
PLATFORM: Final = b"x86_64\0"
WORD: Final = 8


class Auxiliary(IntEnum):
    """`a_type`; getauxval(3), include/uapi/linux/auxvec.h."""

    END = 0
    HEADERS = 3
    HEADER_SIZE = 4
    HEADER_COUNT = 5
    PAGE_SIZE = 6
    BASE = 7
    FLAGS = 8
    ENTRY = 9
    UID = 11
    EUID = 12
    GID = 13
    EGID = 14
    PLATFORM = 15
    HARDWARE = 16
    CLOCK_TICKS = 17
    SECURE = 23
    RANDOM = 25
    HARDWARE_2 = 26
    FILE_NAME = 31
    VDSO = 33
    SIGNAL_STACK = 51


class ProgramStart(Struct):
    """What the loader found out and the auxiliary vector tells."""

    entry: u64 = 0
    """Where the program itself begins."""
    first: u64 = 0
    """Where execution begins: the interpreter's entry if there is one."""
    headers: u64 = 0
    header_count: u64 = 0
    interpreter_base: u64 = 0


class VectorWriter(Struct):
    """Fills the process's copy of the auxiliary vector."""

    length: u64 = 0

    def add(self, process: Process, kind: Auxiliary, value: u64) -> None:
        """Append a pair."""
        assert self.length + 2 <= AUXILIARY_WORDS, "the auxiliary vector is full"
        process.auxiliary[self.length] = u64(u32(kind))
        process.auxiliary[self.length + 1] = value
        self.length += 2


def fill_stack(
    process: Process,
    top: u64,
    start: ProgramStart,
    arguments: Arguments,
    name: Text,
    random: Slice[u8],
) -> u64:
    """Write everything and give the stack pointer."""
    name_at = top - WORD - (name.length + 1)
    strings_at = name_at - arguments.used
    random_at = (strings_at - RANDOM_BYTES) & ~15
    platform_at = random_at - RANDOM_BYTES
    UserSlice[u8](name_at, name.length).copy_out(name)
    UserSlice[u8](strings_at, arguments.used).copy_out(
        arguments.bytes.slice.part(0, arguments.used)
    )
    UserSlice[u8](random_at, RANDOM_BYTES).copy_out(random)
    UserSlice[u8](platform_at, len(PLATFORM)).copy_out(text(PLATFORM))
    fill_auxiliary(process, start, name_at, random_at, platform_at)
    words = 3 + arguments.argument_count + arguments.environment_count + process.auxiliary_length
    vector = Buffer[u64](length=words)
    fill_vector(process, vector.slice, arguments, strings_at)
    pointer = (platform_at - words * WORD) & ~15
    UserSlice[u64](pointer, words).copy_out(vector.slice)
    process.stack_start = pointer
    process.argument_start = strings_at
    process.argument_end = strings_at + arguments.argument_bytes
    process.environment_start = process.argument_end
    process.environment_end = name_at
    return pointer


def fill_vector(process: Process, words: Slice[u64], arguments: Arguments, strings_at: u64) -> None:
    """Lay out argc, argv, environ and the auxiliary vector."""
    words[0] = arguments.argument_count
    offset: u64 = 0
    at: u64 = 1
    for _index in range(arguments.argument_count):
        words[at] = strings_at + offset
        offset += arguments.string_at(offset).length + 1
        at += 1
    at += 1
    for _index in range(arguments.environment_count):
        words[at] = strings_at + offset
        offset += arguments.string_at(offset).length + 1
        at += 1
    at += 1
    words.part(at, words.length).copy_from(process.auxiliary.part(0, process.auxiliary_length))


def fill_auxiliary(
    process: Process, start: ProgramStart, name_at: u64, random_at: u64, platform_at: u64
) -> None:
    """Write the auxiliary vector into the process, in Linux's order."""
    writer = VectorWriter()
    credentials = current_credentials()
    secure = credentials.euid != credentials.uid or credentials.egid != credentials.gid
    if process.vdso_base != 0:
        writer.add(process, Auxiliary.VDSO, process.vdso_base)
    writer.add(process, Auxiliary.SIGNAL_STACK, minimum_signal_stack())
    writer.add(process, Auxiliary.HARDWARE, u64(cpuid(1, 0).edx))
    writer.add(process, Auxiliary.PAGE_SIZE, 4096)
    writer.add(process, Auxiliary.CLOCK_TICKS, 100)
    writer.add(process, Auxiliary.HEADERS, start.headers)
    writer.add(process, Auxiliary.HEADER_SIZE, 56)
    writer.add(process, Auxiliary.HEADER_COUNT, start.header_count)
    writer.add(process, Auxiliary.BASE, start.interpreter_base)
    writer.add(process, Auxiliary.FLAGS, 0)
    writer.add(process, Auxiliary.ENTRY, start.entry)
    writer.add(process, Auxiliary.UID, u64(credentials.uid))
    writer.add(process, Auxiliary.EUID, u64(credentials.euid))
    writer.add(process, Auxiliary.GID, u64(credentials.gid))
    writer.add(process, Auxiliary.EGID, u64(credentials.egid))
    writer.add(process, Auxiliary.SECURE, u64(secure))
    writer.add(process, Auxiliary.RANDOM, random_at)
    # Bit 1 would say that the program may use WRGSBASE; GS is the kernel's here.
    writer.add(process, Auxiliary.HARDWARE_2, 0)
    writer.add(process, Auxiliary.FILE_NAME, name_at)
    writer.add(process, Auxiliary.PLATFORM, platform_at)
    writer.add(process, Auxiliary.END, 0)
    process.auxiliary_length = writer.length


def minimum_signal_stack() -> u64:
    """Give how much stack a signal frame takes at most, red zone and alignment included."""
    return context.vector_area_size() + 4 + size_of(SignalFrame) + 128 + 64 + 16 + 8
