"""Reading ELF executables, which may be anything a file can contain.

The headers are copied into kernel memory first, checked as a whole, and only then used. A file that
is no program for this machine is refused with ENOEXEC and a reason in the log; where Linux is more
forgiving than the specification, so is this. System V ABI, chapters 4 and 5; Linux,
fs/binfmt_elf.c.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENOEXEC
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import (
    Array,
    Buffer,
    Counted,
    Errno,
    Packed,
    Slice,
    Struct,
    Text,
    inline,
    log,
    size_of,
    static_assert,
    text,
    u8,
    u16,
    u32,
    u64,
    view,
)

MAGIC: Final = b"\x7fELF"
CLASS_64: Final = 2
LITTLE_ENDIAN: Final = 1
TYPE_EXECUTABLE: Final = 2
TYPE_SHARED: Final = 3
MACHINE_X86_64: Final = 62

SEGMENT_LOAD: Final = 1
SEGMENT_INTERPRETER: Final = 3
SEGMENT_STACK: Final = 0x6474E551

FLAG_EXECUTE: Final = 1
FLAG_WRITE: Final = 2
FLAG_READ: Final = 4

PAGE_SIZE: Final = 4096
PAGE_MASK: Final = PAGE_SIZE - 1
PROGRAM_TOP: Final = 0x0000_7FFF_FFFF_F000
HEADERS_LIMIT: Final = 65536 // 56
"""Linux takes up to 64 KiB of program headers."""
INTERPRETER_LIMIT: Final = 4096  # PATH_MAX
ALIGNMENT_LIMIT: Final = 1 << 30


class ElfHeader(Packed):
    """`Elf64_Ehdr`."""

    magic: Array[u8] = inline(4)
    kind: u8
    data: u8
    ident_version: u8
    os_abi: u8
    padding: u64
    type: u16
    machine: u16
    version: u32
    entry: u64
    program_headers: u64
    section_headers: u64
    flags: u32
    header_size: u16
    program_header_size: u16
    program_header_count: u16
    section_header_size: u16
    section_header_count: u16
    section_names: u16


static_assert(size_of(ElfHeader) == 64)


class ProgramHeader(Packed):
    """`Elf64_Phdr`."""

    type: u32
    flags: u32
    offset: u64
    address: u64
    physical_address: u64
    file_size: u64
    memory_size: u64
    alignment: u64


static_assert(size_of(ProgramHeader) == 56)


class ElfFile(Counted):
    """A checked executable: what exec needs to map it."""

    vnode: Vnode
    headers: Buffer[u8]
    header_count: u64
    is_relocatable: bool
    """ET_DYN: it may be loaded anywhere."""
    entry: u64
    headers_address: u64 = 0
    """Where the program headers are once it is loaded, relative to its base; AT_PHDR."""
    start: u64 = 0
    end: u64 = 0
    """The page-aligned span of its segments."""
    alignment: u64 = PAGE_SIZE
    interpreter_offset: u64 = 0
    interpreter_length: u64 = 0
    """0 without an interpreter."""
    executable_stack: bool = False

    def header(self, index: u64) -> ProgramHeader:
        """Give one program header."""
        return view(ProgramHeader, self.headers.slice, index * size_of(ProgramHeader))


class Refusals(Struct):
    """Reasons are told while the first program is loaded; later the caller of execve decides."""

    silent: bool = False


refusals = Refusals()


def refusal(name: Text, reason: Text) -> u32:
    """Say why a file is not executed, and give the errno for that."""
    if not refusals.silent:
        log("{}: {}", name, reason)
    return ENOEXEC


def read_elf(vnode: Vnode, name: Text) -> ElfFile:
    """Read and check the headers of an executable."""
    start: Array[u8] = inline(64)
    if vnode.read(0, start) < size_of(ElfHeader):
        raise Errno(refusal(name, text(b"not an ELF file: shorter than its header")))
    header = view(ElfHeader, start)
    check_header(header, name)
    count = u64(header.program_header_count)
    headers = Buffer[u8](length=count * size_of(ProgramHeader))
    if header.program_headers > vnode.size or (
        vnode.read(header.program_headers, headers.slice) < headers.length
    ):
        raise Errno(refusal(name, text(b"truncated ELF file: the program headers are cut off")))
    elf = ElfFile(
        vnode=vnode,
        headers=headers,
        header_count=count,
        is_relocatable=header.type == TYPE_SHARED,
        entry=header.entry,
    )
    check_segments(elf, header.program_headers, name)
    return elf


def check_header(header: ElfHeader, name: Text) -> None:
    """Refuse what is no executable for this machine."""
    if not header.magic.part(0, 4).equals(text(MAGIC)):
        raise Errno(refusal(name, text(b"not an ELF file")))
    if header.kind != CLASS_64:
        raise Errno(refusal(name, text(b"a 32-bit ELF file; only 64-bit programs run")))
    if header.data != LITTLE_ENDIAN or header.machine != MACHINE_X86_64:
        raise Errno(refusal(name, text(b"an ELF file for another architecture")))
    if header.type != TYPE_EXECUTABLE and header.type != TYPE_SHARED:
        raise Errno(refusal(name, text(b"an ELF file, but not an executable")))
    if header.program_header_size != size_of(ProgramHeader):
        raise Errno(refusal(name, text(b"corrupt ELF file: wrong size of program headers")))
    if header.program_header_count == 0 or header.program_header_count > HEADERS_LIMIT:
        raise Errno(refusal(name, text(b"corrupt ELF file: no or too many program headers")))


def check_segments(elf: ElfFile, headers_offset: u64, name: Text) -> None:
    """Look at every segment once, and find out the span, the interpreter and the stack."""
    seen = False
    previous_end: u64 = 0
    for index in range(elf.header_count):
        segment = elf.header(index)
        if segment.type == SEGMENT_LOAD:
            check_load(elf, segment, name)
            start = segment.address & ~u64(PAGE_MASK)
            if seen and start < previous_end & ~u64(PAGE_MASK):
                raise Errno(
                    refusal(name, text(b"corrupt ELF file: segments overlap or are not in order"))
                )
            if not seen:
                elf.start = start
                seen = True
            previous_end = segment.address + segment.memory_size
            elf.end = (previous_end + PAGE_MASK) & ~u64(PAGE_MASK)
            inside = headers_offset.wrapping_sub(segment.offset)
            if inside < segment.file_size and headers_offset >= segment.offset:
                elf.headers_address = segment.address + inside
        elif segment.type == SEGMENT_INTERPRETER and elf.interpreter_length == 0:
            if segment.file_size < 2 or segment.file_size > INTERPRETER_LIMIT:
                raise Errno(
                    refusal(name, text(b"corrupt ELF file: bad length of the interpreter's name"))
                )
            elf.interpreter_offset = segment.offset
            elf.interpreter_length = segment.file_size
        elif segment.type == SEGMENT_STACK:
            elf.executable_stack = segment.flags & FLAG_EXECUTE != 0
    if not seen:
        raise Errno(refusal(name, text(b"corrupt ELF file: it has nothing to load")))


def check_load(elf: ElfFile, segment: ProgramHeader, name: Text) -> None:
    """Refuse a segment that does not fit the file, the address space or the pages."""
    if segment.file_size > segment.memory_size:
        raise Errno(
            refusal(name, text(b"corrupt ELF file: a segment is longer in the file than in memory"))
        )
    if segment.memory_size > PROGRAM_TOP or segment.address > PROGRAM_TOP - segment.memory_size:
        raise Errno(
            refusal(name, text(b"corrupt ELF file: a segment lies outside of the address space"))
        )
    size = elf.vnode.size
    if segment.file_size > size or segment.offset > size - segment.file_size:
        raise Errno(refusal(name, text(b"truncated ELF file: a segment is cut off")))
    if (segment.address ^ segment.offset) & PAGE_MASK != 0:
        raise Errno(refusal(name, text(b"corrupt ELF file: a segment is not aligned to pages")))
    alignment = segment.alignment
    if alignment > elf.alignment and alignment & (alignment - 1) == 0:
        if alignment > ALIGNMENT_LIMIT:
            raise Errno(refusal(name, text(b"corrupt ELF file: absurd alignment")))
        elf.alignment = alignment


def read_interpreter(elf: ElfFile, into: Slice[u8], name: Text) -> Text:
    """Read the path of the interpreter, which the file must terminate."""
    raw = into.part(0, elf.interpreter_length)
    if elf.vnode.read(elf.interpreter_offset, raw) < raw.length:
        raise Errno(refusal(name, text(b"truncated ELF file: the interpreter's name is cut off")))
    length = raw.find(0)
    if length == raw.length or length == 0:
        raise Errno(
            refusal(name, text(b"corrupt ELF file: the interpreter's name is not terminated"))
        )
    return raw.part(0, length)
