"""Names and texts of error numbers, for the tracer: `ENOENT (No such file or directory)`.

The numbers come from `krait.kernel.errno`, the texts from the C library that builds the kernel.
"""

from __future__ import annotations

import os
from typing import Final

from krait.kernel import errno
from krait.kernel.lang import Text, text

LIMIT: Final = 134


def make_names() -> list[Text]:
    """Give each number its name; build time only."""
    names = ["?"] * LIMIT
    for name, value in vars(errno).items():
        if name.startswith("E") and name.isupper() and int(value) < LIMIT:
            if names[int(value)] == "?" or name in ("EAGAIN", "EDEADLK", "EOPNOTSUPP"):
                names[int(value)] = name
    return [text(name.encode()) for name in names]


ERROR_NAMES: Final[list[Text]] = make_names()
ERROR_TEXTS: Final[list[Text]] = [text(os.strerror(number).encode()) for number in range(LIMIT)]
