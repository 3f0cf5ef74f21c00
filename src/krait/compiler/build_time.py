"""What CPython computes: expressions in a module, and what fails while a module runs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from krait.compiler.diagnostics import CompileError, Diagnostic
from krait.compiler.modules import MISSING, SourceModule


def evaluate(node: ast.expr, module: SourceModule) -> Any:
    """Evaluate an expression in a module's namespace."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        found = module.lookup(node.id)
        if found is not MISSING:
            return found
    try:
        code = compile(ast.Expression(body=node), str(module.path), "eval")
        scope = _Names(module)
        return eval(code, {"__builtins__": __builtins__}, scope)
    except CompileError:
        raise
    except BaseException as error:  # noqa: BLE001 - any Python may run at build time
        raise CompileError(node, f"this is not computed at build time: {error}") from None


def import_failure(error: BaseException) -> Diagnostic:
    """What went wrong while CPython ran a module, at the innermost line of a kernel source."""
    if isinstance(error, SyntaxError):
        column = error.offset or 1
        source = (error.text or "").rstrip("\n")
        place = error.filename or "?"
        return Diagnostic(
            place, error.lineno or 1, column, f"invalid syntax: {error.msg}", "", source
        )
    place, line = "command line", 1
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith("<") and "/krait/compiler/" not in name and "importlib" not in name:
            if "/kernel/lang/" not in name:
                place, line = name, trace.tb_lineno
        trace = trace.tb_next
    source = ""
    if Path(place).is_file():
        lines = Path(place).read_text(encoding="utf-8").splitlines()
        source = lines[line - 1] if line <= len(lines) else ""
    column = len(source) - len(source.lstrip()) + 1
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Diagnostic(place, line, column, f"this fails at build time: {what}", "", source)


class _Names(dict[str, Any]):
    """Names of a module for build-time evaluation, type-only imports included."""

    def __init__(self, module: SourceModule) -> None:
        super().__init__()
        self.module = module

    def __missing__(self, name: str) -> Any:
        found = self.module.lookup(name)
        if found is MISSING:
            raise KeyError(name)
        return found
