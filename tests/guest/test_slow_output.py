"""What ends waiting for a terminal and for a slow reader of output, on the host and in a guest."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.conftest import MAIN

pytestmark = pytest.mark.guest

KRAIT = [sys.executable, "-I", str(MAIN), "run", "--"]
LIMIT_S = 25
KEYS = {b"give 1": b"a", b"give 2": b"x" * 3000 + b"\nyy\n", b"give 3": b"abc"}


def said(command: list[str], *, on_terminal: bool) -> str:
    """Run a program that gets its keys, or a reader of its output, when it asks for them."""
    output, its_output = pty.openpty() if on_terminal else os.pipe()
    errors, its_errors = os.pipe()
    standard_input = its_output if on_terminal else subprocess.DEVNULL
    process = subprocess.Popen(
        command,
        stdin=standard_input,
        stdout=its_output,
        stderr=its_errors,
        start_new_session=True,
    )
    os.close(its_output)
    os.close(its_errors)
    text = b""
    keys = dict(KEYS)
    end = time.monotonic() + LIMIT_S
    try:
        while time.monotonic() < end:
            reads = (on_terminal or text.endswith(b"read\n")) and process.poll() is None
            found, _, _ = select.select([errors, *([output] if reads else [])], [], [], 1)
            if output in found:
                with contextlib.suppress(OSError):  # a terminal that nobody has open any more
                    os.read(output, 65536)
            if errors in found:
                piece = os.read(errors, 4096)
                if not piece:
                    break
                text += piece
            for asked in [asked for asked in keys if asked in text and on_terminal]:
                os.write(output, keys.pop(asked))
        return text.decode()
    finally:
        os.close(output)
        os.close(errors)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


@pytest.mark.parametrize("on_terminal", [True, False], ids=["terminal", "pipe"])
def test_same_ends(build_program: Callable[..., str], *, on_terminal: bool) -> None:
    """Handlers, O_NONBLOCK, poll, VTIME, changed settings and flow do what they do on the host."""
    program = build_program("guest/programs/slow_output.c", "-static", "-pthread")
    here = said([program], on_terminal=on_terminal)
    there = said([*KRAIT, program], on_terminal=on_terminal)
    assert there == here
    assert here.endswith("after 2\n" if on_terminal else "room ok\n")
