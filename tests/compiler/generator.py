"""Writes random programs in kernel Python for the comparison of CPython with compiled code.

A program is a module of functions that take two numbers and a slice and give a number. Expressions
are typed as they are written, so that every program is correct; what it does when run (overflow, an
index outside, a raised error) is part of what is compared. Loops are bounded, so it ends.
"""

from __future__ import annotations

from random import Random

WIDTHS: dict[str, tuple[int, int]] = {
    "u8": (0, 2**8 - 1),
    "u16": (0, 2**16 - 1),
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**64 - 1),
    "i8": (-(2**7), 2**7 - 1),
    "i16": (-(2**15), 2**15 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "i64": (-(2**63), 2**63 - 1),
}
PRELUDE = '''"""A generated program."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from krait.kernel.lang import (
    Array, Counted, Errno, Slice, Struct, count_trailing_zeros, i8, i16, i32, i64, inline,
    popcount, u8, u16, u32, u64,
)

TABLE: Final[list[u16]] = [(n * 2654435761) % 65536 for n in range(32)]


class Color(IntEnum):
    """Something to match."""

    RED = 0
    GREEN = 1
    BLUE = 2


class Pair(NamedTuple):
    """Two values."""

    left: u32
    right: i64


class State(Struct):
    """What the functions share."""

    trace: u64 = 0
    small: u8 = 0
    signed: i32 = 0
    numbers: Array[u32] = inline(8)

    def note(self, value: u64) -> u64:
        """Remember that something happened."""
        self.trace = self.trace.wrapping_mul(31).wrapping_add(value)
        return value


state = State()


class Node(Counted):
    """Notes its death."""

    number: u32
    next: Node | None = None

    def __del__(self) -> None:
        """Note."""
        state.note(u64(self.number) + 7)


class Shape(Counted):
    """Something to override."""

    size: u32 = 3

    def area(self, by: u32) -> u32:
        """Multiply."""
        return self.size * by

    def __del__(self) -> None:
        """Note."""
        state.note(u64(self.size) + 1000)


class Square(Shape):
    """Overrides, and may raise."""

    other: Node | None = None

    def area(self, by: u32) -> u32:
        """Multiply twice."""
        if by == 7:
            raise Errno(33)
        return self.size * self.size


class Cube(Square):
    """Overrides again."""

    def area(self, by: u32) -> u32:
        """Ask the base."""
        return super().area(by) * 6


def shape(kind: u32, size: u32) -> Shape:
    """Choose."""
    if kind % 3 == 0:
        return Shape(size=size)
    if kind % 3 == 1:
        return Square(size=size, other=Node(number=size))
    return Cube(size=size)


def area_of(kind: u32, size: u32, by: u32) -> u32:
    """Keep the object in a local: a temporary lives to the end of its statement, if compiled."""
    made = shape(kind, size)
    return made.area(by)


class Guard(Struct):
    """Notes being entered and left."""

    depth: u32 = 0

    def __enter__(self) -> None:
        """Note."""
        self.depth += 1
        state.note(91)

    def __exit__(self, *_error: object) -> None:
        """Note."""
        self.depth -= 1
        state.note(92)


guard = Guard()


def reset() -> None:
    """Start again."""
    state.trace = 1
    state.small = 3
    state.signed = -4
    guard.depth = 0
    for i in range(8):
        state.numbers[i] = u32(i) * 1000


def trace() -> u64:
    """Tell what happened."""
    return state.trace
''' + "".join(
    f"""

def same_{width}(value: {width}) -> {width}:
    \"\"\"Give it back.\"\"\"
    return value
"""
    for width in WIDTHS
)


