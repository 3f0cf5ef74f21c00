"""What /proc/sys/vm/overcommit_* says, and how much memory has been promised so far.

Promised (Linux: committed) is what programs may come to need: private writable mappings, shared
anonymous memory, and the pages of files in memory. Whoever makes such memory adds it to `promises`
and takes it away again; mappings do so by the flag ACCOUNTED (vma.py).
"""

from __future__ import annotations

from enum import IntEnum

from krait.kernel.lang import Struct, u64

DEFAULT_RATIO = u64(50)


class Overcommit(IntEnum):
    """vm.overcommit_memory, Documentation/mm/overcommit-accounting.rst."""

    GUESS = 0
    """Refuse only what could never be served."""
    ALWAYS = 1
    NEVER = 2
    """Promise no more than `commit_limit` (commitment.py)."""


class Promises(Struct):
    """The settings and the sum."""

    mode: Overcommit = Overcommit.GUESS
    ratio: u64 = DEFAULT_RATIO
    """In percent of all memory; used while `kbytes` is 0."""
    kbytes: u64 = 0
    pages: u64 = 0
    """Committed_AS of /proc/meminfo."""


promises = Promises()
