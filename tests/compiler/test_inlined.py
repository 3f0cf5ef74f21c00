"""`@inlined`: a function that each module compiles for itself, however long it is."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from krait.compiler.program import Options, compile_program

SOURCE = """
from __future__ import annotations

from krait.kernel.lang import *


{mark}
def total(count: u32) -> u32:
    found: u32 = 0
    for index in range(count):
        found += index
    return found


def twice(count: u32) -> u32:
    return total(count) + total(count)
"""


@pytest.mark.parametrize(("mark", "inline"), [("@inlined", True), ("", False)])
def test_a_loop_is_inline_only_when_asked_for(
    mark: str, inline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"inlined_{inline}"
    (tmp_path / f"{name}.py").write_text(SOURCE.format(mark=mark), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    try:
        program = compile_program([name], Options(entries=["twice"]))
    finally:
        sys.modules.pop(name, None)
    assert not program.diagnostics
    text = "\n".join(program.units.values())
    assert (f"static inline u32 krait_{name}__total(" in text) == inline
