"""The program's memory: an allegation until it is copied.

A system call receives addresses that may point anywhere. `UserSlice` (address and length) and
`UserPointer` (one address) can only be copied from and to, each copy checks the range, and a fault
in it becomes EFAULT. Interpreted, `memory` stands for the program's address space: tests map byte
arrays into it.
"""

from __future__ import annotations

import typing
from typing import Any, Final, Generic, TypeVar

from krait.kernel.lang import hints, layout
from krait.kernel.lang.errors import Errno
from krait.kernel.lang.integers import Int, u8, u32, u64
from krait.kernel.lang.panics import Panic
from krait.kernel.lang.slices import Slice, slice_over

T = TypeVar("T")
EFAULT: Final = u32(14)
USER_TOP: Final = (
    0x0000_8000_0000_0000 - 4096
)  # the last page below the hole stays unused, as on Linux


class UserMemory:
    """What interpreted code finds at a program's addresses."""

    def __init__(self) -> None:
        self.regions: list[tuple[int, bytearray]] = []

    def map(self, address: int, data: bytearray) -> None:
        """Let `data` appear at `address`."""
        self.regions.append((int(address), data))

    def clear(self) -> None:
        """Unmap everything."""
        self.regions.clear()

    def available(self, address: int, size: int) -> tuple[bytearray, int, int]:
        """Give the region, the offset in it and how many of `size` bytes it has."""
        for start, data in self.regions:
            if start <= address < start + len(data):
                return data, address - start, min(size, start + len(data) - address)
        return bytearray(), 0, 0

    def read(self, address: int, size: int) -> bytes:
        """Read what is mapped, which may be less than asked for."""
        data, offset, count = self.available(int(address), int(size))
        return bytes(data[offset : offset + count])

    def write(self, address: int, raw: bytes) -> int:
        """Write what is mapped and give how many bytes that was."""
        data, offset, count = self.available(int(address), len(raw))
        data[offset : offset + count] = raw[:count]
        return count


memory = UserMemory()


class _User(Generic[T]):
    """What both kinds share."""

    _kind: Any = None

    def _codec(self) -> layout.Codec:
        return layout.codec(self._element())

    def _element(self) -> Any:
        made_as = getattr(self, "__orig_class__", None)
        return self._kind or (typing.get_args(made_as)[0] if made_as else u8)

    def _read(self, address: int, size: int) -> bytes:
        raw = memory.read(address, size)
        if len(raw) < size or address + size > USER_TOP:
            raise Errno(EFAULT)
        return raw

    def _write(self, address: int, raw: bytes) -> None:
        if memory.write(address, raw) < len(raw) or address + len(raw) > USER_TOP:
            raise Errno(EFAULT)


class UserPointer(_User[T]):
    """The address of one `T` or a row of them in the program; one register of a system call."""

    address: u64

    def __init__(self, address: Int | int, /) -> None:
        self.address = u64(address)

    @property
    def is_null(self) -> bool:
        """Whether the program passed NULL."""
        return self.address == 0

    def load(self) -> T:
        """Copy the value in; EFAULT if it is not there."""
        return self.load_at(u64(0))

    def store(self, value: T, /) -> None:
        """Copy a value out; EFAULT if there is no place."""
        self.store_at(u64(0), value)

    def load_at(self, index: u64, /) -> T:
        """Copy in element `index`."""
        form = self._codec()
        value: T = form.decode(self._read(int(self.address) + int(index) * form.size, form.size))
        return value

    def store_at(self, index: u64, value: T, /) -> None:
        """Copy out element `index`."""
        form = self._codec()
        raw = form.encode(hints.convert(self._element(), value))
        self._write(int(self.address) + int(index) * form.size, raw)

    def copy_in(self, into: T, /) -> None:
        """Fill a packed structure from the program."""
        self._bytes_of(into).copy_from(_row(self._read(int(self.address), self._codec().size)))

    def copy_out(self, value: T, /) -> None:
        """Give a packed structure to the program."""
        self._write(int(self.address), bytes(self._bytes_of(value)))

    @staticmethod
    def _bytes_of(packed: Any) -> Slice[u8]:
        raw: Slice[u8] = packed._bytes
        return raw


class UserSlice(_User[T]):
    """`length` elements at `address` in the program; two registers of a system call."""

    address: u64
    length: u64

    def __init__(self, address: Int | int, length: Int | int, /) -> None:
        self.address = u64(address)
        self.length = u64(length)

    def part(self, start: u64, stop: u64, /) -> UserSlice[T]:
        """Give elements `start` up to but without `stop`."""
        if not 0 <= start <= stop <= self.length:
            raise Panic(f"part {int(start)}..{int(stop)} of {int(self.length)} elements")
        size = self._codec().size
        narrower: UserSlice[T] = UserSlice(
            int(self.address) + int(start) * size, int(stop) - int(start)
        )
        narrower._kind = self._element()
        return narrower

    def copy_in(self, into: Slice[T], /) -> None:
        """Copy all elements into the kernel; EFAULT if they are not all there."""
        if self.copy_in_nofault(into) < self._size():
            raise Errno(EFAULT)

    def copy_out(self, data: Slice[T], /) -> None:
        """Copy all elements to the program; EFAULT if there is no place for all."""
        if self.copy_out_nofault(data) < self._size():
            raise Errno(EFAULT)

    def copy_in_nofault(self, into: Slice[T], /) -> u64:
        """Copy without resolving page faults; give how many bytes that was."""
        self._check(into)
        raw, form = memory.read(int(self.address), self._size()), self._codec()
        for index in range(len(raw) // form.size):
            into[index] = form.decode(raw[index * form.size : (index + 1) * form.size])
        return u64(len(raw))

    def copy_out_nofault(self, data: Slice[T], /) -> u64:
        """Copy without resolving page faults; give how many bytes that was."""
        self._check(data)
        form = self._codec()
        return u64(memory.write(int(self.address), b"".join(form.encode(each) for each in data)))

    def fault_in(self) -> None:
        """Bring the pages in for the next copy without faults; EFAULT if they do not exist."""
        self._read(int(self.address), self._size())

    def fault_in_writable(self) -> None:
        """Bring the pages in for a copy to the program; EFAULT if they may not be written."""
        self._read(int(self.address), self._size())

    def _size(self) -> int:
        return int(self.length) * self._codec().size

    def _check(self, data: Slice[T]) -> None:
        if data.length != self.length:
            raise Panic(f"copy between {int(data.length)} and {int(self.length)} elements")


def _row(raw: bytes) -> Slice[u8]:
    return slice_over(raw, 0, len(raw), u8)
