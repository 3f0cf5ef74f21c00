"""Names of C++ and Rust functions as their programmers wrote them, by binutils' c++filt."""

from __future__ import annotations

import re
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MANGLED = ("_Z", "_R")  # Itanium C++ ABI, 5.1; RFC 2603 of Rust
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")  # ends Rust's older names


def demangled(names: Sequence[str]) -> list[str]:
    """The names without parameters; those that are not mangled, and all without the tool, stay."""
    wanted = [name for name in names if name.startswith(_MANGLED)]
    tool = shutil.which("c++filt") if wanted else None
    if tool is None:
        return list(names)
    import subprocess  # a run that names no function does not need it

    done = subprocess.run(
        [tool, "-p"], input="\n".join(wanted), capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    if len(lines) != len(wanted):
        return list(names)
    plain = dict(zip(wanted, (_RUST_HASH.sub("", line) for line in lines), strict=True))
    return [plain.get(name, name) for name in names]