class Generator:
    """One function at a time."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.functions: list[tuple[str, str, str, str]] = []
        self.lines: list[str] = []
        self.locals: dict[str, str] = {}
        self.readonly: set[str] = set()
        self.nodes: list[str] = []
        self.depth = 0
        self.loops = 0
        self.counter = 0
        self.result = "u64"

    def program(self, count: int) -> str:
        """Write a module of `count` functions."""
        parts = [PRELUDE]
        for number in range(count):
            parts.append(self.function(f"f{number}"))
        return "\n\n".join(parts) + "\n"

    def function(self, name: str) -> str:
        """Write a function."""
        first, second = self.width(), self.width()
        result = self.result = self.width()
        self.locals = {"a": first, "b": second}
        self.readonly = {"data"}
        self.nodes = []
        self.lines = []
        self.counter = 0
        head = f"def {name}(a: {first}, b: {second}, data: Slice[u8]) -> {result}:"
        for _ in range(self.random.randint(1, 3)):
            kind = self.width()
            local = self.fresh("v")
            self.put(1, f"{local}: {kind} = {self.literal(kind)}")
            self.locals[local] = kind
        if self.chance(0.5):
            self.put(1, "scratch: Array[u16] = inline(6)")
            self.locals["scratch"] = "scratch"
        if self.chance(0.4):
            node = self.fresh("node")
            self.put(1, f"{node}: Node | None = Node(number={self.literal('u32')})")
            self.nodes.append(node)
        self.block(1, self.random.randint(2, 6))
        self.put(1, f"return {self.expression(result, 3)}")
        self.functions.append((name, first, second, result))
        return "\n".join([head, '    """Generated."""', *self.lines])

    def put(self, indent: int, text: str) -> None:
        """Append a line."""
        self.lines.append("    " * indent + text)

    def chance(self, probability: float) -> bool:
        """Decide."""
        return self.random.random() < probability

    def width(self) -> str:
        """Choose a width."""
        return self.random.choice(sorted(WIDTHS))

    def fresh(self, stem: str) -> str:
        """Name a local."""
        self.counter += 1
        return f"{stem}{self.counter}"

    def literal(self, kind: str) -> str:
        """Choose a number of a width, often an interesting one."""
        low, high = WIDTHS[kind]
        choices = [low, high, high - 1, 0, 1, 2, self.random.randint(low, high)]
        choices += [self.random.randint(max(low, -9), 20) for _ in range(25)]
        return str(self.random.choice([each for each in choices if low <= each <= high]))

    # Expressions

    def numbers(self, kind: str) -> list[str]:
        """Find what is at hand of a width."""
        found = [name for name, each in self.locals.items() if each == kind]
        extra = {
            "u8": ["state.small"],
            "i32": ["state.signed"],
            "u64": ["data.length", "state.trace"],
        }
        return found + extra.get(kind, [])

    def atom(self, kind: str, literal: bool = True) -> str:
        """Write a simple expression; not a bare literal unless allowed."""
        names = self.numbers(kind)
        if names and self.chance(0.8):
            return self.random.choice(names)
        if literal and self.chance(0.6):
            text = self.literal(kind)
            return f"({text})" if text.startswith("-") else text
        return f"same_{kind}({self.literal(kind)})"  # the compiler must not know it

    def expression(self, kind: str, depth: int) -> str:
        """Write an expression of a width that is no bare literal."""
        if depth <= 0 or self.chance(0.15):
            return self.atom(kind, literal=False)
        signed = kind.startswith("i")
        choice = self.random.randint(0, 17)
        deeper = depth - 1
        if choice <= 3:
            operator = self.random.choice(["+", "-", "*", "//", "%", "&", "|", "^"])
            plain = self.chance(0.5) and operator not in ("//", "%")
            right = self.atom(kind) if plain else self.expression(kind, deeper)
            return f"({self.expression(kind, deeper)} {operator} {right})"
        if choice == 4:
            operator = self.random.choice(["<<", ">>"])
            right = self.random.choice(["u8", "u32", "u64"])
            count = f"({self.expression(right, deeper)} % {self.random.choice([8, 40, 70])})"
            return f"({self.expression(kind, deeper)} {operator} {count})"
        if choice == 5:
            method = self.random.choice(["wrapping_add", "wrapping_sub", "wrapping_mul"])
            return f"{self.expression(kind, deeper)}.{method}({self.atom(kind)})"
        if choice == 6:
            method = self.random.choice(["checked_add", "checked_sub", "checked_mul"])
            code = self.random.randint(1, 40)
            return f"{self.expression(kind, deeper)}.{method}({self.atom(kind)}, {code})"
        if choice == 7:
            other = self.width()
            return f"{kind}.truncate({self.expression(other, deeper)})"
        if choice == 8:
            other = self.width()
            how = kind if self.chance(0.3) else f"{kind}.truncate"
            return f"{how}({self.expression(other, deeper)})"
        if choice == 9:
            return (
                f"({self.expression(kind, deeper)} if {self.condition(deeper)}"
                f" else {self.atom(kind, literal=False)})"
            )
        if choice == 10:
            name = self.random.choice(["min", "max"])
            right = self.atom(kind, literal=False)
            return f"{name}({self.expression(kind, deeper)}, {right})"
        if choice == 11:
            return f"(~{self.expression(kind, deeper)})"
        if choice == 12 and signed:
            return f"(-{self.expression(kind, deeper)})"
        if choice == 13 and kind == "u8":
            return f"data[{self.expression('u64', deeper)} % 5]"
        if choice == 13 and kind == "u16":
            if "scratch" in self.locals and self.chance(0.5):
                return f"scratch[{self.expression('u32', deeper)} % 7]"
            return f"TABLE[{self.expression('u8', deeper)} % 33]"
        if choice == 13 and kind == "u32":
            return f"state.numbers[{self.expression('u64', deeper)} % 9]"
        if choice == 14 and kind == "u64":
            return f"state.note({self.expression('u64', deeper)})"
        if choice == 15 and kind == "u32":
            return f"Pair({self.expression('u32', deeper)}, {self.literal('i64')}).left"
        if choice == 13 and kind == "i64":
            return f"Pair({self.literal('u32')}, {self.expression('i64', deeper)}).right"
        if choice == 14 and kind == "u32":
            kind_text, size = self.expression("u32", deeper - 1), self.expression("u32", deeper)
            return f"area_of({kind_text}, {size}, {self.atom('u32')})"
        if choice == 15 and not signed:
            name = self.random.choice(["popcount", "count_trailing_zeros"])
            return f"{name}({self.expression(kind, deeper)})"
        same = [each for each in self.functions if each[3] == kind]
        if choice >= 16 and same and self.loops == 0 and self.chance(0.5):
            name, first, second, _ = self.random.choice(same)
            return f"{name}({self.atom(first)}, {self.atom(second)}, data)"
        return self.atom(kind, literal=False)

    def condition(self, depth: int) -> str:
        """Write a condition."""
        choice = self.random.randint(0, 6)
        if choice == 0 and depth > 0:
            word = self.random.choice(["and", "or"])
            return f"({self.condition(depth - 1)} {word} {self.condition(depth - 1)})"
        if choice == 1 and depth > 0:
            return f"(not {self.condition(depth - 1)})"
        kind = self.width()
        operator = self.random.choice(["==", "!=", "<", "<=", ">", ">="])
        return f"{self.expression(kind, depth - 1)} {operator} {self.atom(kind)}"

    # Statements

    def block(self, indent: int, count: int) -> None:
        """Write some statements."""
        for _ in range(count):
            self.statement(indent)

    def assignable(self) -> list[str]:
        """Find the locals that may be assigned to."""
        return [n for n, k in self.locals.items() if k in WIDTHS and n not in self.readonly]

    def statement(self, indent: int) -> None:
        """Write a statement."""
        choice = self.random.randint(0, 19)
        if indent > 4:
            choice = min(choice, 6)
        if choice <= 3:
            name = self.random.choice(self.assignable())
            self.put(indent, f"{name} = {self.expression(self.locals[name], 3)}")
        elif choice == 4:
            name = self.random.choice(self.assignable())
            operator = self.random.choice(["+", "-", "*", "^", "|", "&", "//", "%"])
            self.put(indent, f"{name} {operator}= {self.expression(self.locals[name], 2)}")
        elif choice == 5:
            target, kind = self.random.choice(
                [("state.small", "u8"), ("state.signed", "i32"), ("state.numbers[2]", "u32")]
            )
            self.put(indent, f"{target} = {self.expression(kind, 2)}")
        elif choice == 6:
            self.put(indent, f"state.note({self.expression('u64', 2)})")
        elif choice == 7 and "scratch" in self.locals:
            index = self.expression("u8", 1)
            self.put(indent, f"scratch[{index} % 7] = {self.expression('u16', 2)}")
        elif choice <= 9:
            self.put(indent, f"if {self.condition(2)}:")
            self.block(indent + 1, self.random.randint(1, 2))
            if self.chance(0.5):
                self.put(indent, "else:")
                self.block(indent + 1, self.random.randint(1, 2))
        elif choice <= 11:
            self.loop(indent)
        elif choice == 12:
            self.match(indent)
        elif choice <= 14:
            self.attempt(indent)
        elif choice == 15:
            self.put(indent, "with guard:")
            self.block(indent + 1, self.random.randint(1, 2))
        elif choice == 16:
            self.put(indent, f"if {self.condition(2)}:")
            self.put(indent + 1, f"raise Errno({self.random.randint(1, 40)})")
        elif choice == 17 and self.chance(0.4):
            self.put(indent, f"if {self.condition(2)}:")
            self.put(indent + 1, f"return {self.expression(self.result, 2)}")
        elif choice == 17 and self.nodes:
            self.node(indent)
        elif choice == 18:
            self.put(indent, f"data[{self.expression('u64', 1)} % 5] = {self.expression('u8', 2)}")
        elif choice == 19 and self.loops > 0:
            self.put(indent, f"if {self.condition(1)}:")
            self.put(indent + 1, self.random.choice(["break", "continue"]))
        elif self.chance(0.2):
            self.put(indent, f"assert {self.condition(1)} or {self.condition(1)}")
        else:
            self.put(indent, f"state.note({self.atom('u64')})")

    def loop(self, indent: int) -> None:
        """Write a bounded loop."""
        outer = dict(self.locals)
        self.loops += 1
        name = self.fresh("each")
        choice = self.random.randint(0, 2)
        if self.loops > 2 or choice == 0:
            self.put(indent, f"for {name} in data.part(0, min(data.length, 3)):")
            self.locals[name] = "u8"
        elif choice == 1:
            kind = self.random.choice(["u8", "u32", "u64"])
            bound = f"{self.expression(kind, 1)} % {self.random.randint(1, 6)}"
            self.put(indent, f"for {name} in range({bound}):")
            self.locals[name] = kind
        else:
            self.put(indent, f"for {name} in range({self.random.randint(0, 5)}):")
            self.locals[name] = "u64"
        self.readonly.add(name)
        self.block(indent + 1, self.random.randint(1, 3))
        self.loops -= 1
        self.locals = outer
        if self.chance(0.2):
            self.put(indent, "else:")
            self.block(indent + 1, 1)

    def match(self, indent: int) -> None:
        """Write a match over a number or an enumeration."""
        if self.chance(0.5):
            self.put(indent, f"match Color({self.expression('u32', 1)} % 3):")
            for case in ("Color.RED", "Color.GREEN | Color.BLUE"):
                self.put(indent + 1, f"case {case}:")
                self.block(indent + 2, 1)
            return
        kind = self.random.choice(["u8", "u32", "i32"])
        self.put(indent, f"match {self.expression(kind, 2)}:")
        self.put(indent + 1, "case 0 | 1:")
        self.block(indent + 2, 1)
        self.put(indent + 1, f"case 3 if {self.condition(1)}:")
        self.block(indent + 2, 1)
        self.put(indent + 1, "case _:")
        self.block(indent + 2, 1)

    def attempt(self, indent: int) -> None:
        """Write a try statement."""
        self.put(indent, "try:")
        self.block(indent + 1, self.random.randint(1, 2))
        self.put(indent + 1, f"if {self.condition(1)}:")
        self.put(indent + 2, f"raise Errno({self.random.randint(1, 40)})")
        form = self.random.randint(0, 2)
        if form != 1:
            self.put(indent, "except Errno as error:")
            self.put(indent + 1, "state.note(u64(error.code))")
            if self.chance(0.3):
                self.put(indent + 1, f"if {self.condition(1)}:")
                self.put(indent + 2, "raise")
        if form != 0:
            self.put(indent, "finally:")
            self.put(indent + 1, "state.note(77)")

    def node(self, indent: int) -> None:
        """Do something with a counted object."""
        name = self.nodes[0]
        choice = self.random.randint(0, 3)
        number = self.expression("u32", 1)
        if choice == 0:
            self.put(indent, f"{name} = Node(number={number})")
        elif choice == 1:
            self.put(indent, f"{name} = Node(number={number}, next={name})")
        elif choice == 2:
            self.put(indent, f"{name} = None")
        else:
            self.put(indent, f"if {name} is not None:")
            self.put(indent + 1, f"{name} = {name}.next")
