"""The checksum of an image's pages, compared with the library's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from krait.compiler.worker import HostWorker


@pytest.fixture(scope="module")
def worker() -> Iterator[HostWorker]:
    with HostWorker(["krait.kernel.fs.rofs.xxh64"]) as made:
        yield made


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 8, 31, 32, 33, 63, 64, 4092, 4096])
def test_each_length_of_the_rest(worker: HostWorker, length: int) -> None:
    data = bytes((7 * index + 3) & 0xFF for index in range(length))
    assert worker.call("krait.kernel.fs.rofs.xxh64:xxh64", data) == xxh64_intdigest(data)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes(worker: HostWorker, data: bytes) -> None:
    assert worker.call("krait.kernel.fs.rofs.xxh64:xxh64", data) == xxh64_intdigest(data)
