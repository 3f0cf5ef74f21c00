"""membarrier(2): every other thread of the process has passed a memory barrier when it returns.

A thread that does not run has passed one when it was switched away from; a CPU that runs one is
interrupted, which also synchronises what it executes (Intel SDM 3A, 9.3: IRET). Programs ask
for the commands first and register what they are going to use; Linux refuses an expedited command
without its registration, and so does this.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import EINVAL, EPERM
from krait.kernel.lang import Errno, i32, syscall, u32
from krait.kernel.linux.task import current_process
from krait.kernel.sched.translation_flush import forget_on_others

QUERY: Final = 0
GLOBAL: Final = 1
GLOBAL_EXPEDITED: Final = 2
REGISTER_GLOBAL_EXPEDITED: Final = 4
PRIVATE_EXPEDITED: Final = 8
REGISTER_PRIVATE_EXPEDITED: Final = 16
PRIVATE_SYNC_CORE: Final = 32
REGISTER_PRIVATE_SYNC_CORE: Final = 64
GET_REGISTRATIONS: Final = 512
COMMANDS: Final = 0x7F
"""All but those for restartable sequences, which are not offered (rseq(2))."""


@syscall("membarrier", flags=COMMANDS | GET_REGISTRATIONS)
def membarrier(command: u32, flags: u32, cpu: i32) -> u32:
    """Order memory between threads."""
    if flags != 0:
        raise Errno(EINVAL)
    process = current_process()
    match command:
        case 0:  # QUERY
            return u32(COMMANDS | GET_REGISTRATIONS)
        case 4 | 16 | 64:  # the registrations
            process.membarrier_registered |= command
        case 1 | 2:  # GLOBAL, GLOBAL_EXPEDITED
            forget_on_others(process.space)
        case 8 | 32:  # PRIVATE_EXPEDITED and its variant that synchronises the instruction stream
            if process.membarrier_registered & (command << 1) == 0:
                raise Errno(EPERM)
            forget_on_others(process.space)
        case 512:  # GET_REGISTRATIONS
            return process.membarrier_registered
        case _:
            raise Errno(EINVAL)
    return 0
