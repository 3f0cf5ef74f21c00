"""/sys/devices/system/cpu: which CPUs there are, how they belong together, their caches.

There is no `cpufreq`: nothing here knows or sets the speed of the host's CPUs.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.cpu import cpuid
from krait.kernel.fs import processors
from krait.kernel.fs.lazy_directory import FixedFile, LazyDirectory, fixed_files
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Array, Slice, Text, inline, text, u8, u32, u64

CPUS_MAX: Final = 64
CACHES_MAX: Final = 8
CACHE_SHIFT: Final = 8
"""A cache's directory has the number of its CPU, and above that its own."""
INTEL_LEAF: Final = 0x4  # deterministic cache parameters, Intel SDM volume 2, CPUID
AMD_LEAF: Final = 0x8000001D  # the same in AMD's range, APM volume 3, E.4.15

TOP_FILES: Final[list[FixedFile]] = fixed_files(
    {"isolated": "", "kernel_max": str(CPUS_MAX - 1), "offline": ""}
)
TOPOLOGY_FILES: Final[list[FixedFile]] = fixed_files(
    {"cluster_id": "65535", "die_id": "0", "physical_package_id": "0"}
)


class CacheType(IntEnum):
    """CPUID's types."""

    NONE = 0
    DATA = 1
    INSTRUCTION = 2
    UNIFIED = 3


class Cache(NamedTuple):
    """One cache as CPUID describes it."""

    type: u32
    level: u32
    line: u64
    partitions: u64
    ways: u64
    sets: u64
    sharers: u32

    @property
    def size(self) -> u64:
        """The number of bytes."""
        return self.line * self.partitions * self.ways * self.sets


def describe_cache(index: u32) -> Cache:
    """Ask the CPU about one cache; its type is NONE behind the last."""
    leaf: u32 = 0
    if cpuid(u32(0), u32(0)).eax >= INTEL_LEAF:
        leaf = u32(INTEL_LEAF)
    if leaf == 0 or cpuid(leaf, u32(0)).eax & 31 == 0:
        if cpuid(u32(0x80000000), u32(0)).eax < AMD_LEAF:
            return Cache(u32(0), u32(0), u64(0), u64(0), u64(0), u64(0), u32(0))
        leaf = u32(AMD_LEAF)
    answer = cpuid(leaf, index)
    return Cache(
        answer.eax & 31,
        answer.eax >> 5 & 7,
        u64(answer.ebx & 0xFFF) + 1,
        u64(answer.ebx >> 12 & 0x3FF) + 1,
        u64(answer.ebx >> 22) + 1,
        u64(answer.ecx) + 1,
        (answer.eax >> 14 & 0xFFF) + 1,
    )


def fill_cpus(directory: LazyDirectory) -> None:
    """Add the lists, and a directory a CPU."""
    directory.add_text(text(b"online"), processors.write_all)
    directory.add_text(text(b"possible"), processors.write_all)
    directory.add_text(text(b"present"), processors.write_all)
    for index in range(u32(len(TOP_FILES))):
        directory.add_row(TOP_FILES[index].name, write_top_file, index)
    room: Array[u8] = inline(16)
    for cpu in range(processors.count()):
        name = numbered_name(text(b"cpu"), cpu, room)
        directory.add_numbered_directory(name, fill_cpu, cpu)


