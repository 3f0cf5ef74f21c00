"""/proc/cpuinfo: what CPUID says of each CPU, under Linux's names."""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.cpu import cpuid
from krait.kernel.fs import processors
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Text, text, u8, u32, u64
from krait.kernel.sched import clock

EXTENDED: Final = 0x80000000


class Feature(NamedTuple):
    """One word of `flags`."""

    leaf: u32
    register: u32  # 0: eax, 1: ebx, 2: ecx, 3: edx
    bit: u32
    name: Text


def features(leaf: int, register: int, names: str) -> list[Feature]:
    """Make a table at build time; `names` are `BIT:NAME`."""
    pairs = [name.split(":") for name in names.split()]
    return [
        Feature(u32(leaf), u32(register), u32(int(bit)), text(b" " + name.encode()))
        for bit, name in pairs
    ]


# Names: arch/x86/include/asm/cpufeatures.h; what ring 0 takes from programs is left out.
FEATURES: Final[list[Feature]] = [
    *features(
        1,
        3,
        "0:fpu 1:vme 2:de 3:pse 4:tsc 5:msr 6:pae 7:mce 8:cx8 9:apic 11:sep 12:mtrr 13:pge 14:mca"
        " 15:cmov 16:pat 17:pse36 19:clflush 23:mmx 24:fxsr 25:sse 26:sse2 27:ss 28:ht",
    ),
    *features(0x80000001, 3, "11:syscall 20:nx 22:mmxext 25:fxsr_opt 26:pdpe1gb 27:rdtscp 29:lm"),
    *features(
        1,
        2,
        "0:pni 1:pclmulqdq 3:monitor 9:ssse3 12:fma 13:cx16 17:pcid 19:sse4_1 20:sse4_2 21:x2apic"
        " 22:movbe 23:popcnt 24:tsc_deadline_timer 25:aes 26:xsave 28:avx 29:f16c 30:rdrand"
        " 31:hypervisor",
    ),
    *features(
        0x80000001,
        2,
        "0:lahf_lm 1:cmp_legacy 4:cr8_legacy 5:abm 6:sse4a 7:misalignsse 8:3dnowprefetch 11:xop"
        " 16:fma4 21:tbm",
    ),
    *features(6, 0, "2:arat"),
    *features(
        7,
        1,
        "3:bmi1 4:hle 5:avx2 8:bmi2 9:erms 10:invpcid 11:rtm 16:avx512f 17:avx512dq 18:rdseed"
        " 19:adx 21:avx512ifma 23:clflushopt 24:clwb 28:avx512cd 29:sha_ni 30:avx512bw"
        " 31:avx512vl",
    ),
    *features(
        7,
        2,
        "1:avx512vbmi 6:avx512_vbmi2 8:gfni 9:vaes 10:vpclmulqdq 11:avx512_vnni"
        " 12:avx512_bitalg 14:avx512_vpopcntdq 22:rdpid",
    ),
    *features(7, 3, "4:fsrm 8:avx512_vp2intersect 14:serialize"),
]


def write_cpuinfo(out: TextBuffer) -> None:
    """Write a paragraph a CPU."""
    for cpu in range(processors.count()):
        write_cpu(out, cpu)


def write_cpu(out: TextBuffer, cpu: u32) -> None:
    """Write one CPU's paragraph."""
    vendor = cpuid(u32(0), u32(0))
    version = cpuid(u32(1), u32(0))
    put_number(out, text(b"processor\t: "), u64(cpu))
    out.put(text(b"vendor_id\t: "))
    put_register_text(out, vendor.ebx)
    put_register_text(out, vendor.edx)
    put_register_text(out, vendor.ecx)
    put_number(out, text(b"\ncpu family\t: "), u64(family_of(version.eax)))
    put_number(out, text(b"model\t\t: "), u64(model_of(version.eax)))
    out.put(text(b"model name\t: "))
    put_brand(out)
    put_number(out, text(b"\nstepping\t: "), u64(version.eax & 0xF))
    put_speed(out)
    put_cache(out)
    put_number(out, text(b"physical id\t: "), u64(0))
    put_number(out, text(b"siblings\t: "), u64(processors.count()))
    put_number(out, text(b"core id\t\t: "), u64(cpu))
    put_number(out, text(b"cpu cores\t: "), u64(processors.count()))
    put_number(out, text(b"apicid\t\t: "), u64(cpu))
    put_number(out, text(b"initial apicid\t: "), u64(cpu))
    out.put(text(b"fpu\t\t: yes\nfpu_exception\t: yes\n"))
    put_number(out, text(b"cpuid level\t: "), u64(vendor.eax))
    out.put(text(b"wp\t\t: yes\nflags\t\t:"))
    put_flags(out, vendor.eax)
    out.put(text(b"\nbugs\t\t:\n"))
    line = u64(version.ebx >> 8 & 0xFF) * 8
    put_number(out, text(b"clflush size\t: "), line)
    put_number(out, text(b"cache_alignment\t: "), line)
    put_address_sizes(out)
    out.put(text(b"power management:\n\n"))


