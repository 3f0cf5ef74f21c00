"""A damaged image ends the run with one line and status 125, whichever byte it is."""

from __future__ import annotations

import random
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from krait.image.prepare import prepare_image
from krait.image.rofs_reader import RofsReader
from krait.kernel.fs.rofs.layout import PAGE_SIZE
from tests.conftest import Run

pytestmark = pytest.mark.guest

PROGRAM = """
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
static char buffer[1 << 20];
int main(void) {
    long length = read(open("data", O_RDONLY), buffer, sizeof buffer);
    if (length < 0) { perror("read"); return 3; }
    printf("%ld\\n", length);
    return 0;
}
"""
FLIPS = 12
Ending = Callable[[int | None], tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("damaged")
    (made / "m.c").write_text(PROGRAM)
    (made / "data").write_bytes(random.Random(1).randbytes(100_000))
    compiler = shutil.which("musl-gcc") or "gcc"
    subprocess.run([compiler, "-static", "-o", made / "m", made / "m.c"], check=True)
    volume = f"{made}:{made}"
    image = prepare_image(str(made / "m"), [], volumes=[volume], cache_folder=str(made / "cache"))
    shutil.copy(image.path, made / "image")
    return made


@pytest.fixture(params=["initrd", "disk"])
def ending(request: pytest.FixtureRequest, run_krait: Run, folder: Path) -> Ending:
    """Run the program with one byte of its image flipped."""

    def run(at: int | None) -> tuple[int, str, str]:
        data = bytearray((folder / "image").read_bytes())
        if at is not None:
            data[at] ^= 0x10
        (folder / "flipped").write_bytes(data)
        options = ["--root", request.param, "--workdir", str(folder)]
        given = ["--image", str(folder / "flipped"), "--", str(folder / "m")]
        done = run_krait("run", *options, *given, timeout=300)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_whole_image_runs(ending: Ending) -> None:
    assert ending(None) == (0, "100000\n", "")


def test_a_damaged_superblock_is_named(ending: Ending) -> None:
    for at in (0, 9, 3000, PAGE_SIZE - 1):
        status, output, message = ending(at)
        assert (status, output) == (125, "")
        assert message.startswith("krait: the image is corrupt: ")
        assert message.count("\n") == 1


def test_a_damaged_file_is_named(ending: Ending, folder: Path) -> None:
    reader = RofsReader((folder / "image").read_bytes())
    name = str(folder / "data")
    inode = next(listed.inode for listed in reader.walk() if listed.path == name)
    status, output, message = ending((inode.first + 7) * PAGE_SIZE + 5)
    assert (status, output) == (125, "")
    assert f"corrupt: {name}: page {inode.first + 7} " in message


def test_any_flipped_byte_is_noticed_or_unused(ending: Ending, folder: Path) -> None:
    size = (folder / "image").stat().st_size
    places = random.Random(2).sample(range(size), FLIPS)
    for at in places:
        status, output, message = ending(at)
        if status == 0:  # the run did not need that page
            assert output == "100000\n"
        else:
            assert status == 125, (at, message)
            assert message.startswith("krait: the image is corrupt: "), (at, message)


def test_the_image_holds_what_the_host_had(folder: Path) -> None:
    reader = RofsReader((folder / "image").read_bytes())
    modes = {listed.path: listed.inode.mode for listed in reader.walk()}
    assert stat.S_ISREG(modes[str(folder / "data")])
    assert reader.read(str(folder / "data")) == (folder / "data").read_bytes()
