"""Raw addresses, registers, assembly, per-CPU variables: compiled with sanitizers."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from krait.compiler.worker import HostWorker
from krait.kernel.lang import Errno, Panic

SAMPLES = str(Path(__file__).parent / "samples")
NAME = "unsafe_and_devices"
sys.path.insert(0, SAMPLES)
CALLS = importlib.import_module(NAME).CALLS
sys.path.remove(SAMPLES)


@pytest.fixture(scope="module")
def worker() -> Iterator[HostWorker]:
    with HostWorker([NAME]) as made:
        yield made


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [(name, arguments, result) for name, calls in CALLS.items() for arguments, result in calls],
)
def test_construct(
    worker: HostWorker, function: str, arguments: tuple[Any, ...], expected: object
) -> None:
    try:
        found = worker.call(f"{NAME}:{function}", *arguments)
    except Panic:
        found = "panic"
    except Errno as error:
        found = f"errno {int(error.code)}"
    assert found == expected


def test_log_formats(worker: HostWorker) -> None:
    worker.restart()
    worker.call(f"{NAME}:case_log", 5)
    assert worker.log == "value 5 5 A 1\n"