def family_of(signature: u32) -> u32:
    """Return the family, the extended part included (Intel SDM volume 2, CPUID, figure 3-6)."""
    family = (signature >> 8) & 0xF
    return family + ((signature >> 20) & 0xFF) if family == 0xF else family


def model_of(signature: u32) -> u32:
    """Return the model."""
    model = (signature >> 4) & 0xF
    if (signature >> 8) & 0xF in (6, 15):
        model += ((signature >> 16) & 0xF) << 4
    return model


def put_number(out: TextBuffer, label: Text, value: u64) -> None:
    """Write a line."""
    out.put(label)
    out.put_decimal(value)
    out.put(text(b"\n"))


def put_register_text(out: TextBuffer, register: u32) -> None:
    """Write the four characters in a register, leaving out zeros."""
    rest = register
    for _index in range(4):
        byte = u8.truncate(rest)
        if byte != 0:
            out.put_byte(byte)
        rest >>= 8


def put_brand(out: TextBuffer) -> None:
    """Write the brand string, leaves 0x80000002 to 4."""
    if cpuid(u32(EXTENDED), u32(0)).eax < 0x80000004:
        out.put(text(b"unknown"))
        return
    for leaf in range(u32(0x80000002), u32(0x80000005)):
        part = cpuid(leaf, u32(0))
        put_register_text(out, part.eax)
        put_register_text(out, part.ebx)
        put_register_text(out, part.ecx)
        put_register_text(out, part.edx)


def put_speed(out: TextBuffer) -> None:
    """Write the rate of the time stamp counter, once it is known."""
    hz = clock.tick_rate_hz()
    if hz == 0:
        return
    out.put(text(b"cpu MHz\t\t: "))
    out.put_decimal(hz // 1_000_000)
    out.put(text(b"."))
    out.put_zero_padded(hz // 1000 % 1000, u64(3))
    out.put(text(b"\n"))


def put_cache(out: TextBuffer) -> None:
    """Write the size of the second-level cache (leaf 0x80000006)."""
    if cpuid(u32(EXTENDED), u32(0)).eax < 0x80000006:
        return
    kib = cpuid(u32(0x80000006), u32(0)).ecx >> 16
    if kib != 0:
        out.put(text(b"cache size\t: "))
        out.put_decimal(u64(kib))
        out.put(text(b" KB\n"))


def put_flags(out: TextBuffer, highest: u32) -> None:
    """Write the features that the CPU has."""
    highest_extended = cpuid(u32(EXTENDED), u32(0)).eax
    for index in range(u64(len(FEATURES))):
        feature = FEATURES[index]
        limit = highest_extended if feature.leaf >= EXTENDED else highest
        if feature.leaf <= limit and has_bit(feature):
            out.put(feature.name)


def has_bit(feature: Feature) -> bool:
    """Tell whether the CPU has a feature."""
    answer = cpuid(feature.leaf, u32(0))
    value = answer.edx
    match feature.register:
        case 0:
            value = answer.eax
        case 1:
            value = answer.ebx
        case 2:
            value = answer.ecx
        case _:
            pass
    return value >> feature.bit & 1 != 0


def put_address_sizes(out: TextBuffer) -> None:
    """Write the bits of addresses (leaf 0x80000008)."""
    physical: u32 = 36
    virtual: u32 = 48
    if cpuid(u32(EXTENDED), u32(0)).eax >= 0x80000008:
        sizes = cpuid(u32(0x80000008), u32(0)).eax
        physical = sizes & 0xFF
        virtual = sizes >> 8 & 0xFF
    out.put(text(b"address sizes\t: "))
    out.put_decimal(u64(physical))
    out.put(text(b" bits physical, "))
    out.put_decimal(u64(virtual))
    out.put(text(b" bits virtual\n"))
