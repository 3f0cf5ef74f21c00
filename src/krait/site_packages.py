"""Makes the installed packages importable, which the launcher's `-S` has left out."""

from __future__ import annotations

import sys


def add_site_packages() -> None:
    """Do what the interpreter does at its start without `-S`; once."""
    if "site" not in sys.modules:
        import site

        site.main()
