"""The processes there are: the first, and one day its children."""

from __future__ import annotations

from krait.kernel.lang import Struct, u32
from krait.kernel.linux.process import Process


class ProcessTable(Struct):
    """All processes by their ids."""

    first: Process | None = None

    def find(self, pid: u32) -> Process | None:
        """Give the process with an id."""
        process = self.first
        if process is not None and process.pid == pid:
            return process
        return None


process_table = ProcessTable()
