"""Writes random programs that build, share, cut and drop graphs of counted objects.

The functions hold borrowed objects, parts of objects and slices into them, while what they call
clears the references that kept them alive. Compiled with AddressSanitizer, a count too few is a use
after free; the trace of deaths, compared with CPython's, shows a count too many.
"""

from __future__ import annotations

from random import Random

PRELUDE = '''"""A generated program about references."""

from __future__ import annotations

from typing import NamedTuple

from krait.kernel.lang import (
    Array, Buffer, Counted, Errno, Slice, Struct, Weak, borrowed, inline, u8, u32, u64,
)


class Trace(Struct):
    """What happened."""

    value: u64 = 1
    deaths: u64 = 0
    made: u32 = 0
    fuel: u32 = 0

    def note(self, value: u64) -> u64:
        """Remember."""
        self.value = self.value.wrapping_mul(31).wrapping_add(value)
        return value


trace = Trace()


class Part(Struct):
    """Embedded."""

    count: u32 = 0


class Node(Counted):
    """Has references, an embedded part and bytes."""

    number: u32
    next: Node | None = None
    other: Node | None = None
    up: Weak[Node] = Weak.empty()
    part: Part = inline()
    data: Array[u8] = inline(4)

    def __del__(self) -> None:
        """Note, whatever the order: temporaries may live to the end of their statement."""
        trace.deaths = trace.deaths.wrapping_add(u64(self.number).wrapping_mul(0x9E3779B97F4A7C15))

    def cut(self) -> u32:
        """Forget everything, perhaps oneself, then use oneself."""
        heap.a = None
        heap.slots[self.number % 3] = None
        self.next = None
        return self.number

    def first(self) -> Node | None:
        """Give a reference out."""
        return self.next


class Special(Node):
    """Overrides."""

    extra: Node | None = None

    def cut(self) -> u32:
        """Forget other things."""
        heap.b = None
        heap.box = None
        self.other = None
        return self.number + self.part.count


class Box(Counted):
    """Always holds a node."""

    node: Node

    def swap(self, other: Node) -> Node:
        """Exchange."""
        old = self.node
        self.node = other
        return old


class Two(NamedTuple):
    """A value with references."""

    left: Node | None
    right: Node | None


class Heap(Struct):
    """Where the graph hangs from."""

    a: Node | None = None
    b: Node | None = None
    box: Box | None = None
    slots: Array[Node | None] = inline(3)
    many: Buffer[Node | None] | None = None
    bytes: Buffer[u8] | None = None
    line: Slice[u8] = borrowed("bytes")


heap = Heap()


def reset(fuel: u32) -> None:
    """Start again."""
    heap.a = None
    heap.b = None
    heap.box = None
    heap.many = None
    renew(4)
    for i in range(3):
        heap.slots[i] = None
    trace.value = 1
    trace.deaths = 0
    trace.made = 0
    trace.fuel = fuel


def renew(length: u64) -> None:
    """Replace the heap's bytes."""
    bytes = Buffer[u8](length=length)
    bytes.slice.fill(u8.truncate(trace.made))
    heap.bytes = bytes
    heap.line = bytes.slice


def value() -> u64:
    """Tell what happened."""
    return trace.value ^ trace.deaths


def make(kind: u32) -> Node:
    """Make a node, as long as there is fuel."""
    if trace.fuel == 0:
        raise Errno(12)
    trace.fuel -= 1
    trace.made += 1
    if kind % 2 == 0:
        return Special(number=trace.made)
    return Node(number=trace.made, next=heap.a)


def use(node: Node | None) -> u32:
    """Look at what may be None, after something else was cleared."""
    heap.a = None
    renew(4)
    if node is None:
        return 1
    trace.note(u64(node.number))
    return node.number


def bump(part: Part, data: Slice[u8], by: u32) -> u32:
    """Change parts of an object after clearing references to it."""
    heap.b = None
    heap.slots[0] = None
    part.count = part.count.wrapping_add(by)
    data[by % 4] = u8.truncate(by)
    return part.count


def sum_of(data: Slice[u8]) -> u32:
    """Read bytes of an object after clearing references to it."""
    heap.a = None
    heap.box = None
    total: u32 = 0
    for byte in data:
        total += u32(byte)
    return total


def same(node: Node | None) -> Node | None:
    """Give it back."""
    return node


def both(left: Node, right: Node | None) -> Node:
    """Link two nodes and give one."""
    left.other = right
    heap.slots[1] = right
    return left if right is None else right


def pair(left: Node | None) -> Two:
    """Give two references."""
    return Two(left, heap.b)
'''


