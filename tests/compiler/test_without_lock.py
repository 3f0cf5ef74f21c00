"""What code without the kernel lock may do; what it may not is in `refused_cases.py`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from krait.compiler.program import Options, compile_program

ROUTINES = """
from __future__ import annotations

from typing import Final

from krait.kernel.lang import *

unsafe: Final = True


@no_kernel_lock
@extern("routine")
def routine() -> None: ...
"""

ALLOWED = """
from __future__ import annotations

from allowed_routines import routine

from krait.kernel.lang import *


class Part(Struct):
    count: u32 = 0
    data: Array[u8] = inline(4)


class Whole(Struct):
    parts: Array[Part] = inline(3)


class Shared(Struct):
    hits: Atomic[u32] = inline(0)
    size: u32 = 0


shared = Shared()


def fill(part: Part) -> u32:
    return part.count


@no_kernel_lock
def own_objects(pointer: UserPointer[u32]) -> u32:
    part = Part()
    part.count = 3
    part.count += 1
    part.data[1] = 2
    part.data[1] += 2
    part.data.fill(0)
    whole = Whole()
    whole.parts[1].count = 3
    whole.parts[2].data[1] |= 3
    scratch: Array[u8] = inline(4)
    scratch[1] = 4
    for index in range(u32(4)):
        part.count = index
    pointer.store(part.count)
    return fill(part)


@reads_shared
def shared_values(user: UserSlice[u8]) -> u64:
    found: Array[u8] = inline(4)
    shared.hits.add(1)
    routine()
    return user.part(0, 4).copy_in_nofault(found) + u64(shared.size)
"""


GUARDED = """
from typing import Final

has_own_lock: Final = True


@no_kernel_lock
def change(size: u32) -> None:
    shared.size = size
"""


@pytest.mark.parametrize("more", ["", GUARDED], ids=["own objects", "guarded by the module"])
def test_what_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str) -> None:
    """Own objects, atomics; and all where the module says that a lock of its own guards it."""
    (tmp_path / "allowed_routines.py").write_text(ROUTINES, encoding="utf-8")
    (tmp_path / "allowed_without_lock.py").write_text(ALLOWED + more, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    try:
        program = compile_program(["allowed_without_lock"], Options(all_functions=True))
    finally:
        sys.modules.pop("allowed_without_lock", None)
        sys.modules.pop("allowed_routines", None)
    assert [str(each) for each in program.diagnostics] == []
