"""Each construct of kernel Python, compiled with sanitizers and run on the host.

One executable holds all constructs of a group, since compiling is what takes the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.compiler.conftest import Panicked, Raised

Run = Callable[[str, list[tuple[str, Any]]], list[Any]]

OBJECTS = """
class Trace(Struct):
    value: u64 = 0

trace = Trace()

class Leaf(Counted):
    number: u64
    def __del__(self) -> None:
        trace.value = trace.value * 10 + self.number

class Pair(Counted):
    left: Leaf | None = None
    right: Leaf | None = None
    def __del__(self) -> None:
        trace.value = trace.value * 10 + 9

class Point(NamedTuple):
    x: u32
    y: u32

class Owner(NamedTuple):
    leaf: Leaf
    n: u32

class Animal(Counted):
    legs: u32 = 4
    @abstractmethod
    def sound(self, times: u32) -> u32: ...
    def twice(self) -> u32:
        return self.sound(2)

class Dog(Animal):
    volume: u32 = 7
    def sound(self, times: u32) -> u32:
        return self.volume * times

class Cat(Animal):
    def sound(self, times: u32) -> u32:
        if times > 2:
            raise Errno(u32(5))
        return times
    def twice(self) -> u32:
        return super().twice() + 100

class Lock(Struct):
    held: u32 = 0
    entered: u32 = 0
    def __enter__(self) -> None:
        self.held += 1
        self.entered += 1
    def __exit__(self, *_error: object) -> None:
        self.held -= 1

class Box(Counted):
    lock: Lock = inline()
    data: Array[u8] = inline(16)
    pairs: Array[Point] = inline(3)
    leaves: Array[Leaf | None] = inline(4)
    locks: Array[Lock] = inline(2)
    users: Atomic[u32] = inline(3)
    buffer: Buffer[u8] | None = None
    callback: Callable[[u32], u32] | None = None
    parent: Weak[Pair] = Weak.empty()

T = TypeVar("T")

class Ring(Struct, Generic[T]):
    items: Array[T] = inline(4)
    head: u32 = 0
    def push(self, item: T) -> None:
        self.items[self.head % 4] = item
        self.head += 1
    def last(self) -> T:
        return self.items[(self.head - 1) % 4]

class Rings(Struct):
    small: Ring[u8] = inline()
    big: Ring[u64] = inline()

rings = Rings()
shared = Leaf(number=3)
table_lock = Lock()
PRIMES: Final[list[u32]] = [2, 3, 5, 7]
NAMES: Final[list[bytes]] = [b"zero", b"one"]

def pick(items: Slice[T], at: u64) -> T:
    return items[at]

def generic() -> u64:
    rings.small.push(7)
    rings.big.push(1 << 40)
    data: Array[u16] = inline(2)
    data[1] = 9
    return rings.big.last() + u64(rings.small.last()) + u64(pick(data, 1))

def drops() -> u64:
    pair = Pair(left=Leaf(number=1), right=Leaf(number=2))
    pair.left = None
    return trace.value

def drop_order() -> u64:
    drops()
    return trace.value

def reassigned() -> u64:
    leaf = Leaf(number=1)
    leaf = Leaf(number=2)
    return trace.value * 100 + leaf.number

def make(n: u64) -> Leaf:
    leaf = Leaf(number=n)
    return leaf

def maybe(n: u64) -> Leaf | None:
    if n == 0:
        return None
    return make(n)

def narrowing(n: u64) -> u64:
    found = maybe(n)
    if found is None:
        return 77
    return found.number

def walrus(n: u64) -> u64:
    total: u64 = 0
    while (leaf := maybe(n)) is not None:
        total += leaf.number
        n -= 1
    return total

def held() -> u64:
    pair = Pair(left=make(4))
    return consume(pair, pair.left)

def consume(pair: Pair, leaf: Leaf | None) -> u64:
    pair.left = None
    return u64(1) if leaf is None else leaf.number

def owner_tuple() -> u64:
    owner = Owner(make(6), 2)
    other = owner
    return other.leaf.number + u64(other.n)

def virtual(which: u32, times: u32) -> u32:
    animal: Animal = Dog()
    if which == 1:
        animal = Cat()
    return animal.sound(times) * 1000 + animal.twice()

def instance(which: u32) -> u32:
    animal: Animal = Dog(volume=3) if which == 0 else Cat()
    if isinstance(animal, Dog):
        return animal.volume
    return animal.legs

def locked(n: u32) -> u32:
    with table_lock:
        if n == 0:
            return table_lock.held
        if n == 1:
            raise Errno(u32(4))
        for i in range(n):
            with table_lock:
                if i == 2:
                    break
    return table_lock.held * 100 + table_lock.entered

def locked_after(n: u32) -> u32:
    try:
        locked(n)
    except Errno as error:
        return error.code * 100 + table_lock.held
    return table_lock.held

