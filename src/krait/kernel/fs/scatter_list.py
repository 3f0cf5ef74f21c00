"""Memory of a program in several pieces (readv(2)), filled or emptied from front to back.

The vector is copied into the kernel once, since the program may change it meanwhile. A list keeps
its place: each copy goes on where the last one ended, and `rewind` begins again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import EFAULT, EINVAL
from krait.kernel.lang import Buffer, Errno, Slice, Struct, UserPointer, UserSlice, u8, u32, u64

VECTOR_MOST: Final = u32(1024)  # UIO_MAXIOV
MOST_AT_ONCE: Final = u64(0x7FFF_F000)  # read(2), NOTES: MAX_RW_COUNT


class Vector(NamedTuple):
    """struct iovec."""

    base: u64
    length: u64


class ScatterList(Struct):
    """The pieces that are left.

    Invariant: `left` is what is left of the current piece, from `base`, and of those behind it.
    """

    base: u64 = 0
    length: u64 = 0
    left: u64 = 0
    next: u64 = 0
    vectors: Buffer[Vector] | None = None
    first_base: u64 = 0
    first_length: u64 = 0
    total: u64 = 0

    def set_one(self, memory: UserSlice[u8]) -> None:
        """Begin with a single piece."""
        self.first_base = memory.address
        self.first_length = memory.length
        self.total = memory.length
        self.vectors = None
        self.rewind()

    def load(self, vectors: UserPointer[Vector], count: u32) -> None:
        """Copy a program's vector in; EINVAL for too many or a sum that is no ssize_t, EFAULT."""
        if count > VECTOR_MOST:
            raise Errno(EINVAL)
        self.first_base = 0
        self.first_length = 0
        self.total = 0
        self.vectors = None
        if count == 1:
            only = vectors.load()
            if only.length > u64(1 << 63) - 1:
                raise Errno(EINVAL)
            self.set_one(UserSlice[u8](only.base, min(only.length, MOST_AT_ONCE)))
            return
        if count > 1:
            self._load_all(vectors, u64(count))
        self.rewind()

    def _load_all(self, vectors: UserPointer[Vector], count: u64) -> None:
        copied = Buffer[Vector](length=count)
        sum: u64 = 0
        for index in range(count):
            given = vectors.load_at(index)
            sum = sum.checked_add(given.length, EINVAL)
            if sum > u64(1 << 63) - 1:
                raise Errno(EINVAL)
            taken = min(given.length, MOST_AT_ONCE - self.total)
            copied[index] = Vector(base=given.base, length=taken)
            self.total += taken
        self.vectors = copied

    def rewind(self) -> None:
        """Go back to the beginning."""
        self.base = self.first_base
        self.length = self.first_length
        self.left = self.total
        self.next = 0

    def piece(self) -> UserSlice[u8]:
        """Give the rest of the current piece; an empty one when nothing is left."""
        if self.length == 0 and self.left != 0:
            self._advance()
        return UserSlice[u8](self.base, self.length)

    def skip(self, count: u64) -> None:
        """Go over bytes of the current piece."""
        self.base = self.base.wrapping_add(count)
        self.length -= count
        self.left -= count

    def copy_out_nofault(self, data: Slice[u8]) -> u64:
        """Copy to the program as far as its memory is there; give how much that was."""
        done: u64 = 0
        while done < data.length and self.left != 0:
            piece = self.piece()
            count = min(piece.length, data.length - done)
            copied = piece.part(0, count).copy_out_nofault(data.part(done, done + count))
            self.skip(copied)
            done += copied
            if copied < count:
                break
        return done

    def copy_in(self, into: Slice[u8]) -> None:
        """Copy the next bytes from the program; EFAULT. There are at least as many left."""
        done: u64 = 0
        while done < into.length:
            piece = self.piece()
            count = min(piece.length, into.length - done)
            if count == 0:
                raise Errno(EFAULT)
            piece.part(0, count).copy_in(into.part(done, done + count))
            self.skip(count)
            done += count

    def bring_in_writable(self, done: u64) -> bool:
        """Bring in the page at the present place.

        There is none: raises EFAULT, or gives False when bytes were copied before.
        """
        try:
            self.piece().part(0, min(self.piece().length, 1)).fault_in_writable()
        except Errno:
            if done == 0:
                raise
            return False
        return True

    def _advance(self) -> None:
        """Go to the next piece that is not empty; there is one."""
        if (vectors := self.vectors) is None:
            return
        while self.length == 0 and self.next < vectors.length:
            vector = vectors[self.next]
            self.base = vector.base
            self.length = vector.length
            self.next += 1
