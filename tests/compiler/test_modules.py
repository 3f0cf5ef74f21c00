"""Which modules belong to a program: those imported by statements, and those a module holds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from krait.compiler.program import Options, Program, compile_program

SHAPES = """
from __future__ import annotations
from krait.kernel.lang import Counted, u32

class Shape(Counted):
    def corners(self) -> u32:
        return 0
"""
SQUARES = """
from __future__ import annotations
from krait.kernel.lang import u32
from shapes.base import Shape

class Square(Shape):
    def corners(self) -> u32:
        return 4

def make() -> Shape:
    return Square()
"""
ENTRY = """
from __future__ import annotations
from importlib import import_module
from krait.kernel.lang import u32
from shapes.base import Shape

{how}

def count(shape: Shape) -> u32:
    return shape.corners()

def first() -> u32:
    return count(made.make())
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "__init__.py").write_text("")
    (tmp_path / "shapes" / "base.py").write_text(SHAPES)
    (tmp_path / "shapes" / "squares.py").write_text(SQUARES)
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("shapes.base", "shapes.squares", "shapes.entry", "shapes"):
        sys.modules.pop(name, None)


def compiled(folder: Path, how: str) -> Program:
    """The program whose entry module imports the other one in this way."""
    (folder / "shapes" / "entry.py").write_text(ENTRY.format(how=how))
    importlib.invalidate_caches()
    return compile_program(["shapes.entry"], Options(all_functions=True))


def test_modules_in_a_tuple_are_part_of_the_program(modules: Path) -> None:
    how = 'HELD = tuple(import_module(each) for each in ["shapes.squares"])\nmade = HELD[0]'
    program = compiled(modules, how)
    assert [each.message for each in program.diagnostics] == []
    assert any("Square_corners" in unit for unit in program.units.values())


def test_a_module_imported_out_of_sight_is_refused(modules: Path) -> None:
    program = compiled(modules, 'made = import_module("shapes.squares")')
    messages = [each.message for each in program.diagnostics]
    assert "Square comes from shapes.squares, which nothing imports visibly" in messages, messages
