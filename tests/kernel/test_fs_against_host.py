"""The same operations in the kernel's file systems and in a directory of the host: same results."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fs_worker.images import image_of, load
from fs_worker.server import FileSystemWorker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GLUE = "glue_ram"
AT_FDCWD = -100
NAMES = ["a", "b", "c"]


class Hidden:
    """An image, too long to be printed when a test fails."""

    def __init__(self, content: bytes) -> None:
        self.content = content


libc = ctypes.CDLL(None, use_errno=True)


class Guest:
    """The kernel's file system."""

    def __init__(self, worker: FileSystemWorker) -> None:
        self.worker = worker

    def call(self, name: str, *arguments: Any) -> Any:
        return self.worker.call(f"{GLUE}:{name}", *arguments)

    def open(self, path: bytes, flags: int, data: bytes, offset: int) -> Any:
        self.call("open_path", path, flags, 0o644)
        try:
            if flags & 3:
                count = (
                    self.call("write", data)
                    if flags & os.O_APPEND
                    else self.call("write_at", offset, data)
                )
            else:
                count = None
            if flags & 3 != 1:
                into = bytearray(9000)
                count = self.call("read_at", 0, into), bytes(into)
            return count
        finally:
            self.call("close")

    def truncate(self, path: bytes, size: int) -> None:
        self.call("open_path", path, os.O_WRONLY, 0)
        try:
            self.call("truncate", size)
        finally:
            self.call("close")

    def seek(self, path: bytes, offset: int, whence: int) -> Any:
        self.call("open_path", path, os.O_RDONLY, 0)
        try:
            if stat.S_ISDIR(self.call("attribute", path, True, 0)):
                raise OSError(errno.EINVAL, "")
            return self.call("seek", offset, whence)
        finally:
            self.call("close")

    def mkdir(self, path: bytes) -> None:
        self.call("make_directory", path, 0o755)

    def rmdir(self, path: bytes) -> None:
        self.call("remove_directory", path)

    def unlink(self, path: bytes) -> None:
        self.call("unlink", path)

    def symlink(self, path: bytes, target: bytes) -> None:
        self.call("symlink", target, path)

    def readlink(self, path: bytes) -> bytes:
        into = bytearray(200)
        return bytes(into[: self.call("read_link", path, into)])

    def link(self, path: bytes, new: bytes) -> None:
        self.call("link", path, new)

    def rename(self, path: bytes, new: bytes, flags: int) -> None:
        self.call("rename", path, new, flags)

    def stat(self, path: bytes, follow: bool) -> Any:
        mode = self.call("attribute", path, follow, 0)
        size = self.call("attribute", path, follow, 1)
        nlink = self.call("attribute", path, follow, 2)
        return stat.S_IFMT(mode), None if stat.S_ISDIR(mode) else size, nlink

    def list(self, path: bytes) -> list[bytes]:
        self.call("open_path", path, os.O_RDONLY | os.O_DIRECTORY, 0)
        try:
            names = []
            room = bytearray(255)
            while length := self.call("next_entry", room):
                names.append(bytes(room[:length]))
            return sorted(set(names) - {b".", b".."})
        finally:
            self.call("close")


