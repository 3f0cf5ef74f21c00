"""Looking into a running machine: what the host may ask, and what comes back.

A question is a message `LOOK` on the control console (`control.py`), a `LookRequest` of
`look_records.py`. The answer is one message `LOOK_REPLY` or several, each a `LookReply` and then
records, each a `RecordHeader` and its payload: the fixed fields of its kind and, behind them to the
end of the record, a text. The last message of an answer has the flag `LAST`.

A receiver skips kinds of records that it does not know, and refuses another version.
"""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

VERSION: Final = 1
LAST: Final = 1
"""The flag of the last message of an answer."""
NOBODY: Final = 0xFFFFFFFF
"""Where a number of a CPU or system call would be: none."""
EVERY: Final = 0
"""As the argument of STACK: all threads."""
QUESTIONS_MAX: Final = 8
"""So many questions may wait for their answers; one more is forgotten."""


class Question(IntEnum):
    """What is asked."""

    SNAPSHOT = 1
    """MACHINE, then CPU, PROCESS and THREAD records."""
    DESCRIPTORS = 2
    """DESCRIPTOR records; the argument is a process id."""
    MAPPINGS = 3
    """MAPPING records; the argument is a process id."""
    STACK = 4
    """THREAD and FRAME records, then MAPPING ones; the argument is a thread id or EVERY."""


class Record(IntEnum):
    """Kinds of records."""

    MACHINE = 1
    CPU = 2
    PROCESS = 3
    THREAD = 4
    DESCRIPTOR = 5
    MAPPING = 6
    FRAME = 7
    SAMPLE = 8
    LOST = 9
    JIT_MAP = 10
    """No fields: a piece of /tmp/perf-PID.map, as its text."""


class State(IntEnum):
    """What a thread is doing."""

    RUNNING = 0
    RUNNABLE = 1
    SLEEPING = 2
    WAITING = 3
    """Asleep, and no signal wakes it."""
    ENDED = 4


class Side(IntEnum):
    """Whose code a frame is in."""

    KERNEL = 0
    PROGRAM = 1
