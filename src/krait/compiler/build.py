"""From kernel sources to a kernel file.

Kernel Python becomes C, C and assembly become objects, objects one ELF file. Units are compiled
two at a time and cached by content, so that a change of one module compiles one unit. The kernel
comes in three configurations; each sets the switches of `krait.kernel.config` before the first
kernel module is loaded.
"""

from __future__ import annotations

import gc
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from krait.compiler.configurations import configure
from krait.compiler.diagnostics import CompilationFailed
from krait.compiler.modules import SourceModule, is_lang
from krait.compiler.object_cache import ObjectCache
from krait.compiler.stack_depth import DeepestPath, deepest_path
from krait.compiler.toolchain import Toolchain, find_toolchain

PACKAGE = Path(__file__).resolve().parent.parent
ARCHITECTURE = PACKAGE / "kernel" / "arch" / "x86_64"
ENTRY_MODULE = "krait.kernel.boot"
JOBS = 2


@dataclass(frozen=True)
class KernelImage:
    """What a build made."""

    path: Path  # stripped: what boots
    symbols: Path  # the same with symbols, lines and check sites
    size: int  # bytes of the stripped file
    loaded: int  # bytes of memory it takes, with .bss
    units: int
    compiled: int  # units that were not in the cache
    seconds: float
    unsafe_share: float  # of kernel Python's lines
    stack: DeepestPath


def build_kernel(
    configuration: str, folder: str | Path, *, entry: str = ENTRY_MODULE
) -> KernelImage:
    """Build a configuration's kernel into `folder`; `entry` is the module with `krait_main`.

    Raises CompilationFailed for mistakes in kernel Python, ToolchainError when the C compiler
    fails.
    """
    gc.disable()  # collections would walk the whole program again and again, and find nothing
    try:
        return _build_kernel(configuration, Path(folder), entry)
    finally:
        gc.freeze()
        gc.enable()


def _build_kernel(configuration: str, target: Path, entry: str) -> KernelImage:
    started = time.monotonic()
    target.mkdir(parents=True, exist_ok=True)
    toolchain = find_toolchain()
    objects, graphs, share, made = _compile(configuration, entry, target, toolchain)
    symbols = target / "kernel.elf"
    stripped = target / "kernel.stripped.elf"
    toolchain.link(ARCHITECTURE / "kernel.ld", objects, symbols)
    toolchain.strip(symbols, stripped)
    image = KernelImage(
        path=stripped,
        symbols=symbols,
        size=stripped.stat().st_size,
        loaded=_loaded_size(stripped),
        units=len(objects),
        compiled=made,
        seconds=round(time.monotonic() - started, 2),
        unsafe_share=share,
        stack=deepest_path(graphs),
    )
    facts = asdict(image)
    (target / "facts.json").write_text(json.dumps(facts, default=str, indent=1))
    return image


def _compile(
    configuration: str, entry: str, target: Path, toolchain: Toolchain
) -> tuple[list[Path], list[Path], float, int]:
    """Translate and compile everything; the objects in a fixed order."""
    configure(configuration)
    from krait.compiler.program import compile_program

    program = compile_program([entry])
    if program.diagnostics:
        raise CompilationFailed(program.diagnostics)
    sources = target / "c"
    sources.mkdir(exist_ok=True)
    cache = ObjectCache(target.parent / "objects")
    flags = (*toolchain.compile_flags(configuration), f"-I{ARCHITECTURE}")
    shared = " ".join((*toolchain.command, toolchain.version, *flags)).encode()

    def compile_unit(item: tuple[str, str]) -> Path:
        module, text = item
        source = sources / f"{module.removeprefix('krait.kernel.')}.c"
        _write_if_changed(source, text)
        return cache.get(
            [shared, text.encode()], lambda path: toolchain.compile(source, path, flags)
        )

    def assemble(source: Path) -> Path:
        parts = [source.read_bytes(), *(each.read_bytes() for each in _assembly_headers())]
        return cache.get([shared, *parts], lambda path: toolchain.compile(source, path, flags))

    with ThreadPoolExecutor(JOBS) as pool:
        assembled = list(pool.map(assemble, sorted(ARCHITECTURE.glob("*.S"))))
        compiled = list(pool.map(compile_unit, sorted(program.units.items())))
    cache.prune()
    graphs = [path for path in (each.with_suffix(".ci") for each in compiled) if path.exists()]
    return [*assembled, *compiled], graphs, _unsafe_share(program.order), cache.made


def _unsafe_share(modules: list[SourceModule]) -> float:
    """The share of kernel Python's lines that are in unsafe modules."""
    kernel = [module for module in modules if not is_lang(module.name)]
    unsafe = sum(module.text.count("\n") for module in kernel if module.unsafe)
    return round(unsafe / sum(module.text.count("\n") for module in kernel), 4)


def _assembly_headers() -> list[Path]:
    return sorted(ARCHITECTURE.glob("*.h"))


def _write_if_changed(path: Path, text: str) -> None:
    """Keep the time of a file that stays as it is."""
    if path.exists() and path.read_text() == text:
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def _loaded_size(elf: Path) -> int:
    """Bytes from the first to the last loaded physical address, by the program headers."""
    raw = elf.read_bytes()
    table = int.from_bytes(raw[32:40], "little")
    size = int.from_bytes(raw[54:56], "little")
    count = int.from_bytes(raw[56:58], "little")
    ends = []
    for index in range(count):
        header = raw[table + index * size : table + (index + 1) * size]
        if int.from_bytes(header[:4], "little") == 1:
            address = int.from_bytes(header[24:32], "little")
            ends.append((address, address + int.from_bytes(header[40:48], "little")))
    return max(end for _, end in ends) - min(start for start, _ in ends)
