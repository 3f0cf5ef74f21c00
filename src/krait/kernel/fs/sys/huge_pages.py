"""/sys/kernel/mm: how 2 MiB pages are given out.

`enabled` and `defrag` can be written and are obeyed (mm/large_pages.py). Files in memory have no
large pages, so `shmem_enabled` takes nothing but what it says.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL
from krait.kernel.fs.lazy_directory import FixedFile, LazyDirectory, fixed_files
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Errno, Text, text, u8, u32, u64
from krait.kernel.mm.large_pages import Effort, Policy, large_pages

TRANSPARENT_FILES: Final[list[FixedFile]] = fixed_files(
    {"hpage_pmd_size": "2097152", "use_zero_page": "0"}
)
RESERVED_FILES: Final[list[FixedFile]] = fixed_files(
    {
        "free_hugepages": "0",
        "nr_hugepages": "0",
        "nr_overcommit_hugepages": "0",
        "resv_hugepages": "0",
        "surplus_hugepages": "0",
    }
)
POLICIES: Final[list[Text]] = [text(b"always"), text(b"madvise"), text(b"never")]
EFFORTS: Final[list[Text]] = [
    text(b"always"),
    text(b"defer"),
    text(b"defer+madvise"),
    text(b"madvise"),
    text(b"never"),
]
SHARED_CHOICES: Final[list[Text]] = [
    text(b"always"),
    text(b"within_size"),
    text(b"advise"),
    text(b"never"),
    text(b"deny"),
    text(b"force"),
]
SHARED_NEVER: Final = 3


def fill_mm(directory: LazyDirectory) -> None:
    """Add /sys/kernel/mm."""
    directory.add_directory(text(b"transparent_hugepage"), fill_transparent)
    directory.add_directory(text(b"hugepages"), fill_sizes)


def fill_transparent(directory: LazyDirectory) -> None:
    """Add /sys/kernel/mm/transparent_hugepage."""
    directory.add_setting(text(b"defrag"), write_effort, take_effort)
    directory.add_setting(text(b"enabled"), write_policy, take_policy)
    directory.add_setting(text(b"shmem_enabled"), write_shared, take_shared)
    for index in range(u32(len(TRANSPARENT_FILES))):
        directory.add_row(TRANSPARENT_FILES[index].name, write_transparent_file, index)


def fill_sizes(directory: LazyDirectory) -> None:
    """Add a directory a size of reserved huge pages."""
    directory.add_directory(text(b"hugepages-2048kB"), fill_reserved)


def fill_reserved(directory: LazyDirectory) -> None:
    """Add the counters of one size: none is ever reserved."""
    for index in range(u32(len(RESERVED_FILES))):
        directory.add_row(RESERVED_FILES[index].name, write_reserved_file, index)


def write_transparent_file(index: u32, out: TextBuffer) -> None:
    """Write a fixed file by its place in the table."""
    out.put(TRANSPARENT_FILES[index].content)


def write_reserved_file(index: u32, out: TextBuffer) -> None:
    """Write a fixed file by its place in the table."""
    out.put(RESERVED_FILES[index].content)


def write_policy(out: TextBuffer) -> None:
    """Write who gets large pages."""
    for index in range(u64(len(POLICIES))):
        put_choice(out, POLICIES[index], index, u64(large_pages.policy))
    out.put_byte(u8(0x0A))


def take_policy(data: Text) -> None:
    """Change it."""
    chosen = word_of(data)
    for index in range(u64(len(POLICIES))):
        if chosen.equals(POLICIES[index]):
            large_pages.policy = Policy(index)
            return
    raise Errno(EINVAL)


def write_effort(out: TextBuffer) -> None:
    """Write when caches are asked for a block."""
    for index in range(u64(len(EFFORTS))):
        put_choice(out, EFFORTS[index], index, u64(large_pages.effort))
    out.put_byte(u8(0x0A))


def take_effort(data: Text) -> None:
    """Change it."""
    chosen = word_of(data)
    for index in range(u64(len(EFFORTS))):
        if chosen.equals(EFFORTS[index]):
            large_pages.effort = Effort(index)
            return
    raise Errno(EINVAL)


def write_shared(out: TextBuffer) -> None:
    """Write that files in memory have no large pages."""
    for index in range(u64(len(SHARED_CHOICES))):
        put_choice(out, SHARED_CHOICES[index], index, u64(SHARED_NEVER))
    out.put_byte(u8(0x0A))


def take_shared(data: Text) -> None:
    """Accept what is true."""
    if not word_of(data).equals(SHARED_CHOICES[SHARED_NEVER]):
        raise Errno(EINVAL)


def put_choice(out: TextBuffer, word: Text, index: u64, chosen: u64) -> None:
    """Write one of several words, the chosen one in brackets."""
    if index != 0:
        out.put_byte(u8(0x20))
    if index == chosen:
        out.put_byte(u8(0x5B))
    out.put(word)
    if index == chosen:
        out.put_byte(u8(0x5D))


def word_of(data: Text) -> Text:
    """Return what was written without the line feed of `echo`."""
    return data.part(u64(0), data.find(u8(0x0A)))
