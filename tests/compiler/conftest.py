"""Fixtures that compile kernel Python; `snippets.py` does the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.compiler.snippets import (
    HEADER,
    Call,
    Panicked,
    Raised,
    compile_snippet,
    load_snippet,
    run_program,
)

__all__ = ["Call", "Panicked", "Raised", "compile_snippet", "load_snippet", "run_program"]


@pytest.fixture
def run_compiled(tmp_path: Path) -> Callable[[str, list[Call]], list[Any]]:
    """Compile a snippet and make calls."""

    def run(source: str, calls: list[Call]) -> list[Any]:
        program = compile_snippet(source, tmp_path)
        assert not program.diagnostics, "\n".join(str(each) for each in program.diagnostics)
        return run_program(program, calls, tmp_path)

    return run


@pytest.fixture
def compile_errors(tmp_path: Path) -> Callable[[str], list[tuple[int, int, str]]]:
    """Compile a snippet that is refused; gives line (of the snippet), column and message."""

    def run(source: str) -> list[tuple[int, int, str]]:
        program = compile_snippet(source, tmp_path)
        shift = HEADER.count("\n")
        return [(each.line - shift, each.column, each.message) for each in program.diagnostics]

    return run
