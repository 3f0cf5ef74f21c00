"""The samples of every construct, interpreted and compiled: both must come to the same."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import outcomes
import pytest

from krait.compiler.worker import HostWorker
from krait.kernel.lang import interpret

SAMPLES = Path(__file__).parent / "samples"
MODULES = (
    "numbers_and_flow",
    "objects_and_memory",
    "borrowed_slices",
    "held_objects",
    "owned_objects",
)


@pytest.fixture(scope="module", autouse=True)
def _samples_importable() -> Iterator[None]:
    sys.path.insert(0, str(SAMPLES))
    yield
    sys.path.remove(str(SAMPLES))


@pytest.fixture(scope="module")
def workers(_samples_importable: None) -> Iterator[dict[str, HostWorker]]:
    made = {name: HostWorker([name]) for name in MODULES}
    yield made
    for worker in made.values():
        worker.close()


@pytest.fixture(scope="module")
def interpreted() -> dict[str, Any]:
    return {
        name: interpret.load_source(
            f"interpreted_{name}", (SAMPLES / f"{name}.py").read_text(encoding="utf-8")
        )
        for name in MODULES
    }


def cases() -> list[Any]:
    sys.path.insert(0, str(SAMPLES))
    found = [
        pytest.param(name, function, arguments, id=f"{function}{arguments}")
        for name in MODULES
        for function, calls in importlib.import_module(name).CALLS.items()
        for arguments in calls
    ]
    sys.path.remove(str(SAMPLES))
    return found


@pytest.mark.parametrize(("module", "function", "arguments"), cases())
def test_construct(
    workers: dict[str, HostWorker],
    interpreted: dict[str, Any],
    module: str,
    function: str,
    arguments: tuple[Any, ...],
) -> None:
    expected = outcomes.interpreted(interpreted[module], function, arguments)
    found = outcomes.compiled(workers[module], f"{module}:{function}", arguments)
    assert found == expected


def test_nothing_leaks(workers: dict[str, HostWorker]) -> None:
    worker = workers["objects_and_memory"]
    worker.restart()
    module = importlib.import_module("objects_and_memory")
    for function, calls in module.CALLS.items():
        for arguments in calls:
            before = worker.live_objects()
            if outcomes.compiled(worker, f"{module.__name__}:{function}", arguments) != ("panic",):
                assert worker.live_objects() == before, function


def test_every_allocation_can_fail(workers: dict[str, HostWorker]) -> None:
    worker = workers["objects_and_memory"]
    functions = ["case_chain", "case_weak", "case_generic", "case_references_in_array"]
    module = importlib.import_module("objects_and_memory")
    functions += [each for each in module.CALLS if each.startswith("case_nested")]
    for function in functions:
        worker.restart()
        for limit in range(12):
            worker.limit_allocations(limit)
            result = outcomes.compiled(worker, f"objects_and_memory:{function}", (3,))
            worker.limit_allocations(None)
            assert result[:2] == ("errno", 12) or result[0] == "value"
            assert worker.live_objects() == 0, (function, limit)