def box() -> u64:
    b = Box(callback=twice)
    b.data.part(2, 6).fill(5)
    b.pairs[1] = Point(3, 4)
    b.leaves[0] = make(8)
    b.leaves[2] = b.leaves[0]
    b.buffer = Buffer[u8](length=10)
    with b.lock:
        with b.locks[1]:
            pass
    total = u64(0)
    for byte in b.data:
        total += u64(byte)
    for point in b.pairs:
        total += u64(point.x) * 100
    if (buffer := b.buffer) is not None:
        buffer[3] = 200
        total += u64(buffer.slice[3]) * 1000
    if (callback := b.callback) is not None:
        total += u64(callback(21)) * 1000000
    b.users.add(5)
    if b.users.compare_swap(8, 1):
        total += u64(b.users.load()) * 100000000
    return total + u64(b.locks[1].entered) * 10000000000

def twice(n: u32) -> u32:
    return n * 2

def weak() -> u32:
    b = Box()
    pair = Pair()
    b.parent = Weak(pair)
    alive: u32 = 1 if b.parent.get() is not None else 0
    pair = Pair()
    dead: u32 = 10 if b.parent.get() is None else 0
    return alive + dead

def borrowed_buffer() -> u64:
    b = Box()
    b.buffer = Buffer[u8](length=4)
    data = first_slice(b)
    return data

def first_slice(b: Box) -> u64:
    buffer = b.buffer
    if buffer is None:
        return 0
    data = buffer.slice
    b.buffer = None
    data[1] = 6
    return u64(data[1])

def prebuilt() -> u64:
    copy = shared
    return copy.number + u64(PRIMES[3]) + u64(NAMES[1].length) + u64(NAMES[1][0])

def out_of_bounds(i: u64) -> u32:
    return PRIMES[i]

def stack() -> u32:
    lock = Lock(held=3)
    with lock:
        enter(lock)
    return lock.held * 10 + lock.entered

def enter(lock: Lock) -> None:
    lock.held += 1

class Holder(Struct):
    leaf: Leaf | None = None

holder = Holder()

def moves(n: u64) -> u64:
    for i in range(n):
        leaf = make(i)
        pair = Pair(left=leaf)
        holder.leaf = pair.left
    kept = make(5)
    other = kept
    holder.leaf = kept
    return trace.value * 10 + other.number

def both(n: u64) -> u64:
    leaf = make(n)
    pair = Pair(left=leaf, right=leaf)
    return 1 if pair.left is pair.right else 0

def chain_up(n: u64) -> u64:
    head = Chain(n=1)
    for i in range(n):
        head = Chain(next=head, n=i)
    return head.n

def long_list(n: u64) -> u64:
    head: Chain | None = None
    for i in range(n):
        head = Chain(next=head, n=i)
    total: u64 = 0
    while head is not None:
        total += head.n
        head = head.next
    return total

class Chain(Counted):
    next: Chain | None = None
    n: u64
"""


def test_objects(run_compiled: Run) -> None:
    calls: list[tuple[str, Any]] = [
        ("generic", ()), ("drops", ()), ("drop_order", ()), ("reassigned", ()),
        ("narrowing", (0,)), ("narrowing", (5,)), ("walrus", (3,)), ("held", ()), ("owner_tuple", ()),
        ("virtual", (0, 3)), ("virtual", (1, 2)), ("virtual", (1, 3)), ("instance", (0,)), ("instance", (1,)),
        ("locked", (0,)), ("locked", (1,)), ("locked", (5,)), ("locked_after", (1,)), ("locked_after", (0,)),
        ("box", ()), ("weak", ()), ("borrowed_buffer", ()), ("prebuilt", ()), ("out_of_bounds", (4,)),
        ("stack", ()), ("moves", (3,)), ("both", (3,)), ("chain_up", (5,)), ("long_list", (50,)), ("long_list", (200000,)),
    ]  # fmt: skip
    expected: list[Any] = [
        (1 << 40) + 7 + 9, 1, 192, 102,
        77, 5, 6, 4, 8,
        21014, 2102, Raised(5), 3, 4,
        1, Raised(4), 4, 400, 0,
        10142200320, 11, 6, 3 + 7 + 3 + ord("o"), Panicked("index out of bounds"),
        41, ("leak", "1", ""), 1, 4, 1225, 19999900000,
    ]  # fmt: skip
    got = run_compiled(OBJECTS, calls)
    for call, value, wanted in zip(calls, got, expected, strict=True):
        assert value == wanted, (call, value, wanted)


OWNED = """
class Trace(Struct):
    n: u64 = 0
trace = Trace()
class Leaf(Counted):
    n: u64
    def __del__(self) -> None:
        trace.n = trace.n * 10 + self.n
class Box(Struct):
    leaf: Leaf | None = None
    n: u64
    data: Array[u8] = inline(8)
    def twice(self) -> u64:
        return self.n * 2
class Shelf(Counted):
    box: Owned[Box] | None = None
