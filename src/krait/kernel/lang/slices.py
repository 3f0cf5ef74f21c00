"""Slices and arrays: memory with a length.

A `Slice[T]` borrows: it is an address and a length, every index is checked, and `part` makes a
narrower one. It is not stored, unless the field says who owns the memory (`borrowed`). An
`Array[T]` owns its elements in place and turns into a slice when passed. Byte strings of the kernel
are slices of `u8`, under the name `Text`.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from krait.kernel.lang import hints
from krait.kernel.lang.integers import Int, u8, u64
from krait.kernel.lang.panics import Panic

T = TypeVar("T")


class Slice(Generic[T]):
    """`length` elements that something else keeps alive."""

    length: u64

    if TYPE_CHECKING:

        def __getitem__(self, index: Int | int, /) -> T: ...

        def __setitem__(self, index: Int | int, value: T, /) -> None: ...

        def __bytes__(self) -> bytes: ...

        def _narrow(self, start: int, stop: int) -> Slice[T]: ...

    else:
        __slots__ = ("_kind", "_start", "_store", "length")

        def __init__(self, store: Any, start: int, length: int, kind: Any) -> None:
            self._store = store
            self._start = int(start)
            self._kind = kind
            self.length = u64(length)

        def __getitem__(self, index: int, /) -> Any:
            if not 0 <= int(index) < int(self.length):
                raise Panic(f"index {int(index)} outside of {int(self.length)} elements")
            return self._out(self._store[self._start + int(index)])

        def __setitem__(self, index: int, value: Any, /) -> None:
            if not 0 <= int(index) < int(self.length):
                raise Panic(f"index {int(index)} outside of {int(self.length)} elements")
            self._store[self._start + int(index)] = self._in(value)

        def _out(self, value: Any) -> Any:
            kind = self._kind
            return kind._fit(value) if isinstance(kind, type) and issubclass(kind, Int) else value

        def _in(self, value: Any) -> Any:
            if isinstance(self._store, bytes):
                raise Panic("constant data is not written")
            return hints.convert(self._kind, value)

        def _narrow(self, start: int, stop: int) -> Slice:
            return Slice(self._store, self._start + start, stop - start, self._kind)

        def _span(self) -> slice:
            return slice(self._start, self._start + int(self.length))

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "length" and hasattr(self, name):
                raise TypeError("the length of a slice does not change")
            object.__setattr__(self, name, value)

        def __bytes__(self) -> bytes:
            return bytes(self._store[self._span()])

        def __str__(self) -> str:
            return bytes(self).decode(errors="backslashreplace")

        def __repr__(self) -> str:
            return f"{type(self).__name__}({list(self._store[self._span()])})"

        def __bool__(self) -> typing.NoReturn:
            raise TypeError("a slice has no truth value: compare its length")

    def __iter__(self) -> Iterator[T]:
        for index in range(int(self.length)):
            yield self[index]

    def part(self, start: u64, stop: u64, /) -> Slice[T]:
        """Give elements `start` up to but without `stop`."""
        if not 0 <= start <= stop <= self.length:
            raise Panic(f"part {int(start)}..{int(stop)} of {int(self.length)} elements")
        return self._narrow(int(start), int(stop))

    def copy_from(self, other: Slice[T], /) -> None:
        """Copy all elements of a slice of the same length; the two may overlap."""
        if self.length != other.length:
            raise Panic(f"copy of {int(other.length)} elements to {int(self.length)}")
        for index, value in enumerate(list(other)):
            self[index] = value

    def fill(self, value: T, /) -> None:
        """Set every element."""
        for index in range(int(self.length)):
            self[index] = value

    def equals(self, other: Slice[T], /) -> bool:
        """Say whether length and elements are the same."""
        return self.length == other.length and all(a == b for a, b in zip(self, other, strict=True))

    def find(self, value: T, /) -> u64:
        """Give the index of the first such element, `length` if there is none."""
        for index, each in enumerate(self):
            if each == value:
                return u64(index)
        return self.length


class Array(Slice[T]):
    """Elements in place: a field or a local, declared with `inline(length)`."""

    if not TYPE_CHECKING:
        __slots__ = ()

        def __init__(self, kind: Any, length: int, values: Any = None) -> None:
            if values is not None:
                store = [hints.convert(kind, each) for each in values]
            elif isinstance(kind, type) and issubclass(kind, Int):
                store = [0] * int(length)
            else:
                store = [hints.zero(kind) for _ in range(int(length))]
            super().__init__(bytearray(store) if kind is u8 else store, 0, length, kind)

        @classmethod
        def __krait_inline__(cls, kinds: Any, arguments: Any, _keywords: Any) -> Self:
            return cls(kinds[0], arguments[0] if arguments else 0)


Text = Slice[u8]


def text(literal: bytes, /) -> Text:
    """Make a constant byte string."""
    return slice_over(literal, 0, len(literal), u8)


def slice_over(store: Any, start: int, length: int, kind: Any) -> Slice[Any]:
    """Borrow part of a Python sequence; build-time code and tests pass data in with it."""
    make: Any = Slice
    made: Slice[Any] = make(store, start, length, kind)
    return made
