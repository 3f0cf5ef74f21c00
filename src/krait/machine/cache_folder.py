"""Where Krait keeps what it can make again (XDG Base Directory Specification)."""

from __future__ import annotations

import os


def cache_folder() -> str:
    """The folder, which need not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the specification: a relative path is to be ignored
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "krait")
