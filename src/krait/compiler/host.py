"""Compiling units for the host: what surrounds them there, and the flags.

Kernel modules run on the host inside a test executable with AddressSanitizer and
UndefinedBehaviorSanitizer. The C text here stands in for the kernel: a heap, a log on stderr, failed
checks as messages, and user memory that is plain memory below a settable top.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from krait.compiler.declarations import Declarations, Key
from krait.compiler.diagnostics import CompileError
from krait.compiler.functions import Function
from krait.compiler.integers import c_string
from krait.compiler.lowering import result_struct
from krait.compiler.prelude import PRELUDE
from krait.compiler.program import Program
from krait.compiler.types import (
    BOOL,
    NONE,
    EnumType,
    IntType,
    SliceType,
    returned_in_registers,
)

SANITIZERS = [
    "-fsanitize=address,undefined",
    "-fno-sanitize=alignment",
    "-fno-sanitize-recover=undefined",
]
HOST_FLAGS = [
    "-std=gnu11",
    "-DKRAIT_HOST",
    "-O1",
    "-g",
    "-fwrapv",
    "-fno-strict-aliasing",
    "-Wall",
    "-Wno-unused",
    "-Wno-address-of-packed-member",
    "-Wno-format-truncation",
    "-Werror",
]

RUNTIME = r"""
void *calloc(unsigned long, unsigned long); void free(void *); int printf(const char *, ...);
int dprintf(int, const char *, ...); void _exit(int) __attribute__((noreturn)); int fflush(void *);
int setenv(const char *, const char *, int);
long krait_live_objects; u64 krait_allocation_limit = ~0ul; u64 krait_user_top = ~0ul;
int krait_current_call = -1; char krait_panic_text[512]; u64 krait_panic_length; int krait_log_panics;
void *krait_allocate(u64 size) { if (krait_allocation_limit == 0) return 0; krait_allocation_limit--; krait_live_objects++; return calloc(1, size); }
void krait_free(void *object, u64 size) { krait_live_objects--; free(object); }
static void krait_end(const char *text) { dprintf(1, "%d panic %s\n", krait_current_call, text); _exit(0); }
void krait_fail(const char *file, const char *line, const char *kind) { krait_end(kind); __builtin_unreachable(); }
static void krait_put(const char *text, u64 n) { for (u64 i = 0; i < n; i++) if (krait_panic_length < 500) krait_panic_text[krait_panic_length++] = text[i]; }
void krait_log_open(u32 level) { krait_log_panics = level == 0; krait_panic_length = 0; }
void krait_log_text(const u8 *text, u64 length) { krait_put((const char *)text, length); }
int snprintf(char *, unsigned long, const char *, ...);
void krait_log_number(u64 value, u32 format) { char b[32]; int n = 1; if (format == 3) b[0] = (char)value; else n = snprintf(b, 32, format == 1 ? "%ld" : format == 2 ? "%lx" : "%lu", value); krait_put(b, n); }
void krait_log_close(void) { krait_panic_text[krait_panic_length] = 0; if (!krait_log_panics) dprintf(2, "%s\n", krait_panic_text); }
void krait_panic_begin(void) {}
void krait_panic_stop(void) { char b[600]; snprintf(b, 600, "panic: %s", krait_panic_text); krait_end(b); __builtin_unreachable(); }
u64 krait_user_copy(void *to, const void *from, u64 size) { memcpy(to, from, size); return 0; }
u64 krait_user_touch(u64 address) { (void)address; return 0; }
u64 krait_user_copy_nofault(void *to, const void *from, u64 size) { memcpy(to, from, size); return 0; }
"""

HARNESS = r"""
int fork(void); int waitpid(int, int *, int); void run_call(int n); extern int calls;
int main(void) {
    for (int i = 0; i < calls; i++) {
        int child = fork(), status = 0;
        if (!child) { krait_current_call = i; run_call(i); fflush(0); if (krait_live_objects) dprintf(1, "%d leak %ld\n", i, krait_live_objects); _exit(0); }
        waitpid(child, &status, 0);
        if (status) dprintf(1, "%d crash %d\n", i, status);
    }
    return 0;
}
"""


def compiler_command() -> list[str]:
    """The C compiler of this machine: gcc, clang, or the ziglang package's."""
    for name in ("gcc", "clang"):
        found = shutil.which(name)
        if found:
            return [found]
    return [sys.executable, "-m", "ziglang", "cc"]


