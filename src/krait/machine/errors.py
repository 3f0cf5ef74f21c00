"""What stops a run before or after the guest had its say: one line for the user and a status."""

from __future__ import annotations

from krait.errors import STATUS_FAILED, UserError

STATUS_TIMEOUT = 124  # as timeout(1)
STATUS_NOT_EXECUTABLE = 126  # POSIX.1-2017, XCU 2.8.2
STATUS_NOT_FOUND = 127
STATUS_SIGNAL = 128  # plus the signal's number

__all__ = (
    "STATUS_FAILED",
    "STATUS_NOT_EXECUTABLE",
    "STATUS_NOT_FOUND",
    "STATUS_SIGNAL",
    "STATUS_TIMEOUT",
    "MachineError",
)


class MachineError(UserError):
    """The VM could not be run. The message is one line that says what to do."""
