"""Threads as GCC's C, C++ and OpenMP know them, with the same output and status as on the host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.comparison import Comparison

CPUS = ("1", "4")  # of the machine; what a program prints must not depend on it


@pytest.mark.parametrize("cpus", CPUS)
def test_pthreads(same_as_host: Comparison, build_program: Callable[..., str], cpus: str) -> None:
    """Every kind of mutex, condition, barrier, lock, semaphore; storage; cancellation."""
    same_as_host(build_program("apps/programs/pthreads.c", "-pthread"), switches=("-c", cpus))


def test_pthreads_static(same_as_host: Comparison, build_program: Callable[..., str]) -> None:
    """The same, linked into the program."""
    same_as_host(build_program("apps/programs/pthreads.c", "-pthread", "-static"))


@pytest.mark.parametrize("cpus", CPUS)
def test_cpp(same_as_host: Comparison, build_program: Callable[..., str], cpus: str) -> None:
    """std::async, futures, every mutex, stop tokens, latch, barrier, semaphores, atomic waits."""
    program = build_program(
        "apps/programs/cpp_threads.cpp", "-std=c++20", "-pthread", compiler="g++"
    )
    same_as_host(program, ignore_errors=True, switches=("-c", cpus))


@pytest.mark.parametrize("cpus", CPUS)
def test_openmp(same_as_host: Comparison, build_program: Callable[..., str], cpus: str) -> None:
    """Loops of every schedule, reductions, tasks with dependencies, critical and ordered regions."""
    program = build_program("apps/programs/openmp.c", "-fopenmp")
    same_as_host(program, environment={"OMP_NUM_THREADS": "4"}, switches=("-c", cpus))
