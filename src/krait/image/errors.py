"""The one error of the image builder: a line for the user and an exit status."""

from __future__ import annotations

from krait.errors import UserError

STATUS_FAILURE = 125  # Krait itself cannot do it
STATUS_NOT_EXECUTABLE = 126  # as a shell: found, but it cannot be executed
STATUS_NOT_FOUND = 127  # as a shell: no such program


class ImageError(UserError):
    """Something the user can understand and mend; `str(error)` is one line (or a short list)."""

    def __init__(self, message: str, status: int = STATUS_FAILURE) -> None:
        """Take the line to show and the status that `krait run` ends with."""
        super().__init__(message, status=status)


class FileVanished(ImageError):
    """A file was there when the image was planned, and is not any more."""

    def __init__(self, path: str) -> None:
        """Take the file's path."""
        super().__init__(f"{path} vanished while the image was made; try again")
