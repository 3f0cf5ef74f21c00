"""Refused constructs: message, line and column, word for word."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
from refused_cases import CASES, PRELUDE

from krait.compiler.program import Options, compile_program

EXPECTED: dict[str, list[dict[str, object]]] = json.loads(
    Path(__file__).with_name("refused.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", sorted(CASES))
def test_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"{PRELUDE}\n\n{CASES[name]}\n"
    marked = next(n for n, line in enumerate(source.splitlines(), 1) if "# <-" in line)
    module = f"refused_{name}"
    (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    try:
        program = compile_program([module], Options(all_functions=True))
    finally:
        sys.modules.pop(module, None)
    found = [
        {"line": each.line - marked, "column": each.column, "message": each.message,
         "remedy": each.remedy}
        for each in program.diagnostics
    ]  # fmt: skip
    assert found == EXPECTED[name]
    assert found[0]["line"] == 0


def test_all_errors_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        f"{PRELUDE}\n\ndef f(a: u8, b: u32) -> None:\n    c = a + b\n\n\n"
        "def g(n: Node) -> None:\n    n.wrong = 1\n    n.next.size = 2\n"
    )
    (tmp_path / "refused_many.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    program = compile_program(["refused_many"], Options(all_functions=True))
    lines = [each.line for each in program.diagnostics]
    assert len(lines) == 3
    assert lines == sorted(lines)


def test_message_shows_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"{PRELUDE}\n\ndef f(a: u8, b: u32) -> None:\n    c = a + b\n"
    path = tmp_path / "refused_shown.py"
    path.write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    program = compile_program(["refused_shown"], Options(all_functions=True))
    line = source.count("\n")
    assert str(program.diagnostics[0]).splitlines() == [
        f"{path}:{line}:9: error: u8 and u32 do not mix in `+`",
        "    c = a + b",
        "        ^",
        "    remedy: convert one side, as in u8(…)",
    ]
