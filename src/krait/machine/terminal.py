"""The user's terminal while the guest has it.

The guest has a line discipline of its own (echo, editing, Ctrl-C), so the host's is switched off:
every key goes to the guest, and the guest's own line ends come back. One key stays ours: Ctrl-A, as
in QEMU and screen; Ctrl-A X ends the machine, Ctrl-A Ctrl-A types one Ctrl-A.
"""

from __future__ import annotations

import fcntl
import struct
import termios

_ESCAPE = 0x01  # Ctrl-A


class RawTerminal:
    """Switches a terminal to raw mode, and back."""

    __slots__ = ("_descriptor", "_saved")

    def __init__(self, descriptor: int, *, output_too: bool) -> None:
        self._descriptor = descriptor
        self._saved = termios.tcgetattr(descriptor)
        mode = termios.tcgetattr(descriptor)
        # As cfmakeraw of termios(3), but for the output side where the guest does not write to it.
        mode[0] &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        if output_too:
            mode[1] &= ~termios.OPOST
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)

    def restore(self) -> None:
        """Give the terminal back as it was."""
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._saved)


class Escape:
    """Takes Ctrl-A sequences out of what is typed."""

    __slots__ = ("_armed",)

    def __init__(self) -> None:
        self._armed = False

    def filter(self, typed: bytes) -> tuple[bytes, bool]:
        """What goes to the guest, and whether the user asked to quit."""
        if not self._armed and _ESCAPE not in typed:
            return typed, False
        passed = bytearray()
        for key in typed:
            if not self._armed:
                self._armed = key == _ESCAPE
                if not self._armed:
                    passed.append(key)
                continue
            self._armed = False
            if key in b"xX":
                return bytes(passed), True
            if key != _ESCAPE:
                passed.append(_ESCAPE)
            passed.append(key)
        return bytes(passed), False


def window_size(descriptor: int) -> tuple[int, int]:
    """Rows and columns of a terminal; 24 by 80 where it does not know."""
    try:
        answer = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return 24, 80
    rows, columns, _, _ = struct.unpack("HHHH", answer)
    return rows or 24, columns or 80
