"""Random programs, in CPython and compiled with sanitizers: they must agree.

A program is a module of a dozen functions; it is compiled once and each function is called with
several arguments. Values, raised errors, panics, what was written to memory and the order of side
effects (the trace, in which objects note their death) are compared.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import outcomes
import pytest
from generator import WIDTHS, Generator
from graph_generator import GraphGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from krait.compiler.worker import HostWorker
from krait.kernel.lang import interpret

EXAMPLES = int(os.environ.get("KRAIT_DIFFERENTIAL_EXAMPLES", "6"))
FUNCTIONS = 12
SLICES = (b"", b"\x01\x02\x03\x04\x05\x06", bytes(range(250, 256)))


SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],  # a smaller seed is no smaller program
    derandomize="KRAIT_DIFFERENTIAL_EXAMPLES" not in os.environ,
)


@given(seed=st.integers(0, 2**32))
@SETTINGS
def test_generated_programs_agree(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    check(seed, tmp_path_factory.mktemp("generated"))


@given(seed=st.integers(0, 2**32))
@SETTINGS
def test_generated_graphs_agree(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("graphs")
    generator = GraphGenerator(Random(seed))
    source = generator.program(8)
    names = ["value", *(f"run_{each}" for each in generator.functions)]
    name = f"graph_{seed}"
    worker = compiled_worker(name, source, names, folder)
    module = interpret.load_source(f"interpreted_{name}", source)
    with worker, no_cyclic_collection():
        for function in names[1:]:
            for fuel in (4, 7, 20):
                expected = outcomes.interpreted(module, function, (fuel,))
                found = outcomes.compiled(worker, f"{name}:{function}", (fuel,))
                assert found == expected, (function, fuel, folder)
                assert worker.call(f"{name}:value") == int(module.value()), (function, fuel, folder)


@contextlib.contextmanager
def no_cyclic_collection() -> Iterator[None]:
    """Let CPython's lifetimes come from counts alone."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def compiled_worker(name: str, source: str, functions: list[str], folder: Path) -> HostWorker:
    """Compile a generated module."""
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return HostWorker([f"{name}:{each}" for each in functions], cache=folder)


def check(seed: int, folder: Path) -> None:
    """Compare one program."""
    generator = Generator(Random(seed))
    source = generator.program(FUNCTIONS)
    name = f"generated_{seed}"
    names = ["reset", "trace", *(each[0] for each in generator.functions)]
    worker = compiled_worker(name, source, names, folder)
    module = interpret.load_source(f"interpreted_{name}", source)
    random = Random(seed)
    with worker:
        for function, first, second, _result in generator.functions:
            for data in SLICES:
                arguments = (number(random, first), number(random, second), data)
                module.reset()
                worker.call(f"{name}:reset")
                expected = outcomes.interpreted(module, function, arguments)
                found = outcomes.compiled(worker, f"{name}:{function}", arguments)
                assert found == expected, (function, arguments, folder)
                if found != ("panic",):
                    trace = worker.call(f"{name}:trace")
                    assert trace == int(module.trace()), (function, arguments, folder)
                    assert worker.live_objects() == 0


def number(random: Random, kind: str) -> int:
    """Choose an argument, mostly a small one."""
    low, high = WIDTHS[kind]
    return random.choice([low, high, 0, 1, random.randint(0, 20), random.randint(0, 100)])
