"""Messages on the control console, in both directions.

A message is {type u16, flags u16, payload length u32, payload}, little endian. A receiver skips
types that it does not know. The kernel looks at the console only when the host announced it with
the boot word `control=1`.
"""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

HEADER_BYTES: Final = 8
PAYLOAD_LIMIT: Final = 65536


class MessageType(IntEnum):
    """Host to guest below 0x100, guest to host from there on."""

    SIGNAL = 1
    """signo u32: send it to the program (process group in the foreground for SIGINT)."""
    WINDOW_SIZE = 2
    """rows u16, columns u16: the host's terminal was resized."""
    STOP = 3
    """Nothing: end the program as SIGTERM does; a second one ends the VM."""

    LOOK = 4
    """`LookRequest`: a question about the running machine (`look.py`)."""

    READER_LOST = 5
    """console u32: nobody reads what the program writes to it, as a pipe without a reader."""

    TERMINAL_MODE = 0x100
    """`TerminalMode` u32: what the program made of its terminal."""
    LOOK_REPLY = 0x101
    """`LookReply` and records: the answer to a question, or a part of it."""
    PROFILE = 0x102
    """The same with number 0: samples and what names them, unasked (`boot_words.PROFILE`)."""


class TerminalMode(IntEnum):
    """The guest's line discipline edits and echoes; the host's terminal is raw meanwhile."""

    COOKED = 0
    RAW = 1
