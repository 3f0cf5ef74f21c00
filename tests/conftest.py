"""Fixtures for every test: the command line as a user has it, and kernels of a few instructions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from krait.kernel.protocol import outcome
from krait.machine import trial

pytest.register_assert_rewrite("tests.comparison")  # its failures show what differs

# A busy machine is no failure, and what was found once belongs into the tests themselves.
hypothesis.settings.register_profile("krait", deadline=None, database=None)
hypothesis.settings.load_profile("krait")

# What a shell ignores for a job in the background, or nohup, programs of the tests are to notice.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(
            _number,
            signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL,
        )

ROOT = Path(__file__).parents[1]
MAIN = ROOT / "src" / "krait" / "__main__.py"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run_krait() -> Run:
    """Run the command line; output is text, standard input is empty unless given."""

    def run(
        *arguments: str,
        input: str | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", str(MAIN), *arguments]
        if input is None:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env=env,
                cwd=cwd,
                timeout=timeout,
                check=False,
            )
        return subprocess.run(
            command,
            input=input,
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            cwd=cwd,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def trial_kernel(tmp_path: Path) -> Callable[[bytes], str]:
    """Write a kernel of `krait.machine.trial` to a file and give its path."""

    def write(kernel: bytes) -> str:
        path = tmp_path / "trial.elf"
        path.write_bytes(kernel)
        return str(path)

    return write


@pytest.fixture
def empty_image(tmp_path: Path) -> str:
    """A file for `--image` where the kernel does not look at it."""
    path = tmp_path / "empty.rofs"
    path.write_bytes(bytes(4096))
    return str(path)


def record(kind: outcome.RecordType, payload: bytes = b"") -> bytes:
    """One outcome record."""
    return bytes((outcome.MAGIC, kind)) + len(payload).to_bytes(2, "little") + payload


@pytest.fixture
def ending(trial_kernel: Callable[[bytes], str]) -> Callable[..., str]:
    """A kernel that ends with the given outcome records."""

    def make(*records: tuple[outcome.RecordType, bytes]) -> str:
        return trial_kernel(trial.report(b"".join(record(*each) for each in records)))

    return make


def plain_environment(home: Path) -> dict[str, str]:
    """An environment with a home of its own and nothing else of the user's."""
    return {"HOME": str(home), "PATH": os.environ["PATH"]}
