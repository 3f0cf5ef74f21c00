"""The records that a kernel leaves, read."""

from __future__ import annotations

import errno
import signal
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import size_of
from krait.kernel.protocol import control, outcome, records
from krait.kernel.protocol.outcome import RecordType
from krait.machine.outcome import parse


def record(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack("<BBH", outcome.MAGIC, kind, len(payload)) + payload


@pytest.mark.parametrize("status", [0, 1, 3, 42, 125, 127, 255])
def test_exit(status: int) -> None:
    result = parse(record(RecordType.EXIT, struct.pack("<I", status)))
    assert (result.kind, result.status, result.message) == ("exit", status, "")


def test_signal() -> None:
    payload = struct.pack("<IQQ", signal.SIGSEGV, 0x401000, 0x10)
    result = parse(record(RecordType.SIGNAL, payload), program="hello")
    assert (result.kind, result.status) == ("signal", 139)
    assert result.message == "hello: ended by SIGSEGV at 0x401000, address 0x10"


def test_panic() -> None:
    result = parse(record(RecordType.PANIC, b"index 4 of 3"))
    assert (result.status, result.message) == (125, "kernel panic: index 4 of 3")


def test_image_error() -> None:
    result = parse(record(RecordType.IMAGE_ERROR, b"/bin/x: page 7"))
    assert result.status == 125
    assert "/bin/x: page 7" in result.message


def test_memory() -> None:
    payload = struct.pack("<QQ", (9 << 20) + 1, 4 << 20)
    result = parse(record(RecordType.MEMORY_SHORT, payload), program="hello")
    assert (result.status, result.signal) == (137, 9)
    assert "10 MiB would be needed and the machine has 4 for it" in result.message
    assert "-m 10M" in result.message


@pytest.mark.parametrize(
    ("code", "status"), [(errno.ENOENT, 127), (errno.EACCES, 126), (errno.ENOEXEC, 126)]
)
def test_exec(code: int, status: int) -> None:
    result = parse(record(RecordType.EXEC_ERROR, struct.pack("<I", code) + b"/bin/x"))
    assert result.status == status
    assert result.message.startswith("/bin/x: ")


def test_last_ending_decides() -> None:
    data = record(RecordType.EXIT, struct.pack("<I", 0)) + record(RecordType.PANIC, b"late")
    assert parse(data).kind == "panic"


def test_phases_and_clock() -> None:
    data = record(RecordType.CLOCK, struct.pack("<Q", 1000))
    data += record(RecordType.BOOT_PHASE, struct.pack("<BQQ", 1, 500, 600))
    data += record(RecordType.BOOT_PHASE, struct.pack("<BQQ", 200, 700, 800))
    result = parse(data)
    assert result.tsc_hz == 1000
    assert [phase.name for phase in result.phases] == ["memory", "phase 200"]
    assert result.kind == "died"


def test_nothing() -> None:
    assert (parse(b"").kind, parse(b"").status) == ("died", 125)


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    assert 0 <= parse(data).status <= 255


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=30)), max_size=8))
def test_any_records_are_read(listed: list[tuple[int, bytes]]) -> None:
    result = parse(b"".join(record(*each) for each in listed))
    assert 0 <= result.status <= 255


def test_layouts_agree_with_the_kernel() -> None:
    sizes = {
        records.OutcomeHeader: outcome.HEADER_BYTES,
        records.ExitRecord: struct.calcsize("<I"),
        records.SignalRecord: struct.calcsize("<IQQ"),
        records.MemoryShortRecord: struct.calcsize("<QQ"),
        records.ExecErrorRecord: struct.calcsize("<I"),
        records.BootPhaseRecord: struct.calcsize("<BQQ"),
        records.ClockRecord: struct.calcsize("<Q"),
        records.ControlHeader: control.HEADER_BYTES,
        records.SignalMessage: struct.calcsize("<I"),
        records.WindowSizeMessage: struct.calcsize("<HH"),
    }
    for layout, size in sizes.items():
        assert int(size_of(layout)) == size
