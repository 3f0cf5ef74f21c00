"""/sys/kernel/mm: how 2 MiB pages are given out."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.lazy_directory import FixedFile, LazyDirectory, fixed_files
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import text, u32

TRANSPARENT_FILES: Final[list[FixedFile]] = fixed_files(
    {
        "defrag": "always defer defer+madvise madvise [never]",
        "enabled": "[always] madvise never",
        "hpage_pmd_size": "2097152",
        "shmem_enabled": "always within_size advise [never] deny force",
        "use_zero_page": "0",
    }
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


def fill_mm(directory: LazyDirectory) -> None:
    """Add /sys/kernel/mm."""
    directory.add_directory(text(b"transparent_hugepage"), fill_transparent)
    directory.add_directory(text(b"hugepages"), fill_sizes)


def fill_transparent(directory: LazyDirectory) -> None:
    """Add /sys/kernel/mm/transparent_hugepage."""
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
