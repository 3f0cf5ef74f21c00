"""Names for addresses of the program.

They come from the symbol tables of the image's ELF files, by way of the program's mappings, and
from the map that a JIT compiler writes (/tmp/perf-PID.map).
"""

from __future__ import annotations

import bisect
import mmap
import os
import re
import struct

from krait.machine.demangling import demangled
from krait.machine.go_symbols import go_functions, table_offset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from krait.image.rofs_reader import RofsReader

_SYMBOL_TABLES = (2, 11)  # SHT_SYMTAB, SHT_DYNSYM, elf(5)
_FUNCTIONS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC
_LOAD = 1  # PT_LOAD
_JIT_LINE = re.compile(rb"(?:0x)?([0-9a-f]+) (?:0x)?([0-9a-f]+) (.+)")


class Span:
    """A mapping of the program's."""

    __slots__ = ("end", "executable", "name", "offset", "start")

    def __init__(
        self, start: int, end: int, offset: int, name: str, *, executable: bool = True
    ) -> None:
        self.start = start
        self.end = end
        self.offset = offset
        self.name = name
        self.executable = executable


class SymbolTable:
    """Functions by address; addresses are as the file was linked."""

    __slots__ = ("_ends", "_names", "_segments", "_starts")

    def __init__(self, data: bytes) -> None:
        """Read an ELF file; one that is none, or damaged, has no symbols."""
        found: dict[int, tuple[int, str]] = {}
        self._segments: list[tuple[int, int, int]] = []
        try:
            if data[:5] == b"\x7fELF\x02":
                self._read_segments(data)
                _read_symbols(data, found)
                if not found and (table := table_offset(data)) >= 0:
                    for start, end, name in go_functions(data, table):
                        found[start] = (end - start, name)
        except (struct.error, IndexError, ValueError, UnicodeDecodeError):
            pass
        self._starts = sorted(found)
        self._ends = [start + found[start][0] for start in self._starts]
        self._names = [found[start][1] for start in self._starts]

    def _read_segments(self, data: bytes) -> None:
        (table,) = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        for index in range(count):
            kind, _, offset, address, _, length = struct.unpack_from(
                "<IIQQQQ", data, table + index * size
            )
            if kind == _LOAD:
                self._segments.append((offset, length, address))

    def name_at(self, offset: int) -> str | None:
        """The function at an offset of the file."""
        for first, length, address in self._segments:
            if first <= offset < first + length:
                return self.name_at_address(offset - first + address)
        return None

    def name_at_address(self, address: int) -> str | None:
        """The function at an address."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        end = self._ends[index]
        if address < end or (end == self._starts[index] and address - end < 4096):
            return self._names[index]
        return None


def _read_symbols(data: bytes, found: dict[int, tuple[int, str]]) -> None:
    """Collect the functions of every symbol table."""
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    sections = [
        struct.unpack_from("<IIQQQQII", data, table + index * size) for index in range(count)
    ]
    for _, kind, _, _, offset, length, link, _ in sections:
        if kind not in _SYMBOL_TABLES or link >= len(sections):
            continue
        _, _, _, _, names, names_length, _, _ = sections[link]
        for entry in range(offset, min(offset + length, len(data)) - 23, 24):
            name, info, _, section, value, extent = struct.unpack_from("<IBBHQQ", data, entry)
            if info & 15 in _FUNCTIONS and section and name < names_length:
                start = names + name
                text = data[start : data.index(b"\0", start)].decode("utf-8", "replace")
                if extent >= found.get(value, (0, ""))[0]:
                    found[value] = (extent, text)


class ProgramSymbols:
    """Names what the addresses of one program stand for."""

    def __init__(self, image: str, spans: Sequence[Span], jit_map: bytes = b"") -> None:
        self._image_path = image
        self._reader: RofsReader | None = None
        self._spans = sorted(spans, key=lambda span: span.start)
        self._starts = [span.start for span in self._spans]
        self._tables: dict[str, SymbolTable] = {}
        self._jit = sorted(_jit_symbols(jit_map))
        self._jit_starts = [start for start, _, _ in self._jit]

    def is_code(self, address: int) -> bool:
        """Whether a return address may lie there; what frame pointers lead to need not be one."""
        span = self._span_at(address)
        return span is not None and span.executable

    def name(self, address: int) -> str:
        """`function (object)`, or `[object]` where the function is not known."""
        if (jitted := self._jit_name(address)) is not None:
            return jitted
        if (span := self._span_at(address)) is None:
            return f"{address:#x}"
        base = os.path.basename(span.name) or "anonymous"
        if span.name.startswith("/"):
            name = self._table(span.name).name_at(address - span.start + span.offset)
            if name is not None:
                return f"{name} ({base})"
        return f"[{base.strip('[]')}]"

    def names(self, addresses: Iterable[int]) -> dict[int, str]:
        """The names of many addresses, those of C++ and Rust as they were written."""
        found = list(dict.fromkeys(addresses))
        return dict(zip(found, demangled([self.name(each) for each in found]), strict=True))

    def _span_at(self, address: int) -> Span | None:
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._spans[index].end:
            return None
        return self._spans[index]

    def _jit_name(self, address: int) -> str | None:
        index = bisect.bisect_right(self._jit_starts, address) - 1
        if index >= 0 and address < self._jit[index][1]:
            return self._jit[index][2]
        return None

    def _table(self, path: str) -> SymbolTable:
        if path not in self._tables:
            self._tables[path] = SymbolTable(self._contents(path))
        return self._tables[path]

    def _contents(self, path: str) -> bytes:
        """A file of the image; nothing where it is not there any more."""
        from krait.site_packages import add_site_packages  # for the image's checksums

        add_site_packages()
        from krait.image.errors import ImageError
        from krait.image.rofs_reader import RofsReader

        try:
            if self._reader is None:
                with open(self._image_path, "rb") as file:
                    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                self._reader = RofsReader(memoryview(mapped))
            return self._reader.read(path.removesuffix(" (deleted)"))
        except (OSError, ValueError, ImageError):
            return b""


def _jit_symbols(text: bytes) -> list[tuple[int, int, str]]:
    """The lines `START SIZE NAME` of a JIT's map, hexadecimal; others are skipped."""
    found = []
    for line in text.splitlines():
        if match := _JIT_LINE.fullmatch(line):
            start = int(match[1], 16)
            found.append((start, start + int(match[2], 16), match[3].decode("utf-8", "replace")))
    return found
