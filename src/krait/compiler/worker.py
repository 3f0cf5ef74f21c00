"""Kernel modules on the host: compiled with sanitizers, called from Python.

    worker = HostWorker(["krait.kernel.mm.buddy"])
    worker.call("krait.kernel.mm.buddy:allocate", 3)

compiles the modules with AddressSanitizer and UndefinedBehaviorSanitizer into a program of its own
that takes calls through a pipe. (A shared object under AddressSanitizer does not load into CPython,
and a panic would end pytest.) Arguments and results are numbers, booleans, bytes for slices, tuples
for named tuples; what the callee writes to a slice comes back if a `bytearray` was passed. A raised
`Errno` is raised here as such; a panic or a sanitizer's finding ends the process, is raised as
`Panic` or `SanitizerFinding`, and the next call starts a new one, with prebuilt objects as new.
"""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from krait.compiler.diagnostics import CompilationFailed
from krait.compiler.effects import prove
from krait.compiler.entries import entries
from krait.compiler.escapes import check_escapes
from krait.compiler.object_cache import forget_unused, mark_used
from krait.compiler.program import Options, Program
from krait.compiler.toolchain import ToolchainError, find_toolchain
from krait.compiler.types import (
    NEVER,
    NONE,
    BigEndian,
    BoolType,
    BufferType,
    EnumType,
    IntType,
    RefType,
    SliceType,
    TupleType,
    Type,
    UserPointerType,
    UserSliceType,
)
from krait.compiler.worker_glue import WorkerWriter
from krait.kernel.lang import Errno, Panic, u32

if TYPE_CHECKING:
    from krait.compiler.functions import Function

RUNTIME = Path(__file__).with_name("worker_runtime.c")
ASK_LIVE, ASK_LIMIT = 1 << 20, (1 << 20) + 1
PANIC_STATUS, SANITIZER_STATUS = 70, 71
NO_LIMIT = 2**64 - 1
JOBS = 2
KEPT = 60  # executables in the cache
FLAGS = (
    "-std=gnu11", "-g", "-O1", "-fwrapv", "-fno-strict-aliasing", "-Wall", "-Wno-unused",
    "-DKRAIT_HOST",
)  # fmt: skip
SANITIZERS = (
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer",
    "-fno-sanitize=alignment",
)  # fmt: skip


class SanitizerFinding(Exception):
    """AddressSanitizer or UndefinedBehaviorSanitizer stopped the worker; the text is its report."""


@dataclass(frozen=True)
class Reference:
    """An object in the worker: passed back into calls, compared, nothing else."""

    address: int


class HostWorker:
    """Compiled kernel modules in a process of their own.

    `modules` are names of modules, all functions of which can be called, or `module:function`.
    """

    def __init__(
        self,
        modules: Sequence[str],
        *,
        sanitize: bool = True,
        timeout: float = 20.0,
        cache: Path | None = None,
    ) -> None:
        self.timeout = timeout
        units, functions = _compile(list(modules))
        self._functions = {each.place: (n, each) for n, each in enumerate(functions)}
        folder = cache or Path.home() / ".cache" / "krait" / "worker"
        self.executable = _build(units, folder, sanitize)
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def functions(self) -> list[str]:
        """What can be called."""
        return sorted(self._functions)

    @property
    def log(self) -> str:
        """What the process has logged since it started."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def call(self, name: str, *arguments: Any) -> Any:
        """Call `module:function` and give its result."""
        if name not in self._functions:
            raise KeyError(f"{name} cannot be called; there are {', '.join(self.functions)}")
        number, function = self._functions[name]
        if len(arguments) != len(function.parameters):
            raise TypeError(f"{name} takes {len(function.parameters)} arguments")
        packed = b"".join(
            _pack(parameter.type, value)
            for parameter, value in zip(function.parameters, arguments, strict=True)
        )
        answer = _Answer(self._exchange(struct.pack("<Q", number) + packed))
        error = answer.number()
        silent = error or function.result in (NONE, NEVER)
        result = None if silent else answer.value(function.result)
        for parameter, value in zip(function.parameters, arguments, strict=True):
            if isinstance(parameter.type, SliceType | UserSliceType | UserPointerType):
                memory = answer.bytes()
                if isinstance(value, bytearray):
                    value[:] = memory
        if error:
            raise Errno(u32(error))
        return result

    def live_objects(self) -> int:
        """Count the heap blocks that have not been freed."""
        answer = _Answer(self._exchange(struct.pack("<Q", ASK_LIVE)))
        answer.number()
        return answer.number()

    def limit_allocations(self, count: int | None) -> None:
        """Let the heap be exhausted after `count` more allocations; None: never."""
        limit = NO_LIMIT if count is None else count
        self._exchange(struct.pack("<QQ", ASK_LIMIT, limit))

    def restart(self) -> None:
        """Start anew: prebuilt objects are as the build left them."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the process."""
        self.restart()
        self._errors.close()

    def _exchange(self, request: bytes) -> bytes:
        """Send a request and give the answer."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(struct.pack("<Q", len(request)) + request)
            process.stdin.flush()
            head = process.stdout.read(8)
            if len(head) == 8:
                (length,) = struct.unpack("<Q", head)
                answer: bytes = process.stdout.read(length)
                if len(answer) == length:
                    return answer
        except BrokenPipeError:
            pass
        raise self._death(process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._errors.seek(0)
            self._errors.truncate()
            options = f"exitcode={SANITIZER_STATUS}:detect_leaks=0"
            # The limit is a guard against endless loops, without a thread for each call.
            self._process = subprocess.Popen(
                ["timeout", "600", str(self.executable)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={
                    **os.environ,
                    "ASAN_OPTIONS": options,
                    "UBSAN_OPTIONS": f"exitcode={SANITIZER_STATUS}:print_stacktrace=1",
                },
            )
        return self._process

    def _death(self, process: subprocess.Popen[bytes]) -> BaseException:
        """Say what ended the process."""
        status = process.wait(self.timeout)
        self._process = None
        log = self.log.strip()
        if status == PANIC_STATUS:
            return Panic(log.splitlines()[-1] if log else "panic")
        return SanitizerFinding(f"the worker ended with status {status}\n{log[-6000:]}")


class _Answer:
    """Reads an answer from its start to its end."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.offset = 0

    def number(self) -> int:
        (value,) = struct.unpack_from("<Q", self.raw, self.offset)
        self.offset += 8
        return int(value)

    def bytes(self) -> bytes:
        length = self.number()
        self.offset += length
        return self.raw[self.offset - length : self.offset]

    def value(self, kind: Type) -> Any:
        """Read a result of a type."""
        match kind:
            case IntType(signed=True):
                value = self.number()
                return value - 2**64 if value >> 63 else value
            case BoolType():
                return self.number() != 0
            case EnumType():
                return kind.cls(self.number())
            case IntType() | BigEndian():
                return self.number()
            case RefType() | BufferType():
                address = self.number()
                return Reference(address) if address else None
            case SliceType():
                return self.bytes()
            case TupleType():
                return tuple(self.value(field.type) for field in kind.cls.fields.values())
        raise TypeError(f"{kind} does not travel from a worker")


