"""Shared libraries are found where ld.so finds them, and all missing ones are named at once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from krait.image.elf import read_elf
from krait.image.errors import ImageError
from krait.image.library_search import LibrarySearch, parse_cache
from krait.image.manifest import Manifest


def libraries(program: Path | str, **environment: str) -> set[str]:
    search = LibrarySearch(Manifest(), environment, "/")
    search.add_program(str(program), read_elf(str(program)))
    return set(search.loaded)


def listed(program: Path | str, **environment: str) -> set[str]:
    """What ld.so itself loads."""
    text = subprocess.run(
        ["/lib64/ld-linux-x86-64.so.2", "--list", str(program)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = [word for line in text.splitlines() for word in line.split() if word.startswith("/")]
    return {os.path.realpath(path) for path in paths}


class Workshop:
    """Makes libraries and programs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def library(self, place: str, name: str, *flags: str) -> Path:
        (self.folder / place).mkdir(parents=True, exist_ok=True)
        self.count += 1
        source = self.folder / f"lib{self.count}.c"
        source.write_text(f"int {name}_number(void) {{ return {self.count}; }}")
        made = self.folder / place / f"lib{name}.so"
        soname = f"-Wl,-soname,lib{name}.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", soname, "-Wl,--no-as-needed", source, "-o", made, *flags],
            check=True,
        )
        return made

    def program(self, *flags: str) -> Path:
        (self.folder / "main.c").write_text("int main(void) { return 0; }")
        made = self.folder / "program"
        subprocess.run(
            ["gcc", "-Wl,--no-as-needed", self.folder / "main.c", "-o", made, *flags], check=True
        )
        return made


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


OLD, NEW = "-Wl,--disable-new-dtags", "-Wl,--enable-new-dtags"


