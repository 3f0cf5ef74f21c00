"""Print what many operations on files give: the same on the host and in a guest."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

BASE = tempfile.mkdtemp(dir="/tmp")
os.chdir(BASE)


def show(name: str, *actions: Callable[[], Any]) -> None:
    """Print the results of actions, or the errno that they end with."""
    results = []
    for action in actions:
        try:
            results.append(action())
        except OSError as error:
            results.append(errno.errorcode[error.errno or 0])
        except Exception as error:  # noqa: BLE001
            results.append(repr(error))
    print(name, *results)


def make(path: str, content: bytes = b"", flags: int = 0) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o644)
    os.write(descriptor, content)
    return descriptor


def seen_as(path: str) -> str:
    return os.readlink(path).replace(BASE, "")


def sizes(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_blocks, status.st_blksize, status.st_nlink


def text_of(name: str) -> str:
    return Path(f"/proc/self/{name}").read_text()


def device(path: str) -> tuple[str, int, int]:
    status = os.stat(path)
    return oct(status.st_mode), os.major(status.st_rdev), os.minor(status.st_rdev)


def removed_files() -> None:
    file = make("a", b"hello")
    link = f"/proc/self/fd/{file}"
    show("status", lambda: sizes(file), lambda: oct(fcntl.fcntl(file, fcntl.F_GETFL)))
    show("link", lambda: seen_as(link), lambda: os.unlink("a"), lambda: seen_as(link))
    show("reopen", lambda: os.read(os.open(link, os.O_RDONLY), 9), lambda: sizes(file))
    unnamed = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    show("unnamed", lambda: seen_as(f"/proc/self/fd/{unnamed}")[:2], lambda: sizes(unnamed))
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
    show("gone", os.getcwd, lambda: make("x"), os.listdir, lambda: seen_as("/proc/self/cwd"))
    os.chdir(BASE)


def sparse_files() -> None:
    file = make("sparse", b"x")
    os.ftruncate(file, 100000)
    os.pwrite(file, b"y", 50000)
    show("sparse", lambda: sizes(file))
    for offset, whence in [(0, 3), (0, 4), (5000, 3), (50001, 4), (60000, 3), (100000, 4)]:
        show(f"seek {offset} {whence}", lambda o=offset, w=whence: os.lseek(file, o, w))
    show("allocate", lambda: os.posix_fallocate(file, 0, 200000), lambda: sizes(file))


def mappings() -> None:
    file = make("m", bytes(8192))
    shared = mmap.mmap(file, 8192)
    shared[0:3] = b"abc"
    os.pwrite(file, b"Z", 4096)
    show("shared", lambda: os.pread(file, 3, 0), lambda: shared[4096:4097])
    private = mmap.mmap(file, 8192, flags=mmap.MAP_PRIVATE)
    private[0:1] = b"Q"
    show("private", lambda: os.pread(file, 1, 0))
    reader = os.open("m", os.O_RDONLY)
    show("read-only", lambda: mmap.mmap(reader, 4096, flags=mmap.MAP_SHARED))
    zero = os.open("/dev/zero", os.O_RDWR)
    show("/dev/zero", lambda: mmap.mmap(zero, 4096, flags=mmap.MAP_PRIVATE)[0:4])


def devices() -> None:
    for path in ("/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"):
        file = os.open(path, os.O_RDWR)
        show(
            path,
            lambda p=path: device(p),
            lambda f=file: len(os.read(f, 10)),
            lambda f=file: os.write(f, b"x" * 10),
            lambda f=file: os.lseek(f, 5, 0),
        )
    show("/dev/tty", lambda: os.open("/dev/tty", os.O_RDWR))
    show("node", lambda: os.mknod("n", stat.S_IFCHR | 0o666, os.makedev(1, 3)))
    show("node", lambda: os.write(os.open("n", os.O_WRONLY), b"abc"))
    show("fifo", lambda: os.mkfifo("f"), lambda: os.open("f", os.O_WRONLY | os.O_NONBLOCK))
    reader = os.open("f", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open("f", os.O_WRONLY)
    show("fifo", lambda: os.write(writer, b"pp"), lambda: os.read(reader, 5))
    show("fifo", lambda: os.read(reader, 5), lambda: os.close(writer), lambda: os.read(reader, 5))
    show("poll", lambda: select.select([], [1], [], 0)[1])


def directories() -> None:
    show("make", lambda: os.mkdir("d"), lambda: os.mkdir("d/e"), lambda: os.stat("d").st_nlink)
    show("remove", lambda: os.rmdir("d"), lambda: os.rmdir("d/."), lambda: os.rmdir("/"))
    show("rename", lambda: os.rename("d", "d/e/x"), lambda: os.rename("m", "/proc/m"))
    show("read", lambda: os.read(os.open("d", os.O_RDONLY), 1), lambda: os.listdir("m"))
    show("write", lambda: os.open("d", os.O_RDWR), lambda: os.open("d", os.O_CREAT))
    show("unlink", lambda: os.unlink("d"), lambda: os.rmdir("m"), lambda: os.link("d", "d2"))
    folder = os.open("d", os.O_RDONLY)
    show("at", lambda: os.mkdir("f", dir_fd=folder), lambda: os.stat("e", dir_fd=folder).st_nlink)
    show("at", lambda: os.rename("f", "g", src_dir_fd=folder, dst_dir_fd=folder))
    show("list", lambda: sorted(os.listdir(folder)))
    show("types", lambda: sorted((e.name, e.is_dir(), e.is_file()) for e in os.scandir(".")))


def attributes() -> None:
    show("mode", lambda: os.chmod("m", 0o4711), lambda: oct(os.stat("m").st_mode))
    show("owner", lambda: os.chown("m", 3, 4), lambda: oct(os.stat("m").st_mode))
    show("access", lambda: os.access("m", os.W_OK), lambda: os.access("m", os.X_OK))
    show("access", lambda: os.chmod("m", 0o600), lambda: os.access("m", os.X_OK))
    show("times", lambda: os.utime("m", ns=(1234567890123456789, 987654321)))
    show("times", lambda: (os.stat("m").st_atime_ns, os.stat("m").st_mtime_ns))
    show("umask", lambda: os.umask(0o027), lambda: os.umask(0o022))
    show("statvfs", lambda: (os.statvfs(".").f_bsize, os.statvfs(".").f_namemax))
    show("xattr", lambda: os.getxattr("m", "user.x"), lambda: os.listxattr("m"))


def links() -> None:
    show("symlink", lambda: os.symlink("m", "l"), lambda: os.lstat("l").st_size)
    show("nofollow", lambda: os.open("l", os.O_RDONLY | os.O_NOFOLLOW))
    path = os.open("m", os.O_PATH)
    show("path", lambda: os.read(path, 1), lambda: oct(os.fstat(path).st_mode))
    show("dangling", lambda: os.symlink("nowhere", "x"), lambda: make("x", b"", os.O_EXCL))
    show("dangling", lambda: os.close(make("x")), lambda: os.path.exists("nowhere"))


def mistakes() -> None:
    file = make("m")
    show("long", lambda: make("n" * 256), lambda: make("zz/"), lambda: make("m/x"))
    show("numbers", lambda: os.truncate("m", -1), lambda: os.pread(file, 1, -1))
    show("seek", lambda: os.lseek(file, -1, 0), lambda: os.lseek(os.pipe()[0], 0, 0))
    show("running", lambda: os.open(sys.executable, os.O_WRONLY))
    show("/proc", lambda: os.mkdir("/proc/x"), lambda: make("/proc/x"))
    show("/proc", lambda: os.unlink("/proc/version"))


def processes() -> None:
    show("self", lambda: os.readlink("/proc/self") == str(os.getpid()))
    show("exe", lambda: os.readlink("/proc/self/exe") == os.path.realpath(sys.executable))
    show("descriptors", lambda: set("012") <= set(os.listdir("/proc/self/fd")))
    show("mounts", lambda: {"/", "/proc"} <= {x.split()[1] for x in text_of("mounts").splitlines()})
    for name in ("stat", "statm"):
        show(name, lambda n=name: len(text_of(n).split()))
    for name in ("status", "limits", "fdinfo/0"):
        show(name, lambda n=name: text_of(n).split()[0])
    for word in ("[stack]", "[heap]", "[vdso]", "libc"):
        show(f"maps {word}", lambda w=word: w in text_of("maps"))


def database() -> None:
    connection = sqlite3.connect("db")
    connection.execute("pragma journal_mode=wal").fetchall()
    connection.execute("create table t(a)")
    connection.executemany("insert into t values(?)", [(n,) for n in range(1000)])
    connection.commit()
    show("sqlite", lambda: connection.execute("select sum(a) from t").fetchone())


removed_files()
sparse_files()
mappings()
devices()
directories()
attributes()
links()
mistakes()
processes()
database()
