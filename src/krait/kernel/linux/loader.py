"""Making a file the program of a process: scripts, interpreters, segments, stack (execve(2)).

The process's address space must be empty and loaded: everything is written through the program's
own addresses. Addresses are chosen as Linux chooses them, with its randomness: a
position-independent program near 0x5555_5555_4000, its interpreter among the mappings below the
stack.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.drivers import random
from krait.kernel.errno import EACCES, ELOOP, ENOEXEC
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Buffer, Errno, Slice, Struct, Text, inline, u8, u64
from krait.kernel.linux.arguments import Arguments, with_interpreter
from krait.kernel.linux.elf import ElfFile, read_elf, read_interpreter
from krait.kernel.linux.image_mapping import map_segments
from krait.kernel.linux.limits import Resource
from krait.kernel.linux.mapping_names import FileMapping, HeapMapping, StackMapping
from krait.kernel.linux.process import Process
from krait.kernel.linux.program_stack import ProgramStart, fill_stack
from krait.kernel.mm.address_space import AddressSpace
from krait.kernel.mm.protection import MapFlags, Protection
from krait.kernel.mm.vdso_mapping import map_vdso

SCRIPT_DEPTH: Final = 4
SCRIPT_LINE: Final = 256  # BINPRM_BUF_SIZE, linux/binfmts.h
PATH_LIMIT: Final = 4096

PROGRAM_BASE: Final = 0x5555_5555_4000  # ELF_ET_DYN_BASE: two thirds of the lower half
PROGRAM_RANDOM_PAGES: Final = (1 << 28) - 1  # vm.mmap_rnd_bits, 28
STACK_RANDOM_PAGES: Final = (1 << 22) - 1  # STACK_RND_MASK, arch/x86/include/asm/elf.h
BREAK_RANDOM_PAGES: Final = (1 << 13) - 1  # arch_randomize_brk: up to 32 MiB
STACK_TOP: Final = 0x7FFF_FFFF_F000
MAPPING_RANDOM_PAGES: Final = (1 << 28) - 1
PAGE_SHIFT: Final = 12
EXECUTE_BITS: Final = 0o111


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


def load_program(process: Process, path: Text, arguments: Arguments, loaded: LoadedProgram) -> None:
    """Load the program at `path`, through as many scripts as Linux follows; fills `loaded`."""
    given = path
    line: Array[u8] = inline(SCRIPT_LINE)
    holder = arguments
    program_name = Buffer[u8](length=given.length)
    program_name.slice.copy_from(given)
    for _depth in range(SCRIPT_DEPTH + 1):
        dentry = find_executable(process, program_name.slice)
        vnode = dentry.present()
        length = vnode.read(0, line)
        if length >= 2 and line[0] == 0x23 and line[1] == 0x21:
            interpreter = script_interpreter(line.part(2, length))
            option = script_option(line.part(2, length))
            holder = with_interpreter(holder, interpreter, option, program_name.slice)
            program_name = Buffer[u8](length=interpreter.length)
            program_name.slice.copy_from(interpreter)
            continue
        load_elf(process, dentry, vnode, program_name.slice, given, holder, loaded)
        return
    raise Errno(ELOOP)


def find_executable(process: Process, path: Text) -> Dentry:
    """Walk to a file that may be executed."""
    dentry = walk(process.fs, process.fs.cwd, path, WalkFlags.FOLLOW)
    vnode = dentry.present()
    if not vnode.is_regular or vnode.mode & EXECUTE_BITS == 0:
        raise Errno(EACCES)
    return dentry


def script_interpreter(line: Slice[u8]) -> Text:
    """Give the first word of a `#!` line; ENOEXEC if there is none."""
    start = skip_blanks(line, 0)
    end = word_end(line, start)
    if end == start:
        raise Errno(ENOEXEC)
    return line.part(start, end)


def script_option(line: Slice[u8]) -> Text:
    """Give the rest of the line without blanks around it, which is one argument."""
    start = skip_blanks(line, word_end(line, skip_blanks(line, 0)))
    end = start
    last = start
    while end < line.length and line[end] != 0x0A and line[end] != 0:
        if not is_blank(line[end]):
            last = end + 1
        end += 1
    return line.part(start, last)


def is_blank(byte: u8) -> bool:
    """Say whether a byte is a space or a tab."""
    return byte in (0x20, 0x09)


def skip_blanks(line: Slice[u8], start: u64) -> u64:
    """Give the place of the first byte that is not blank."""
    while start < line.length and is_blank(line[start]):
        start += 1
    return start


def word_end(line: Slice[u8], start: u64) -> u64:
    """Give the place behind a word."""
    while start < line.length and not is_blank(line[start]):
        if line[start] in (0x0A, 0):
            break
        start += 1
    return start


def load_elf(
    process: Process,
    dentry: Dentry,
    vnode: Vnode,
    name: Text,
    given: Text,
    arguments: Arguments,
    loaded: LoadedProgram,
) -> None:
    """Map program, interpreter, vDSO and stack, and fill the stack."""
    elf = read_elf(vnode, name)
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
    vnode.begin_execution()
    process.executable = dentry
    top = STACK_TOP - entropy.pages(1, STACK_RANDOM_PAGES)
    limit = process.limits.soft(Resource.STACK)
    map_stack(process.space, top, limit, elf)
    process.space.map_top -= entropy.pages(3, MAPPING_RANDOM_PAGES)
    process.space.map_top -= entropy.pages(3, PROGRAM_RANDOM_PAGES)
    map_segments(process, elf, base, FileMapping(dentry=dentry), main=True)
    process.space.heap_name = HeapMapping()
    process.space.set_brk_start(base + elf.end + entropy.pages(2, BREAK_RANDOM_PAGES))
    if elf.interpreter_length != 0:
        load_interpreter(process, elf, name, start)
    process.vdso_base = map_vdso(process.space)
    loaded.entry = start.first
    loaded.stack = fill_stack(process, top, start, arguments, given, entropy.bytes.part(0, 16))


def map_stack(space: AddressSpace, top: u64, limit: u64, elf: ElfFile) -> None:
    """Map the stack, which grows down to its limit as it is used."""
    protection = Protection.READ | Protection.WRITE
    if elf.executable_stack:
        protection |= Protection.EXECUTE
    space.map_stack(top, limit, protection, StackMapping())


def load_interpreter(process: Process, elf: ElfFile, name: Text, start: ProgramStart) -> None:
    """Map the dynamic linker among the mappings and let execution begin there."""
    buffer = Buffer[u8](length=elf.interpreter_length)
    path = read_interpreter(elf, buffer.slice, name)
    dentry = find_executable(process, path)
    interpreter = read_elf(dentry.present(), path)
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
