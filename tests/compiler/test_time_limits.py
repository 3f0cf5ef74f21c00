"""A compiler that does not come to an end: one line, and nothing that goes on running."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from krait.compiler import own_process, toolchain
from krait.compiler.toolchain import Toolchain, ToolchainError


@pytest.fixture
def endless(tmp_path: Path) -> str:
    """A compiler that starts another program, as gcc does, and waits for it."""
    path = tmp_path / "gcc"
    path.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && { echo gcc 1; exit; }\n'
        f"sleep 300 & echo $! >{tmp_path}/child; wait\n"
    )
    path.chmod(0o755)
    return str(path)


def ends(noted: Path) -> bool:
    """Wait until the process that a file names is gone, or nobody has collected it yet."""
    status = Path(f"/proc/{int(noted.read_text())}/stat")
    for _ in range(200):
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endless: str) -> None:
    monkeypatch.setattr(toolchain, "TOOL_LIMIT_S", 0.3)
    compiler = Toolchain((endless,), "gcc", "gcc 1")
    with pytest.raises(ToolchainError) as caught:
        compiler.compile(tmp_path / "unit.c", tmp_path / "unit.o", ())
    assert str(caught.value) == f"gcc was not done with {tmp_path}/unit.c after 0.3 s"
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_whole_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endless: str) -> None:
    """Whatever the compiler has started ends with it."""
    monkeypatch.setattr(own_process, "START", f"import os; os.system({endless!r})")
    monkeypatch.setattr(own_process, "BUILD_LIMIT_S", 2)
    done = own_process.run_compiler("--configuration", "default")
    assert done.returncode != 0
    assert done.stderr == "the compiler was not done after 2 s\n"
    assert ends(tmp_path / "child")


def test_leftovers_of_a_failed_build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endless: str
) -> None:
    """A build that gives a C compiler up leaves what that has started to be ended here."""
    start = f"""
import subprocess, sys, time
subprocess.Popen([{endless!r}], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while not __import__("os").path.exists("{tmp_path}/child"):
    time.sleep(0.05)
sys.exit("given up")
"""
    monkeypatch.setattr(own_process, "START", start)
    done = own_process.run_compiler()
    assert (done.returncode, done.stderr) == (1, "given up\n")
    assert ends(tmp_path / "child")
