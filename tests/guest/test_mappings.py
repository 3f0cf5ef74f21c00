"""Mappings hold what a model says, and what is unmapped comes back as free memory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host
from tests.conftest import Run

LEAK_CHECK = """
import mmap, re
def free():
    return int(re.search(r"MemFree:\\s+(\\d+)", open("/proc/meminfo").read())[1])
def work():
    for size in (1, 3, 700, 5000):
        area = mmap.mmap(-1, size * 4096)
        for page in range(0, size, 2):
            area[page * 4096] = 1
        area.close()
    with open("/tmp/leak", "wb") as file:
        file.write(bytes(3 << 20))
        file.truncate(0)
left = []
for _ in range(4):
    for _ in range(8):
        work()
    left.append(free())
print(abs(left[-1] - left[-2]) < 40)
"""


@pytest.mark.guest
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_mappings(build_program: Callable[..., str], seed: int) -> None:
    program = build_program("guest/programs/mappings.c", "-static")
    found = run_in_guest([program, str(seed), "3000"], b"", ENVIRONMENT, ("-m", "64M"))
    assert found.output == b"right\n"
    assert found.status == 0


TAGGED_PAGES = 2048


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a file whose page n begins and ends with n + 1."""
    folder = tmp_path_factory.mktemp("tagged")
    with (folder / "pages").open("wb") as file:
        for number in range(1, TAGGED_PAGES + 1):
            tag = number.to_bytes(8, "little")
            file.write(tag + bytes(4080) + tag)
    return folder


@pytest.mark.guest
@pytest.mark.parametrize(("cpus", "memory", "root"), [("1", "32M", "initrd"), ("4", "36M", "disk")])
def test_hammer(
    build_program: Callable[..., str], tagged: Path, cpus: str, memory: str, root: str
) -> None:
    """Threads that do everything to their memory and files find what a model says."""
    program = build_program("guest/programs/hammer.c", "-static", "-pthread")
    switches = ("-m", memory, "-c", cpus, "--root", root, "-v", f"{tagged}:/data")
    found = run_in_guest([program, "1", "300", "4", "/data/pages"], b"", ENVIRONMENT, switches)
    assert found.output == b"right\n", found.errors[-3000:]
    assert found.status == 0


@pytest.mark.guest
def test_pages_move_without_a_free_frame(build_program: Callable[..., str], tagged: Path) -> None:
    """A table for them may be made of one of them."""
    program = build_program("guest/programs/moved_pages.c", "-static")
    switches = ("-m", "32M", "--root", "disk", "-v", f"{tagged}:/data")
    found = run_in_guest([program, "/data/pages"], b"", ENVIRONMENT, switches)
    assert found.output == b"wrong 0 failed 0 miscounted 0 short of memory 1\n", found.errors[
        -3000:
    ]


@pytest.mark.guest
def test_locked_pages_stay(build_program: Callable[..., str], tagged: Path) -> None:
    """Memory that is short takes pages of files and zeros back, but none that are locked."""
    program = build_program("guest/programs/kept_pages.c", "-static")
    switches = ("-m", "28M", "--root", "disk", "-v", f"{tagged}:/data")
    words = [program, "/data/pages", str(TAGGED_PAGES)]
    found = run_in_guest(words, b"", ENVIRONMENT, switches)
    assert found.output == b"locked 0 0\nkept 512 512\nwaited 1\n", found.errors[-3000:]


@pytest.mark.guest
def test_memory_comes_back() -> None:
    found = run_in_guest(["/usr/bin/python3", "-c", LEAK_CHECK], b"", ENVIRONMENT, ("-m", "128M"))
    assert found.output == b"True\n", found.errors.decode()[-2000:]


@pytest.mark.guest
@pytest.mark.parametrize("root", ["initrd", "disk"])
def test_image_pages_that_are_written(
    build_program: Callable[..., str], tmp_path: Path, root: str
) -> None:
    """Mappings of every kind see what another descriptor writes, but for private copies."""
    program = build_program("guest/programs/image_page.c", "-static")
    script = tmp_path / "script"  # the file of the image that is not busy: its interpreter is
    script.write_text(f"#!{program}\n" + "some text\n" * 1700)
    script.chmod(0o755)
    there = run_in_guest([str(script)], b"", ENVIRONMENT, ("--root", root))
    here = run_on_host([str(script)], b"", ENVIRONMENT)
    assert there.output.decode().splitlines() == here.output.decode().splitlines(), there.errors


@pytest.mark.guest
@pytest.mark.parametrize("root", ["initrd", "disk"])
def test_pages_that_are_changed_in_a_row(build_program: Callable[..., str], root: str) -> None:
    """Copies of a file's pages come in advance, hold what the file does, and end where it ends."""
    program = build_program("guest/programs/relocates.c", "-static")
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program, "count"], b"", ENVIRONMENT, ("--root", root))
    assert there.output == here.output + b"fewer faults than pages: 1\n"
    assert (there.status, there.errors) == (0, b"")


@pytest.mark.guest
def test_pages_of_a_large_file_that_are_changed(build_program: Callable[..., str]) -> None:
    """They are given away instead of copied, and read again for whoever reads the file."""
    program = build_program("guest/programs/relocates.c", "-static", "-DPADDING=6000000")
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program, "count"], b"", ENVIRONMENT, ("--root", "disk", "-m", "64M"))
    assert there.output == here.output + b"fewer faults than pages: 1\nno copies: 1\n"
    assert (there.status, there.errors) == (0, b"")


@pytest.mark.guest
def test_page_tables(run_krait: Run, build_program: Callable[..., str]) -> None:
    """They come and go with what they map, at a cost that the size of the hole does not change.

    Looking through the tables of the whole hole took 40,000 instructions.
    """
    program = build_program("guest/programs/page_tables.c", "-static")
    shown = run_krait("run", "--accel", "tcg", "-m", "64M", "--dry-run", "--json", "--", program)
    command = [*json.loads(shown.stdout), "-icount", "shift=0,sleep=off"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    lines = done.stdout.decode().splitlines()
    spent = {}
    for line in lines[:4]:
        name, _, rest = line.partition(": ")
        kept, _, instructions = rest.rpartition(", ")
        spent[name] = (kept, int(instructions))
    assert {name: kept for name, (kept, _) in spent.items()} == {
        "beside": "0 tables, 0 left",
        "2 MiB": "4 tables, 0 left",
        "1 GiB": "5 tables, 0 left",
        "512 GiB": "6 tables, 0 left",
    }
    table = 2500  # to clear, enter, take out and free one
    for name, tables in (("2 MiB", 4), ("1 GiB", 5), ("512 GiB", 6)):
        assert spent[name][1] < spent["beside"][1] + tables * table, spent
    assert lines[4:] == ["neighbours: 4, 3, 0", "neighbours: 4, 3, 0"]
