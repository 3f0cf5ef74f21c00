"""ELF files: what is read from sound ones, and one clear line for every unsound one."""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krait.image import elf
from krait.image.elf import parse_elf, read_elf
from krait.image.errors import ImageError
from krait.image.hlt_sites import find_hlt_sites

PROGRAM = """
#include <stdio.h>
int main(int argc, char **argv) { if (argc > 5) __asm__("hlt"); return puts("hello") < 0; }
"""


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compiled(tmp_path_factory.mktemp("elf"), "gcc").read_bytes()


def compiled(folder: Path, compiler: str, *flags: str) -> Path:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    (folder / "hello.c").write_text(PROGRAM)
    made = folder / f"hello{len(list(folder.iterdir()))}"
    subprocess.run([compiler, *flags, "-o", made, folder / "hello.c"], check=True)
    return made


def patched(data: bytes, at: int, layout: str, *values: int) -> bytes:
    made = bytearray(data)
    struct.pack_into(layout, made, at, *values)
    return bytes(made)


def test_a_dynamic_program_is_read(dynamic: bytes) -> None:
    found = parse_elf(dynamic, "hello")
    assert found.type == elf.TYPE_SHARED
    assert found.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert found.needed == ("libc.so.6",)
    assert found.mentions(b"puts")
    assert not found.mentions(b"put")
    assert found.flags_1 & elf.DF_1_PIE
    assert found.memory_size > 1000


@pytest.mark.parametrize("flags", [("-static",), ("-static-pie",)])
def test_a_static_program_needs_nothing(tmp_path: Path, flags: tuple[str, ...]) -> None:
    found = read_elf(str(compiled(tmp_path, "gcc", *flags)))
    assert found.interpreter is None
    assert found.needed == ()


def test_run_paths_are_read(tmp_path: Path) -> None:
    old = compiled(tmp_path, "gcc", "-Wl,--disable-new-dtags,-rpath,/a:$ORIGIN/b")
    new = compiled(tmp_path, "gcc", "-Wl,--enable-new-dtags,-rpath,/a")
    assert read_elf(str(old)).rpath == ("/a", "$ORIGIN/b")
    assert read_elf(str(new)).runpath == ("/a",)


BAD_HEADERS = [
    (4, "<B", 1, "hello: a 32-bit x32 program; Krait runs 64-bit x86-64 programs"),
    (5, "<B", 2, "hello: a big-endian program; Krait runs 64-bit x86-64 programs"),
    (18, "<H", 183, "hello: a program for AArch64; Krait runs x86-64 programs"),
    (18, "<H", 999, "hello: a program for machine 999; Krait runs x86-64 programs"),
    (16, "<H", 1, "hello: a relocatable object file, not a program"),
    (16, "<H", 4, "hello: a core dump, not a program"),
    (16, "<H", 77, "hello: an ELF file of unknown type 77, not a program"),
    (54, "<H", 32, "hello: corrupt ELF file: program headers of 32 bytes"),
    (56, "<H", 0, "hello: corrupt ELF file: 0 program headers"),
    (32, "<Q", 1 << 60, "hello: truncated ELF file: the program headers lie behind its end"),
]


@pytest.mark.parametrize(("at", "layout", "value", "message"), BAD_HEADERS)
def test_a_bad_header_is_named(
    dynamic: bytes, at: int, layout: str, value: int, message: str
) -> None:
    with pytest.raises(ImageError) as caught:
        parse_elf(patched(dynamic, at, layout, value), "hello")
    assert caught.value.message == message
    assert caught.value.status == 126


def test_a_32_bit_arm_program_is_named(dynamic: bytes) -> None:
    data = patched(patched(dynamic, 4, "<B", 1), 18, "<H", 40)
    with pytest.raises(ImageError, match="hello: a 32-bit ARM program; Krait runs 64-bit x86-64"):
        parse_elf(data, "hello")


