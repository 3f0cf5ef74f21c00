"""What a process has read and written: /proc/PID/io, as proc_pid_io(5) counts it."""

from __future__ import annotations

from typing import Final

from krait.kernel.config import config
from krait.kernel.fs.proc.statistics import put_line
from krait.kernel.fs.rofs.disk import disk_facts
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Struct, text, u64

SECTOR_SIZE: Final = 512


class Transferred(Struct):
    """Bytes that calls have moved, and the calls, those that failed included."""

    read_bytes: u64 = 0
    written_bytes: u64 = 0
    reads: u64 = 0
    writes: u64 = 0

    def write_to(self, out: TextBuffer) -> None:
        """Write the file; all that comes from the disk is for the one process."""
        put_line(out, text(b"rchar: "), self.read_bytes)
        put_line(out, text(b"wchar: "), self.written_bytes)
        put_line(out, text(b"syscr: "), self.reads)
        put_line(out, text(b"syscw: "), self.writes)
        from_disk = disk_facts().sectors_read * SECTOR_SIZE if config.disk else u64(0)
        put_line(out, text(b"read_bytes: "), from_disk)
        out.put(text(b"write_bytes: 0\ncancelled_write_bytes: 0\n"))
