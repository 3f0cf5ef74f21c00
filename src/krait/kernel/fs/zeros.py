"""A page of zeros, shared by everything that reads a hole."""

from __future__ import annotations

from krait.kernel.lang import Struct, u64
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame


class Zeros(Struct):
    """The page, made at first use and never written."""

    address: u64 = 0

    def frame(self) -> Frame:
        """Return the frame; raises ENOMEM."""
        if self.address == 0:
            self.address = u64(frames.allocate_zeroed())
        return Frame(self.address)


zeros = Zeros()
