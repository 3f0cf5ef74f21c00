"""An emulator translates each block of code once.

QEMU keeps a translation under the address and what of the CPU's state it depends on, so code that
runs in two states is translated twice, and that costs a start more than running it.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.guest

UPPER_HALF = 1 << 63
AGAIN_MOST = 100
"""One kernel block in so many may be translated twice: by an interrupt, on its first page."""


def test_blocks_are_translated_once(
    run_krait: Run, build_program: Callable[..., str], tmp_path: Path
) -> None:
    hello = build_program("apps/programs/hello.c", "-static")
    shown = run_krait("run", "--accel", "tcg", "-m", "64M", "--dry-run", "--json", "--", hello)
    log = tmp_path / "blocks"
    command = [*json.loads(shown.stdout), "-d", "in_asm", "-D", str(log)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert done.stdout.startswith(b"hello")
    times = Counter(address for address in first_addresses(log) if address >= UPPER_HALF)
    again = {hex(address): count for address, count in times.items() if count > 1}
    assert len(times) > 1000
    assert len(again) <= len(times) // AGAIN_MOST, again


def first_addresses(log: Path) -> list[int]:
    """List where each translated block begins: the line behind `IN:`."""
    lines = log.read_text(errors="replace").splitlines()
    return [
        int(line.partition(":")[0], 16)
        for before, line in zip(lines, lines[1:], strict=False)
        if before.startswith("IN:") and line.startswith("0x")
    ]