@pytest.mark.parametrize("program", ["ls", "bash", "perl", "gdb", "gcc", "find", "sort", "grep"])
def test_programs_of_the_host_need_what_ld_so_lists(program: str) -> None:
    path = shutil.which(program, path="/usr/bin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    # Folders for newer processors are an optimisation that the closure leaves out.
    expected = {place for place in listed(path) if "glibc-hwcaps" not in place}
    own = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    assert libraries(path) - {own} == expected - {own}


@pytest.mark.parametrize(("dtags", "found_in"), [(OLD, "first"), (NEW, "second")])
def test_rpath_comes_before_the_variable_and_runpath_after(
    workshop: Workshop, dtags: str, found_in: str
) -> None:
    first = workshop.library("first", "k")
    workshop.library("second", "k")
    program = workshop.program(str(first), dtags, f"-Wl,-rpath,{workshop.folder}/first")
    variables = {"LD_LIBRARY_PATH": f"{workshop.folder}/second"}
    expected = str(workshop.folder / found_in / "libk.so")
    assert expected in libraries(program, **variables)
    assert libraries(program, **variables) >= {
        p for p in listed(program, **variables) if "k.so" in p
    }


def test_rpath_serves_what_the_library_needs_but_runpath_does_not(workshop: Workshop) -> None:
    inner = workshop.library("lib", "inner")
    outer = workshop.library("lib", "outer", str(inner))
    folder = f"-Wl,-rpath,{workshop.folder}/lib"
    link = f"-Wl,-rpath-link,{workshop.folder}/lib"
    assert str(inner) in libraries(workshop.program(str(outer), OLD, folder, link))
    with pytest.raises(ImageError) as caught:
        libraries(workshop.program(str(outer), NEW, folder, link))
    expected = f"{workshop.folder}/program: missing shared library: libinner.so (needed by {outer})"
    assert caught.value.message == expected
    assert caught.value.status == 127


def test_origin_is_the_folder_of_the_object(workshop: Workshop) -> None:
    library = workshop.library("lib/deep", "k")
    program = workshop.program(str(library), NEW, "-Wl,-rpath,$ORIGIN/lib/deep")
    assert str(library) in libraries(program)
    assert str(library) in libraries(
        workshop.program(str(library), NEW, "-Wl,-rpath,${ORIGIN}/lib/deep")
    )


def test_a_library_of_another_architecture_is_passed_over(workshop: Workshop) -> None:
    workshop.library("wrong", "k")
    right = workshop.library("right", "k")
    wrong = workshop.folder / "wrong" / "libk.so"
    data = bytearray(wrong.read_bytes())
    data[18] = 183  # AArch64
    wrong.write_bytes(bytes(data))
    program = workshop.program(str(right), NEW)
    path = f"{workshop.folder}/wrong:{workshop.folder}/right"
    assert str(right) in libraries(program, LD_LIBRARY_PATH=path)


def test_all_missing_libraries_are_named_at_once(workshop: Workshop) -> None:
    made = [workshop.library("lib", name) for name in ("one", "two")]
    program = workshop.program(*map(str, made))
    for path in made:
        path.unlink()
    with pytest.raises(ImageError) as caught:
        libraries(program)
    assert caught.value.message == (
        f"{program}: missing shared libraries: "
        f"libone.so (needed by {program}), libtwo.so (needed by {program})"
    )


def test_a_missing_linker_is_named(workshop: Workshop) -> None:
    program = workshop.program("-Wl,--dynamic-linker=/lib/ld-none.so.9")
    with pytest.raises(ImageError, match=r"program: its dynamic linker /lib/ld-none.so.9 is miss"):
        libraries(program)


def test_links_of_the_host_stay_links() -> None:
    manifest = Manifest()
    search = LibrarySearch(manifest, {}, "/")
    search.add_program("/usr/bin/ls", read_elf("/usr/bin/ls"))
    for path in ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"):
        real = manifest.resolve(path)
        assert real == os.path.realpath(path)
        assert manifest.entries[real].is_file


def test_a_musl_program_needs_only_its_linker(tmp_path: Path) -> None:
    if shutil.which("musl-gcc") is None:
        pytest.skip("musl-gcc is not installed")
    (tmp_path / "m.c").write_text("int main(void) { return 0; }")
    subprocess.run(["musl-gcc", "-o", tmp_path / "m", tmp_path / "m.c"], check=True)
    assert libraries(tmp_path / "m") == set()


@pytest.mark.parametrize("dtags", [OLD, NEW])
def test_musl_takes_both_kinds_of_run_path(tmp_path: Path, dtags: str) -> None:
    if shutil.which("musl-gcc") is None:
        pytest.skip("musl-gcc is not installed")
    (tmp_path / "l.c").write_text("int f(void) { return 0; }")
    (tmp_path / "m.c").write_text("int f(void); int main(void) { return f(); }")
    inner, outer, program = (tmp_path / name for name in ("libinner.so", "libouter.so", "m"))
    build = ["musl-gcc", "-Wl,--no-as-needed", dtags, f"-Wl,-rpath-link,{tmp_path}"]
    subprocess.run(
        [*build, "-shared", "-Wl,-soname,libinner.so", "-o", inner, tmp_path / "l.c"], check=True
    )
    library = ["-shared", "-Wl,-soname,libouter.so", "-o", outer, tmp_path / "l.c", inner]
    subprocess.run([*build, *library], check=True)
    path = ["-Wl,-rpath,$ORIGIN", "-o", program, tmp_path / "m.c", outer]
    subprocess.run([*build, *path], check=True)
    assert subprocess.run([program], check=False).returncode == 0
    assert libraries(program) == {str(inner), str(outer)}


@pytest.mark.parametrize("damage", [b"", b"glibc-ld.so.cache1.1", b"\xff" * 4000])
def test_a_damaged_cache_is_an_empty_one(damage: bytes) -> None:
    assert parse_cache(damage) == {}


def test_the_cache_is_read_as_ldconfig_prints_it() -> None:
    ldconfig = shutil.which("ldconfig", path="/sbin:/usr/sbin")
    if ldconfig is None or not os.path.exists("/etc/ld.so.cache"):
        pytest.skip("no cache here")
    text = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in text.splitlines() if "=>" in line and "x86-64" in line]
    expected = {(words[0], words[-1]) for words in lines}
    found = parse_cache(Path("/etc/ld.so.cache").read_bytes())
    assert {(name, path) for name, paths in found.items() for path in paths} == expected
