"""What the tests of kernel modules share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fs_worker.server import FileSystemWorker


@pytest.fixture(scope="session")
def worker() -> Iterator[FileSystemWorker]:
    """The file systems, compiled once for all tests of a run."""
    with FileSystemWorker(["glue_ram", "glue_permission"]) as made:
        yield made
