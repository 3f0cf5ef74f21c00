"""ROFS as the kernel reads it: what was written comes back, and no damaged byte goes unseen."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fs_worker.images import PAGE, image_of, load
from fs_worker.server import Died, FileSystemWorker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krait.image.checksum import checksum

GLUE = "glue_ram"


class Image(bytes):
    """An image; tests that fail do not print it."""

    def __repr__(self) -> str:
        return f"<image of {len(self)} bytes>"


CONTENT = {"one": b"1" * 5000, "dir/two": bytes(range(256)) * 40, "dir/empty": b""}


@pytest.fixture(scope="module")
def image() -> Iterator[bytes]:
    folder = Path(tempfile.mkdtemp())
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "dir" / "many").mkdir()
    for number in range(300):
        (folder / "dir" / "many" / f"file number {number}").touch()
    (folder / "link").symlink_to("dir/two")
    yield Image(image_of(folder))
    shutil.rmtree(folder)


def read_all(worker: FileSystemWorker) -> dict[str, bytes]:
    """Read every file by walking the tree."""
    found: dict[str, bytes] = {}
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        worker.call(f"{GLUE}:open_path", folder or b"/", os.O_RDONLY | os.O_DIRECTORY, 0)
        names = []
        room = bytearray(255)
        while length := worker.call(f"{GLUE}:next_entry", room):
            names.append(bytes(room[:length]))
            assert len(names) < 2000
        for name in names:
            if name in (b".", b".."):
                continue
            path = folder + b"/" + name
            mode = worker.call(f"{GLUE}:attribute", path, False, 0)
            if stat.S_ISDIR(mode):
                waiting.append(path)
            elif stat.S_ISREG(mode):
                worker.call(f"{GLUE}:open_path", path, os.O_RDONLY, 0)
                into = bytearray(20000)
                count = worker.call(f"{GLUE}:read_at", 0, into)
                found[os.fsdecode(path)[1:]] = bytes(into[:count])
            else:
                into = bytearray(100)
                worker.call(f"{GLUE}:read_link", path, into)
        worker.call(f"{GLUE}:close")
    return found


def test_reads_what_was_written(worker: FileSystemWorker, image: bytes) -> None:
    load(worker, image, overlaid=False)
    try:
        found = read_all(worker)
    finally:
        worker.call(f"{GLUE}:drop")
    for name, content in CONTENT.items():
        assert found[name] == content
    assert len(found) == len(CONTENT) + 300
    assert worker.call("live_objects") == 0


def test_next_halt(worker: FileSystemWorker, tmp_path: Path) -> None:
    """Each file's own places, from any offset on; not those in pages that were written since."""
    never = (1 << 64) - 1
    edges = (0, 1, 4095, 4096, 5000, 5001, 5002, 9000, 9001, 12000, 1 << 40)
    sites = {"/first": [0, 5000, 5001], "/second": [9000], "/third": list(range(0, 12000, 7))}
    for name in [*sites, "/without"]:
        (tmp_path / name[1:]).write_bytes(bytes(3 * PAGE))
    written = Image(image_of(tmp_path, sites))
    for overlaid in (False, True):
        load(worker, written, overlaid=overlaid)
        try:
            for name in [*sites, "/without"]:
                places = sites.get(name, [])
                for offset in edges:
                    expected = min((at for at in places if at >= offset), default=never)
                    found = worker.call(f"{GLUE}:next_halt", name.encode(), offset)
                    assert found == expected, (name, offset)
            if overlaid:
                worker.call(f"{GLUE}:open_path", b"/first", os.O_RDWR, 0)
                worker.call(f"{GLUE}:write_at", 100, b"changed")
                worker.call(f"{GLUE}:close")
                assert worker.call(f"{GLUE}:next_halt", b"/first", 0) == 5000
        finally:
            worker.call(f"{GLUE}:drop")
    assert worker.call("live_objects") == 0


def test_refuses_to_change(worker: FileSystemWorker, image: bytes) -> None:
    load(worker, image, overlaid=False)
    try:
        for call, arguments in [
            ("make_directory", (b"/new", 0o755)),
            ("unlink", (b"/one",)),
            ("open_path", (b"/one", os.O_RDWR, 0)),
            ("open_path", (b"/new", os.O_RDWR | os.O_CREAT, 0o644)),
            ("rename", (b"/one", b"/other", 0)),
        ]:
            with pytest.raises(OSError) as caught:
                worker.call(f"{GLUE}:{call}", *arguments)
            assert caught.value.errno == errno.EROFS, call
    finally:
        worker.call(f"{GLUE}:drop")


