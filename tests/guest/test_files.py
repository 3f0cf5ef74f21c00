"""Operations on files, by way of Python's os module."""

from __future__ import annotations

from pathlib import Path

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host

PROGRAM = str(Path(__file__).with_name("programs") / "file_operations.py")


def test_same_answers() -> None:
    """Line by line the guest's answers are the host's."""
    command = ["/usr/bin/python3", "-I", PROGRAM]
    here = run_on_host(command, b"", ENVIRONMENT)
    there = run_in_guest(command, b"", ENVIRONMENT, ("-m", "128M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines()
    assert there.status == here.status == 0


LATENCY = """
import os, struct
def limit(): return struct.unpack("i", os.pread(one, 4, 0))[0]
def ask(file, limit_us): return os.write(file, struct.pack("i", limit_us))
one, two = (os.open("/dev/cpu_dma_latency", os.O_RDWR) for _ in range(2))
print(limit())
ask(one, 50), ask(two, 7)
print(limit())
os.close(two)
print(limit())
ask(one, -1)
print(limit(), os.read(one, 4), os.read(one, 4))
try:
    os.write(one, b"12345")
except OSError as error:
    print(error.strerror)
"""
"""Asked of the machine alone: a host need not have the device, and it would act on it."""


def test_cpu_latency_device() -> None:
    """The least limit of all open files holds, and goes with its file."""
    found = run_in_guest(["/usr/bin/python3", "-I", "-c", LATENCY], b"", ENVIRONMENT)
    assert found.output.decode().splitlines() == [
        "2000000000", "7", "50", "2000000000 b'\\x00\\x945w' b''", "Invalid argument",
    ]  # fmt: skip
