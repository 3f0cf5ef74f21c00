"""A panic, as CPython sees it."""

from __future__ import annotations


class Panic(BaseException):
    """The kernel cannot go on: a failed check, a failed assertion or a call of `panic`."""
