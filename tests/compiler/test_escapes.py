"""Borrowed references that safe code may store and use: what the escape check must leave alone.

What it refuses is in `refused_cases.py`.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from refused_cases import KEEPER, PRELUDE

from krait.compiler.program import Options, compile_program

ACCEPTED = {
    "prebuilt": (
        KEEPER + "root = Node()\n\n\n"
        "def f() -> None:\n    keeper.part = root.part\n    keep(clock)\n"
    ),
    "used_through_a_stack_object": (
        KEEPER + "def count(k: Keeper) -> u32:\n"
        "    return part.count if (part := k.part) is not None else 0\n\n\n"
        "def f(n: Node) -> u32:\n    k = Keeper(part=n.part)\n    return count(k)\n"
    ),
    "slice_of_its_own_buffer": (
        "class Reader(Counted):\n    buffer: Buffer[u8]\n"
        "    rest: Slice[u8] = borrowed('buffer')\n\n"
        "    def start(self) -> None:\n        self.leave(self.buffer.slice)\n\n"
        "    def leave(self, rest: Slice[u8]) -> None:\n        self.rest = rest\n"
    ),
    "moved_between_fields_of_a_part": (
        "class Link(Struct):\n    after: Link | None = None\n\n\n"
        "class Ring(Struct):\n    first: Link | None = None\n    last: Link | None = None\n\n"
        "    def rewind(self) -> None:\n        self.first = self.last\n\n\n"
        "class Queue(Counted):\n    ring: Ring = inline()\n\n\n"
        "def f(queue: Queue) -> None:\n    queue.ring.rewind()\n\n\n"
        "def g() -> None:\n    ring = Ring()\n    ring.rewind()\n"
    ),
    "object_of_a_cpu": (
        KEEPER + "parts: PerCpu[Part] = PerCpu(Part())\n\n\n"
        "def f() -> None:\n    with pinned():\n        keep(parts.get())\n"
    ),
    "counted_object_itself": (
        "class Holder(Counted):\n    node: Node\n\n    def count(self) -> u32:\n"
        "        return self.node.part.count\n\n\n"
        "def f(n: Node) -> u32:\n    return Holder(node=n).count()\n"
    ),
}


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_accepted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"escapes_{name}"
    (tmp_path / f"{module}.py").write_text(f"{PRELUDE}\n\n{ACCEPTED[name]}", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    program = compile_program([module], Options(all_functions=True))
    assert program.diagnostics == []
