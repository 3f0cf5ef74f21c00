"""Integers of fixed width: `u8` to `u64` and `i8` to `i64`.

Each width is a class of its own and widths never mix: `u8(1) + u16(1)` is a `TypeError` here and an
error of mypy and of the compiler. A plain Python integer takes the width of the other side. A
result outside the range is a panic, as is a conversion that would lose bits; `wrapping_*`,
`checked_*` and `truncate` say what else is meant. Division is Python's: it rounds down, for signed
numbers too.

To mypy these classes are unrelated to `int` (its plugin lets an `int` stand where a width is
expected, never the other way round), and mypy refuses to take them for a truth value. At run time
they derive from `int`, so that host tools can index lists and pack structures with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

from krait.kernel.lang.panics import Panic

if TYPE_CHECKING:
    _Number = object
else:
    _Number = int


class Int(_Number):
    """What all widths share; never used as a type itself."""

    bits: ClassVar[int] = 64
    low: ClassVar[int] = 0
    high: ClassVar[int] = 2**64 - 1

    if TYPE_CHECKING:

        def __init__(self, value: Int | int, /) -> None: ...

        def __int__(self) -> int: ...

        def __index__(self) -> int: ...

        def __hash__(self) -> int: ...

    else:
        __slots__ = ()

        def __new__(cls, value: int, /) -> Self:
            """Convert, with a panic if bits would be lost."""
            if not isinstance(value, int):
                raise TypeError(f"{cls.__name__}() takes an integer, not {type(value).__name__}")
            if not cls.low <= value <= cls.high:
                raise Panic(f"{int(value)} does not fit {cls.__name__}")
            return int.__new__(cls, value)

        def __repr__(self) -> str:
            return f"{type(self).__name__}({int(self)})"

        def __str__(self) -> str:
            return int.__repr__(self)

        def __format__(self, spec: str) -> str:
            return format(int(self), spec)

        def __reduce__(self):
            return type(self), (int(self),)

    @classmethod
    def _fit(cls, value: int, /) -> Self:
        """Check a result."""
        if not cls.low <= value <= cls.high:
            raise Panic(f"overflow: {value} does not fit {cls.__name__}")
        return int.__new__(cls, value)  # type: ignore[type-var]

    @classmethod
    def _same(cls, other: Int | int, /) -> int:
        """Give the other side's value if it may stand beside this width."""
        if isinstance(other, Int):
            if type(other) is not cls:
                raise TypeError(
                    f"{cls.__name__} and {type(other).__name__} do not mix: convert one"
                )
            return int(other)
        if not isinstance(other, int):
            raise TypeError(f"{cls.__name__} does not mix with {type(other).__name__}")
        if not cls.low <= other <= cls.high:
            raise Panic(f"constant {other} does not fit {cls.__name__}")
        return int(other)

    @classmethod
    def _bits(cls, other: Int | int, /) -> int:
        """Give the other side of `&`: a negative constant such as `~0xFFF` keeps the high bits."""
        return int(other) if type(other) is int else cls._same(other)

    @classmethod
    def _comparable(cls, other: Int | int, /) -> int:
        """Give the other side of a comparison, where a constant may lie outside of the range."""
        return cls._same(other) if isinstance(other, Int) else int(other)

    @classmethod
    def _shift(cls, count: Int | int, /) -> int:
        """Check a shift count, which may have any width."""
        if not 0 <= int(count) < cls.bits:
            raise Panic(f"shift of {cls.__name__} by {int(count)}")
        return int(count)

    @classmethod
    def truncate(cls, value: Int | int, /) -> Self:
        """Keep the low bits; a signed width then reads them as two's complement."""
        low = int(value) & (1 << cls.bits) - 1
        return cls._fit(low - (1 << cls.bits) if low > cls.high else low)

    def __add__(self, other: Self, /) -> Self:
        return self._fit(int(self) + self._same(other))

    def __radd__(self, other: Self, /) -> Self:
        return self._fit(self._same(other) + int(self))

    def __sub__(self, other: Self, /) -> Self:
        return self._fit(int(self) - self._same(other))

    def __rsub__(self, other: Self, /) -> Self:
        return self._fit(self._same(other) - int(self))

    def __mul__(self, other: Self, /) -> Self:
        return self._fit(int(self) * self._same(other))

    def __rmul__(self, other: Self, /) -> Self:
        return self._fit(self._same(other) * int(self))

    def __floordiv__(self, other: Self, /) -> Self:
        return self._fit(int(self) // self._divisor(other))

    def __rfloordiv__(self, other: Self, /) -> Self:
        return self._fit(self._same(other) // self._divisor(self))

    def __mod__(self, other: Self, /) -> Self:
        return self._fit(int(self) % self._divisor(other))

    def __rmod__(self, other: Self, /) -> Self:
        return self._fit(self._same(other) % self._divisor(self))

    @classmethod
    def _divisor(cls, other: Int | int, /) -> int:
        value = cls._same(other)
        if value == 0:
            raise Panic("division by zero")
        return value

    def __and__(self, other: Self, /) -> Self:
        return self._fit(int(self) & self._bits(other))

    def __rand__(self, other: Self, /) -> Self:
        return self._fit(self._bits(other) & int(self))

    def __or__(self, other: Self, /) -> Self:
        return self._fit(int(self) | self._same(other))

    def __ror__(self, other: Self, /) -> Self:
        return self._fit(self._same(other) | int(self))

    def __xor__(self, other: Self, /) -> Self:
        return self._fit(int(self) ^ self._same(other))

    def __rxor__(self, other: Self, /) -> Self:
        return self._fit(self._same(other) ^ int(self))

    def __lshift__(self, count: Int, /) -> Self:
        return self._fit(int(self) << self._shift(count))

    def __rlshift__(self, other: int, /) -> Self:
        return self._fit(self._same(other) << self._shift(self))

    def __rshift__(self, count: Int, /) -> Self:
        return self._fit(int(self) >> self._shift(count))

    def __rrshift__(self, other: int, /) -> Self:
        return self._fit(self._same(other) >> self._shift(self))

    def __invert__(self) -> Self:
        return self._fit(~int(self) & self.high if self.low == 0 else ~int(self))

    def __neg__(self) -> Self:
        if self.low == 0:
            raise Panic(f"unary minus on {type(self).__name__}")
        return self._fit(-int(self))

    def __abs__(self) -> Self:
        return self._fit(abs(int(self)))

    def __lt__(self, other: Self, /) -> bool:
        return int(self) < self._comparable(other)

    def __le__(self, other: Self, /) -> bool:
        return int(self) <= self._comparable(other)

    def __gt__(self, other: Self, /) -> bool:
        return int(self) > self._comparable(other)

    def __ge__(self, other: Self, /) -> bool:
        return int(self) >= self._comparable(other)

    if not TYPE_CHECKING:

        def _refused(self, *_other: object) -> NoReturn:
            raise TypeError("kernel Python has no `/` and no `**`: use `//`, `*` or a shift")

        __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __divmod__ = __rdivmod__ = _refused

    def wrapping_add(self, other: Self, /) -> Self:
        """Add modulo 2 to the width."""
        return self.truncate(int(self) + self._same(other))

    def wrapping_sub(self, other: Self, /) -> Self:
        """Subtract modulo 2 to the width."""
        return self.truncate(int(self) - self._same(other))

    def wrapping_mul(self, other: Self, /) -> Self:
        """Multiply modulo 2 to the width."""
        return self.truncate(int(self) * self._same(other))

    def wrapping_shl(self, count: Int, /) -> Self:
        """Shift left and drop what leaves; the count must still be less than the width."""
        return self.truncate(int(self) << self._shift(count))

    def checked_add(self, other: Self, code: u32, /) -> Self:
        """Add, or raise `Errno(code)`: for numbers that come from a program."""
        return self._checked(int(self) + self._same(other), code)

    def checked_sub(self, other: Self, code: u32, /) -> Self:
        """Subtract, or raise `Errno(code)`."""
        return self._checked(int(self) - self._same(other), code)

    def checked_mul(self, other: Self, code: u32, /) -> Self:
        """Multiply, or raise `Errno(code)`."""
        return self._checked(int(self) * self._same(other), code)

    def _checked(self, value: int, code: u32, /) -> Self:
        from krait.kernel.lang.errors import Errno  # which needs u32 from here

        if not self.low <= value <= self.high:
            raise Errno(code)
        return self._fit(value)


class u8(Int):
    """8 bits, unsigned."""

    bits = 8
    high = 2**8 - 1


class u16(Int):
    """16 bits, unsigned."""

    bits = 16
    high = 2**16 - 1


class u32(Int):
    """32 bits, unsigned."""

    bits = 32
    high = 2**32 - 1


class u64(Int):
    """64 bits, unsigned."""


class i8(Int):
    """8 bits, signed."""

    bits = 8
    low = -(2**7)
    high = 2**7 - 1


class i16(Int):
    """16 bits, signed."""

    bits = 16
    low = -(2**15)
    high = 2**15 - 1


class i32(Int):
    """32 bits, signed."""

    bits = 32
    low = -(2**31)
    high = 2**31 - 1


class i64(Int):
    """64 bits, signed."""

    low = -(2**63)
    high = 2**63 - 1


usize = u64  # sizes and indexes: the machine's word on every architecture that Krait runs on
