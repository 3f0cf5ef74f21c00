"""Making a file the program of a process: scripts, interpreters, segments, stack (execve(2)).

The process's address space must be empty and loaded: everything is written through the program's
own addresses. Addresses are chosen as Linux chooses them, with its randomness: a
position-independent program near 0x5555_5555_4000, its interpreter among the mappings below the
stack.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.drivers import random
from krait.kernel.errno import EACCES, ELOOP
from krait.kernel.fs.credentials import Credentials
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.permission import EXECUTE, check
from krait.kernel.lang import Array, Buffer, Counted, Errno, Struct, Text, inline, u8, u64
from krait.kernel.linux.arguments import Arguments, with_interpreter
from krait.kernel.linux.elf import ElfFile, read_elf, read_interpreter
from krait.kernel.linux.image_mapping import map_segments
from krait.kernel.linux.limits import Resource
from krait.kernel.linux.mapping_names import FileMapping, HeapMapping, StackMapping
from krait.kernel.linux.process import Process
from krait.kernel.linux.program_stack import ProgramStart, fill_stack
from krait.kernel.linux.script import (
    SCRIPT_DEPTH,
    SCRIPT_LINE,
    is_script,
    script_interpreter,
    script_option,
)
from krait.kernel.linux.task import current_credentials, current_files
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.heap_end import begin_heap
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.mm.vdso_mapping import map_vdso

PROGRAM_BASE: Final = 0x5555_5555_4000  # ELF_ET_DYN_BASE: two thirds of the lower half
PROGRAM_RANDOM_PAGES: Final = (1 << 28) - 1  # vm.mmap_rnd_bits, 28
STACK_RANDOM_PAGES: Final = (1 << 22) - 1  # STACK_RND_MASK, arch/x86/include/asm/elf.h
BREAK_RANDOM_PAGES: Final = (1 << 13) - 1  # arch_randomize_brk: up to 32 MiB
STACK_TOP: Final = 0x7FFF_FFFF_F000
MAPPING_RANDOM_PAGES: Final = (1 << 28) - 1
PAGE_SHIFT: Final = 12


class PreparedProgram(Counted):
    """A program that has been found, read and checked, and can be mapped."""

    dentry: Dentry
    elf: ElfFile
    name: Buffer[u8]
    """The path that the caller gave, AT_EXECFN."""
    arguments: Arguments
    interpreter: ElfFile | None = None
    interpreter_dentry: Dentry | None = None
    credentials: Credentials | None = None
    """Whose rights it will have; None: those of its process."""


class LoadedProgram(Struct):
    """Where a loaded program starts."""

    entry: u64 = 0
    stack: u64 = 0


class Entropy(Struct):
    """The randomness of one execution: 16 bytes for the program, the rest for addresses."""

    bytes: Array[u8] = inline(48)

    def word(self, index: u64) -> u64:
        """Give one of the four words behind the program's bytes."""
        result: u64 = 0
        for byte in self.bytes.part(16 + index * 8, 24 + index * 8):
            result = result.wrapping_shl(8) | u64(byte)
        return result

    def pages(self, index: u64, mask: u64) -> u64:
        """Give a random number of whole pages, in bytes."""
        return (self.word(index) & mask) << PAGE_SHIFT


def prepare_program(
    process: Process, at: Dentry, path: Text, arguments: Arguments
) -> PreparedProgram:
    """Find the program at `path`, through as many scripts as Linux follows; changes nothing."""
    name = copy_of(path)
    current = name
    line: Array[u8] = inline(SCRIPT_LINE)
    for _depth in range(SCRIPT_DEPTH + 1):
        dentry = find_executable(process, at, current.slice)
        vnode = dentry.present()
        length = vnode.read(0, line)
        if is_script(line.part(0, length)):
            rest = line.part(2, length)
            interpreter = script_interpreter(rest)
            arguments = with_interpreter(arguments, interpreter, script_option(rest), current.slice)
            current = copy_of(interpreter)
            continue
        prepared = PreparedProgram(
            dentry=dentry, elf=read_elf(vnode, current.slice), name=name, arguments=arguments
        )
        prepare_interpreter(process, prepared, current.slice)
        return prepared
    raise Errno(ELOOP)