def find_function(program: Program, module: str, name: str) -> Function:
    """A compiled function of a module."""
    for function in program.requested:
        if function.module.name == module and function.qualname == name:
            return function
    raise CompileError(None, f"{module} has no compiled function {name}")


def argument_code(kind: object, value: Any, index: int, lines: list[str]) -> str:
    """The C of one argument."""
    if isinstance(kind, SliceType) and isinstance(value, bytes | bytearray):
        name = f"data_{index}"
        size = max(len(value), 1)
        lines.append(
            f"u8 *{name} = calloc(1, {size}); memcpy({name}, {c_string(bytes(value))}, {len(value)});"
        )
        return f"({kind.c}){{ (void *){name}, {len(value)} }}"
    if isinstance(kind, IntType | EnumType):
        return f"({kind.c}){int(value) & 0xFFFFFFFFFFFFFFFF:#x}ull"
    if kind == BOOL:
        return "true" if value else "false"
    raise CompileError(None, f"the harness cannot pass {kind}")


def call_code(
    program: Program, module: str, index: int, name: str, arguments: Sequence[Any]
) -> str:
    """A C function that makes one call and prints what came back."""
    function = find_function(program, module, name)
    declarations = Declarations(program)
    head: list[str] = []
    seen: set[Key] = program.__dict__.setdefault("harness_seen", set())

    def visit(key: Key) -> None:
        key = declarations.normal(key)
        if key in seen:
            return
        seen.add(key)
        made = declarations.of(key)
        for need in made.needs:
            visit(need)
        if made.text:
            head.append(made.text)

    for need in declarations.signature_needs(function):
        visit(need)
    head.append(declarations.signature(function) + ";")
    lines: list[str] = []
    passed = [
        argument_code(each.type, value, i, lines)
        for i, (each, value) in enumerate(zip(function.parameters, arguments, strict=True))
    ]
    result = function.result
    signed = isinstance(result, IntType) and result.signed
    show = (
        f'"{index} value %{"ld" if signed else "lu"}\\n", ({"long" if signed else "unsigned long"})'
    )
    call = f"{function.c_name}({', '.join(passed)})"
    if result == NONE and function.returns_error:
        lines.append(
            f'u32 e = {call}; if (e) printf("{index} errno %u\\n", e); else printf("{index} none\\n");'
        )
    elif result == NONE:
        lines.append(f'{call}; printf("{index} none\\n");')
    elif function.returns_error and returned_in_registers(result):
        lines.append(
            f'{result_struct(result)} r = {call}; if (r.error) printf("{index} errno %u\\n", r.error); '
            f"else printf({show}r.value);"
        )
    elif function.returns_error:
        raise CompileError(None, f"the harness cannot take {result}")
    else:
        lines.append(f"printf({show}{call});")
    guard = "\n".join(f"{text}" for text in head)
    return f"{guard}\nvoid call_{index}(void) {{ {' '.join(lines)} }}\n"


def host_compile(program: Program, main: str, directory: Path, sanitize: bool = True) -> Path:
    """Compile all units and a main text into an executable."""
    build = directory / "c"
    build.mkdir(exist_ok=True)
    parts = [PRELUDE, RUNTIME, main]
    sources = []
    main_path = build / "main.c"
    main_path.write_text("\n".join(parts))
    sources.append(str(main_path))
    for name, text in program.units.items():
        path = build / f"{name}.c"
        path.write_text(text)
        sources.append(str(path))
    executable = build / "program"
    command = [*compiler_command(), *HOST_FLAGS, *(SANITIZERS if sanitize else []), *sources]
    done = subprocess.run(
        [*command, "-o", str(executable)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CompileError(None, f"the C compiler refuses its input:\n{done.stderr[:4000]}")
    return executable
