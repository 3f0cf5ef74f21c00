"""Compiling kernel Python snippets for the host and calling what they define.

`run_compiled(source, calls)` compiles one module with sanitizers into one executable and runs each
call in a child process of it, so that a panic ends that call only. A result is the value,
`Raised(errno)` or `Panicked(kind)`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from krait.compiler.host import HARNESS, call_code, host_compile
from krait.compiler.program import Options, Program


@dataclass(frozen=True)
class Raised:
    """The call raised Errno."""

    code: int


@dataclass(frozen=True)
class Panicked:
    """The call panicked; `kind` is the message."""

    kind: str


Call = tuple[str, Sequence[Any]]
HEADER = """from __future__ import annotations
from abc import abstractmethod
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Final, Generic, NamedTuple, TypeVar
from krait.kernel.lang import *
"""


def load_snippet(source: str, directory: Path, header: bool = True) -> str:
    """Write a snippet as a module, import it, and give its name."""
    text = (HEADER if header else "") + source
    name = "snippet_" + hashlib.sha256(text.encode()).hexdigest()[:12]
    if name in sys.modules:
        return name
    path = directory / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return name


def compile_snippet(source: str, directory: Path, header: bool = True) -> Program:
    """Compile every function of a snippet."""
    name = load_snippet(source, directory, header)
    return Program([name], Options(all_functions=True)).compile()


def run_program(program: Program, calls: list[Call], directory: Path) -> list[Any]:
    """Compile the C of a program with sanitizers and make the calls."""
    module = program.entry_modules[0]
    cases = [
        call_code(program, module, index, name, args) for index, (name, args) in enumerate(calls)
    ]
    main = HARNESS + "\n".join(cases)
    switch = " ".join(f"case {index}: call_{index}(); break;" for index in range(len(calls)))
    main += f"\nvoid run_call(int n) {{ switch (n) {{ {switch} }} }}\nint calls = {len(calls)};\n"
    executable = host_compile(program, main, directory)
    done = subprocess.run([executable], capture_output=True, text=True, timeout=60, check=False)
    results: list[Any] = [None] * len(calls)
    for line in done.stdout.splitlines():
        index, kind, rest = (line.split(" ", 2) + [""])[:3]
        if kind == "value":
            results[int(index)] = int(rest)
        elif kind == "none":
            results[int(index)] = None
        elif kind == "errno":
            results[int(index)] = Raised(int(rest))
        elif kind == "panic":
            results[int(index)] = Panicked(rest)
        else:
            results[int(index)] = (kind, rest, done.stderr[-3000:])
    return results
