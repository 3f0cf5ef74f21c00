"""`python -m krait.compiler MODULE… [--entry f] [--out DIR] [--check] [--dump STAGE]`.

With `--build DIR` it is a whole kernel whose `krait_main` is in MODULE, as a file in DIR. Every use
of the compiler for a kernel comes here, in a process of its own (`krait.kernel.config`).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from krait.compiler.configurations import SWITCHES, configure


def main(arguments: list[str] | None = None) -> int:
    """Compile from the command line; prints errors and gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="krait.compiler", description="Compile kernel Python to C."
    )
    parser.add_argument("modules", nargs="+", help="entry modules, such as krait.kernel.boot")
    parser.add_argument("--entry", action="append", default=[], help="an entry function")
    parser.add_argument("--emit", choices=["c"], default="c", help="what to write")
    parser.add_argument("--out", type=Path, help="directory for the C files")
    parser.add_argument("--check", action="store_true", help="check every function of the modules")
    parser.add_argument("--dump", choices=["ast", "typed", "linear", "c"], help="print a stage")
    parser.add_argument("--build", type=Path, metavar="DIR", help="build a kernel")
    parser.add_argument("--configuration", choices=SWITCHES, default="default")
    chosen = parser.parse_args(arguments)
    if chosen.build:
        return _build(chosen.configuration, chosen.build, chosen.modules[0])
    configure(chosen.configuration)
    from krait.compiler.program import Options, Program

    options = Options(entries=chosen.entry, all_functions=chosen.check)
    try:
        program = Program(chosen.modules, options).compile()
    except ImportError as error:
        print(f"krait: {error}", file=sys.stderr)
        return 1
    for diagnostic in program.diagnostics:
        print(diagnostic, file=sys.stderr)
    if program.diagnostics:
        print(f"{len(program.diagnostics)} error(s)", file=sys.stderr)
        return 1
    if chosen.dump:
        from krait.compiler.dumps import dump

        print(dump(program, chosen.dump, chosen.modules))
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        for name, text in program.units.items():
            (chosen.out / f"{name}.c").write_text(text, encoding="utf-8")
    print(f"{len(program.requested)} functions, {len(program.units)} units", file=sys.stderr)
    return 0


def _build(configuration: str, folder: Path, entry: str) -> int:
    from krait.compiler.build import build_kernel
    from krait.compiler.diagnostics import CompilationFailed
    from krait.compiler.toolchain import ToolchainError

    try:
        build_kernel(configuration, folder, entry=entry)
    except CompilationFailed as error:
        print(f"the kernel does not compile\n{error}", file=sys.stderr)
        return 1
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run(arguments: list[str] | None = None) -> NoReturn:
    """Be a compiler's process: it ends without freeing its millions of nodes one by one."""
    status = main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
