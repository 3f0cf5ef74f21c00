"""Whose rights the running thread has, for what is reached without a walk from an `FsContext`.

File systems know no threads; the layer that has them says whom to ask. While nobody is limited in
what he may do to files, nobody is asked: the caller is root.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from krait.kernel.fs.credentials import Credentials
from krait.kernel.lang import Struct, u32


class Owner(NamedTuple):
    """A user and a group."""

    uid: u32
    gid: u32


ROOT = Owner(u32(0), u32(0))


class Caller(Struct):
    """Whom to ask."""

    credentials: Callable[[], Credentials] | None = None


caller = Caller()


def owner_of_new() -> Owner:
    """Return whose a file is that the caller makes."""
    if (credentials := caller.credentials) is None:
        return ROOT
    who = credentials()
    return Owner(who.fsuid, who.fsgid)
