"""Reads what the image builder must know of an ELF file, and refuses what the kernel would.

Only program headers and the dynamic section are read, because these are what the kernel and the
dynamic linker look at; section headers may be stripped or wrong. Every offset is checked against
the file's size: a truncated or corrupt file gives one line, never an exception from `struct`.
Numbers are from the System V ABI (gabi, chapters 4 and 5) and its AMD64 supplement.
"""

from __future__ import annotations

import itertools
import mmap
import os
import struct
from typing import Final, NamedTuple

from krait.image.errors import STATUS_NOT_EXECUTABLE, ImageError

MAGIC: Final = b"\x7fELF"
HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER: Final = struct.Struct("<IIQQQQQQ")
DYNAMIC_ENTRY: Final = struct.Struct("<qQ")

CLASS_64: Final = 2
DATA_LITTLE: Final = 1
TYPE_EXECUTABLE: Final = 2
TYPE_SHARED: Final = 3
TYPE_NAMES: Final = {1: "a relocatable object file", 4: "a core dump"}
MACHINE_X86_64: Final = 62
MACHINE_NAMES: Final = {
    2: "SPARC", 3: "i386", 8: "MIPS", 20: "PowerPC", 21: "PowerPC64", 22: "S/390", 40: "ARM",
    43: "SPARC V9", 50: "IA-64", 183: "AArch64", 243: "RISC-V", 258: "LoongArch",
}  # fmt: skip
PROGRAM_HEADERS_MAX: Final = 65536 // PROGRAM_HEADER.size  # fs/binfmt_elf.c, load_elf_phdrs
PAGE: Final = 4096
USER_TOP: Final = 0x0000_8000_0000_0000 - PAGE
PATH_MAX: Final = 4096

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_GNU_EH_FRAME = 1, 2, 3, 0x6474E550
PF_X: Final = 1
DT_NULL, DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_SONAME, DT_RPATH, DT_RUNPATH = 0, 1, 5, 10, 14, 15, 29
DT_FLAGS_1: Final = 0x6FFFFFFB
DF_1_NODEFLIB: Final = 0x800
DF_1_PIE: Final = 0x08000000


class Segment(NamedTuple):
    """A program header."""

    type: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    align: int


class Elf(NamedTuple):
    """What an ELF file asks for."""

    path: str
    type: int
    entry: int
    segments: tuple[Segment, ...]
    interpreter: str | None
    is_dynamic: bool
    needed: tuple[str, ...] = ()
    soname: str | None = None
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    flags_1: int = 0
    strings: bytes = b"\0"  # the dynamic string table: every imported and exported name

    @property
    def memory_size(self) -> int:
        """Bytes that its segments take when loaded."""
        return sum(s.memory_size for s in self.segments if s.type == PT_LOAD)

    def mentions(self, *names: bytes) -> bool:
        """Tell whether one of these symbols is imported or exported."""
        return any(b"\0" + name + b"\0" in self.strings for name in names)


def read_elf(path: str) -> Elf:
    """Read an ELF file; raises ImageError with one line when it is not a sound x86-64 one."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < HEADER.size:
                return parse_elf(file.read(), path)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return parse_elf(data, path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImageError(f"{path}: {reason}", STATUS_NOT_EXECUTABLE) from None


def is_elf(path: str) -> bool:
    """Tell whether a file begins as ELF files do."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def parse_elf(data: bytes | mmap.mmap, path: str) -> Elf:
    """Check the header and the segments as the kernel will, then read the dynamic section."""
    if data[:4] != MAGIC:
        raise _refusal(path, "not an ELF program")
    if len(data) < HEADER.size:
        raise _refusal(path, f"truncated ELF file: {len(data)} bytes do not hold a header")
    identity, kind, machine, version, entry, headers_at, *_, entry_size, count, _, _, _ = (
        HEADER.unpack_from(data)
    )
    _check_header(path, identity, kind, machine, version)
    if entry_size != PROGRAM_HEADER.size:
        raise _refusal(path, f"corrupt ELF file: program headers of {entry_size} bytes")
    if not 1 <= count <= PROGRAM_HEADERS_MAX:
        raise _refusal(path, f"corrupt ELF file: {count} program headers")
    if headers_at > len(data) - count * entry_size:
        raise _refusal(path, "truncated ELF file: the program headers lie behind its end")
    segments = []
    for index in range(count):
        fields = PROGRAM_HEADER.unpack_from(data, headers_at + index * entry_size)
        kind_, flags, offset, address, _physical, file_size, memory_size, align = fields
        segments.append(Segment(kind_, flags, offset, address, file_size, memory_size, align))
    for segment in segments:
        _check_segment(path, segment, len(data))
    loads = [segment for segment in segments if segment.type == PT_LOAD]
    if not loads:
        raise _refusal(path, "corrupt ELF file: nothing to load")
    if any(a.address + a.memory_size > b.address for a, b in itertools.pairwise(loads)):
        raise _refusal(path, "corrupt ELF file: its segments overlap or are not in order")
    interpreter = _interpreter(data, path, segments)
    elf = Elf(path, kind, entry, tuple(segments), interpreter, is_dynamic=False)
    dynamic = next((segment for segment in segments if segment.type == PT_DYNAMIC), None)
    return elf if dynamic is None else _with_dynamic(elf, data, dynamic)


