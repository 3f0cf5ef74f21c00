"""Sources that the compiler must refuse, one mistake each.

The mistake is on the line with the comment `# <-`; the expected message is in `refused.json`.
"""

from __future__ import annotations

PRELUDE = """
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from krait.kernel.lang import *


class Mode(IntEnum):
    READ = 0
    WRITE = 1


class Part(Struct):
    count: u32 = 0


class Node(Counted):
    next: Node | None = None
    size: u32 = 0
    part: Part = inline()
    data: Array[u8] = inline(4)


class Pair(NamedTuple):
    left: u32
    right: u32


class Header(Packed):
    port: be16


def may_raise(n: u32) -> u32:
    if n == 0:
        raise Errno(u32(22))
    return n


@sleeps
def sleep() -> None:
    pass


clock = Part()
"""

OWNED = """class Item(Struct):
    number: u32


class Slot(Struct):
    item: Owned[Item] | None = None


slot = Slot()


def put(item: Owned[Item]) -> None:
    slot.item = item


"""

KEEPER = """class Keeper(Struct):
    part: Part | None = None


keeper = Keeper()


def keep(part: Part) -> None:
    keeper.part = part


"""

CASES: dict[str, str] = {
    # Numbers
    "mixed_widths": "def f(a: u8, b: u32) -> u32:\n    return a + b  # <-",
    "mixed_comparison": "def f(a: u8, b: u32) -> bool:\n    return a < b  # <-",
    "mixed_equality": "def f(a: u8, b: u32) -> bool:\n    return a == b  # <-",
    "narrowing_assignment": "def f(n: Node, b: u64) -> None:\n    n.size = b  # <-",
    "narrowing_return": "def f(b: u64) -> u32:\n    return b  # <-",
    "narrowing_argument": "def f(b: u64) -> u32:\n    return may_raise(b)  # <-",
    "literal_too_large": "def f(a: u8) -> u8:\n    return a + 256  # <-",
    "negative_literal": "def f(n: Node) -> None:\n    n.size = -1  # <-",
    "untyped_local": "def f() -> None:\n    a = 5  # <-",
    "true_division": "def f(a: u32) -> u32:\n    return a / 2  # <-",
    "power": "def f(a: u32) -> u32:\n    return a ** 2  # <-",
    "unary_minus": "def f(a: u32) -> u32:\n    return -a  # <-",
    "float": "def f(a: u32) -> None:\n    b = 1.5  # <-",
    "truth_of_number": "def f(a: u32) -> u32:\n    if a:  # <-\n        return 1\n    return 2",
    "truth_of_reference": "def f(n: Node | None) -> None:\n    if n:  # <-\n        pass",
    "not_number": "def f(a: u32) -> bool:\n    return not a  # <-",
    "big_endian_arithmetic": "def f(h: Header) -> u16:\n    return h.port + 1  # <-",
    "enum_arithmetic": "def f(m: Mode) -> u32:\n    return m + 1  # <-",
    "shift_by_signed": "def f(a: u32, b: i32) -> u32:\n    return a << b  # <-",
    "constant_shift_too_far": "def f(a: u32) -> u32:\n    return a << 32  # <-",
    "range_of_mixed_widths": (
        "def f(a: u32, b: u64) -> None:\n    for i in range(a, b):  # <-\n        pass"
    ),
    "min_of_mixed_widths": "def f(a: u32, b: u64) -> u64:\n    return min(a, b)  # <-",
    # None
    "not_narrowed": "def f(n: Node) -> u32:\n    return n.next.size  # <-",
    "field_narrowing": (
        "def f(n: Node) -> u32:\n    if n.next is not None:\n"
        "        return n.next.size  # <-\n    return 0"
    ),
    "narrowing_lost": (
        "def f(n: Node | None) -> u32:\n    if n is None:\n        return 0\n"
        "    while n.size > 0:  # <-\n        n = n.next\n    return 0"
    ),
    "optional_argument": (
        "def g(n: Node) -> None:\n    pass\n\n\ndef f(n: Node | None) -> None:\n    g(n)  # <-"
    ),
    "none_for_reference": "def f() -> Node:\n    return None  # <-",
    "equality_of_references": "def f(a: Node, b: Node) -> bool:\n    return a == b  # <-",
    # Functions
    "missing_return": "def f(a: u32) -> u32:\n    if a == 1:  # <-\n        return 2",
    "missing_annotation": "def f(a) -> None:  # <-\n    pass",
    "missing_result": "def f(a: u32):  # <-\n    pass",
    "star_arguments": "def f(*a: u32) -> None:  # <-\n    pass",
    "too_few_arguments": "def f() -> u32:\n    return may_raise()  # <-",
    "too_many_arguments": "def f(a: u32) -> u32:\n    return may_raise(a, a)  # <-",
    "unknown_keyword": "def f(a: u32) -> u32:\n    return may_raise(m=a)  # <-",
    "unknown_name": "def f() -> u32:\n    return missing  # <-",
    "maybe_unset": ("def f(a: u32) -> u32:\n    if a == 1:\n        b = a\n    return b  # <-"),
    "changed_type": "def f(a: u32, b: u64) -> None:\n    c = a\n    c = b  # <-",
    "nested_function": "def f() -> None:\n    def g() -> None:  # <-\n        pass",
    "lambda": "def f() -> None:\n    g = lambda: None  # <-",
    "generator": "def f() -> None:\n    yield 1  # <-",
    "comprehension": "def f(n: u32) -> None:\n    a = [i for i in range(n)]  # <-",
    "list_at_run_time": "def f(n: u32) -> None:\n    a = [n]  # <-",
    "dict_at_run_time": "def f(n: u32) -> None:\n    a = {1: n}  # <-",
    "tuple_at_run_time": "def f(n: u32) -> None:\n    a = (n, n)  # <-",
    "string_at_run_time": "def f() -> None:\n    a = 'text'  # <-",
    "f_string": "def f(n: u32) -> None:\n    log(f'{n}')  # <-",
    "global": "def f() -> None:\n    global clock  # <-",
    "delete": "def f(n: u32) -> None:\n    m = n\n    del m  # <-",
    "getattr": "def f(n: Node) -> u32:\n    return getattr(n, 'size')  # <-",
    "print": "def f() -> None:\n    print(1)  # <-",
    "import_inside": "def f() -> None:\n    import os  # <-",
    # Objects
    "unknown_field": "def f(n: Node) -> u32:\n    return n.wrong  # <-",
    "unknown_method": "def f(n: Node) -> None:\n    n.run()  # <-",
    "missing_field": "class A(Counted):\n    size: u32\n\n\ndef f() -> None:\n    A()  # <-",
    "positional_construction": "def f() -> None:\n    Node(None)  # <-",
    "unknown_field_in_construction": "def f() -> None:\n    Node(wrong=1)  # <-",
    "embedded_in_construction": "def f(p: Part) -> None:\n    Node(part=p)  # <-",
    "embedded_reassigned": "def f(n: Node, p: Part) -> None:\n    n.part = p  # <-",
    "array_reassigned": "def f(n: Node, m: Node) -> None:\n    n.data = m.data  # <-",
    "named_tuple_changed": "def f(p: Pair) -> None:\n    p.left = 3  # <-",
    "abstract_made": (
        "class A(Counted):\n    @abstractmethod\n    def m(self) -> None:\n        pass\n\n\n"
        "def f() -> None:\n    A()  # <-"
    ),
    "two_bases": "class A(Counted):\n    pass\n\n\nclass B(Counted):\n    pass\n\n\n"
    "class C(A, B):  # <-\n    pass\n\n\ndef f(c: C) -> None:\n    pass",
    "init": "class A(Counted):\n    def __init__(self) -> None:  # <-\n        pass\n\n\n"
    "def f(a: A) -> None:\n    pass",
    "override_with_other_types": (
        "class A(Counted):\n    def m(self, n: u32) -> None:\n        pass\n\n\n"
        "class B(A):\n    def m(self, n: u64) -> None:  # <-\n        pass\n\n\n"
        "def f(a: A) -> None:\n    a.m(1)\n\n\ndef g() -> None:\n    f(B())"
    ),
    "destructor_raises": (
        "class A(Counted):\n    def __del__(self) -> None:  # <-\n        may_raise(0)\n\n\n"
        "def f() -> None:\n    A()"
    ),
    "stack_struct_returned": "def f() -> Part:\n    p = Part()\n    return p  # <-",
    "stack_struct_stored": (
        "class Keeper(Struct):\n    part: Part | None = None\n\n\nkeeper = Keeper()\n\n\n"
        "def f() -> None:\n    p = Part()\n    keeper.part = p  # <-"
    ),
    "stack_struct_escapes_through_call": (
        "class Keeper(Struct):\n    part: Part | None = None\n\n\nkeeper = Keeper()\n\n\n"
        "def keep(p: Part) -> None:\n    keeper.part = p\n\n\n"
        "def f() -> None:\n    p = Part()\n    keep(p)  # <-"
    ),
    "stack_array_returned": (
        "def f() -> Slice[u8]:\n    a: Array[u8] = inline(4)\n    return a  # <-"
    ),
    "slice_stored": (
        "class Keeper(Counted):\n    data: Slice[u32]  # <-\n\n\n"
        "def f(d: Slice[u32]) -> None:\n    Keeper(data=d)"
    ),
    "borrowed_text_stored": (
        "class Keeper(Counted):\n    name: Text\n\n\nclass Other(Counted):\n"
        "    data: Array[u8] = inline(4)\n\n\n"
        "def f(o: Other) -> None:\n    part = o.data.part(0, 2)\n    Keeper(name=part)  # <-"
    ),
    "not_an_object": "class A:\n    pass\n\n\ndef f(a: A) -> None:  # <-\n    pass",
    # Unowned references
    "unowned_in_safe_module": "def f(node: Unowned[Node]) -> None:  # <-\n    pass",
    "unowned_of_safe_class": (
        "holds: Final = (Node,)\n\n\ndef f(node: Unowned[Node]) -> None:  # <-\n    pass"
    ),
    "unowned_made_in_safe_module": (
        "from krait.kernel.sched.run_queue import RunQueue\n"
        "from krait.kernel.sched.thread import Thread\n\nholds: Final = (Thread,)\n\n\n"
        "def f(queue: RunQueue, one: Unowned[Thread], other: Thread) -> None:\n"
        "    queue.add(one)\n    queue.add(other)  # <-"
    ),
    "unowned_local_changed_in_safe_module": (
        "from krait.kernel.sched.thread import Thread, current\n\n\n"
        "def f(other: Thread) -> None:\n    here = current()\n    here = other  # <-"
    ),
    "unowned_fresh": (
        "unsafe: Final = True\n\n\ndef f(one: Unowned[Node], two: Node) -> None:\n"
        "    here = one\n    here = two\n    here = Node()  # <-"
    ),
    "unowned_struct": (
        "unsafe: Final = True\n\n\ndef f(part: Unowned[Part]) -> None:  # <-\n    pass"
    ),
    # Owned objects
    "owned_moved_twice": (
        OWNED + "def f(item: Owned[Item]) -> None:\n    put(item)  # <-\n    put(item)"
    ),
    "owned_used_after_move": (
        OWNED + "def f(item: Owned[Item]) -> u32:\n    put(item)  # <-\n    return item.number"
    ),
    "owned_taken_from_field": (
        OWNED + "def f() -> None:\n    item = slot.item  # <-\n    if item is not None:\n"
        "        put(item)"
    ),
    "owned_borrowed_while_it_may_go": (
        OWNED + "def use(item: Item | None) -> None:\n    slot.item = None\n\n\n"
        "def f() -> None:\n    use(slot.item)  # <-"
    ),
    "borrowed_stored_as_owned": (OWNED + "def f(item: Item) -> None:\n    slot.item = item  # <-"),
    "borrowed_from_no_memory": (
        "class Ring(Struct):\n    size: u64 = 0\n    data: Slice[u8] = borrowed('size')  # <-\n\n\n"
        "def f(r: Ring) -> u64:\n    return r.data.length"
    ),
    # What borrowed values point into
    "slice_of_local_buffer_returned": (
        "def f() -> Slice[u8]:\n    b = Buffer[u8](length=4)\n    return b.slice  # <-"
    ),
    "slice_of_local_buffer_returned_later": (
        "def f() -> Slice[u8]:\n    b = Buffer[u8](length=4)\n    s = b.slice.part(1, 2)\n"
        "    return s  # <-"
    ),
    "slice_of_local_given_back_by_call": (
        "def front(b: Buffer[u8]) -> Slice[u8]:\n    return b.slice.part(0, 1)\n\n\n"
        "def f() -> Slice[u8]:\n    b = Buffer[u8](length=4)\n    return front(b)  # <-"
    ),
    "slice_chosen_by_a_conditional": (
        "def made() -> Buffer[u8]:\n    return Buffer[u8](length=4)\n\n\n"
        "def f(c: bool, d: Slice[u8]) -> u8:\n    s = d if c else made().slice  # <-\n"
        "    return s[0]"
    ),
    "slice_of_a_temporary_in_a_tuple": (
        "class Pair(NamedTuple):\n    first: Slice[u8]\n    number: u32\n\n\n"
        "def made() -> Buffer[u8]:\n    return Buffer[u8](length=4)\n\n\n"
        "def f() -> u8:\n    p = Pair(made().slice, 1)  # <-\n    return p.first[0]"
    ),
    "tuple_with_slice_of_local_returned": (
        "class Pair(NamedTuple):\n    first: Slice[u8]\n    number: u32\n\n\n"
        "def f() -> Pair:\n    b = Buffer[u8](length=4)\n    p = Pair(b.slice, 1)\n"
        "    return p  # <-"
    ),
    "stack_struct_given_back_by_call": (
        "def same(p: Part) -> Part:\n    return p\n\n\n"
        "def f() -> Part:\n    p = Part()\n    return same(p)  # <-"
    ),
    "stack_struct_given_back_and_stored": (
        "class Keeper(Struct):\n    part: Part | None = None\n\n\nkeeper = Keeper()\n\n\n"
        "def same(p: Part) -> Part:\n    return p\n\n\n"
        "def f() -> None:\n    p = Part()\n    keeper.part = same(p)  # <-"
    ),
    "stack_struct_chosen_in_one_branch": (
        "global_part = Part()\n\n\n"
        "def f(c: bool) -> Part:\n    if c:\n        p = Part()\n    else:\n"
        "        p = global_part\n    return p  # <-"
    ),
    "stack_struct_assigned_later_in_a_loop": (
        "class Keeper(Struct):\n    part: Part | None = None\n\n\n"
        "keeper = Keeper()\nglobal_part = Part()\n\n\n"
        "def f() -> None:\n    p = global_part\n    for _ in range(3):\n"
        "        keeper.part = p  # <-\n        p = Part()"
    ),
    # Parts of counted objects, which end with them
    "part_stored": KEEPER + "def f(n: Node) -> None:\n    keeper.part = n.part  # <-",
    "part_stored_at_construction": (
        "class Waiter(Counted):\n    part: Part\n\n\n"
        "def f(n: Node) -> Waiter:\n    return Waiter(part=n.part)  # <-"
    ),
    "part_of_a_field_stored": (
        KEEPER + "def f(n: Node) -> None:\n    if (after := n.next) is not None:\n"
        "        keeper.part = after.part  # <-"
    ),
    "part_stored_through_call": KEEPER + "def f(n: Node) -> None:\n    keep(n.part)  # <-",
    "part_stored_through_calls": (
        KEEPER + "def hand_on(part: Part) -> None:\n    keep(part)\n\n\n"
        "def f(n: Node) -> None:\n    hand_on(n.part)  # <-"
    ),
    "part_stored_through_virtual_call": (
        "class Table(Counted):\n    @abstractmethod\n"
        "    def add(self, part: Part) -> None: ...\n\n\n"
        "class Waiting(Table):\n    part: Part | None = None\n\n"
        "    def add(self, part: Part) -> None:\n        self.part = part\n\n\n"
        "def f(n: Node, t: Table) -> None:\n    t.add(n.part)  # <-\n\n\n"
        "def g() -> None:\n    f(Node(), Waiting())"
    ),
    "part_stored_by_itself": (
        "class Link(Struct):\n    def enter(self) -> None:\n        ring.first = self\n\n\n"
        "class Ring(Struct):\n    first: Link | None = None\n\n\nring = Ring()\n\n\n"
        "class Item(Counted):\n    link: Link = inline()\n\n\n"
        "def f(item: Item) -> None:\n    item.link.enter()  # <-"
    ),
    "part_given_back_and_stored": (
        KEEPER + "def part_of(n: Node) -> Part:\n    return n.part\n\n\n"
        "def f(n: Node) -> None:\n    keeper.part = part_of(n)  # <-"
    ),
    "part_of_a_field_given_back_and_stored": (
        KEEPER + "def part_after(n: Node) -> Part | None:\n"
        "    return after.part if (after := n.next) is not None else None\n\n\n"
        "def f(n: Node) -> None:\n    keeper.part = part_after(n)  # <-"
    ),
    "part_read_back_from_a_stack_struct": (
        KEEPER + "def f(n: Node) -> None:\n    k = Keeper(part=n.part)\n"
        "    keeper.part = k.part  # <-"
    ),
    "part_read_back_by_call": (
        KEEPER + "def copy(k: Keeper) -> None:\n    keeper.part = k.part\n\n\n"
        "def f(n: Node) -> None:\n    copy(Keeper(part=n.part))  # <-"
    ),
    "part_read_back_and_given_back": (
        KEEPER + "def part_of(k: Keeper) -> Part | None:\n    return k.part\n\n\n"
        "def f(n: Node) -> None:\n    keeper.part = part_of(Keeper(part=n.part))  # <-"
    ),
    "stack_struct_read_back_from_another": (
        KEEPER + "def f() -> Part | None:\n    p = Part()\n    k = Keeper(part=p)\n"
        "    return k.part  # <-"
    ),
    "part_in_a_list_stored": (
        "class Table(Counted):\n    parts: Array[Part] = inline(4)\n\n\n"
        + KEEPER
        + "def f(t: Table) -> None:\n    for part in t.parts:\n        keep(part)  # <-"
    ),
    "part_in_a_tuple_stored": (
        "class Found(NamedTuple):\n    part: Part\n\n\nclass Kept(Counted):\n    found: Found\n\n\n"
        "def f(n: Node) -> Kept:\n    return Kept(found=Found(n.part))  # <-"
    ),
    "part_set_for_a_cpu": (
        "last: PerCpu[Part | None] = PerCpu(None)\n\n\n"
        "def f(n: Node) -> None:\n    with pinned():\n        last.set(n.part)  # <-"
    ),
    "text_of_a_buffer_stored_through_call": (
        "class Keeper(Counted):\n    name: Text\n\n\n"
        "def named(name: Text) -> Keeper:\n    return Keeper(name=name)\n\n\n"
        "def f(b: Buffer[u8]) -> Keeper:\n    return named(b.slice)  # <-"
    ),
    "owned_stored_as_a_reference": (
        OWNED
        + "class Pointer(Struct):\n    item: Item | None = None\n\n\npointer = Pointer()\n\n\n"
        "def f(item: Owned[Item]) -> None:\n    pointer.item = item  # <-\n    put(item)"
    ),
    "part_stored_in_an_owned_object": (
        KEEPER + "def f(n: Node) -> Owned[Keeper]:\n"
        "    made: Owned[Keeper] = Keeper(part=n.part)  # <-\n    return made"
    ),
    "stack_struct_stored_in_an_owned_object": (
        KEEPER + "def f() -> Owned[Keeper]:\n    p = Part()\n"
        "    made: Owned[Keeper] = Keeper(part=p)  # <-\n    return made"
    ),
    "part_of_a_temporary_in_a_stack_struct": (
        KEEPER + "def f() -> u32:\n    k = Keeper(part=Node().part)  # <-\n"
        "    return part.count if (part := k.part) is not None else 0"
    ),
    "part_of_a_changed_local_in_a_stack_struct": (
        KEEPER + "def f(n: Node) -> u32:\n    m = Node()\n    k = Keeper(part=m.part)  # <-\n"
        "    m = n\n    return part.count if (part := k.part) is not None else 0"
    ),
    "part_of_a_changed_local_in_a_tuple": (
        "class Found(NamedTuple):\n    part: Part\n\n\n"
        "def f(n: Node) -> u32:\n    m = Node()\n    found = Found(m.part)  # <-\n"
        "    m = n\n    return found.part.count"
    ),
    "part_of_a_changed_local_chosen": (
        "def f(n: Node, c: bool) -> u32:\n    m = Node()\n    p = m.part if c else clock  # <-\n"
        "    m = n\n    return p.count"
    ),
    "part_of_an_owned_parameter_returned": (
        "class Item(Struct):\n    part: Part = inline()\n\n\n"
        "def f(item: Owned[Item]) -> Part:\n    return item.part  # <-"
    ),
    "part_of_an_owned_local_returned": (
        "class Item(Struct):\n    part: Part = inline()\n\n\n"
        "def f() -> Part:\n    item: Owned[Item] = Item()\n    return item.part  # <-"
    ),
    "part_of_unowned_stored": (
        "from krait.kernel.sched.thread import SavedStack, current\n\n\n"
        "class Saved(Struct):\n    stack: SavedStack | None = None\n\n\nsaved = Saved()\n\n\n"
        "def f() -> None:\n    saved.stack = current().saved  # <-"
    ),
    "element_of_a_buffer_stored": (
        KEEPER + "def f(b: Buffer[Part]) -> None:\n    keeper.part = b[0]  # <-"
    ),
    "part_filled_in": (
        "class Table(Counted):\n    parts: Array[Part | None] = inline(4)\n\n\n"
        "def f(t: Table, n: Node) -> None:\n    t.parts.fill(n.part)  # <-"
    ),
    "counted_below_a_struct": (
        "class Grown(Part, Counted):  # <-\n    size: u32 = 0\n\n\ndef f() -> None:\n    Grown()"
    ),
    # Slices
    "slice_syntax": "def f(d: Slice[u8]) -> Slice[u8]:\n    return d[1:2]  # <-",
    "signed_index": "def f(d: Slice[u8], i: i32) -> u8:\n    return d[i]  # <-",
    "negative_index": "def f(d: Slice[u8]) -> u8:\n    return d[-1]  # <-",
    "constant_index_outside": (
        "T: Final[list[u8]] = [1, 2]\n\n\ndef f() -> u8:\n    return T[2]  # <-"
    ),
    "element_of_other_width": "def f(d: Slice[u8], n: u32) -> None:\n    d[0] = n  # <-",
    "table_written": "T: Final[list[u8]] = [1]\n\n\ndef f() -> None:\n    T[0] = 2  # <-",
    "slice_length_written": "def f(d: Slice[u8]) -> None:\n    d.length = 2  # <-",
    # Errors
    "other_exception": "def f() -> None:\n    raise ValueError('x')  # <-",
    "except_everything": (
        "def f() -> None:\n    try:\n        may_raise(1)\n"
        "    except Exception:  # <-\n        pass"
    ),
    "bare_except": (
        "def f() -> None:\n    try:\n        may_raise(1)\n    except:  # <-\n        pass"
    ),
    "chained": (
        "def f() -> None:\n    try:\n        may_raise(1)\n    except Errno as error:\n"
        "        raise Errno(u32(5)) from error  # <-"
    ),
    "bare_raise_outside": "def f() -> None:\n    raise  # <-",
    "raise_in_finally": (
        "def f() -> None:\n    try:\n        may_raise(1)\n    finally:\n        may_raise(0)  # <-"
    ),
    "return_in_finally": (
        "def f() -> u32:\n    try:\n        may_raise(1)\n    finally:\n        return 1  # <-"
    ),
    # Contexts
    "no_raise_raises": ("@no_raise\ndef f() -> None:  # <-\n    may_raise(0)"),
    "no_sleep_sleeps": "@no_sleep\ndef f() -> None:\n    sleep()  # <-",
    "interrupt_sleeps_deeper": (
        "def deeper() -> None:\n    sleep()\n\n\n@interrupt\ndef f() -> None:\n    deeper()  # <-"
    ),
    "no_kernel_lock_counts": (
        "@no_kernel_lock\ndef f(n: Node) -> u32:\n    m = n.next  # <-\n"
        "    return m.size if m is not None else 0"
    ),
    "no_kernel_lock_counts_deeper": (
        "def deeper(n: Node) -> Node:\n    return n\n\n\n"
        "@no_kernel_lock\ndef f(n: Node) -> u32:\n    return deeper(n).size  # <-"
    ),
    "no_kernel_lock_allocates": (
        "@no_kernel_lock\ndef f(n: u32) -> u32:\n    return Node(size=n).size  # <-"
    ),
    "no_kernel_lock_sleeps": (
        "def deeper() -> None:\n    sleep()\n\n\n"
        "@no_kernel_lock\ndef f() -> None:\n    deeper()  # <-"
    ),
    "no_kernel_lock_logs": "@no_kernel_lock\ndef f() -> None:\n    log('here')  # <-",
    "no_kernel_lock_stores": "@no_kernel_lock\ndef f() -> None:\n    clock.count = 1  # <-",
    "no_kernel_lock_adds": "@no_kernel_lock\ndef f(p: Part) -> None:\n    p.count += 1  # <-",
    "no_kernel_lock_fills_an_element": (
        "@no_kernel_lock\ndef f(n: Node) -> None:\n    n.data[1] = 1  # <-"
    ),
    "no_kernel_lock_stores_through_a_local": (
        "@no_kernel_lock\ndef f(n: Node) -> None:\n    own = Part()\n"
        "    own = n.part\n    own.count = 1  # <-"
    ),
    "no_kernel_lock_calls_assembly": (
        "unsafe: Final = True\n\n\n@extern('routine')\ndef routine() -> None: ...\n\n\n"
        "@no_kernel_lock\ndef f() -> None:\n    routine()  # <-"
    ),
    "reads_shared_waits": (
        "@reads_shared\ndef f(u: UserPointer[u32]) -> u32:\n    return u.load()  # <-"
    ),
    "walrus_after_a_read": (
        "def g(a: Node, b: Node) -> None: ...\n\n\n"
        "def f(n: Node) -> None:\n    n = Node(next=n)\n    g(n, (n := Node()))  # <-"
    ),
    # Unsafe
    "address_in_safe_module": "def f() -> Part:\n    return at(Part, u64(4096))  # <-",
    "assembly_in_safe_module": "def f() -> None:\n    asm_do('nop')  # <-",
    "routine_in_safe_module": (
        "@extern('routine')\ndef routine() -> None: ...  # <-\n\n\n"
        "def f() -> None:\n    routine()\n\n\ndef g() -> None:\n    routine()"
    ),
    "user_memory_indexed": "def f(u: UserSlice[u8]) -> u8:\n    return u[0]  # <-",
    "padding_shown_to_the_program": (
        "class Gap(NamedTuple):\n    a: u8\n    b: u64\n\n\n"
        "def f(p: UserPointer[Gap], b: u64) -> None:\n    p.store(Gap(1, b))  # <-"
    ),
    # Logs
    "log_argument_missing": "def f() -> None:\n    log('{} {}', u32(1))  # <-",
    "log_unknown_format": "def f() -> None:\n    log('{:o}', u32(1))  # <-",
    # Match
    "match_not_exhaustive": (
        "def f(m: Mode) -> u32:\n    match m:  # <-\n        case Mode.READ:\n            return 1"
    ),
    "match_other_pattern": (
        "def f(p: Pair) -> None:\n    match p:  # <-\n        case Pair(left=1):\n            pass"
    ),
    # Kinds of integers
    "kinds_mixed": (
        "class A(u64):\n    pass\n\n\ndef f(a: A, b: u64) -> u64:\n    return a + b  # <-"
    ),
    "kind_as_plain": "class A(u64):\n    pass\n\n\ndef f(a: A) -> u64:\n    return a  # <-",
    "callback_of_other_type": (
        "def g(c: Callable[[u32], u32]) -> None:\n    pass\n\n\n"
        "def h(n: u64) -> u32:\n    return 0\n\n\ndef f() -> None:\n    g(h)  # <-"
    ),
}