@pytest.mark.parametrize("length", [4, 63, 64, 300, 2000, 9000])
def test_a_truncated_file_is_called_so(dynamic: bytes, length: int) -> None:
    with pytest.raises(ImageError, match=r"^hello: truncated ELF file: "):
        parse_elf(dynamic[:length], "hello")


def test_what_is_no_elf_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ImageError, match="empty: not an ELF program"):
        read_elf(str(tmp_path / "empty"))
    with pytest.raises(ImageError, match="none: no such file or directory"):
        read_elf(str(tmp_path / "none"))


def load_segment(data: bytes, index: int = 0) -> int:
    """Where the program header of a PT_LOAD is."""
    (at,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    places = [at + n * 56 for n in range(count)]
    return [p for p in places if struct.unpack_from("<I", data, p)[0] == elf.PT_LOAD][index]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (32, 1 << 40, "truncated ELF file"),
        (40, 1, "a segment is larger in the file than in memory"),
        (40, 1 << 63, "a segment lies outside the address space"),
        (16, 0x7FFF_FFFF_F000, "a segment lies outside the address space"),
        (16, 123, "a segment is not aligned to a page"),
        (48, 3, "alignment 3 is no power of two"),
        (16, 0x100000, "its segments overlap or are not in order"),
    ],
)
def test_a_corrupt_segment_is_named(dynamic: bytes, field: int, value: int, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        parse_elf(patched(dynamic, load_segment(dynamic) + field, "<Q", value), "hello")


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_no_damage_surprises_the_parser(dynamic: bytes, data: st.DataObject) -> None:
    made = bytearray(dynamic)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.one_of(st.integers(0, 1000), st.integers(0, len(made) - 1)))
        made[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, at & 0xFF]))
    kept = data.draw(st.one_of(st.just(len(made)), st.integers(0, len(made))))
    with contextlib.suppress(ImageError):
        parse_elf(bytes(made[:kept]), "hello")


@given(st.binary(max_size=400))
def test_no_bytes_surprise_the_parser(tail: bytes) -> None:
    with contextlib.suppress(ImageError):
        parse_elf(b"\x7fELF" + tail, "hello")


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [("gcc", ()), ("gcc", ("-static",)), ("musl-gcc", ("-static",)), ("musl-gcc", ())],
)
def test_hlt_sites_are_those_of_objdump(
    tmp_path: Path, compiler: str, flags: tuple[str, ...]
) -> None:
    program = str(compiled(tmp_path, compiler, *flags))
    found = read_elf(program)
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", program], capture_output=True, text=True, check=True
    ).stdout
    addresses = [
        int(line.split(":")[0], 16) for line in text.splitlines() if line.endswith("\thlt")
    ]
    offsets = [elf.file_offset(found, address) for address in addresses]
    assert addresses
    assert find_hlt_sites(program, found) == sorted(set(filter(None, offsets)))


def test_data_between_functions_are_no_hlt_sites(tmp_path: Path) -> None:
    """Some compilers put tables there (GHC before each function); they must stay as they are."""
    source = tmp_path / "tables.s"
    source.write_text(
        """
        .globl _start
_start: .cfi_startproc
        mov table(%rip), %rdi
        hlt
        .cfi_endproc
        .quad 0xf4, 0x1500000000
table:  .quad 0xf400000015, 0xf4f4
enter:  mov table(%rip), %rdi
        jmp *%rdi
        """
    )
    program = str(tmp_path / "tables")
    command = ["gcc", "-nostdlib", "-static", "-Wl,--eh-frame-hdr", "-o", program, source]
    subprocess.run(command, check=True)
    start = elf.file_offset(parse_elf(Path(program).read_bytes(), program), entry_of(program))
    assert start is not None
    assert find_hlt_sites(program, read_elf(program)) == [start + 8 - 1]


def entry_of(path: str) -> int:
    (address,) = struct.unpack_from("<Q", Path(path).read_bytes(), 24)
    return int(address)
