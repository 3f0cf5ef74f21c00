"""Constructs: objects, counts, slices, packed layouts, user memory, atomics.

Each `case_` function runs interpreted and compiled; `CALLS` lists arguments.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, Generic, NamedTuple, TypeVar

from krait.kernel.errno import EINVAL, ENOENT
from krait.kernel.lang import (
    Array,
    Atomic,
    Buffer,
    Counted,
    Errno,
    Packed,
    Slice,
    Struct,
    Text,
    UserPointer,
    UserSlice,
    Weak,
    be16,
    be32,
    borrowed,
    inline,
    offset_of,
    size_of,
    static_assert,
    text,
    u8,
    u16,
    u32,
    u64,
    view,
)

T = TypeVar("T")


class Log(Struct):
    """Who died, as digits."""

    trace: u64 = 0

    def add(self, digit: u64) -> None:
        """Append a digit."""
        self.trace = self.trace * 10 + digit


log = Log()


class Node(Counted):
    """Notes its death."""

    number: u64
    next: Node | None = None
    up: Weak[Node] = Weak.empty()

    def __del__(self) -> None:
        """Note."""
        log.add(self.number)

    def chain(self) -> u64:
        """Count the nodes from here."""
        count: u64 = 1
        node = self.next
        while node is not None:
            count += 1
            node = node.next
        return count


def make(number: u64) -> Node:
    """Make one."""
    if number == 9:
        raise Errno(EINVAL)
    return Node(number=number)


def case_drop(n: u64) -> u64:
    """Locals die at the end."""
    log.trace = 0
    use_two(n)
    return log.trace


def use_two(n: u64) -> u64:
    """Hold two nodes."""
    first = make(1)
    second = make(n)
    return first.number + second.number


def case_reassign(n: u64) -> u64:
    """The old value dies at once."""
    log.trace = 0
    node = make(1)
    node = make(n)
    log.add(7)
    node.number = 3
    return log.trace


def case_chain(n: u64) -> u64:
    """Fields own."""
    log.trace = 0
    first = make(1)
    first.next = make(2)
    second = first.next
    if second is not None:
        second.next = Node(number=3, next=Node(number=4))
    count = first.chain()
    if n == 1:
        first.next = None
    log.add(8)
    second = None
    log.add(5)
    return log.trace * 10 + count


def case_temporary(n: u64) -> u64:
    """A result that nobody keeps dies after the statement."""
    log.trace = 0
    total = make(n).number + make(2).number
    log.add(7)
    return log.trace * 100 + total


def case_error_releases(n: u64) -> u64:
    """An error on the way out releases what is held."""
    log.trace = 0
    try:
        hold_and_fail(n)
    except Errno as error:
        log.add(6)
        return log.trace * 100 + u64(error.code)
    return log.trace


def hold_and_fail(n: u64) -> None:
    """Hold some nodes when raising."""
    first = make(1)
    second = Node(number=2, next=first)
    for i in range(3):
        third = make(n + i)
        third.next = second


def case_weak(n: u64) -> u64:
    """A weak reference does not keep alive."""
    log.trace = 0
    node = make(n)
    child = make(2)
    node.next = child
    child.up = Weak(node)
    up = child.up.get()
    found: u64 = 0
    if up is not None:
        found = up.number
    up = None
    node = make(3)
    log.add(7)
    if child.up.get() is None:
        found += 100
    return log.trace * 1000 + found


def pass_through(node: Node | None) -> Node | None:
    """Parameters borrow; results own."""
    return node


def case_pass(n: u64) -> u64:
    """Counts stay right."""
    log.trace = 0
    node = pass_through(pass_through(make(n)))
    same = node
    if same is None or node is not same:
        return 1
    node = None
    log.add(5)
    return log.trace * 10 + same.number


class Holder(NamedTuple):
    """A value that owns references."""

    first: Node | None
    number: u64


def hold(n: u64) -> Holder:
    """Give a value with a reference in it."""
    return Holder(make(n), n)


def case_tuple_of_references(n: u64) -> u64:
    """Copies count."""
    log.trace = 0
    holder = hold(n)
    copy = holder
    holder = Holder(None, 3)
    log.add(5)
    first = copy.first
    return log.trace * 100 + copy.number + (0 if first is None else first.number) + holder.number


class Shape(Counted):
    """Abstract."""

    size: u64

    @abstractmethod
    def area(self) -> u64:
        """How much."""

    @property
    def double(self) -> u64:
        """Twice the area."""
        return self.area() * 2

    def name(self) -> Text:
        """What it is called."""
        return text(b"shape")


class Square(Shape):
    """Size squared."""

    def area(self) -> u64:
        """Multiply."""
        return self.size * self.size

    def name(self) -> Text:
        """Be specific."""
        return text(b"square")


class Cube(Square):
    """Six sides."""

    def area(self) -> u64:
        """Ask the base."""
        return super().area() * 6


class Line(Shape):
    """May fail."""

    def area(self) -> u64:
        """No area."""
        raise Errno(ENOENT)

    @staticmethod
    def unit() -> u64:
        """Be static."""
        return 3


def shape(kind: u32) -> Shape:
    """Choose."""
    if kind == 0:
        return Square(size=3)
    if kind == 1:
        return Cube(size=2)
    return Line(size=Line.unit())


def case_virtual(kind: u32) -> u64:
    """Overridden methods."""
    made = shape(kind)
    total = made.name().length * 1000
    if isinstance(made, Square):
        total += made.size * 100000
    return total + made.double


class Ring(Struct, Generic[T]):
    """A generic queue."""

    buffer: Buffer[T] | None = None
    data: Slice[T] = borrowed("buffer")
    head: u64 = 0
    tail: u64 = 0

    def push(self, value: T) -> bool:
        """Append unless full."""
        if self.tail - self.head == self.data.length:
            return False
        self.data[self.tail % self.data.length] = value
        self.tail += 1
        return True

    def pop(self) -> T:
        """Take the oldest."""
        value = self.data[self.head % self.data.length]
        self.head += 1
        return value


class Queue(Counted):
    """Embeds two rings."""

    bytes: Ring[u8] = inline()
    numbers: Ring[u32] = inline()


def case_generic(n: u32) -> u64:
    """Specialised for two types."""
    queue = Queue()
    bytes = Buffer[u8](length=4)
    queue.bytes.buffer = bytes
    queue.bytes.data = bytes.slice
    numbers = Buffer[u32](length=u64(n))
    queue.numbers.buffer = numbers
    queue.numbers.data = numbers.slice
    pushed: u64 = 0
    for i in range(6):
        if queue.bytes.push(u8(i * 40)):
            pushed += 1
        if queue.numbers.push(u32(i) * 1000):
            pushed += 10
    return u64(queue.bytes.pop()) + u64(queue.numbers.pop()) + pushed * 100000


def case_buffer(n: u64, i: u64) -> u64:
    """On the heap, zeroed, checked."""
    buffer = Buffer[u16](length=n)
    buffer[i] = 5
    total = buffer.length
    for each in buffer.slice:
        total = total * 2 + u64(each)
    return total


def case_references_in_array(n: u64) -> u64:
    """Elements own."""
    log.trace = 0
    nodes = Buffer[Node | None](length=3)
    nodes[0] = make(1)
    nodes[1] = make(n)
    nodes[2] = nodes[0]
    nodes[0] = None
    log.add(7)
    nodes[1] = nodes[2]
    log.add(8)
    third = nodes[2]
    nodes[2] = None
    nodes[1] = None
    log.add(6)
    return log.trace * 10 + (0 if third is None else third.number)


class Inner(Struct):
    """Embedded."""

    count: u32 = 7
    data: Array[u8] = inline(4)


class Outer(Struct):
    """Embeds."""

    inner: Inner = inline()
    many: Array[Inner] = inline(3)
    users: Atomic[u32] = inline(5)
    name: Text = text(b"outer")
    flag: bool = True


outer = Outer()
outer.inner.count = 21


def bump(inner: Inner, by: u32) -> None:
    """Change through a reference."""
    inner.count += by
    inner.data[by] = u8.truncate(inner.count)


def case_embedded(n: u32) -> u64:
    """In place."""
    outer.inner.count = 21
    bump(outer.inner, n)
    bump(outer.many[1], n)
    many = outer.many[2]
    many.count = 3
    total = u64(outer.inner.count) * 1000 + u64(outer.many[1].count)
    return total * 10 + u64(outer.many[2].count) + outer.name.length


def case_stack_object(n: u32) -> u32:
    """Local to the function."""
    inner = Inner(count=n)
    bump(inner, 2)
    scratch: Array[u32] = inline(8)
    scratch[n] = inner.count
    total: u32 = 0
    for each in scratch:
        total += each
    return total + u32(inner.data[2])


def case_atomic(n: u32) -> u64:
    """Old values."""
    users = outer.users
    users.store(5)
    total = u64(users.add(n)) * 1000 + u64(users.sub(1))
    if users.compare_swap(4 + n, 9):
        total += 100000
    if users.compare_swap(4, 3):
        total += 200000
    total += u64(users.swap(0xF0)) * 1000000
    return total + u64(users.fetch_or(0x0F)) + u64(users.fetch_and(0x3C)) + u64(users.load())


def case_slice(data: Slice[u8], start: u64, stop: u64) -> u64:
    """Parts and bounds."""
    part = data.part(start, stop)
    total = part.length
    for byte in part:
        total = total * 3 + u64(byte)
    return total * 10 + part.find(4)


def case_index(data: Slice[u8], i: u64) -> u8:
    """One byte."""
    return data[i]


def case_write(data: Slice[u8], at: u64, value: u8) -> u64:
    """The caller sees it."""
    data[at] = value
    data.part(at, data.length).fill(value)
    return data.length


def case_copy(data: Slice[u8], to: u64, count: u64) -> bool:
    """Overlapping."""
    data.part(to, to + count).copy_from(data.part(0, count))
    return data.part(0, count).equals(data.part(to, to + count))


def case_text(data: Slice[u8]) -> u32:
    """Compare with a constant."""
    if data.equals(text(b"hello")):
        return 1
    return 2 if data.length == 0 else 3


class Address(Packed):
    """Six bytes."""

    bytes: Array[u8] = inline(6)


class Header(Packed):
    """Unaligned."""

    kind: u8
    port: be16
    length: u32
    address: Address = inline()
    words: Array[u16] = inline(2)
    sequence: be32 = be32(5)


static_assert(size_of(Header) == 21)
static_assert(offset_of(Header, "words") == 13)
HEADER: Final = size_of(Header)


def case_packed(data: Slice[u8], at: u64) -> u64:
    """Views write through."""
    header = view(Header, data, at)
    total = u64(header.kind) + u64(header.port.host) * 256 + u64(header.length) * 65536
    header.port = be16(header.port.host.wrapping_add(1))
    header.words[1] = 0x1234
    header.address.bytes[5] = 9
    if header.sequence == be32(0x01020304):
        header.length = 77
    return total.wrapping_add(u64(HEADER))


def case_packed_local(n: u32) -> u64:
    """Made in place."""
    header = Header(kind=1, port=be16(u16.truncate(n)), length=n)
    header.address.bytes.fill(3)
    return u64(header.length) + u64(header.port.host) + u64(header.address.bytes[2])


def case_user_slice(user: UserSlice[u8], into: Slice[u8]) -> u64:
    """Copy in, copy out."""
    user.copy_in(into)
    into[0] = into[0].wrapping_add(1)
    user.part(1, user.length).copy_out(into.part(0, into.length - 1))
    return user.length


def case_user_pointer(user: UserPointer[u32], n: u32) -> u64:
    """Load and store."""
    if user.is_null:
        return 1
    old = user.load_at(1)
    user.store(n)
    user.store_at(1, old.wrapping_add(n))
    return u64(old) + u64(user.load())


class Wide(NamedTuple):
    """As a program passes it."""

    a: u8
    gap: u8
    c: u16
    d: u32
    b: u64


def case_user_tuple(user: UserPointer[Wide]) -> u64:
    """A structure laid out as C does."""
    value = user.load()
    user.store(Wide(value.a, 0, value.c, 5, value.b + 1))
    return u64(value.a) + value.b + u64(value.c)


class Both(Counted):
    """Owns two."""

    left: Node
    right: Both | None = None
    bytes: Buffer[u8] | None = None

    def __del__(self) -> None:
        """Note."""
        log.add(self.left.number + 3)


class Held(NamedTuple):
    """Two by value."""

    left: Node
    right: Both


def weigh(left: Node, both: Both, bytes: Buffer[u8]) -> u64:
    """Make one more while three are held by the caller."""
    return left.number + both.left.number + make(2).number + bytes.length


def case_nested(n: u64) -> u64:
    """An object within an object's construction, both of which own the same one."""
    log.trace = 0
    node = make(1)
    both = Both(left=node, right=Both(left=node, right=Both(left=node)))
    other = both.right
    return n + (1 if other is None else other.left.number)


