"""Stages can be dumped, errors are collected in order, the same sources give the same C."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.compiler.snippets import compile_snippet, load_snippet

from krait.compiler.dumps import dump
from krait.compiler.program import Options, Program

ADD = """
def add(a: u32, b: u32) -> u32:
    return a + b

def caller(a: u32) -> u32:
    if a == 0:
        raise Errno(u32(22))
    return add(a, 1)
"""


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("ast", "FunctionDef("),
        ("typed", "+: u32\n      local a: u32"),
        ("linear", "__builtin_add_overflow((u32)a, (u32)b, &_1)"),
        ("c", "u32 krait_snippet_"),
    ],
)
def test_dump(tmp_path: Path, stage: str, expected: str) -> None:
    """Each stage has a readable form."""
    program = compile_snippet(ADD, tmp_path)
    assert expected in dump(program, stage, program.entry_modules)


def test_typed_dump_says_what_raises(tmp_path: Path) -> None:
    """The effects are part of the typed tree's heads."""
    program = compile_snippet(ADD, tmp_path)
    text = dump(program, "typed", program.entry_modules)
    assert "caller(a: u32) -> u32 raises" in text
    assert "add(a: u32, b: u32) -> u32\n" in text


def test_all_errors_in_order(compile_errors: Callable[[str], list[tuple[int, int, str]]]) -> None:
    """One run reports every mistake, by line."""
    found = compile_errors(
        "def one(a: u8, b: u32) -> bool:\n"
        "    return a == b\n"
        "def two() -> u32:\n"
        "    x = 5\n"
        "    return 1 << 40\n"
    )
    assert [(line, message.split(" ", 1)[0]) for line, _, message in found] == [
        (2, "u8"),
        (4, "the"),
        (5, "1099511627776"),
    ]


def test_reachable_only(tmp_path: Path) -> None:
    """What the entries do not reach is not compiled, and not checked."""
    name = load_snippet(
        "def used() -> u32:\n    return 1\ndef unused() -> u32:\n    return x\n", tmp_path
    )
    program = Program([name], Options(entries=["used"])).compile()
    assert not program.diagnostics
    assert [each.qualname for each in program.requested] == ["used"]


def test_virtual_calls_reach_instantiated_classes_only(tmp_path: Path) -> None:
    """An override of a class that nothing makes is not in the program."""
    source = """
class Base(Counted):
    def f(self) -> u32:
        return 0
class Made(Base):
    def f(self) -> u32:
        return 1
class Unmade(Base):
    def f(self) -> u32:
        return 2
def entry() -> u32:
    made: Base = Made()
    return made.f()
"""
    program = Program([load_snippet(source, tmp_path)], Options(entries=["entry"])).compile()
    names = {each.qualname for each in program.requested}
    assert "Made.f" in names
    assert "Unmade.f" not in names


def test_static_assert_fails_with_its_place(tmp_path: Path) -> None:
    """What fails while CPython runs the module is one line at its place."""
    path = tmp_path / "wrong_size.py"
    path.write_text(
        "from krait.kernel.lang import size_of, static_assert, u32\n"
        'static_assert(size_of(u32) == 5, "u32 has five bytes")\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "krait.compiler", "wrong_size"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2] / 'src'}"},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        f"{path}:2:1: error: this fails at build time: AssertionError: u32 has five bytes"
    )
    assert "Traceback" not in done.stderr


def test_same_c_whatever_the_hash_seed(tmp_path: Path) -> None:
    """The object cache works by content, so the text must not depend on chance."""
    source = "from krait.kernel.lang import *\nfrom enum import IntEnum\n" + ADD
    (tmp_path / "steady.py").write_text(source)
    texts = []
    for seed in ("1", "2"):
        subprocess.run(
            [
                sys.executable,
                "-m",
                "krait.compiler",
                "steady",
                "--check",
                "--out",
                str(tmp_path / seed),
            ],
            check=True,
            capture_output=True,
            env={
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2] / 'src'}",
            },
        )
        texts.append((tmp_path / seed / "steady.c").read_text())
    assert texts[0] == texts[1]