def file_offset(elf: Elf, address: int) -> int | None:
    """Translate an address of the loaded file to an offset in it."""
    for segment in elf.segments:
        inside = segment.address <= address < segment.address + segment.file_size
        if segment.type == PT_LOAD and inside:
            return segment.offset + address - segment.address
    return None


def _check_header(path: str, identity: bytes, kind: int, machine: int, version: int) -> None:
    """Refuse another class, byte order, machine or type."""
    if identity[4] != CLASS_64:
        bits = "a 32-bit" if identity[4] == 1 else "an unknown-class"
        name = MACHINE_NAMES.get(machine, "") if machine != MACHINE_X86_64 else "x32"
        raise _refusal(path, f"{bits} {name} program; Krait runs 64-bit x86-64 programs", gap=True)
    if identity[5] != DATA_LITTLE:
        raise _refusal(path, "a big-endian program; Krait runs 64-bit x86-64 programs")
    if machine != MACHINE_X86_64:
        name = MACHINE_NAMES.get(machine, f"machine {machine}")
        raise _refusal(path, f"a program for {name}; Krait runs x86-64 programs")
    if kind not in (TYPE_EXECUTABLE, TYPE_SHARED):
        name = TYPE_NAMES.get(kind, f"an ELF file of unknown type {kind}")
        raise _refusal(path, f"{name}, not a program")
    if identity[6] != 1 or version != 1:
        raise _refusal(path, f"corrupt ELF file: version {version}")


def _check_segment(path: str, segment: Segment, size: int) -> None:
    """Refuse a segment that lies outside the file or the address space."""
    if segment.type not in (PT_LOAD, PT_INTERP, PT_DYNAMIC):
        return
    if segment.offset > size or segment.file_size > size - segment.offset:
        end = segment.offset + segment.file_size
        raise _refusal(path, f"truncated ELF file: {size} of at least {end} bytes are there")
    if segment.type != PT_LOAD:
        return
    if segment.file_size > segment.memory_size:
        raise _refusal(path, "corrupt ELF file: a segment is larger in the file than in memory")
    if segment.memory_size > USER_TOP or segment.address > USER_TOP - segment.memory_size:
        raise _refusal(path, "corrupt ELF file: a segment lies outside the address space")
    if (segment.address - segment.offset) % PAGE:
        raise _refusal(path, "corrupt ELF file: a segment is not aligned to a page")
    if segment.align & (segment.align - 1):
        raise _refusal(path, f"corrupt ELF file: alignment {segment.align} is no power of two")


def _interpreter(data: bytes | mmap.mmap, path: str, segments: list[Segment]) -> str | None:
    """Take the path in PT_INTERP."""
    for segment in segments:
        if segment.type == PT_INTERP:
            if not 2 <= segment.file_size <= PATH_MAX:
                raise _refusal(path, "corrupt ELF file: the interpreter's path is too long or none")
            raw = data[segment.offset : segment.offset + segment.file_size]
            if raw[-1:] != b"\0" or raw.index(b"\0") == 0:
                raise _refusal(path, "corrupt ELF file: the interpreter's path does not end")
            return os.fsdecode(raw[: raw.index(b"\0")])
    return None


def _with_dynamic(elf: Elf, data: bytes | mmap.mmap, dynamic: Segment) -> Elf:
    """Add what the dynamic section says."""
    needed: list[int] = []
    values: dict[int, int] = {}
    end = dynamic.offset + dynamic.file_size - DYNAMIC_ENTRY.size
    for at in range(dynamic.offset, end + 1, DYNAMIC_ENTRY.size):
        tag, value = DYNAMIC_ENTRY.unpack_from(data, at)
        if tag == DT_NULL:
            break
        if tag == DT_NEEDED:
            needed.append(value)
        else:
            values[tag] = value
    strings = b"\0"
    if DT_STRTAB in values:
        start = file_offset(elf, values[DT_STRTAB])
        length = values.get(DT_STRSZ, 0)
        if start is None or length > len(data) - start:
            raise _refusal(elf.path, "corrupt ELF file: the dynamic string table lies outside")
        strings = bytes(data[start : start + length])

    def text(offset: int) -> str:
        stop = strings.find(b"\0", offset)
        if offset >= len(strings) or stop < 0:
            raise _refusal(elf.path, "corrupt ELF file: a name lies outside the string table")
        return os.fsdecode(strings[offset:stop])

    def folders(tag: int) -> tuple[str, ...]:
        return tuple(text(values[tag]).split(":")) if tag in values else ()

    return elf._replace(
        is_dynamic=True,
        needed=tuple(map(text, needed)),
        soname=text(values[DT_SONAME]) if DT_SONAME in values else None,
        rpath=folders(DT_RPATH),
        runpath=folders(DT_RUNPATH),
        flags_1=values.get(DT_FLAGS_1, 0),
        strings=b"\0" + strings,
    )


def _refusal(path: str, reason: str, *, gap: bool = False) -> ImageError:
    """Say what is wrong with a file; `gap` closes the hole of an unknown name."""
    return ImageError(
        f"{path}: {reason.replace('  ', ' ') if gap else reason}", STATUS_NOT_EXECUTABLE
    )
