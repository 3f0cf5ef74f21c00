"""What of /proc/sys/vm can be written: overcommit_memory, _ratio and _kbytes, and drop_caches.

Documentation/admin-guide/sysctl/vm.rst. `overcommit_ratio` and `overcommit_kbytes` are two ways to
say the same: writing one switches the other off.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL
from krait.kernel.fs.lazy_directory import LazyDirectory, decimal_number
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Errno, Text, text, u8, u64
from krait.kernel.mm import frames
from krait.kernel.mm.overcommit import Overcommit, promises
from krait.kernel.mm.shrinker import shrinkers

INT_MAX: Final = (1 << 31) - 1
DROP_MAX: Final = 4


def fill_memory_settings(group: LazyDirectory) -> None:
    """Add the files."""
    group.add_setting(text(b"overcommit_memory"), write_mode, take_mode)
    group.add_setting(text(b"overcommit_ratio"), write_ratio, take_ratio)
    group.add_setting(text(b"overcommit_kbytes"), write_kbytes, take_kbytes)
    group.add_setting(text(b"drop_caches"), write_nothing, drop_caches)


def write_mode(out: TextBuffer) -> None:
    """Write the mode."""
    put_line(out, u64(promises.mode))


def take_mode(data: Text) -> None:
    """Change it; raises EINVAL."""
    number = decimal_number(data)
    if number > u64(Overcommit.NEVER):
        raise Errno(EINVAL)
    promises.mode = Overcommit(number)


def write_ratio(out: TextBuffer) -> None:
    """Write how many percent of memory mode 2 promises, 0 if it goes by a size."""
    put_line(out, promises.ratio)


def take_ratio(data: Text) -> None:
    """Change it; raises EINVAL."""
    promises.ratio = checked(decimal_number(data), u64(INT_MAX))
    promises.kbytes = u64(0)


def write_kbytes(out: TextBuffer) -> None:
    """Write how many KiB mode 2 promises, 0 if it goes by a share."""
    put_line(out, promises.kbytes)


def take_kbytes(data: Text) -> None:
    """Change it; raises EINVAL."""
    promises.kbytes = decimal_number(data)
    promises.ratio = u64(0)


def write_nothing(out: TextBuffer) -> None:
    """Write that nothing was dropped: Linux gives the number that was written last."""
    put_line(out, u64(0))


def drop_caches(data: Text) -> None:
    """Let every cache give back what it can; raises EINVAL."""
    number = checked(decimal_number(data), u64(DROP_MAX))
    if number == 0:
        raise Errno(EINVAL)
    while shrinkers.reclaim(frames.total()):
        pass


def checked(number: u64, most: u64) -> u64:
    """Refuse what is too large; raises EINVAL."""
    if number > most:
        raise Errno(EINVAL)
    return number


def put_line(out: TextBuffer, number: u64) -> None:
    """Write a number and a line feed."""
    out.put_decimal(number)
    out.put_byte(u8(0x0A))
