"""Randomness from the host (Virtio 1.2, 5.4): a queue of buffers that the device fills."""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import direct_map
from krait.kernel.arch.x86_64.cpu import pause
from krait.kernel.drivers.virtio import bus, queue
from krait.kernel.lang import Errno, Slice, u8, u16, u32, u64, usize
from krait.kernel.mm import frames

PATIENCE: Final = 2_000_000
"""How often the ring is looked at: QEMU answers within the notification or a few milliseconds."""


def draw(into: Slice[u8]) -> usize:
    """Ask the device once, and give how many bytes it filled; 0 where there is none."""
    try:
        return _draw(into)
    except Errno:
        return 0


def _draw(into: Slice[u8]) -> usize:
    """Start the device, take what it gives, and stop it: it is needed once."""
    transport = bus.find(bus.RANDOM_ID, u64(0))
    if transport is None:
        return 0
    transport.begin(u64(0))
    requests = queue.create(transport, u16(0), u16(1))
    requests.interrupt_wanted(False)
    transport.go_live()
    page = frames.allocate_zeroed()
    requests.add(u64(page), u32(into.length), True)
    requests.notify()
    for _ in range(PATIENCE):
        used = requests.take()
        if used.found:
            count = min(u64(used.length), into.length)
            filled = direct_map.bytes_at(u64(page), count)
            into.part(0, count).copy_from(filled)
            filled.fill(0)
            transport.set_status(u8(0))
            frames.release(page)
            return count
        pause()
    return 0
