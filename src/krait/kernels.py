"""The kernel that a run boots: found by one check of the sources, built when they have changed.

The check compares path, size and time of every source file of the kernel and of its compiler with
a list kept beside the kernel: 2 ms for some 300 files. What the compiler itself caches (objects by
content) only matters when they differ.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct

from krait.cache_folder import cache_folder
from krait.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ENTRY = "krait.kernel.boot"
_FILES = ("kernel.stripped.elf", "kernel.elf")
_SOURCES = ("kernel", "compiler")
_SUFFIXES = (".py", ".S", ".ld", ".h", ".c")
_PACKAGE = os.path.dirname(os.path.abspath(__file__))


class Kernel:
    """A built kernel: what boots, and the file with its symbols."""

    __slots__ = ("path", "symbols")

    def __init__(self, path: str, symbols: str) -> None:
        self.path = path
        self.symbols = symbols

    def loaded_end(self) -> int:
        """Where it ends in memory, by its program headers (System V ABI, chapter 5); 0: no ELF."""
        with open(self.path, "rb") as file:
            head = file.read(64)
            if len(head) < 64 or head[:4] != b"\x7fELF":
                return 0
            is_64 = head[4] == 2
            (offset,) = struct.unpack_from("<Q" if is_64 else "<I", head, 32 if is_64 else 28)
            size, count = struct.unpack_from("<HH", head, 54 if is_64 else 42)
            file.seek(offset)
            table = file.read(size * count)
        layout = "<I20xQ8xQ" if is_64 else "<I8xI4xI"  # p_type, p_paddr, p_memsz
        headers = (struct.unpack_from(layout, table, start) for start in range(0, len(table), size))
        return max((place + length for kind, place, length in headers if kind == 1), default=0)


def find_kernel(
    configuration: str = "default", announce: Callable[[str], None] | None = None
) -> Kernel:
    """The kernel of a configuration, built first if its sources have changed."""
    signature = source_signature()
    folder = kernel_folder()
    if (kernel := _known(folder, configuration, signature)) is not None:
        return kernel
    with _lock(os.path.join(folder, "lock")):
        if (kernel := _known(folder, configuration, signature)) is not None:
            return kernel
        if announce is not None:
            announce("building the kernel; the first time takes about a minute")
        kernel = _build(configuration, os.path.join(folder, configuration))
        _remember(folder, configuration, signature, kernel)
        return kernel


def kernel_folder() -> str:
    """Where the kernels of this checkout are."""
    import zlib

    checkout = f"{zlib.crc32(_PACKAGE.encode()):08x}"
    return os.path.join(cache_folder(), "kernel", checkout)


def source_signature() -> str:
    """Changes when a source file of the kernel or of the compiler does."""
    lines: list[str] = []
    for part in _SOURCES:
        lines += _describe(os.path.join(_PACKAGE, part))
    return " ".join(sorted(lines))


def _describe(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIXES):
                kind = entry.stat()
                yield f"{entry.path}:{kind.st_size}:{kind.st_mtime_ns}"
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _describe(entry.path)


def _known(folder: str, configuration: str, signature: str) -> Kernel | None:
    with contextlib.suppress(OSError, ValueError):
        with open(os.path.join(folder, f"{configuration}.manifest"), encoding="utf-8") as file:
            known, path, symbols = file.read().split("\n")[:3]
        if known == signature and os.path.exists(path):
            return Kernel(path, symbols)
    return None


def _remember(folder: str, configuration: str, signature: str, kernel: Kernel) -> None:
    path = os.path.join(folder, f"{configuration}.manifest")
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(f"{signature}\n{kernel.path}\n{kernel.symbols}\n")
    os.replace(temporary, path)


def _build(configuration: str, folder: str) -> Kernel:
    from krait.compiler.configurations import SWITCHES
    from krait.compiler.own_process import run_compiler

    if configuration not in SWITCHES:
        known = ", ".join(SWITCHES)
        raise UserError(f"unknown kernel configuration '{configuration}'; there are: {known}")
    words = ("--configuration", configuration, "--build", folder, _ENTRY)
    if (done := run_compiler(*words)).returncode != 0:
        raise UserError(done.stderr.rstrip())
    return Kernel(*(os.path.join(folder, name) for name in _FILES))


@contextlib.contextmanager
def _lock(path: str) -> Iterator[None]:
    """Two first runs at once build one kernel."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = open(path, "w")  # noqa: SIM115  closed below; errors of the build are not ours
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; set XDG_CACHE_HOME") from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
