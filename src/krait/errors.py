"""What a user can cause: one line that says what is wrong and what to do, and an exit status."""

from __future__ import annotations

STATUS_FAILED = 125
"""Krait, its kernel or an image failed; few programs end with it themselves (docker-run(1))."""


class UserError(Exception):
    """Reaches the user as `krait: MESSAGE`, without a traceback."""

    def __init__(self, message: str, *, status: int = STATUS_FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