class GraphGenerator:
    """One function at a time."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.functions: list[str] = []
        self.lines: list[str] = []
        self.counter = 0

    def program(self, count: int) -> str:
        """Write a module of `count` functions."""
        parts = [PRELUDE]
        for number in range(count):
            parts.append(self.function(f"g{number}"))
            self.functions.append(f"g{number}")
        for name in self.functions:
            parts.append(
                f"def run_{name}(fuel: u32) -> u32:\n"
                f'    """Start from a few nodes."""\n    reset(fuel)\n'
                f"    heap.b = make(0)\n    heap.slots[0] = make(1)\n"
                f"    heap.box = Box(node=make(2))\n"
                f"    result = {name}(make(3), heap.b)\n"
                f"    return 0 if result is None else result.number"
            )
        return "\n\n\n".join(parts) + "\n"

    def function(self, name: str) -> str:
        """Write a function."""
        self.lines = []
        self.counter = 0
        self.put(1, "n0: Node | None = None")
        self.put(1, "n1: Node | None = q")
        self.put(1, "n2 = heap.slots[0]")
        for _ in range(self.random.randint(3, 9)):
            self.statement(1)
        self.put(1, f"return {self.optional()}")
        head = f"def {name}(p: Node, q: Node | None) -> Node | None:"
        return "\n".join([head, '    """Generated."""', *self.lines])

    def put(self, indent: int, text: str) -> None:
        """Append a line."""
        self.lines.append("    " * indent + text)

    def fresh(self) -> str:
        """Name a local."""
        self.counter += 1
        return f"t{self.counter}"

    def local(self) -> str:
        """Choose a local that may be None."""
        return self.random.choice(["n0", "n1", "n2"])

    def node(self) -> str:
        """Write an expression that is a node."""
        return self.random.choice(["p", "p", f"make({self.random.randint(0, 9)})"])

    def optional(self) -> str:
        """Write an expression that is a node or None."""
        choice = self.random.randint(0, 10)
        if choice <= 3:
            return self.local()
        options = [
            "heap.a",
            "heap.b",
            f"heap.slots[{self.random.randint(0, 2)}]",
            "p.next",
            "p.other",
            "p.first()",
            "p.up.get()",
            "None",
            self.node(),
            f"pair({self.local()}).left",
            f"pair({self.local()}).right",
        ]
        if self.functions:
            name = self.random.choice(self.functions)
            options.append(
                f"{name}({self.node()}, {self.random.choice(['p.next', 'heap.b', 'n1'])})"
            )
        return self.random.choice(options)

    def target(self) -> str:
        """Choose where to store a reference."""
        return self.random.choice(
            ["n0", "n1", "n2", "heap.a", "heap.b", "p.next", "p.other", "heap.slots[0]",
             f"heap.slots[{self.random.randint(0, 2)}]"]
        )  # fmt: skip

    def number(self, name: str) -> str:
        """Write an expression over the node `name` that is a u32."""
        return self.random.choice(
            [
                f"{name}.number",
                f"{name}.cut()",
                f"use({name}.next)",
                f"use({name}.other)",
                f"use({self.optional()})",
                f"bump({name}.part, {name}.data, {self.random.randint(0, 9)})",
                f"sum_of({name}.data)",
                f"sum_of({name}.data.part(1, 3))",
                f"both({name}, {self.optional()}).number",
                f"both({self.node()}, {name}.next).cut()",
                f"({name}.cut() + {name}.part.count)",
                f"u32({name}.data[use({self.optional()}) % 4])",
                f"({name}.part.count.wrapping_add(use({self.optional()})))",
                f"u32({name}.data.find(u8.truncate(use({self.optional()}))))",
                f"sum_of({name}.data.part(u64(use({self.optional()}) % 3), 4))",
                f"u32(heap.line[use({self.optional()}) % 4])",
                f"sum_of(heap.line.part(0, u64(use({self.optional()}) % 5)))",
            ]
        )

    def statement(self, indent: int) -> None:
        """Write a statement."""
        choice = self.random.randint(0, 15)
        if indent > 3:
            choice = min(choice, 5)
        if choice <= 3:
            self.put(indent, f"{self.target()} = {self.optional()}")
        elif choice == 4:
            self.put(indent, f"trace.note(u64({self.number('p')}))")
        elif choice == 5:
            self.put(indent, f"use({self.optional()})")
        elif choice <= 8:
            name = self.fresh()
            given = self.optional()
            if given in ("None", "p") or given.startswith("make"):
                given = f"same({given})"
            self.put(indent, f"if ({name} := {given}) is not None:")
            self.inner(indent + 1, name)
        elif choice == 9:
            name = self.local()
            self.put(indent, f"if {name} is not None:")
            self.put(indent + 1, f"trace.note(u64({self.number(name)}))")
        elif choice == 10:
            name = self.fresh()
            self.put(indent, f"if ({name} := heap.box) is not None:")
            kind = self.random.randint(0, 3)
            if kind == 0:
                self.put(indent + 1, f"trace.note(u64({self.number(f'{name}.node')}))")
            elif kind == 1:
                self.put(indent + 1, f"trace.note(u64({name}.swap({self.node()}).cut()))")
                change = f"{name}.swap({self.node()}).number"
                place = self.random.choice(["number", "part.count", f"data[{change} % 4]"])
                value = "1" if "data" in place else f"{change} % 9"
                self.put(indent + 1, f"{name}.node.{place} += {value}")
            elif kind == 2:
                self.put(indent + 1, f"n0 = {name}.swap({name}.node)")
            else:
                self.put(indent + 1, f"{name}.node = both({name}.node, {self.optional()})")
        elif choice == 11:
            name = self.fresh()
            self.put(indent, f"for {name} in heap.slots:")
            self.put(indent + 1, f"if {name} is not None:")
            self.inner(indent + 2, name)
        elif choice == 12:
            name = self.fresh()
            self.put(indent, f"{name} = pair({self.optional()})")
            self.put(indent, f"{self.target()} = {self.optional()}")
            self.put(indent, f"{self.target()} = {name}.{self.random.choice(['left', 'right'])}")
        elif choice == 13:
            self.put(indent, "try:")
            self.statement(indent + 1)
            self.put(indent + 1, f"n0 = make({self.random.randint(0, 3)})")
            self.statement(indent + 1)
            self.put(indent, self.random.choice(["except Errno:", "finally:"]))
            self.put(indent + 1, "trace.note(5)")
        elif choice == 14:
            name = self.fresh()
            self.put(indent, f"{name}: Node | None = {self.optional()}")
            self.put(indent, f"while {name} is not None and trace.fuel > 0:")
            self.put(indent + 1, "trace.fuel -= 1")
            self.put(indent + 1, f"trace.note(u64({name}.number))")
            self.put(indent + 1, f"{name} = {name}.{self.random.choice(['next', 'other'])}")
        else:
            self.put(indent, f"p.up = Weak({self.node()})")

    def inner(self, indent: int, name: str) -> None:
        """Use a node that a local holds."""
        for _ in range(self.random.randint(1, 2)):
            if self.random.random() < 0.5:
                self.put(indent, f"trace.note(u64({self.number(name)}))")
            else:
                self.statement(indent)
        if self.random.random() < 0.3:
            self.put(indent, f"{name}.{self.random.choice(['next', 'other'])} = {self.optional()}")
