"""Interpreted mode: annotations convert."""

from __future__ import annotations

from pathlib import Path

import pytest

from krait.kernel.lang import Panic, interpret, u8, u32, u64

SOURCE = """
from __future__ import annotations
from typing import Final, NamedTuple
from krait.kernel.lang import Array, Struct, inline, u8, u32, u64

TABLE: Final[list[u8]] = [n for n in range(4)]

class Pair(NamedTuple):
    small: u8
    large: u64

class Box(Struct):
    count: u32 = 3

def narrow(a: u8) -> u8:
    return a

def keep(a: u8) -> u8:
    b = a
    b = 7
    return b + a

def result(flag: bool) -> u32:
    return 5 if flag else 6

def count(n: u32) -> u32:
    total: u32 = 0
    for i in range(n):
        total += i
    return total

def pair() -> Pair:
    return Pair(1, 2)

def scratch() -> u8:
    data: Array[u8] = inline(4)
    data[1] = 200
    return data[1] + 100

def table(i: u8) -> u8:
    return TABLE[i]

def check(n: u32) -> None:
    assert n < 5, "too many"

def box() -> Box:
    made = Box()
    made.count = 9
    return made
"""


@pytest.fixture(scope="module")
def snippet() -> object:
    return interpret.load_source("interpreted_snippet", SOURCE)


def test_conversions(snippet: object) -> None:
    module: interpret.Any = snippet
    assert type(module.narrow(5)) is u8
    assert type(module.keep(3)) is u8
    assert type(module.result(True)) is u32
    assert type(module.count(4)) is u32
    assert [type(each) for each in module.pair()] == [u8, u64]
    assert type(module.table(2)) is u8
    assert type(module.box().count) is u32


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("narrow", (300,)), ("keep", (250,)), ("scratch", ()), ("count", (-1,)), ("check", (5,))],
)
def test_panics(snippet: object, function: str, arguments: tuple[int, ...]) -> None:
    with pytest.raises(Panic):
        getattr(snippet, function)(*arguments)


def test_kernel_modules_stand_apart() -> None:
    import krait.kernel.fs.rofs.layout as plain

    interpreted = interpret.load("krait.kernel.fs.rofs.layout")
    assert interpreted is not plain
    assert interpret.load("krait.kernel.fs.rofs.layout") is interpreted


def test_every_kernel_module_loads() -> None:
    """Even unsafe ones: their module level is ordinary Python."""
    import krait.kernel

    root = Path(krait.kernel.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = ".".join(["krait.kernel", *path.relative_to(root).with_suffix("").parts])
        if not name.startswith("krait.kernel.lang") and path.stem != "__init__":
            assert interpret.load(name).__name__ == name