def numbered_name(stem: Text, number: u32, room: Slice[u8]) -> Text:
    """Return a name with a number below 100 behind it, made in `room`."""
    length = stem.length
    room.part(u64(0), length).copy_from(stem)
    if number >= 10:
        room[length] = u8(0x30) + u8.truncate(number // 10)
        length += 1
    room[length] = u8(0x30) + u8.truncate(number % 10)
    return room.part(u64(0), length + 1)


def fill_cpu(directory: LazyDirectory) -> None:
    """Add what is known of one CPU."""
    directory.add_numbered_directory(text(b"topology"), fill_topology, directory.number)
    if describe_cache(u32(0)).type != 0:
        directory.add_numbered_directory(text(b"cache"), fill_caches, directory.number)
    if directory.number != 0:
        directory.add_numbered(text(b"online"), write_online)


def fill_topology(directory: LazyDirectory) -> None:
    """Add how the CPU belongs to others."""
    for index in range(u32(len(TOPOLOGY_FILES))):
        directory.add_row(TOPOLOGY_FILES[index].name, write_topology_file, index)
    directory.add_numbered(text(b"core_id"), write_number)
    directory.add_numbered(text(b"thread_siblings"), write_own_mask)
    directory.add_numbered(text(b"thread_siblings_list"), write_number)
    directory.add_numbered(text(b"core_cpus"), write_own_mask)
    directory.add_numbered(text(b"core_cpus_list"), write_number)
    directory.add_numbered(text(b"cluster_cpus"), write_own_mask)
    directory.add_numbered(text(b"cluster_cpus_list"), write_number)
    directory.add_text(text(b"core_siblings"), processors.write_all_mask)
    directory.add_text(text(b"core_siblings_list"), processors.write_all)
    directory.add_text(text(b"die_cpus"), processors.write_all_mask)
    directory.add_text(text(b"die_cpus_list"), processors.write_all)
    directory.add_text(text(b"package_cpus"), processors.write_all_mask)
    directory.add_text(text(b"package_cpus_list"), processors.write_all)


def fill_caches(directory: LazyDirectory) -> None:
    """Add a directory a cache."""
    room: Array[u8] = inline(16)
    index: u32 = 0
    while index < CACHES_MAX and describe_cache(index).type != 0:
        name = numbered_name(text(b"index"), index, room)
        number = directory.number | index << CACHE_SHIFT
        directory.add_numbered_directory(name, fill_cache, number)
        index += 1


def fill_cache(directory: LazyDirectory) -> None:
    """Add what is known of one cache."""
    directory.add_numbered(text(b"type"), write_cache_type)
    directory.add_numbered(text(b"level"), write_cache_level)
    directory.add_numbered(text(b"size"), write_cache_size)
    directory.add_numbered(text(b"coherency_line_size"), write_cache_line)
    directory.add_numbered(text(b"ways_of_associativity"), write_cache_ways)
    directory.add_numbered(text(b"number_of_sets"), write_cache_sets)
    directory.add_numbered(text(b"physical_line_partition"), write_cache_partitions)
    directory.add_numbered(text(b"id"), write_cache_id)
    directory.add_numbered(text(b"shared_cpu_list"), write_cache_sharers)
    directory.add_numbered(text(b"shared_cpu_map"), write_cache_sharer_mask)


def write_online(number: u32, out: TextBuffer) -> None:
    """Write 1: every CPU that is present runs."""
    out.put(text(b"1\n"))


def write_number(number: u32, out: TextBuffer) -> None:
    """Write the CPU's number, which is also the list of it alone."""
    put_line(out, u64(number))


def write_own_mask(number: u32, out: TextBuffer) -> None:
    """Write the mask of the CPU alone."""
    processors.put_mask(out, u64(1) << number)
    out.put(text(b"\n"))


def write_cache_type(number: u32, out: TextBuffer) -> None:
    """Write what the cache holds."""
    match describe_cache(number >> CACHE_SHIFT).type:
        case 1:
            out.put(text(b"Data\n"))
        case 2:
            out.put(text(b"Instruction\n"))
        case _:
            out.put(text(b"Unified\n"))


def write_cache_level(number: u32, out: TextBuffer) -> None:
    """Write the level."""
    put_line(out, u64(describe_cache(number >> CACHE_SHIFT).level))


def write_cache_size(number: u32, out: TextBuffer) -> None:
    """Write the size in KiB."""
    out.put_decimal(describe_cache(number >> CACHE_SHIFT).size >> 10)
    out.put(text(b"K\n"))


def write_cache_line(number: u32, out: TextBuffer) -> None:
    """Write the bytes of a line."""
    put_line(out, describe_cache(number >> CACHE_SHIFT).line)


def write_cache_ways(number: u32, out: TextBuffer) -> None:
    """Write the associativity."""
    put_line(out, describe_cache(number >> CACHE_SHIFT).ways)


def write_cache_sets(number: u32, out: TextBuffer) -> None:
    """Write the number of sets."""
    put_line(out, describe_cache(number >> CACHE_SHIFT).sets)


def write_cache_partitions(number: u32, out: TextBuffer) -> None:
    """Write the lines that share a tag."""
    put_line(out, describe_cache(number >> CACHE_SHIFT).partitions)


def write_cache_id(number: u32, out: TextBuffer) -> None:
    """Write a number that only this cache of its level has."""
    own = number & ((1 << CACHE_SHIFT) - 1)
    put_line(out, u64(own // sharers_of(number)))


def write_cache_sharers(number: u32, out: TextBuffer) -> None:
    """Write the CPUs that share the cache."""
    processors.put_list(out, sharer_set(number))
    out.put(text(b"\n"))


def write_cache_sharer_mask(number: u32, out: TextBuffer) -> None:
    """Write the mask of those CPUs."""
    processors.put_mask(out, sharer_set(number))
    out.put(text(b"\n"))


def sharers_of(number: u32) -> u32:
    """Return how many CPUs share a cache."""
    return max(min(describe_cache(number >> CACHE_SHIFT).sharers, processors.count()), u32(1))


def sharer_set(number: u32) -> u64:
    """Return the CPUs that share a cache: neighbours, as APIC ids are given out."""
    sharers = sharers_of(number)
    first = (number & ((1 << CACHE_SHIFT) - 1)) // sharers * sharers
    members: u64 = 0
    for cpu in range(first, min(first + sharers, processors.count())):
        members |= u64(1) << cpu
    return members


def put_line(out: TextBuffer, value: u64) -> None:
    """Write a number and a line feed."""
    out.put_decimal(value)
    out.put(text(b"\n"))


def write_top_file(index: u32, out: TextBuffer) -> None:
    """Write a fixed file by its place in the table."""
    out.put(TOP_FILES[index].content)


def write_topology_file(index: u32, out: TextBuffer) -> None:
    """Write a fixed file by its place in the table."""
    out.put(TOPOLOGY_FILES[index].content)
