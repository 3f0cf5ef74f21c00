r"""Krait: one unmodified Linux program, fused with a small kernel, run as a microVM.

import krait
result = krait.run(["python3", "-c", "print(6 * 7)"], memory="64M", timeout=5)
assert result.stdout == b"42\n"
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from krait.captured import Result, run
    from krait.errors import UserError

__all__ = ("Result", "UserError", "__version__", "run")

__version__ = "0.1.0"

_HOMES = {
    "Result": "krait.captured",
    "UserError": "krait.errors",
    "run": "krait.captured",
}


def __getattr__(name: str) -> object:
    """Import the public names when they are first used: the kernel's modules live in here too."""
    if name not in _HOMES:
        raise AttributeError(f"module 'krait' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