shelf = Trace()
def make(n: u64) -> Owned[Box]:
    box: Owned[Box] = Box(n=n, leaf=Leaf(n=n))
    box.data[1] = 3
    return box
def peek(box: Box) -> u64:
    return box.n + u64(box.data[1])
def consume(box: Owned[Box]) -> u64:
    return box.twice()
def use() -> u64:
    one = make(4)
    t = peek(one) + one.twice()
    t += consume(one)
    return t * 100 + trace.n
def keep() -> u64:
    shelf = Shelf(box=make(1))
    shelf.box = make(2)
    shelf.box = make(3)
    two = make(5)
    shelf.box = two
    return trace.n
def after() -> u64:
    keep()
    return trace.n
class Link(Struct):
    next: Owned[Link] | None = None
    n: u64 = 0
class Queue(Struct):
    first: Owned[Link] | None = None
    def push(self, link: Owned[Link]) -> None:
        rest, self.first = self.first, None
        link.next = rest
        self.first = link
    def pop(self) -> Owned[Link] | None:
        link, self.first = self.first, None
        if link is None:
            return None
        rest, link.next = link.next, None
        self.first = rest
        return link
queue = Queue()
def fill(n: u64) -> u64:
    for i in range(n):
        link: Owned[Link] = Link(n=i)
        queue.push(link)
    t: u64 = 0
    while (link2 := queue.pop()) is not None:
        t = t * 10 + link2.n
    return t
def counted_take() -> u64:
    box = Pair2(a=Leaf(n=4))
    leaf, box.a = box.a, None
    if leaf is None:
        return 0
    return leaf.n
class Pair2(Counted):
    a: Leaf | None = None
"""


def test_owned(run_compiled: Run) -> None:
    """An owned object is freed once, by whoever has it last."""
    calls: list[tuple[str, Any]] = [("use", ()), ("keep", ()), ("after", ())]
    calls += [("fill", (4,)), ("counted_take", ())]
    assert run_compiled(OWNED, calls) == [2304, 123, 1235, 3210, 4]


UNOWNED = """
unsafe: Final = True
class Trace(Struct):
    n: u64 = 0
trace = Trace()
class Leaf(Counted):
    n: u64
    next: Unowned[Leaf] | None = None
    def __del__(self) -> None:
        trace.n = trace.n * 10 + self.n
class Big(Leaf):
    more: u64 = 7
class Slot(Struct):
    leaf: Unowned[Leaf] | None = None
    all: Array[Unowned[Leaf] | None] = inline(2)
    keeper: Leaf | None = None
slot = Slot()
def seen() -> Unowned[Leaf]:
    found = slot.leaf
    assert found is not None
    return found
def look() -> u64:
    leaf = Leaf(n=4)
    slot.leaf = leaf
    slot.all[1] = leaf
    leaf.next = leaf
    here = seen()
    other = here
    return reference_count(leaf) * 100 + other.n * 10 + trace.n
def count_again() -> u64:
    leaf = Leaf(n=5)
    slot.leaf = leaf
    kept: Leaf | None = seen()
    slot.keeper = seen()
    counted = reference_count(leaf)
    slot.keeper = None
    return counted * 100 + reference_count(leaf) * 10 + (u64(0) if kept is None else kept.n)
def give() -> Leaf:
    return seen()
def give_back() -> u64:
    leaf = Leaf(n=6)
    slot.leaf = leaf
    given = give()
    return reference_count(given)
def narrow() -> u64:
    big = Big(n=2)
    here = slot.leaf
    here = big
    if here is not None and isinstance(here, Big):
        kept: Leaf = here
        return reference_count(big) * 10 + here.more
    return 0
def change(n: u64) -> u64:
    one = Leaf(n=1)
    other = Leaf(n=2)
    slot.leaf = one
    found = slot.leaf
    if found is None or n == 2:
        found = other
    return found.n * 100 + reference_count(one) * 10 + reference_count(other)
def dropped() -> u64:
    look()
    count_again()
    give_back()
    narrow()
    change(1)
    return trace.n
"""


def test_unowned(run_compiled: Run) -> None:
    """Such a reference keeps nothing alive; what is made of it where a count is owned, does."""
    calls: list[tuple[str, Any]] = [
        ("look", ()), ("count_again", ()), ("give_back", ()), ("narrow", ()),
        ("change", (1,)), ("change", (2,)), ("dropped", ()),
    ]  # fmt: skip
    assert run_compiled(UNOWNED, calls) == [140, 325, 2, 27, 111, 211, 456212]


def test_owned_is_moved_at_its_last_use(
    compile_errors: Callable[[str], list[tuple[int, int, str]]],
) -> None:
    """A use after the move is refused."""
    bad = "\ndef bad() -> u64:\n    one = make(4)\n    consume(one)\n    return one.n\n"
    found = compile_errors(OWNED + bad)
    assert len(found) == 1
    assert found[0][1:] == (
        13,
        "this Owned[Box] cannot be moved: it stays in its field, or is used or borrowed later",
    )
