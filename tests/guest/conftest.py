"""Fixtures of the guest tests."""

from tests.comparison import build_program, same_as_host

__all__ = ["build_program", "same_as_host"]
