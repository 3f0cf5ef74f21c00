"""What a disk cannot read is missing where it is, and nowhere else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run

PAGES = 200
BAD = 100


def page(number: int) -> bytes:
    """Make a page that begins and ends with its number and one."""
    tag = (number + 1).to_bytes(8, "little")
    return tag + bytes(4080) + tag


@pytest.mark.guest
@pytest.mark.parametrize("entries", [256, 8])
def test_a_bad_sector_costs_one_page(
    run_krait: Run, build_program: Callable[..., str], tmp_path: Path, entries: int
) -> None:
    """One sector fails a request of many pages, of which the others are read again.

    A queue may be too short for so many pieces.
    """
    program = build_program("guest/programs/bad_sector.c", "-static")
    (tmp_path / "pages").write_bytes(b"".join(page(number) for number in range(PAGES)))
    switches = ("--accel", "tcg", "-m", "64M", "--root", "disk", "-v", f"{tmp_path}:/data")
    words = (program, "/data/pages", str(PAGES), str(BAD))
    shown = run_krait("run", *switches, "--dry-run", "--json", "--", *words)
    command = json.loads(shown.stdout)
    place = next(at for at, word in enumerate(command) if "node-name=image" in word)
    image = command[place].partition("filename=")[2].partition(",")[0]
    sector = Path(image).read_bytes().index(page(BAD)) // 512
    whole = f"driver=file,node-name=whole,filename={image},read-only=on,locking=off"
    failing = "driver=blkdebug,node-name=image,image=whole,read-only=on"
    for name, value in {"event": "none", "iotype": "read", "errno": 5, "sector": sector}.items():
        failing += f",inject-error.0.{name}={value}"
    command[place : place + 1] = [whole, "-blockdev", failing]
    device = command.index("virtio-blk-device,drive=image")
    command[device] += f",rerror=report,queue-size={entries}"
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert done.stdout.decode().splitlines() == [
        f"page {BAD}: signal 7",
        "wrong: 0",
        f"page {BAD}: EIO",
        "pread(file, buffer, sizeof buffer, (bad - 8) * PAGE): 32768",
    ]
