"""Constructs: numbers, control flow, errors, values.

Each `case_` function runs interpreted and compiled; `CALLS` lists arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple, NoReturn, TypeVar

from krait.kernel.errno import EAGAIN, EINVAL, ENOENT
from krait.kernel.lang import (
    Errno,
    Slice,
    Struct,
    align_down,
    align_up,
    byteswap,
    count_leading_zeros,
    count_trailing_zeros,
    i8,
    i32,
    i64,
    panic,
    popcount,
    u8,
    u16,
    u32,
    u64,
    usize,
    width,
)

T = TypeVar("T")
PAGE: Final = 4096
LIMIT: Final = u32(10)
SQUARES: Final[list[u32]] = [n * n for n in range(16)]
NAMES: Final[list[bytes]] = [b"one", b"three", b"five"]
BIG: Final[tuple[u64, ...]] = (1, 1 << 40, (1 << 64) - 1)


class Color(IntEnum):
    """A closed set."""

    RED = 0
    GREEN = 1
    BLUE = 7


@width(u8)
class Small(IntFlag):
    """Eight flags."""

    A = 1
    B = 2
    C = 0x80


class Address(u64):
    """A kind of its own."""


class Pair(NamedTuple):
    """Two results."""

    low: u8
    high: u64


class Log(Struct):
    """What happened, as digits."""

    trace: u64 = 0

    def add(self, digit: u64) -> None:
        """Append a digit."""
        self.trace = self.trace * 10 + digit


log = Log()


class Guard(Struct):
    """A lock that notes its use."""

    held: bool = False

    def __enter__(self) -> None:
        """Acquire."""
        self.held = True
        log.add(8)

    def __exit__(self, *_error: object) -> None:
        """Release."""
        self.held = False
        log.add(9)


guard = Guard()


def case_add(a: u8, b: u8) -> u8:
    """Overflow."""
    return a + b


def case_subtract(a: u32, b: u32) -> u32:
    """Underflow."""
    return a - b


def case_multiply(a: i32, b: i32) -> i32:
    """Signed overflow."""
    return a * b


def case_divide(a: i32, b: i32) -> i32:
    """Floor."""
    return a // b


def case_modulo(a: i32, b: i32) -> i32:
    """Sign of the divisor."""
    return a % b


def case_divide_unsigned(a: u64, b: u64) -> u64:
    """Zero."""
    return a // b + a % b


def case_shift_left(a: u32, n: u8) -> u32:
    """Lost bits and wide counts."""
    return a << n


def case_shift_right(a: i64, n: u32) -> i64:
    """Arithmetic."""
    return a >> n


def case_bits(a: u16, b: u16) -> u16:
    """All the operators."""
    return (a & b) ^ (a | b) ^ ~a


def case_mask(a: u64) -> u64:
    """A negative constant."""
    return a & ~(PAGE - 1)


def case_minus(a: i8) -> i8:
    """The lowest has no opposite."""
    return -a


def case_narrow(a: u64) -> u8:
    """Checked."""
    return u8(a)


def case_to_signed(a: u64) -> i32:
    """Checked."""
    return i32(a)


def case_to_unsigned(a: i64) -> u64:
    """Checked."""
    return u64(a)


def case_truncate(a: u64) -> i64:
    """Low bits."""
    return i64(i8.truncate(a)) + i64(u8.truncate(a))


def case_wrap(a: u8, b: u8) -> u8:
    """Modulo 256."""
    return a.wrapping_add(b).wrapping_mul(3).wrapping_sub(b).wrapping_shl(1)


def case_checked(a: u32, b: u32) -> u32:
    """Errors instead of panics."""
    return a.checked_add(b, EINVAL).checked_mul(2, ENOENT).checked_sub(1, EAGAIN)


def case_functions(a: u32) -> u64:
    """Bits."""
    total = count_leading_zeros(a) + count_trailing_zeros(a) * 100 + popcount(a) * 10000
    return u64(total) + u64(byteswap(a))


def case_align(a: u64) -> u64:
    """Up and down."""
    return align_up(a, 16) + align_down(a, 64) + min(a, 5) * max(a, 3)


def case_newtype(a: u64) -> u64:
    """Explicit both ways."""
    address = Address(a) + 4096
    return u64(address - 1)


def case_compare(a: i32, b: i32) -> u32:
    """Chained."""
    result: u32 = 0
    if a < b:
        result += 1
    if a <= b <= 10:
        result += 2
    if not (a == b or a > 5) and b != 3:
        result += 4
    if a in (1, 2, 3):
        result += 8
    if b not in (1, 2):
        result += 16
    return result


def case_conditional(a: u32) -> u32:
    """As an expression."""
    return a if a > LIMIT else LIMIT - a


def case_while(n: u32) -> u64:
    """With else, break, continue."""
    total: u64 = 0
    i: u32 = 0
    while i < 10:
        i += 1
        if i == n:
            continue
        if i > n and n > 7:
            break
        total += u64(i)
    else:
        total += 1000
    return total


def case_for(n: u32) -> u64:
    """Over ranges."""
    total: u64 = 0
    for i in range(n):
        total = total * 2 + u64(i)
    for i in range(2, n):
        total += u64(i)
    for i in range(0, n, 3):
        total += u64(i) * 7
    for j in range(5):
        if j == total:
            break
    else:
        total += 1
    return total


def case_count_down(n: i32) -> i32:
    """A negative step."""
    total: i32 = 0
    for i in range(n, 0, -1):
        total = total * 3 % 1000 + i
    return total


def case_reversed(n: u32) -> u32:
    """A range from its end."""
    total: u32 = 0
    for i in reversed(range(n)):
        total = total * 3 % 1000 + i
    return total


def case_nested(n: u32) -> u32:
    """Break leaves one loop."""
    count: u32 = 0
    for i in range(n):
        for j in range(n):
            if j > i:
                break
            if (i + j) % 3 == 0:
                continue
            count += 1
    return count


def case_table(i: u8) -> u32:
    """Bounds."""
    return SQUARES[i] + u32(len(SQUARES))


def case_names(i: usize) -> u64:
    """Byte strings."""
    total: u64 = 0
    for name in NAMES:
        total += u64(len(name))
    return total * 1000 + u64(NAMES[i][0]) + BIG[i] % 1000


def case_match_number(n: u32) -> u32:
    """Constants, alternatives, guards."""
    match n:
        case 0:
            return 10
        case 1 | 2 | 3:
            return 20
        case 4 if n > 4:
            return 30
        case 4:
            return 40
        case _:
            return n + 1


def case_match_enum(n: u32) -> u32:
    """Exhaustive."""
    match Color(n):
        case Color.RED:
            return 1
        case Color.GREEN | Color.BLUE:
            return 2


def case_flags(n: u8) -> u32:
    """Unknown bits stay."""
    flags = Small(n)
    result = u32(flags)
    if Small.A in flags:
        result += 1000
    if (flags & (Small.B | Small.C)) == Small.C:
        result += 2000
    flags = flags & ~Small.A
    return result + u32(flags) * 10000


def pair(n: u64) -> Pair:
    """Give two results."""
    return Pair(low=u8.truncate(n), high=n >> 8)


def case_tuple(n: u64) -> u64:
    """Fields and copies."""
    first = pair(n)
    second = first
    third = Pair(1, 2)
    return u64(first.low) + second.high * 3 + third.high


def fail(n: u32) -> u32:
    """Raise for some."""
    if n == 1:
        raise Errno(ENOENT)
    if n == 2:
        raise Errno(EAGAIN)
    if n == 3:
        panic("three: {}", n)
    return n


def case_raise(n: u32) -> u32:
    """Let it go through."""
    return fail(n) + 1


def case_except(n: u32) -> u32:
    """Catch."""
    try:
        value = fail(n)
    except Errno as error:
        return error.code + 100
    else:
        value += 1
    return value


def case_filter(n: u32) -> u32:
    """Raise again."""
    try:
        return fail(n)
    except Errno as error:
        if error.code == EAGAIN:
            return 7
        raise


def case_finally(n: u32) -> u64:
    """Order of what happens."""
    log.trace = 0
    try:
        try:
            log.add(1)
            fail(n)
            log.add(2)
            if n == 5:
                return log.trace
        finally:
            log.add(3)
    except Errno:
        log.add(4)
    return log.trace


def case_finally_in_loop(n: u32) -> u64:
    """Break and continue run it."""
    log.trace = 0
    for i in range(4):
        try:
            if u32(i) == n:
                continue
            if u32(i) == n + 1:
                break
            log.add(1)
        finally:
            log.add(2)
    return log.trace


def with_guard(n: u32) -> u32:
    """Leave a block in every way."""
    with guard:
        if n == 4:
            return 44
        return fail(n)


def case_with(n: u32) -> u64:
    """Released on every path."""
    log.trace = 1
    try:
        with_guard(n)
    except Errno:
        log.add(3)
    if guard.held:
        log.add(7)
    return log.trace


def refuse(n: u32) -> NoReturn:
    """Come back only with an error, or not at all."""
    if n == 4:
        panic("four")
    raise Errno(n)


def case_no_return(n: u32) -> u32:
    """A call that does not return may raise."""
    if n > 1:
        refuse(n)
    return n


def case_no_return_caught(n: u32) -> u64:
    """And be caught."""
    log.trace = 0
    try:
        with guard:
            refuse(n)
    except Errno as error:
        log.add(u64(error.code))
    return log.trace


def case_assert(n: u32) -> u32:
    """Stays."""
    assert n < 5, "too large"
    assert n != 3
    return n


def touch(digit: u64) -> u64:
    """Note and give back."""
    log.add(digit)
    return digit


def case_order(n: u64) -> u64:
    """Left to right."""
    log.trace = 0
    total = touch(1) * 100 + touch(2) * touch(3) - (touch(4) if n > 3 else touch(5))
    if touch(6) > 7 and touch(7) == 7:
        total += 1
    if touch(8) == 8 or touch(9) == 9:
        total += 2
    return log.trace * 1000 + total


def double(n: u64) -> u64:
    """Twice."""
    return n * 2


def triple(n: u64) -> u64:
    """Three times."""
    return n * 3


OPERATIONS: Final[list[Callable[[u64], u64]]] = [double, triple]


def apply(operation: Callable[[u64], u64] | None, n: u64) -> u64:
    """Call back."""
    if operation is None:
        return 0
    return operation(n)


def case_callback(n: u64) -> u64:
    """References to functions."""
    chosen = OPERATIONS[n % 2]
    return apply(chosen, n) + apply(None, n) + apply(double, n)


def largest(values: Slice[T], better: Callable[[T, T], bool]) -> T:
    """Be generic."""
    best = values[0]
    for value in values:
        if better(value, best):
            best = value
    return best


def above(a: u8, b: u8) -> bool:
    """Compare."""
    return a > b


def case_generic(data: Slice[u8]) -> u8:
    """Specialised."""
    return largest(data, above)


def case_walrus(n: u32) -> u32:
    """Assign within."""
    if (m := n * 2) > 10:
        return m
    return m + 100


def case_default(n: u32) -> u32:
    """Default and keyword arguments."""
    return with_default(n) + with_default(n, 3) + with_default(a=n, b=4)


def with_default(a: u32, b: u32 = 2) -> u32:
    """Add."""
    return a * b


def case_recursive(n: u32) -> u64:
    """Call itself."""
    return 1 if n < 2 else case_recursive(n - 1) + case_recursive(n - 2)


def case_bool(a: bool, b: bool) -> bool:
    """Logic."""
    both = a and b
    return (not both and (a or b)) == (a != b)


CALLS: dict[str, list[tuple[object, ...]]] = {
    "case_add": [(1, 2), (255, 1), (255, 0)],
    "case_subtract": [(5, 3), (3, 5)],
    "case_multiply": [(7, -3), (65536, 65536), (-(2**31), -1)],
    "case_divide": [(7, 2), (-7, 2), (7, -2), (-7, -2), (1, 0), (-(2**31), -1)],
    "case_modulo": [(7, 3), (-7, 3), (7, -3), (-7, -3), (1, 0), (-(2**31), -1)],
    "case_divide_unsigned": [(100, 7), (1, 0), (2**64 - 1, 1)],
    "case_shift_left": [(1, 31), (2, 31), (1, 32), (0, 40), (3, 4)],
    "case_shift_right": [(-8, 1), (8, 2), (1, 63), (1, 64), (-1, 63)],
    "case_bits": [(0xFF00, 0x0FF0), (0, 0), (65535, 65535)],
    "case_mask": [(0x12345,), (2**64 - 1,), (4095,)],
    "case_minus": [(5,), (-5,), (-128,), (0,)],
    "case_narrow": [(255,), (256,), (2**64 - 1,)],
    "case_to_signed": [(5,), (2**31,), (2**31 - 1,), (2**64 - 1,)],
    "case_to_unsigned": [(5,), (-1,), (2**63 - 1,)],
    "case_truncate": [(0x1FF,), (0x80,), (0x7F,), (2**64 - 1,)],
    "case_wrap": [(200, 100), (255, 255), (0, 1)],
    "case_checked": [(1, 2), (2**32 - 1, 1), (2**31, 0), (0, 0)],
    "case_functions": [(0,), (1,), (0x80000000,), (0x00F0F000,)],
    "case_align": [(0,), (1,), (64,), (100,), (2**64 - 2,)],
    "case_newtype": [(0,), (2**64 - 1,), (5,)],
    "case_compare": [(1, 2), (2, 1), (3, 3), (-5, 10), (6, 11), (2, 2)],
    "case_conditional": [(3,), (30,), (10,)],
    "case_while": [(n,) for n in range(12)],
    "case_for": [(0,), (1,), (5,), (12,)],
    "case_count_down": [(0,), (5,), (-3,), (12,)],
    "case_reversed": [(0,), (5,), (12,)],
    "case_nested": [(0,), (3,), (7,)],
    "case_table": [(0,), (15,), (16,), (255,)],
    "case_names": [(0,), (2,), (3,)],
    "case_match_number": [(n,) for n in range(7)],
    "case_match_enum": [(0,), (1,), (7,), (3,)],
    "case_flags": [(0,), (1,), (0x80,), (0x83,), (0x44,)],
    "case_tuple": [(0,), (0x1234,), (2**64 - 1,)],
    "case_raise": [(n,) for n in range(5)],
    "case_except": [(n,) for n in range(5)],
    "case_filter": [(n,) for n in range(5)],
    "case_finally": [(n,) for n in range(6)],
    "case_finally_in_loop": [(n,) for n in range(5)],
    "case_with": [(n,) for n in range(6)],
    "case_no_return": [(n,) for n in range(6)],
    "case_no_return_caught": [(n,) for n in range(1, 6)],
    "case_assert": [(n,) for n in range(7)],
    "case_order": [(1,), (5,)],
    "case_callback": [(3,), (4,)],
    "case_generic": [(b"\x03\x09\x02",), (b"",)],
    "case_walrus": [(3,), (6,), (2**31,)],
    "case_default": [(5,)],
    "case_recursive": [(10,)],
    "case_bool": [(a, b) for a in (False, True) for b in (False, True)],
}
