"""The random pool: ChaCha20 as the RFC has it, and output that does not repeat."""

from __future__ import annotations

import struct

import pytest

from krait.kernel.lang import interpret, u32, u64
from krait.kernel.lang.integers import u8
from krait.kernel.lang.slices import slice_over

module = interpret.load("krait.kernel.drivers.random")
spin_lock = interpret.load("krait.kernel.sched.spin_lock")


@pytest.fixture(autouse=True)
def quiet_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1, 1_000_000))
    monkeypatch.setattr(module, "hardware_random", lambda: u64(0x1234_5678_9ABC_DEF0))
    monkeypatch.setattr(spin_lock, "disable_interrupts", lambda: u64(0))
    monkeypatch.setattr(spin_lock, "restore_interrupts", lambda _flags: None)
    monkeypatch.setattr(module, "ticks_now", lambda: u64(next(ticks)))


def fill(length: int) -> bytes:
    data = bytearray(length)
    module.fill(slice_over(data, 0, length, u8))
    return bytes(data)


def test_block_matches_the_rfc() -> None:
    """RFC 8439, A.1, test vectors 1 and 2."""
    cipher = module.ChaCha20()
    cipher.next_block()
    block = b"".join(struct.pack("<I", int(each)) for each in cipher.state)
    assert block[:16].hex() == "76b8e0ada0f13d90405d6ae55386bd28"
    assert block[-16:].hex() == "6a43b8f41518a11cc387b669b2ee6586"
    cipher.next_block()
    block = b"".join(struct.pack("<I", int(each)) for each in cipher.state)
    assert block[:16].hex() == "9f07e7be5551387a98ba977c732d080d"


def test_rotation() -> None:
    assert module.rotate(u32(0x8000_0001), u32(1)) == 3


@pytest.mark.parametrize("length", [1, 8, 31, 32, 33, 64, 200])
def test_fills_everything_and_never_repeats(length: int) -> None:
    first, second = fill(length), fill(length)
    if length >= 8:
        assert first != second
        assert first.count(0) < length


def test_key_is_erased() -> None:
    before = bytes(str(list(module.pool.cipher.key)), "ascii")
    fill(16)
    assert bytes(str(list(module.pool.cipher.key)), "ascii") != before
    assert all(each == 0 for each in module.pool.cipher.state)


def test_seed_changes_the_pool() -> None:
    before = list(module.pool.cipher.key)
    module.add_seed(slice_over(bytearray(b"x" * 70), 0, 70, u8))
    assert list(module.pool.cipher.key) != before
