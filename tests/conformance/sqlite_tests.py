"""`test.test_sqlite3`: the one part of CPython's suite that Debian's package leaves out.

`libpython3.11-testsuite` has no `test_sqlite3`, nor has any other binary package; the source
package has. `fetch` takes it from there, with package lists of its own, because many machines have
no `deb-src` line.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
FOLDER: Final = CACHE / "krait" / "conformance" / "source" / "test" / "test_sqlite3"
SOURCE: Final = (
    "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
    "http://deb.debian.org/debian bookworm main\n"
)
LIMIT_S: Final = 300


def fetch() -> None:
    """Put the tests into the cache, once."""
    if FOLDER.is_dir():
        return
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as name:
        folder = Path(name)
        (folder / "lists" / "partial").mkdir(parents=True)
        (folder / "sources.list").write_text(SOURCE)
        options = [
            f"Dir::Etc::SourceList={folder}/sources.list",
            "Dir::Etc::SourceParts=-",
            f"Dir::State::Lists={folder}/lists",
            "APT::Sandbox::User=root",
        ]
        command = ["apt-get", "-qq", *(f"-o{option}" for option in options)]
        for words in (["update"], ["source", "--download-only", "python3.11"]):
            subprocess.run([*command, *words], cwd=folder, check=True, timeout=LIMIT_S)
        (archive,) = folder.glob("python3.11_*.orig.tar.*")
        with tarfile.open(archive) as source:
            members = [one for one in source if "/Lib/test/test_sqlite3/" in one.name]
            source.extractall(folder, members, filter="data")
        (found,) = folder.glob("*/Lib/test/test_sqlite3")
        found.rename(FOLDER)