class Host:
    """A directory of the host."""

    def __init__(self, root: bytes) -> None:
        self.root = root

    def at(self, path: bytes) -> bytes:
        return self.root + b"/" + path

    def open(self, path: bytes, flags: int, data: bytes, offset: int) -> Any:
        descriptor = os.open(self.at(path), flags, 0o644)
        try:
            count: Any = None
            if flags & 3:
                count = (
                    os.write(descriptor, data)
                    if flags & os.O_APPEND
                    else os.pwrite(descriptor, data, offset)
                )
            if flags & 3 != 1:
                content = os.pread(descriptor, 9000, 0)
                count = len(content), content.ljust(9000, b"\0")
            return count
        finally:
            os.close(descriptor)

    def truncate(self, path: bytes, size: int) -> None:
        descriptor = os.open(self.at(path), os.O_WRONLY)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    def seek(self, path: bytes, offset: int, whence: int) -> Any:
        descriptor = os.open(self.at(path), os.O_RDONLY)
        try:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "")
            return os.lseek(descriptor, offset, whence)
        finally:
            os.close(descriptor)

    def mkdir(self, path: bytes) -> None:
        os.mkdir(self.at(path), 0o755)

    def rmdir(self, path: bytes) -> None:
        os.rmdir(self.at(path))

    def unlink(self, path: bytes) -> None:
        os.unlink(self.at(path))

    def symlink(self, path: bytes, target: bytes) -> None:
        os.symlink(target, self.at(path))

    def readlink(self, path: bytes) -> bytes:
        return os.readlink(self.at(path))

    def link(self, path: bytes, new: bytes) -> None:
        os.link(self.at(path), self.at(new), follow_symlinks=False)

    def rename(self, path: bytes, new: bytes, flags: int) -> None:
        if libc.renameat2(AT_FDCWD, self.at(path), AT_FDCWD, self.at(new), flags) != 0:
            raise OSError(ctypes.get_errno(), "")

    def stat(self, path: bytes, follow: bool) -> Any:
        found = os.stat(self.at(path), follow_symlinks=follow)
        size = None if stat.S_ISDIR(found.st_mode) else found.st_size
        return stat.S_IFMT(found.st_mode), size, found.st_nlink

    def list(self, path: bytes) -> list[bytes]:
        descriptor = os.open(self.at(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(os.fsencode(name) for name in os.listdir(descriptor))
        finally:
            os.close(descriptor)


LONG = "a-name-that-is-longer-than-twenty-four-bytes"
PLACES = ["a", "b", "c", "a/a", "a/b", "a/b/a", "a/b/c", "b/a", "c/a", LONG, f"a/{LONG}", "./a//b"]
START: list[tuple[Any, ...]] = [
    ("mkdir", b"a"),
    ("mkdir", b"a/b"),
    ("open", b"b", os.O_RDWR | os.O_CREAT, b"contents", 0),
    ("open", b"a/a", os.O_RDWR | os.O_CREAT, b"x" * 5000, 9000),
    ("symlink", b"c", b"a/b"),
]

paths = st.builds(
    lambda place, tail: place.encode() + tail,
    st.sampled_from(PLACES),
    st.sampled_from([b"", b"", b"", b"", b"", b"", b"/", b"//", b"/."]),
)
targets = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(
    lambda parts: "/".join(parts).encode()
)
open_flags = st.sampled_from(
    [
        os.O_RDONLY,
        os.O_RDWR,
        os.O_RDWR | os.O_CREAT,
        os.O_RDWR | os.O_CREAT,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL,
        os.O_WRONLY | os.O_TRUNC,
        os.O_RDWR | os.O_APPEND,
        os.O_RDONLY | os.O_NOFOLLOW,
        os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW,
        os.O_RDWR | os.O_CREAT | os.O_TRUNC,
        os.O_RDONLY | os.O_DIRECTORY,
    ]
)
contents = st.binary(max_size=20) | st.integers(1, 9000).map(lambda n: b"x" * n)
offsets = st.sampled_from([0, 1, 100, 4095, 4096, 5000, 20000, 70000])
operations = st.one_of(
    st.tuples(st.just("open"), paths, open_flags, contents, offsets),
    st.tuples(st.just("open"), paths, open_flags, contents, offsets),
    st.tuples(st.just("truncate"), paths, offsets),
    st.tuples(st.just("seek"), paths, offsets, st.sampled_from([0, 2, 3, 4])),
    st.tuples(st.just("mkdir"), paths),
    st.tuples(st.just("mkdir"), paths),
    st.tuples(st.just("rmdir"), paths),
    st.tuples(st.just("unlink"), paths),
    st.tuples(st.just("symlink"), paths, targets),
    st.tuples(st.just("readlink"), paths),
    st.tuples(st.just("link"), paths, paths),
    st.tuples(st.just("rename"), paths, paths, st.sampled_from([0, 0, 0, 1, 2])),
    st.tuples(st.just("stat"), paths, st.booleans()),
    st.tuples(st.just("list"), paths),
)


def outcome_of(system: Any, operation: tuple[Any, ...]) -> Any:
    try:
        return getattr(system, operation[0])(*operation[1:])
    except OSError as error:
        return errno.errorcode[error.errno or 0]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        pytest.skip("no tmpfs to compare with")
    path = Path(tempfile.mkdtemp(dir=shared))
    yield path
    shutil.rmtree(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(operations, max_size=40))
def test_ramfs_behaves_as_tmpfs(
    worker: FileSystemWorker, folder: Path, steps: list[tuple[Any, ...]]
) -> None:
    root = tempfile.mkdtemp(dir=folder)
    guest = Guest(worker)
    guest.call("use_ram")
    host = Host(os.fsencode(root))
    try:
        for step in START + steps:
            assert outcome_of(guest, step) == outcome_of(host, step), step
    finally:
        guest.call("drop")
        shutil.rmtree(root)
    assert worker.call("live_objects") == 0
    assert guest.call("frames_used") == 0


@pytest.fixture(scope="module")
def start_image(folder: Path) -> Hidden:
    root = tempfile.mkdtemp(dir=folder)
    for step in START:
        outcome_of(Host(os.fsencode(root)), step)
    return Hidden(image_of(Path(root)))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(operations, max_size=40))
def test_the_overlay_behaves_as_tmpfs(
    worker: FileSystemWorker, folder: Path, start_image: Hidden, steps: list[tuple[Any, ...]]
) -> None:
    root = tempfile.mkdtemp(dir=folder)
    host = Host(os.fsencode(root))
    for step in START:
        outcome_of(host, step)
    guest = Guest(worker)
    load(worker, start_image.content, overlaid=True)
    try:
        for step in steps:
            if step[0] == "seek" and step[3] in (os.SEEK_DATA, os.SEEK_HOLE):
                continue  # an image has no holes
            assert outcome_of(guest, step) == outcome_of(host, step), step
    finally:
        guest.call("drop")
        shutil.rmtree(root)
    assert worker.call("live_objects") == 0
    assert guest.call("frames_used") == 0
