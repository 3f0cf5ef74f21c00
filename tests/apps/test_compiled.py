"""Programs that gcc, g++ and musl-gcc make here, linked in every way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.comparison import Comparison

LINKED = [
    ("gcc", ()),
    ("gcc", ("-static",)),
    ("gcc", ("-static-pie",)),
    ("gcc", ("-no-pie",)),
    ("musl-gcc", ("-static",)),
    ("musl-gcc", ()),
]


@pytest.mark.parametrize(("compiler", "flags"), LINKED)
@pytest.mark.parametrize("source", ["hello.c", "tour.c"])
def test_c(
    same_as_host: Comparison,
    build_program: Callable[..., str],
    source: str,
    compiler: str,
    flags: tuple[str, ...],
) -> None:
    """A hello, and a tour through libc."""
    same_as_host(
        build_program(f"apps/programs/{source}", *flags, compiler=compiler), "one", "two words"
    )


@pytest.mark.parametrize("flags", [(), ("-static",)])
def test_cpp(
    same_as_host: Comparison, build_program: Callable[..., str], flags: tuple[str, ...]
) -> None:
    """C++ with iostream, exceptions and containers."""
    same_as_host(build_program("apps/programs/tour.cpp", *flags, compiler="g++"), "x", "y")


@pytest.mark.parametrize(
    "way", ["segv", "abort", "fpe", "ill", "exit", "return", "bus", "overflow"]
)
def test_death(same_as_host: Comparison, build_program: Callable[..., str], way: str) -> None:
    """Every way to die has the status that a shell on Linux shows."""
    same_as_host(build_program("apps/programs/death.c"), way, ignore_errors=True)
