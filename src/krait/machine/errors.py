"""What stops a run before or after the guest had its say: one line for the user and a status."""

from __future__ import annotations

STATUS_TIMEOUT = 124  # as timeout(1)
STATUS_FAILED = 125  # Krait, its kernel or the image failed; as docker-run(1)
STATUS_NOT_EXECUTABLE = 126  # POSIX.1-2017, XCU 2.8.2
STATUS_NOT_FOUND = 127
STATUS_SIGNAL = 128  # plus the signal's number


class MachineError(Exception):
    """The VM could not be run. The message is one line that says what to do."""

    def __init__(self, message: str, *, status: int = STATUS_FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