def _pack(kind: Type, value: Any) -> bytes:
    """Write an argument of a type."""
    match kind:
        case SliceType() | UserSliceType() | UserPointerType():
            raw = bytes(value)
            return struct.pack("<Q", len(raw)) + raw
        case RefType() | BufferType():
            return struct.pack("<Q", 0 if value is None else value.address)
        case TupleType():
            fields = kind.cls.fields.values()
            pairs = zip(fields, value, strict=True)
            return b"".join(_pack(field.type, each) for field, each in pairs)
    number = int(value)
    if isinstance(kind, IntType) and not kind.low <= number <= kind.high:
        raise Panic(f"{number} does not fit {kind}")
    return struct.pack("<Q", number & 2**64 - 1)


def _compile(names: list[str]) -> tuple[dict[str, str], list[Function]]:
    """Translate the modules; give the C units and the functions that can be called."""
    modules = list(dict.fromkeys(name.partition(":")[0] for name in names))
    entries = [name for name in names if ":" in name]
    program = _checked(modules, Options(entries=entries, all_functions=not entries, exports=False))
    if program.diagnostics and not entries:
        program = _checked(modules, Options(entries=_run_time_functions(program), exports=False))
    if program.diagnostics:
        raise CompilationFailed(program.diagnostics)
    wanted = set(entries)
    functions = [
        each
        for each in program.requested
        if (each.place in wanted if wanted else each.module.name in modules)
    ]
    writer = WorkerWriter(program, functions)
    units = writer.write()
    if program.diagnostics:
        raise CompilationFailed(program.diagnostics)
    return units, writer.callable


def _checked(modules: list[str], options: Options) -> Program:
    """Translate up to the typed tree."""
    program = Program(modules, options)
    program.load()
    if not program.found:
        program.check()
    if not program.found:
        prove(program)
        check_escapes(program)
    return program


def _run_time_functions(program: Program) -> list[str]:
    """Leave out the functions with mistakes: those that only module level calls may be any Python.

    Where one is called by another function, its mistakes are reported again.
    """
    wrong = [(each.path, each.line) for each in program.diagnostics]
    return [
        each.place
        for each in entries(program)
        if not any(
            path == str(each.module.path)
            and each.node.lineno <= line <= (each.node.end_lineno or 0)
            for path, line in wrong
        )
    ]


def _build(units: dict[str, str], folder: Path, sanitize: bool) -> Path:
    """Compile and link the worker, unless an equal one is there."""
    toolchain = find_toolchain()
    flags = (*FLAGS, *SANITIZERS) if sanitize else FLAGS
    digest = hashlib.sha256("\0".join([toolchain.version, *flags]).encode())
    for name, text in sorted(units.items()):
        digest.update(f"{name}\0{text}\0".encode())
    digest.update(RUNTIME.read_bytes())
    target = folder / digest.hexdigest()[:32]
    if mark_used(target):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        sources = [work / f"{unit}.c" for unit in units]
        for source, text in zip(sources, units.values(), strict=True):
            source.write_text(text, encoding="utf-8")
        objects = [work / f"{index}.o" for index in range(len(sources) + 1)]
        with ThreadPoolExecutor(JOBS) as pool:
            pairs = zip([*sources, RUNTIME], objects, strict=True)
            list(pool.map(lambda pair: toolchain.compile(pair[0], pair[1], flags), pairs))
        linked = work / "worker"
        command = [*toolchain.command, *flags, *map(str, objects), "-o", str(linked)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolchainError(f"the worker does not link:\n{done.stderr[:4000]}")
        temporary = folder / f"{target.name}.{os.getpid()}"
        temporary.write_bytes(linked.read_bytes())
        temporary.chmod(0o755)
        temporary.replace(target)
    forget_unused([each for each in folder.iterdir() if each.is_file()], KEPT)
    return target
