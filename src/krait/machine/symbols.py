"""Turns kernel addresses in the log into Python functions, files and lines.

A program's death is reported with lines `  from 0x55d0c0ffee in /usr/bin/program+0x1234`; the
symbol tables of that file, if it has any, name the function.

The kernel prints a backtrace as lines `  at 0xffffffff80012345`: it has no tables of its own, they
would be larger than it is. The unstripped ELF beside it has them (DWARF, by way of `#line`), and
binutils' addr2line reads them; it is started only when there is an address to resolve.

A failed check is an instruction that traps. What it checked stands in a table of that ELF, section
`.debug_krait`: the address of each such instruction, and `file:line:what` with a terminating zero.
"""

from __future__ import annotations

import os
import re
import shutil
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from krait.machine.program_symbols import SymbolTable

_ADDRESS = re.compile(rb"^\s+at 0x(ffffffff[0-9a-f]{8})\s*$")
_PROGRAM = re.compile(rb"^  (at|from|perhaps from) 0x[0-9a-f]+ in (/.+)\+0x([0-9a-f]+)$")
_FAILED_CHECK = re.compile(r"a check failed at 0x(ffffffff[0-9a-f]{8})")
_CHECKS = ".debug_krait"
_PREFIX = "krait_"
_MODULE_END = "__"
_SOURCE = "(src/krait/"


class LogSymboliser:
    """Passes the kernel's log on by lines, with the places that its addresses stand for."""

    def __init__(self, symbols: str | None) -> None:
        self._symbols = symbols
        self._partial = b""
        self._in_backtrace = False
        self._files: dict[bytes, SymbolTable | None] = {}

    def feed(self, data: bytes) -> bytes:
        """The complete lines so far, symbolised."""
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        return b"".join(line + b"\n" for line in self._with_places(lines))

    def rest(self) -> bytes:
        """What came after the last line end."""
        rest, self._partial = self._partial, b""
        return rest

    def _with_places(self, lines: list[bytes]) -> list[bytes]:
        wanted: dict[int, int] = {}
        for index, line in enumerate(lines):
            if match := _ADDRESS.match(line):
                # A return address may belong to the next line; the first address is exact.
                wanted[index] = int(match[1], 16) - (1 if self._in_backtrace else 0)
            elif match := _PROGRAM.match(line):
                lines[index] = line + self._function(match[1], match[2], int(match[3], 16))
            self._in_backtrace = match is not None
        if wanted and self._symbols is not None:
            places = resolve(self._symbols, list(wanted.values()))
            for index, place in zip(wanted, places, strict=True):
                if place:
                    lines[index] = lines[index].rstrip() + b"  " + place.encode()
        if self._symbols is not None:
            for index, line in enumerate(lines):
                if b"a check failed at" in line:
                    lines[index] = explained(
                        line.decode("utf-8", "replace"), self._symbols
                    ).encode()
        return lines

    def _function(self, how: bytes, path: bytes, offset: int) -> bytes:
        """The program's function at an offset of a file, in which a return address ends a call."""
        if path not in self._files:
            self._files[path] = _symbol_table(path)
        table = self._files[path]
        name = None if table is None else table.name_at(offset - (how != b"at"))
        if name is None:
            return b""
        from krait.machine.demangling import demangled

        return b"  " + demangled([name])[0].encode()


def _symbol_table(path: bytes) -> SymbolTable | None:
    """The symbols of a file that the image has from the host."""
    from krait.machine.program_symbols import SymbolTable

    try:
        with open(path, "rb") as file:
            return SymbolTable(file.read())
    except OSError:
        return None


def explained(text: str, symbols: str) -> str:
    """Say what a failed check was, if the text is about one and the kernel's file knows it."""
    match = _FAILED_CHECK.search(text)
    if match is None:
        return text
    what = check_at(symbols, int(match[1], 16))
    return text if what is None else text.replace(match[0], f"{what}, at 0x{match[1]}")


def check_at(symbols: str, address: int) -> str | None:
    """What the instruction at an address checked, as in `index out of bounds`."""
    if not os.path.exists(symbols):
        return None
    from krait.site_packages import add_site_packages  # a run without a panic does not need it

    add_site_packages()
    from elftools.elf.elffile import ELFFile

    with open(symbols, "rb") as file:
        section = ELFFile(file).get_section_by_name(_CHECKS)
        table: bytes = section.data() if section is not None else b""
    entry = struct.pack("<Q", address)
    start = table.find(entry)
    end = table.find(b"\0", start + len(entry))
    if start < 0 or end < 0:
        return None
    what = table[start + len(entry) : end].decode("utf-8", "replace").split(":", 2)[-1]
    return what.removeprefix("panic: ")


def resolve(symbols: str, addresses: list[int]) -> list[str]:
    """`function (file:line)` for each address, '' where nothing is known.

    Of functions that are inlined into one another the innermost that has a Python line: the
    compiler's own, which count references and copy, have none.
    """
    return [
        next((name for name in reversed(names) if _SOURCE in name), names[-1] if names else "")
        for names in _inlined(symbols, addresses) or [[] for _ in addresses]
    ]


def resolve_inlined(symbols: str, addresses: list[int]) -> list[list[str]]:
    """For each address the functions that are inlined into one another there, outermost first."""
    unknown = [[f"{address:#x}"] for address in addresses]
    found = _inlined(symbols, addresses) or unknown
    return [names or unnamed for names, unnamed in zip(found, unknown, strict=True)]


def _inlined(symbols: str, addresses: list[int]) -> list[list[str]]:
    """What addr2line says of each address, outermost first; nothing when it cannot be asked."""
    tool = shutil.which("addr2line")
    if tool is None or not os.path.exists(symbols) or not addresses:
        return []
    import subprocess  # a run without a backtrace does not need it

    listed = "".join(f"{address:#x}\n" for address in addresses)
    command = [tool, "-a", "-i", "-f", "-e", symbols]
    output = subprocess.run(command, input=listed, capture_output=True, text=True, check=False)
    found: list[list[str]] = []
    lines = output.stdout.splitlines()
    position = 0
    while position < len(lines):
        if lines[position].startswith("0x"):
            found.append([])
            position += 1
        elif found and position + 1 < len(lines):
            if place := _place(lines[position], lines[position + 1]):
                found[-1].insert(0, place)
            position += 2
        else:
            break
    return found if len(found) == len(addresses) else []


def python_name(symbol: str) -> str:
    """`krait_fs_path__Dentry_lookup` as `fs.path: Dentry.lookup`, as far as can be told."""
    if not symbol.startswith(_PREFIX) or _MODULE_END not in symbol:
        return symbol
    module, _, name = symbol[len(_PREFIX) :].partition(_MODULE_END)
    if name[:1].isupper() and "_" in name:
        name = name.replace("_", ".", 1)
    return f"{module}: {name}"


def _place(symbol: str, position: str) -> str:
    if symbol == "??":
        return ""
    file, _, line = position.rpartition(":")
    line = line.split(" ")[0]  # addr2line adds "(discriminator 2)"
    if file.startswith("?"):
        return python_name(symbol)
    _, found, inside = file.rpartition("/src/krait/")
    return f"{python_name(symbol)} ({'src/krait/' + inside if found else file}:{line})"
