"""What the compiler says to the programmer: place, source line, what is wrong, what to write.

A rejected construct raises `CompileError` at the smallest piece of syntax that shows it. The
checker catches it at the nearest statement, keeps it as a `Diagnostic` and goes on, so that one run
reports every error. The list is sorted by place, so two runs over the same sources print the same
text.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from krait.compiler.modules import SourceModule


class HasPlace(Protocol):
    """Syntax with a position; every `ast` expression and statement has one."""

    lineno: int
    col_offset: int


class CompileError(Exception):
    """One mistake in a kernel source; `remedy` says what to write instead."""

    def __init__(self, node: ast.AST | None, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.node = node
        self.message = message
        self.remedy = remedy
        self.module: SourceModule | None = None
        """Where the syntax is, if not in the module that was being compiled."""


@dataclass(frozen=True, order=True)
class Diagnostic:
    """An error at its place, ready to be printed."""

    path: str
    line: int
    column: int
    message: str
    remedy: str = ""
    source: str = ""

    def __str__(self) -> str:
        lines = [f"{self.path}:{self.line}:{self.column}: error: {self.message}"]
        if self.source:
            stripped = self.source.lstrip()
            lines.append("    " + stripped)
            caret = self.column - 1 - (len(self.source) - len(stripped))
            lines.append("    " + " " * max(caret, 0) + "^")
        if self.remedy:
            lines.append(f"    remedy: {self.remedy}")
        return "\n".join(lines)


class CompilationFailed(Exception):
    """The program has errors; the diagnostics hold all of them."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__("\n".join(str(each) for each in diagnostics))
        self.diagnostics = diagnostics


def locate(error: CompileError, path: str, text: str, fallback: ast.AST | None) -> Diagnostic:
    """Turn an error into a diagnostic in the file that was being compiled."""
    place = error.node if hasattr(error.node, "lineno") else fallback
    line = getattr(place, "lineno", 1)
    column = getattr(place, "col_offset", 0) + 1
    lines = text.splitlines()
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    return Diagnostic(path, line, column, error.message, error.remedy, source)