def case_nested_field(n: u64) -> u64:
    """The same, where the shared one is in a field."""
    log.trace = 0
    first = Node(number=1, next=make(2))
    if (second := first.next) is not None:
        both = Both(left=second, right=Both(left=second), bytes=Buffer[u8](length=n))
        return both.left.number
    return 0


def case_nested_tuple(n: u64) -> u64:
    """The same in a named tuple."""
    log.trace = 0
    node = make(n)
    held = Held(node, Both(left=node, right=Both(left=node)))
    return held.right.left.number


def case_nested_choice(n: u64) -> u64:
    """The same where one is chosen."""
    log.trace = 0
    node = make(n)
    both = Both(left=node, right=Both(left=node) if n == 3 else None, bytes=Buffer[u8](length=4))
    return both.left.number


def case_nested_arguments(n: u64) -> u64:
    """The same in arguments of a call that raises."""
    log.trace = 0
    node = make(n)
    total = weigh(node, Both(left=node, right=Both(left=node)), Buffer[u8](length=n))
    return total + weigh(make(1), Both(left=make(4)), Buffer[u8](length=1))


def nested_result(node: Node) -> Both:
    """Make one to return."""
    return Both(left=node, right=Both(left=node, bytes=Buffer[u8](length=2)))


def case_nested_result(n: u64) -> u64:
    """The same in what is returned, and in what is stored in a field."""
    log.trace = 0
    both = nested_result(make(n))
    both.right = Both(left=both.left, right=Both(left=both.left, right=nested_result(both.left)))
    return both.left.number