def copy_of(path: Text) -> Buffer[u8]:
    """Keep a path."""
    kept = Buffer[u8](length=path.length)
    kept.slice.copy_from(path)
    return kept


def prepare_interpreter(process: Process, prepared: PreparedProgram, name: Text) -> None:
    """Find and read the dynamic linker that a program asks for."""
    elf = prepared.elf
    if elf.interpreter_length == 0:
        return
    buffer = Buffer[u8](length=elf.interpreter_length)
    path = read_interpreter(elf, buffer.slice, name)
    dentry = find_executable(process, process.fs.cwd, path)
    prepared.interpreter = read_elf(dentry.present(), path)
    prepared.interpreter_dentry = dentry


def find_executable(process: Process, at: Dentry, path: Text) -> Dentry:
    """Walk to a file that may be executed."""
    dentry = walk(current_files(), at, path, WalkFlags.FOLLOW | WalkFlags.EMPTY_PATH)
    vnode = dentry.present()
    if not vnode.is_regular or vnode.filesystem.no_execution:
        raise Errno(EACCES)
    check(current_credentials(), vnode, EXECUTE)
    return dentry


def map_program(process: Process, prepared: PreparedProgram, loaded: LoadedProgram) -> None:
    """Map program, interpreter, vDSO and stack, and fill the stack; the process becomes this."""
    elf = prepared.elf
    dentry = prepared.dentry
    entropy = Entropy()
    random.fill(entropy.bytes)
    base: u64 = 0
    if elf.is_relocatable:
        wanted = PROGRAM_BASE + entropy.pages(0, PROGRAM_RANDOM_PAGES)
        base = (wanted & ~(elf.alignment - 1)) - elf.start
    start = ProgramStart()
    start.entry = base.wrapping_add(elf.entry)
    start.first = start.entry
    start.header_count = elf.header_count
    if elf.headers_address != 0 or elf.start == 0:
        start.headers = base + elf.headers_address
    dentry.present().begin_execution()
    process.executable = dentry
    process.code_start = 0
    process.code_end = 0
    process.data_start = 0
    process.data_end = 0
    top = STACK_TOP - entropy.pages(1, STACK_RANDOM_PAGES)
    limit = process.limits.soft(Resource.STACK)
    map_stack(process.space, top, limit, elf)
    process.space.map_top -= entropy.pages(3, MAPPING_RANDOM_PAGES)
    map_segments(process, elf, base, FileMapping(dentry=dentry), main=True)
    process.space.heap_name = HeapMapping()
    begin_heap(process.space, base + elf.end + entropy.pages(2, BREAK_RANDOM_PAGES))
    interpreter = prepared.interpreter
    interpreter_dentry = prepared.interpreter_dentry
    if interpreter is not None and interpreter_dentry is not None:
        map_interpreter(process, interpreter, interpreter_dentry, start)
    process.vdso_base = map_vdso(process.space)
    loaded.entry = start.first
    loaded.stack = fill_stack(
        process, top, start, prepared.arguments, prepared.name.slice, entropy.bytes.part(0, 16)
    )


def map_stack(space: AddressSpace, top: u64, limit: u64, elf: ElfFile) -> None:
    """Map the stack, which grows down to its limit as it is used."""
    protection = Protection.READ | Protection.WRITE
    if elf.executable_stack:
        protection |= Protection.EXECUTE
    space.map_stack(top, limit, protection, StackMapping())


def map_interpreter(
    process: Process, interpreter: ElfFile, dentry: Dentry, start: ProgramStart
) -> None:
    """Map the dynamic linker among the mappings and let execution begin there."""
    length = interpreter.end - interpreter.start
    slack = interpreter.alignment - (1 << PAGE_SHIFT)
    place = process.space.map(
        0,
        length + slack,
        Protection(0),
        MapFlags.PRIVATE | MapFlags.ANONYMOUS,
        None,
        0,
        None,
    )
    aligned = (place + slack) & ~(interpreter.alignment - 1)
    process.space.unmap(place, length + slack)
    base = aligned.wrapping_sub(interpreter.start)
    map_segments(process, interpreter, base, FileMapping(dentry=dentry), main=False)
    start.interpreter_base = base
    start.first = base.wrapping_add(interpreter.entry)
