"""What a program inherits from whoever calls `krait run`: signals, no_new_privs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence

import pytest

from tests.comparison import GUEST_LIMIT_S
from tests.conftest import ROOT

LAUNCHER = ROOT / "krait"
KRAIT = (str(LAUNCHER), "run", "--accel", "tcg", "-m", "64M", "--")

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(
        not (ROOT / ".krait" / "environment" / "stamp").exists(),
        reason="the launcher has not run here",
    ),
]


def told(command: Sequence[str]) -> tuple[int, str]:
    """Run a command that waits for SIGHUP and SIGTERM when it has said `ready`."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        env={"PATH": "/usr/bin:/bin"} | {
            name: value for name, value in os.environ.items()
            if name.startswith(("HOME", "KRAIT_", "XDG_"))
        },
    )  # fmt: skip
    lines = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line == "ready\n":
                process.send_signal(signal.SIGHUP)
                process.send_signal(signal.SIGTERM)
        return process.wait(GUEST_LIMIT_S), "".join(lines)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "caller",
    [
        (),
        (
            "env", "--ignore-signal=HUP,PIPE,XFSZ,USR2,RTMIN+3", "--block-signal=TERM,WINCH,RTMAX",
            "setpriv", "--no-new-privs",
        ),
    ],
    ids=["plain", "everything"],
)  # fmt: skip
def test_as_on_the_host(build_program: Callable[..., str], caller: tuple[str, ...]) -> None:
    """Ignored SIGPIPE and SIGXFSZ are the caller's, not those that Python ignores."""
    if caller and shutil.which("setpriv") is None:
        pytest.skip("setpriv(1) is what sets no_new_privs")
    program = build_program("guest/programs/inherited.c", "-static")
    here = told([*caller, program])
    there = told([*caller, *KRAIT, program])
    assert there == here
    assert here[1].endswith("both arrived\n")