CALLS: dict[str, list[tuple[object, ...]]] = {
    "case_drop": [(2,), (9,)],
    "case_reassign": [(2,)],
    "case_chain": [(0,), (1,)],
    "case_temporary": [(1,), (9,)],
    "case_error_releases": [(7,), (3,), (9,)],
    "case_weak": [(1,)],
    "case_pass": [(4,)],
    "case_tuple_of_references": [(4,)],
    "case_virtual": [(0,), (1,), (2,)],
    "case_generic": [(3,), (6,)],
    "case_buffer": [(3, 1), (3, 3), (0, 0)],
    "case_references_in_array": [(2,)],
    "case_embedded": [(1,), (3,), (4,)],
    "case_stack_object": [(3,), (7,), (8,)],
    "case_atomic": [(1,), (7,)],
    "case_slice": [(b"\1\2\3\4\5", 1, 4), (b"\1\2", 0, 3), (b"\1\2", 2, 1), (b"", 0, 0)],
    "case_index": [(b"abc", 2), (b"abc", 3), (b"", 0)],
    "case_write": [(b"abcdef", 2, 7), (b"abc", 3, 1)],
    "case_copy": [(b"abcdefgh", 2, 4), (b"abcdefgh", 6, 4), (b"aaaa", 1, 2)],
    "case_text": [(b"hello",), (b"",), (b"hellp",)],
    "case_packed": [
        (bytes(range(30)), 3),
        (bytes(range(30)), 9),
        (bytes(range(30)), 10),
        (bytes(17) + b"\1\2\3\4", 0),
    ],
    "case_packed_local": [(5,), (70000,)],
    "case_user_slice": [(b"abcd", b"0000"), (b"abcd", b"000")],
    "case_user_pointer": [(b"\1\0\0\0\2\0\0\0", 7), (b"\1\0\0\0", 7)],
    "case_nested": [(1,)],
    "case_nested_field": [(3,)],
    "case_nested_tuple": [(3,)],
    "case_nested_choice": [(3,), (4,)],
    "case_nested_arguments": [(3,)],
    "case_nested_result": [(3,)],
    "case_user_tuple": [(bytes(range(16)),), (bytes(8),)],
}
