"""Standard input: the bytes within the frames that the host sends.

A virtio console cannot say that its input has ended, so the host wraps what it reads into frames
(`protocol/console_frames.py`), and an empty one is the end. Frames do not keep to pages; the parser
keeps its place between calls. Nothing here waits but `wait`: a terminal takes what has come, in the
interrupt if it wants to, and the rest stays with the device.
"""

from __future__ import annotations

from collections.abc import Callable

from krait.kernel.drivers import console
from krait.kernel.drivers.console import ConsoleDevice
from krait.kernel.lang import Array, Slice, Struct, inline, sleeps, u8, u32, u64, usize
from krait.kernel.protocol.console_frames import FRAME_HEADER_BYTES, Console
from krait.kernel.sched.wait_queue import FOREVER, WaitQueue


class StandardInput(Struct):
    """The parser's place in the stream."""

    started: bool = False
    device: ConsoleDevice | None = None
    nowhere: WaitQueue = inline()
    """Where those wait who read where there is no console: nobody, since that is the end."""
    header: Array[u8] = inline(FRAME_HEADER_BYTES)
    header_length: u64 = 0
    left: u64 = 0
    """What is left of the frame."""
    ended: bool = False

    def start(self, on_arrival: Callable[[], None] | None) -> None:
        """Let input come, on first use; `on_arrival` is called in the interrupt. Raises ENOMEM."""
        if self.started:
            return
        self.started = True
        device = console.get(Console.OUTPUT)
        if device is None:
            self.ended = True
            return
        device.on_arrival = on_arrival
        self.device = device
        device.start_receiving()

    def close(self) -> None:
        """Take it as ended: the host said that there is none."""
        self.started = True
        self.ended = True

    def take(self, into: Slice[u8]) -> usize:
        """Take what has come, without waiting; 0 when there is nothing now, or `ended`."""
        device = self.device
        if device is None:
            return 0
        with device.lock:
            return self._take(device, into)

    def is_readable(self) -> bool:
        """Say whether a read would not wait: there is input, or the end."""
        device = self.device
        if self.ended or device is None:
            return True
        with device.lock:
            if self.left == 0:
                self._next_frame(device)
            return self.ended or device.has_input()

    def waiting(self) -> u64:
        """Return how many bytes of the frame that has begun are here to be taken."""
        device = self.device
        if self.ended or device is None:
            return u64(0)
        with device.lock:
            return self._waiting(device)

    def _waiting(self, device: ConsoleDevice) -> u64:
        if self.left == 0 and not self._next_frame(device):
            return u64(0)
        return min(self.left, device.input_bytes())

    def arrival(self) -> WaitQueue:
        """Give the queue that is woken when input comes."""
        device = self.device
        return self.nowhere if device is None else device.arrival

    @sleeps
    def wait(self) -> None:
        """Wait until there is something to take, or the end. Raises EINTR."""
        device = self.device
        if device is None:
            return
        with device.lock:
            while self._waiting(device) == 0 and not self.ended:
                device.arrival.wait_spin_until(device.lock, FOREVER)

    def _take(self, device: ConsoleDevice, into: Slice[u8]) -> usize:
        """Take the content of frames until none is left or `into` is full."""
        done: usize = 0
        while done < into.length:
            if self.left == 0 and not self._next_frame(device):
                break
            count = device.take(into.part(done, min(into.length, done + self.left)))
            if count == 0:
                break
            done += count
            self.left -= count
        return done

    def _next_frame(self, device: ConsoleDevice) -> bool:
        """Read a frame's header; False if it has not come yet or was the end."""
        if self.ended:
            return False
        self.header_length += device.take(self.header.part(self.header_length, FRAME_HEADER_BYTES))
        if self.header_length < FRAME_HEADER_BYTES:
            return False
        self.header_length = 0
        for index in range(u32(FRAME_HEADER_BYTES)):
            self.left |= u64(self.header[index]) << index * 8
        if self.left == 0:
            self.ended = True
            return False
        return True


standard_input = StandardInput()
