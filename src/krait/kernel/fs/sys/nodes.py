"""/sys/devices/system/node: the one NUMA node, which has all CPUs and all memory."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs import memory_facts, processors
from krait.kernel.fs.lazy_directory import FixedFile, LazyDirectory, fixed_files
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Text, text, u32, u64

TOP_FILES: Final[list[FixedFile]] = fixed_files(
    {
        "has_cpu": "0",
        "has_memory": "0",
        "has_normal_memory": "0",
        "online": "0",
        "possible": "0",
    }
)
NUMBER_WIDTH: Final = 8


def fill_nodes(directory: LazyDirectory) -> None:
    """Add the lists and the node."""
    for index in range(u32(len(TOP_FILES))):
        directory.add_row(TOP_FILES[index].name, write_top_file, index)
    directory.add_directory(text(b"node0"), fill_node)


def fill_node(directory: LazyDirectory) -> None:
    """Add what is known of the node."""
    directory.add_text(text(b"cpulist"), processors.write_all)
    directory.add_text(text(b"cpumap"), processors.write_all_mask)
    directory.add_text(text(b"distance"), write_distance)
    directory.add_text(text(b"meminfo"), write_memory)


def write_distance(out: TextBuffer) -> None:
    """Write the distance to itself (ACPI, SLIT: 10)."""
    out.put(text(b"10\n"))


def write_memory(out: TextBuffer) -> None:
    """Write how the node's memory is used."""
    facts = memory_facts.read()
    put_size(out, text(b"MemTotal:       "), facts.total)
    put_size(out, text(b"MemFree:        "), facts.free)
    put_size(out, text(b"MemUsed:        "), facts.total - facts.free)
    put_size(out, text(b"FilePages:      "), facts.cached)
    put_size(out, text(b"AnonPages:      "), facts.anonymous)
    put_size(out, text(b"Shmem:          "), facts.shared)


def put_size(out: TextBuffer, label: Text, pages: u64) -> None:
    """Write one line."""
    out.put(text(b"Node 0 "))
    out.put(label)
    out.put_padded(pages * 4, u64(NUMBER_WIDTH))
    out.put(text(b" kB\n"))


def write_top_file(index: u32, out: TextBuffer) -> None:
    """Write a fixed file by its place in the table."""
    out.put(TOP_FILES[index].content)
