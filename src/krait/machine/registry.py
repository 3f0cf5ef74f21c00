"""The machines that run: each has an entry in a folder of the user's while it does.

An entry is a file `NAME.vm` of lines `KEY VALUE`, and a UNIX socket `NAME.sock` on which the
`krait run` of that machine answers questions (`questions.py`). The file stays locked as long as its
process lives, however that ends: an entry that can be locked is left over, and whoever finds it
removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time

from krait.cache_folder import cache_folder
from krait.machine.errors import MachineError

_ENTRY = ".vm"
_SOCKET = ".sock"
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_NAME_MAX = 64


class Entry:
    """A machine that runs."""

    __slots__ = ("facts", "name")

    def __init__(self, name: str, facts: dict[str, str]) -> None:
        self.name = name
        self.facts = facts
        """pid, program, command, started (ns since 1970), memory (bytes), cpus, kernel, image."""

    def connect(self, timeout_s: float) -> socket.socket:
        """A connection to the machine's `krait run`; raises OSError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        folder = os.open(folder_path(), os.O_RDONLY | os.O_DIRECTORY)
        try:
            connection.connect(_short_path(folder, self.name))
        except OSError:
            connection.close()
            raise
        finally:
            os.close(folder)
        return connection


class Registration:
    """This run's entry; `close` removes it."""

    __slots__ = ("_file", "_folder", "listener", "name")

    def __init__(self, name: str | None, facts: dict[str, str]) -> None:
        """Enter a machine; raises MachineError when the name is taken, OSError for other reasons.

        Without a name it gets one from its program and the process.
        """
        if name is not None:
            check_name(name)
        self.name = name or _made_name(facts.get("program", ""))
        path = folder_path()
        os.makedirs(path, mode=0o700, exist_ok=True)
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self._file = self._take_entry()
        lines = {"pid": str(os.getpid()), "started": str(time.time_ns())} | facts
        text = "".join(f"{key} {value}\n" for key, value in lines.items() if "\n" not in value)
        os.write(self._file, os.fsencode(text))
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._remove(_SOCKET)
        previous = os.umask(0o177)  # the socket is the user's alone
        try:
            self.listener.bind(_short_path(self._folder, self.name))
        finally:
            os.umask(previous)
        self.listener.listen(8)
        self.listener.setblocking(False)

    def close(self) -> None:
        """Leave the folder."""
        self.listener.close()
        self._remove(_SOCKET)
        self._remove(_ENTRY)
        os.close(self._file)
        os.close(self._folder)

    def _take_entry(self) -> int:
        """Make the entry's file and lock it."""
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.open(self.name + _ENTRY, flags, 0o600, dir_fd=self._folder)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                os.close(self._folder)
                raise MachineError(f"a machine named {self.name} is running already") from None
            with contextlib.suppress(FileNotFoundError):
                here = os.stat(self.name + _ENTRY, dir_fd=self._folder)
                if here.st_ino == os.fstat(file).st_ino:
                    os.ftruncate(file, 0)
                    return file
            os.close(file)  # somebody took it for a left-over and removed it just now

    def _remove(self, suffix: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.name + suffix, dir_fd=self._folder)


def folder_path() -> str:
    """Where the entries are."""
    return os.path.join(cache_folder(), "run")


def check_name(name: str) -> None:
    """Refuse what is no name. Raises MachineError."""
    if not name or len(name) > _NAME_MAX or not set(name) <= _ALLOWED or name[0] in ".-":
        raise MachineError(
            f"--name: '{name}' is no name; use letters, digits, '_', '.' and '-', up to {_NAME_MAX}"
        )


def running() -> list[Entry]:
    """Every machine of this user that runs, the oldest first; removes entries left over."""
    try:
        folder = os.open(folder_path(), os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    found = []
    try:
        for file_name in os.listdir(folder):
            if file_name.endswith(_ENTRY):
                name = file_name.removesuffix(_ENTRY)
                with contextlib.suppress(OSError):
                    if (entry := _read_entry(folder, name)) is not None:
                        found.append(entry)
    finally:
        os.close(folder)
    return sorted(found, key=lambda entry: (entry.facts.get("started", ""), entry.name))


def find(wanted: str) -> Entry:
    """The machine with a name, a process id, or a name that begins so. Raises MachineError."""
    entries = running()
    for entry in entries:
        if wanted in (entry.name, entry.facts.get("pid")):
            return entry
    matching = [entry for entry in entries if entry.name.startswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = ", ".join(entry.name for entry in matching)
        raise MachineError(f"{wanted} stands for several machines: {names}")
    if not entries:
        raise MachineError(f"no machine named {wanted}: none is running")
    names = ", ".join(entry.name for entry in entries)
    raise MachineError(f"no machine named {wanted}; running: {names}")


def _read_entry(folder: int, name: str) -> Entry | None:
    """Read an entry, or remove it when its process is gone."""
    file = os.open(name + _ENTRY, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=folder)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lines = os.fsdecode(os.pread(file, 65536, 0)).splitlines()
            facts = dict(line.split(" ", 1) for line in lines if " " in line)
            return Entry(name, facts)
        for suffix in (_SOCKET, _ENTRY):
            with contextlib.suppress(OSError):
                os.unlink(name + suffix, dir_fd=folder)
        return None
    finally:
        os.close(file)


def _made_name(program: str) -> str:
    base = "".join(letter for letter in os.path.basename(program) if letter in _ALLOWED)
    return f"{base.lstrip('.-')[:40] or 'machine'}-{os.getpid()}"


def _short_path(folder: int, name: str) -> str:
    """A path that fits into a socket address (108 bytes), whatever the folder is called."""
    return f"/proc/self/fd/{folder}/{name}{_SOCKET}"