def test_what_was_changed_stays_when_memory_is_short(
    worker: FileSystemWorker, image: bytes
) -> None:
    def call(name: str, *arguments: Any) -> Any:
        return worker.call(f"{GLUE}:{name}", *arguments)

    def shrink() -> int:
        for _ in range(3):
            call("shrink_dentries", 10000)
        return sum(call("shrink_overlay", 10000) for _ in range(3))

    load(worker, image, overlaid=True)
    try:
        read_all(worker)
        assert shrink() > 300
        call("open_path", b"/one", os.O_RDWR, 0)
        call("write_at", 4000, b"changed")
        call("close")
        call("unlink", b"/dir/two")
        call("rename", b"/dir/many", b"/moved", 0)
        call("open_path", b"/moved/file number 7", os.O_RDONLY, 0)
        shrink()
        assert call("read_at", 0, bytearray(10)) == 0
        found = read_all(worker)
        shrink()
        call("unlink", b"/one")
        shrink()
        with pytest.raises(OSError):
            call("attribute", b"/one", True, 0)
    finally:
        call("drop")
    assert found["one"] == b"1" * 4000 + b"changed" + b"1" * 993
    assert "dir/two" not in found
    assert len([name for name in found if name.startswith("moved/")]) == 300
    assert worker.call("live_objects") == 0
    assert call("frames_used") == 0


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_sees_every_flipped_bit(worker: FileSystemWorker, image: bytes, data: Any) -> None:
    place = data.draw(st.integers(0, len(image) - 1))
    damaged = bytearray(image)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        with contextlib.suppress(OSError):
            load(worker, bytes(damaged), overlaid=False)
            read_all(worker)
        text = bytearray(512)
        length = worker.call(f"{GLUE}:damage_text", text)
        assert length, f"nobody saw that byte {place} is another"
        if f"page {place // PAGE} " not in text[:length].decode():
            assert place < PAGE or is_checksum_page(image, place // PAGE)
    finally:
        worker.call(f"{GLUE}:drop")


def is_checksum_page(image: bytes, page: int) -> bool:
    """Tell whether a page holds checksums, where damage shows in the pages that they cover."""
    level2, level2_count, level1, level1_count = struct.unpack_from("<4Q", image, 24)
    return level2 <= page < level2 + level2_count or level1 <= page < level1 + level1_count


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_survives_a_hostile_image(worker: FileSystemWorker, image: bytes, data: Any) -> None:
    """Numbers changed at will, checksums made to fit: any errno, but never a panic."""
    forged = bytearray(image)
    level2, _, level1, level1_count, inodes, _, entries = struct.unpack_from("<7Q", image, 24)
    interesting = [0, 1, 2, 255, 4096, len(image), 2**31, 2**32 - 1, 2**63, 2**64 - 1]
    for _ in range(data.draw(st.integers(1, 4))):
        area = data.draw(st.sampled_from([0, inodes, entries]))
        size = data.draw(st.sampled_from([4, 8]))
        start = 24 if area == 0 else area * PAGE
        offset = start + size * data.draw(st.integers(0, 20 if area == 0 else 60))
        value = data.draw(st.sampled_from(interesting)) % 2 ** (8 * size)
        forged[offset : offset + size] = value.to_bytes(size, "little")
    fix_checksums(forged, level2, level1, level1_count)
    try:
        load(worker, bytes(forged), overlaid=data.draw(st.booleans()))
        read_all(worker)
    except OSError:
        pass
    except Died as died:
        pytest.fail(str(died))
    finally:
        worker.call(f"{GLUE}:drop")


def fix_checksums(image: bytearray, level2: int, level1: int, level1_count: int) -> None:
    """Make the checksums of an image with few pages right."""
    pages = len(image) // PAGE
    for page in range(pages):
        if page and not level2 <= page < level1 + level1_count:
            put(image, level1 * PAGE + 4 * page, image[page * PAGE : (page + 1) * PAGE])
    put(image, level2 * PAGE, image[level1 * PAGE : (level1 + 1) * PAGE])
    put(image, PAGE - 4 - 1024, image[level2 * PAGE : (level2 + 1) * PAGE])
    put(image, PAGE - 4, image[: PAGE - 4])


def put(image: bytearray, offset: int, content: bytes | bytearray) -> None:
    """Write a checksum."""
    struct.pack_into("<I", image, offset, checksum(bytes(content)))
