"""The strings a program starts with: argv and environ, collected before it has a stack."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import E2BIG, EFAULT
from krait.kernel.lang import Buffer, Counted, Errno, Text, UserPointer, UserSlice, u8, u64

STRING_LIMIT: Final = 131072  # MAX_ARG_STRLEN, linux/binfmts.h
TOTAL_LIMIT: Final = 2 << 20  # a quarter of the usual stack limit
FIRST_LENGTH: Final = 1024
CHUNK: Final = 256
PAGE_SIZE: Final = 4096


class Arguments(Counted):
    """Terminated strings one after the other, all of argv before all of environ."""

    bytes: Buffer[u8]
    used: u64 = 0
    argument_count: u64 = 0
    argument_bytes: u64 = 0
    environment_count: u64 = 0

    def add_argument(self, value: Text) -> None:
        """Append to argv; not after the first variable of the environment."""
        assert self.environment_count == 0, "the arguments come first"
        self._append(value)
        self.argument_count += 1
        self.argument_bytes = self.used

    def add_variable(self, value: Text) -> None:
        """Append `NAME=VALUE` to environ."""
        self._append(value)
        self.environment_count += 1

    def string_at(self, offset: u64) -> Text:
        """Give the string that begins at an offset."""
        rest = self.bytes.slice.part(offset, self.used)
        return rest.part(0, rest.find(0))

    def behind_first_argument(self) -> u64:
        """Give the offset of argv[1]; that of argv[0] if there is none."""
        if self.argument_count == 0:
            return 0
        return self.string_at(0).length + 1

    def append_from(self, pointer: UserPointer[u8]) -> None:
        """Append a string of the program's; NULL is an empty one."""
        start = self.used
        while not pointer.is_null:
            address = pointer.address.checked_add(self.used - start, EFAULT)
            count = min(u64(CHUNK), PAGE_SIZE - address % PAGE_SIZE)
            if self.used - start + count >= STRING_LIMIT or self.used + count >= TOTAL_LIMIT:
                raise Errno(E2BIG)
            self._make_room(self.used + count + 1)
            piece = self.bytes.slice.part(self.used, self.used + count)
            UserSlice[u8](address, count).copy_in(piece)
            length = piece.find(0)
            self.used += length
            if length < count:
                break
        self._make_room(self.used + 1)
        self.bytes[self.used] = 0
        self.used += 1

    def _make_room(self, needed: u64) -> None:
        if needed > self.bytes.length:
            larger = Buffer[u8](length=max(needed, self.bytes.length * 2))
            larger.slice.part(0, self.used).copy_from(self.bytes.slice.part(0, self.used))
            self.bytes = larger

    def _append(self, value: Text) -> None:
        if value.length >= STRING_LIMIT or self.used + value.length >= TOTAL_LIMIT:
            raise Errno(E2BIG)
        needed = self.used + value.length + 1
        self._make_room(needed)
        self.bytes.slice.part(self.used, self.used + value.length).copy_from(value)
        self.bytes[self.used + value.length] = 0
        self.used = needed


def read_arguments(arguments: UserPointer[u64], environment: UserPointer[u64]) -> Arguments:
    """Copy argv and environ from a program; either may be NULL. Raises EFAULT, E2BIG."""
    made = empty_arguments()
    count = copy_strings(made, arguments)
    made.argument_count = max(count, u64(1))
    if count == 0:
        made.append_from(UserPointer[u8](0))
    made.argument_bytes = made.used
    made.environment_count = copy_strings(made, environment)
    return made


def copy_strings(made: Arguments, vector: UserPointer[u64]) -> u64:
    """Append the strings of a vector that ends with NULL; give how many there were."""
    count: u64 = 0
    if vector.is_null:
        return 0
    while (address := vector.load_at(count)) != 0:
        made.append_from(UserPointer[u8](address))
        count += 1
    return count


def empty_arguments() -> Arguments:
    """Begin a collection."""
    return Arguments(bytes=Buffer[u8](length=FIRST_LENGTH))


def with_interpreter(old: Arguments, interpreter: Text, option: Text, script: Text) -> Arguments:
    """Make the arguments of a script's interpreter: `interpreter [option] script argv[1] ...`."""
    made = empty_arguments()
    made.add_argument(interpreter)
    if option.length != 0:
        made.add_argument(option)
    made.add_argument(script)
    offset = old.behind_first_argument()
    for index in range(old.argument_count + old.environment_count):
        if index == 0 and old.argument_count != 0:
            continue
        value = old.string_at(offset)
        if index < old.argument_count:
            made.add_argument(value)
        else:
            made.add_variable(value)
        offset += value.length + 1
    return made
