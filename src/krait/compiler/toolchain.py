"""The C compiler: which one is here, and how it is told to make kernel code.

gcc, then clang, then the compiler of the `ziglang` wheel. Every flag has its reason in
docs/architecture.md: the kernel runs below a program that owns the vector registers, the red zone
and %fs.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMON_FLAGS = (
    "-std=gnu11",
    "-ffreestanding",
    "-fno-pie",
    "-mcmodel=kernel",
    "-fcf-protection=none",
    "-mno-red-zone",
    "-mgeneral-regs-only",
    "-fwrapv",
    "-fno-strict-aliasing",
    "-fno-delete-null-pointer-checks",
    "-fno-asynchronous-unwind-tables",
    "-fno-omit-frame-pointer",
    "-fno-common",
    "-ffunction-sections",
    "-fdata-sections",
    "-fstack-protector-strong",
    "-mstack-protector-guard=tls",
    "-mstack-protector-guard-reg=gs",
    "-mstack-protector-guard-offset=40",
    "-g1",
    "-gdwarf-4",
    "-Wall",
    "-Wno-unused",
)
GCC_FLAGS = ("-fno-tree-loop-distribute-patterns", "-fcallgraph-info=su")
ZIG_FLAGS = ("-target", "x86_64-linux-musl", "-mcpu=x86_64-mmx-sse-sse2-x87+soft_float")
"""Without a target zig compiles for the machine that it runs on, vector registers included."""
LINK_FLAGS = (
    "-nostdlib",
    "-static",
    "-no-pie",
    "-Wl,--gc-sections",
    "-Wl,--build-id=none",
    "-Wl,-z,max-page-size=64",  # of the file: it is read into memory, not mapped
    "-Wl,-z,noexecstack",
    "-Wl,--no-warn-rwx-segments",
)
OPTIMISATION = {
    "default": ("-O2",),
    "debug": ("-O1", "-fno-inline", "-fno-optimize-sibling-calls"),
    "least": ("-Os",),
}

TOOL_LIMIT_S = 600
"""For one file, which takes seconds."""


class ToolchainError(Exception):
    """No compiler, or a compiler that failed; the text is for the user."""


@dataclass(frozen=True)
class Toolchain:
    """A C compiler that can be run."""

    command: tuple[str, ...]
    family: str  # gcc, clang or zig
    version: str

    def compile_flags(self, configuration: str) -> tuple[str, ...]:
        """The flags for one unit of a configuration's kernel."""
        own = {"gcc": GCC_FLAGS, "zig": ZIG_FLAGS}.get(self.family, ())
        return (*COMMON_FLAGS, *own, *OPTIMISATION[configuration])

    def compile(self, source: Path, target: Path, flags: tuple[str, ...]) -> None:
        """Make an object file; raises ToolchainError with what the compiler said."""
        self._run(*flags, "-c", str(source), "-o", str(target))

    def link(self, script: Path, objects: list[Path], target: Path) -> None:
        """Link the kernel."""
        names = target.with_suffix(".objects")
        names.write_text("\n".join(str(each) for each in objects))
        flags = [flag for flag in LINK_FLAGS if self.family == "gcc" or "rwx" not in flag]
        self._run(*flags, "-T", str(script), f"@{names}", "-o", str(target))

    def strip(self, source: Path, target: Path) -> None:
        """Copy an executable without symbols and without what is not loaded."""
        if self.family == "zig":  # its objcopy does not strip
            target.write_bytes(loaded_part(source.read_bytes()))
            return
        objcopy = shutil.which("objcopy") or shutil.which("llvm-objcopy")
        if objcopy is None:
            raise ToolchainError("objcopy is missing: install binutils")
        run = [objcopy, "-S", "-R", ".comment", str(source), str(target)]
        _run_tool(run)

    def _run(self, *arguments: str) -> None:
        _run_tool([*self.command, *arguments])


def loaded_part(elf: bytes) -> bytes:
    """A 64-bit ELF file cut behind its last segment, without section headers (System V ABI, 4)."""
    table = int.from_bytes(elf[32:40], "little")
    size = int.from_bytes(elf[54:56], "little")
    count = int.from_bytes(elf[56:58], "little")
    end = table + size * count
    for index in range(count):
        header = elf[table + index * size :][:size]
        offset, length = (int.from_bytes(header[at : at + 8], "little") for at in (8, 32))
        end = max(end, offset + length)
    kept = bytearray(elf[:end])
    kept[40:48] = bytes(8)  # e_shoff
    kept[58:64] = bytes(6)  # e_shentsize, e_shnum, e_shstrndx
    return bytes(kept)


def _run_tool(command: list[str]) -> str:
    """Run a compiler, linker or the like; its output. Raises ToolchainError."""
    tool = Path(command[0]).name
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=TOOL_LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        source = next((f" with {word}" for word in command if word.endswith(".c")), "")
        raise ToolchainError(f"{tool} was not done{source} after {TOOL_LIMIT_S} s") from None
    if done.returncode != 0:
        shown = "\n".join((done.stderr or done.stdout).splitlines()[:40])
        raise ToolchainError(f"{tool} failed with status {done.returncode}:\n{shown}")
    return done.stdout


@functools.cache
def find_toolchain() -> Toolchain:
    """The first compiler that works; raises ToolchainError that says what to install."""
    for name in ("gcc", "clang"):
        if (path := shutil.which(name)) is not None:
            return Toolchain((path,), name, _version((path,)))
    if importlib.util.find_spec("ziglang") is not None:
        command = (sys.executable, "-m", "ziglang", "cc")
        return Toolchain(command, "zig", _version(command))
    raise ToolchainError("no C compiler: install gcc (apt-get install gcc) or pip install ziglang")


def _version(command: tuple[str, ...]) -> str:
    lines = _run_tool([*command, "--version"]).splitlines()
    return lines[0] if lines else "unknown"
