"""The escape key, and machines on a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable

import pytest

from krait.machine import trial
from krait.machine.terminal import Escape
from tests.conftest import MAIN


@pytest.mark.parametrize(
    ("typed", "passed", "quits"),
    [
        ([b"abc"], b"abc", False),
        ([b"\x03"], b"\x03", False),
        ([b"a\x01x"], b"a", True),
        ([b"\x01", b"X"], b"", True),
        ([b"\x01\x01"], b"\x01", False),
        ([b"\x01b"], b"\x01b", False),
        ([b"\x01\x01x"], b"\x01x", False),
    ],
)
def test_escape(typed: list[bytes], passed: bytes, *, quits: bool) -> None:
    escape = Escape()
    got = [escape.filter(part) for part in typed]
    assert b"".join(part for part, _ in got) == passed
    assert any(quit_now for _, quit_now in got) == quits


def test_quit_restores_the_terminal(trial_kernel: Callable[[bytes], str], empty_image: str) -> None:
    kernel = trial_kernel(trial.spin())
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-I", str(MAIN), "run", "--accel", "tcg"]
    command += ["--kernel", kernel, "--image", empty_image, "--", "/x"]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 10
        while termios.tcgetattr(theirs)[3] & termios.ICANON:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.write(ours, b"\x01x")
        assert process.wait(10) == 143
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
