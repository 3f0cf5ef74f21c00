"""Where Krait keeps what it can make again (XDG Base Directory Specification)."""

from __future__ import annotations

import os

from krait.errors import UserError


def cache_folder() -> str:
    """Give `$XDG_CACHE_HOME/krait`, or `~/.cache/krait`; the folder need not exist yet.

    Who has neither a home nor an entry in the password file must say where: a folder in /tmp could
    be somebody else's, and kernels and images are run from it.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):  # the specification: a relative path is to be ignored
        home = os.environ.get("HOME", "")
        if not home.startswith("/"):
            home = _home_in_password_file()
        base = f"{home}/.cache"
    return f"{base}/krait"


def _home_in_password_file() -> str:
    import pwd  # hardly ever needed, and a cached run pays for imports

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        raise UserError("there is no home directory: set HOME or XDG_CACHE_HOME") from None
