"""Go: what a program's packages read at run time, by the functions that the linker kept.

A Go program is one ELF file with no language folder beside it, but `time.LoadLocation` reads the
time zones, `crypto/x509` the host's certificates, `mime` its tables. The linker drops functions
that nobody calls and keeps the names of the others, in stripped programs too (runtime.pclntab), so
a name that is there means that its files may be opened.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from typing import Final

from krait.image.finders.etc_files import ZONEINFO
from krait.image.manifest import Manifest

BUILD_INFORMATION: Final = b"\xff Go buildinf:"  # debug/buildinfo of Go
SKIPPED_ZONES: Final = frozenset(("right", "posix"))  # copies of the others
CERTIFICATES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
TYPES: Final = (
    *("/usr/share/mime/globs2", "/usr/local/share/mime/globs2"),
    *("/etc/mime.types", "/etc/apache2/mime.types", "/etc/apache/mime.types"),
)
READERS: Final[Mapping[bytes, tuple[str, ...]]] = {
    b"time.LoadLocation": (ZONEINFO,),
    b"crypto/x509.loadSystemRoots": CERTIFICATES,
    b"mime.initMime": TYPES,
}


def add_go(path: str, manifest: Manifest) -> None:
    """Add what a program's packages read, if it is one of Go's."""
    try:
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            if content.find(BUILD_INFORMATION) < 0:
                return
            wanted = [found for name, found in READERS.items() if content.find(name) >= 0]
    except (OSError, ValueError):
        return
    for found in (one for group in wanted for one in group):
        if os.path.isdir(found):
            manifest.add_tree(found, skip_directories=SKIPPED_ZONES)
        else:
            manifest.add_host(found)
