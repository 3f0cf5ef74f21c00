"""How much memory programs may ask for: /proc/sys/vm/overcommit_memory in its three modes.

What is expected is what Documentation/mm/overcommit-accounting.rst says; the setting is the whole
machine's, so the host is not asked.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest

pytestmark = pytest.mark.guest

ACCOUNTING = """\
overcommit_memory: 0
overcommit_ratio: 50
overcommit_kbytes: 0
overcommit_memory = 3: EINVAL
overcommit_memory = x: EINVAL
start 0
nothing 0
writable 1024
read-only 0
half of it 512
back 0
gone -512
a quarter -256
moved and larger 256
shared 2048
half of that 0
all of that -2048
file 64
mapped 0
privately 64
removed -128
"""
"""KiB by which Committed_AS grows."""
MODES = """\
reserved 1
cost 0
mprotect(none + (3L << 40), 4096, RW): 0
used 1
lost 0
all memory: ok
more than there is: ENOMEM
unreserved: ok
no rights: ok
read-only: ok
mprotect(at, 2 * total, RW): -1 ENOMEM
mremap: ENOMEM
shared: ENOMEM
brk: ENOMEM
shmget: ENOMEM
overcommit_memory = 1
: taken
all memory: ok
more than there is: ok
unreserved: ok
no rights: ok
read-only: ok
mprotect(at, 2 * total, RW): 0
mremap: ok
shared: ok
brk: ok
shmget: ok
overcommit_memory = 2: taken
overcommit_memory: 2
limit 1
overcommit_ratio = 25: taken
overcommit_kbytes: 0
limit 1
overcommit_kbytes = 40000: taken
overcommit_ratio: 0
limit 40000
the rest: ok
a page more: ENOMEM
a file page more: ok
half: ok
overcommit_ratio = 50: taken
all memory: ENOMEM
more than there is: ENOMEM
unreserved: ENOMEM
no rights: ok
read-only: ok
mprotect(at, 2 * total, RW): -1 ENOMEM
mremap: ENOMEM
shared: ENOMEM
brk: ENOMEM
shmget: ENOMEM
overcommit_memory = 0: taken
"""


def test_modes(build_program: Callable[..., str]) -> None:
    """Guessing, always and never, and terabytes that cost nothing."""
    program = build_program("guest/programs/overcommit.c", "-static")
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "256M"))
    assert there.output.decode() == ACCOUNTING + MODES, there.errors
