"""Assembly and Python agree on constants, and the vDSO is what the C libraries expect."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from krait.kernel.arch.x86_64 import layout
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.lang import offset_of, size_of

ARCH = Path(layout.__file__).parent


def header() -> dict[str, int]:
    found = re.findall(r"^#define (\w+) (0x[0-9a-f]+|\d+)\b", (ARCH / "layout.h").read_text(), re.M)
    return {name: int(value, 0) for name, value in found}


def test_constants_agree() -> None:
    constants = header()
    shared = set(constants) & set(vars(layout))
    assert {"KERNEL_BASE", "FRAME_SIZE", "CODE_SELECTOR", "IST_AREA_SIZE"} <= shared
    for name in shared:
        assert constants[name] == getattr(layout, name), name


def test_frame_offsets_agree() -> None:
    names = {"original_rax": "orig_rax", "error": "error_code", "size": None}
    for name, offset in header().items():
        if not name.startswith("FRAME_"):
            continue
        field = names.get(name[6:].lower(), name[6:].lower())
        assert offset == (size_of(TrapFrame) if field is None else offset_of(TrapFrame, field))


def elf_hash(name: bytes) -> int:
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value


@pytest.fixture(scope="module")
def vdso(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None or shutil.which("objcopy") is None:
        pytest.skip("needs gcc and binutils")
    folder = tmp_path_factory.mktemp("vdso")
    subprocess.run([compiler, "-c", ARCH / "vdso.S", "-o", folder / "vdso.o"], check=True)
    subprocess.run(
        ["objcopy", "-O", "binary", "-j", ".krait.vdso", folder / "vdso.o", folder / "vdso.so"],
        check=True,
    )
    return (folder / "vdso.so").read_bytes()


def test_vdso_symbols(vdso: bytes) -> None:
    assert len(vdso) == 4096
    header_place, count = (
        struct.unpack_from("<Q", vdso, 32)[0],
        struct.unpack_from("<H", vdso, 56)[0],
    )
    headers = [struct.unpack_from("<IIQQQQQQ", vdso, header_place + 56 * n) for n in range(count)]
    dynamic = next(h for h in headers if h[0] == 2)
    tags = dict(struct.iter_unpack("<QQ", vdso[dynamic[2] : dynamic[2] + dynamic[5]]))
    strings, symbols = tags[5], tags[6]

    def name(offset: int) -> bytes:
        return vdso[strings + offset : vdso.index(b"\0", strings + offset)]

    buckets, chains = struct.unpack_from("<II", vdso, tags[4])
    assert buckets == 1
    number = struct.unpack_from("<I", vdso, tags[4] + 8)[0]
    names = set()
    seen = 0
    while number:
        entry = struct.unpack_from("<IBBHQQ", vdso, symbols + 24 * number)
        names.add(name(entry[0]))
        assert entry[4] + entry[5] <= len(vdso)
        assert struct.unpack_from("<H", vdso, tags[0x6FFFFFF0] + 2 * number)[0] == 2
        number = struct.unpack_from("<I", vdso, tags[4] + 12 + 4 * number)[0]
        seen += 1
    assert seen == chains - 1
    assert {
        b"__vdso_clock_gettime",
        b"__vdso_gettimeofday",
        b"__vdso_time",
        b"__vdso_getcpu",
    } <= names
    place = tags[0x6FFFFFFC]
    versions = {}
    for _ in range(tags[0x6FFFFFFD]):
        _, _, index, _, hashed, auxiliary, following = struct.unpack_from("<HHHHIII", vdso, place)
        text = name(struct.unpack_from("<I", vdso, place + auxiliary)[0])
        assert hashed == elf_hash(text)
        versions[index] = text
        place += following
    assert versions[2] == b"LINUX_2.6"


def test_system_call_table_is_as_the_entry_code_expects() -> None:
    from krait.kernel.lang import SyscallEntry
    from krait.kernel.linux import numbers

    constants = header()
    assert constants["SYSTEM_CALLS"] == numbers.LIMIT
    assert list(SyscallEntry.__annotations__) == ["name", "function", "flags"]
    assert constants["SYSTEM_CALL_FUNCTION"] == 16
    assert 1 << constants["SYSTEM_CALL_SHIFT"] == 32
