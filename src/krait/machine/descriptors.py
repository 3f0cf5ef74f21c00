"""Gives the guest's consoles the user's own files, so that no byte of output passes through Python.

QEMU puts what it writes to into non-blocking mode, and that is a property of the open file, shared
with every process that has it: a shell's next command would find its terminal non-blocking. So
terminals and pipes are opened anew through /proc/self/fd, which gives an open file of our own.
Regular files cannot be: their position is shared on purpose (`(krait run …; date) > log`), and
non-blocking means nothing to them. Sockets cannot be either, and are restored after the run.
"""

from __future__ import annotations

import fcntl
import os
import stat

from krait.machine.machine import Channel

STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERRORS = 0, 1, 2


class Standard:
    """The three files that stand for the program's standard input, output and errors."""

    __slots__ = ("closed", "errors", "input", "kinds", "output", "terminals")

    def __init__(
        self,
        *,
        input: int = STANDARD_INPUT,
        output: int = STANDARD_OUTPUT,
        errors: int = STANDARD_ERRORS,
    ) -> None:
        self.input = input
        self.output = output
        self.errors = errors
        self.closed = open_missing()
        self.kinds = {number: os.fstat(number) for number in (input, output, errors)}
        self.terminals = [
            number
            for number, kind in self.kinds.items()
            if stat.S_ISCHR(kind.st_mode) and os.isatty(number)
        ]
        """Those that are terminals, standard input first."""

    def is_empty_input(self) -> bool:
        """Whether there is nothing to forward: closed, /dev/null, or a terminal not ours now."""
        if self.input in self.terminals:
            return not _is_foreground(self.input)
        return self.input in self.closed or _is_null(self.kinds[self.input])

    def has_reader_to_lose(self, number: int) -> bool:
        """Whether standard output or errors can lose its reader: writing is a SIGPIPE then."""
        mode = self.kinds[number].st_mode
        return number not in self.closed and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))

    def channel(self, number: int) -> tuple[Channel, int]:
        """A channel to standard output or errors, and the descriptor to inherit (-1: none)."""
        kind = self.kinds[number]
        if number in self.closed or _is_null(kind):
            return Channel(Channel.NOWHERE), -1
        descriptor = self._writable(number)
        if stat.S_ISSOCK(kind.st_mode):
            return Channel(Channel.SOCKET, descriptor=descriptor), descriptor
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
            return Channel(Channel.DESCRIPTOR, descriptor=descriptor), descriptor
        path = f"/proc/self/fd/{descriptor}"
        return Channel(Channel.PATH, path=path), descriptor

    def _writable(self, number: int) -> int:
        """A descriptor for the same file whose non-blocking mode is nobody else's, if possible."""
        if number in self.terminals or stat.S_ISFIFO(self.kinds[number].st_mode):
            try:
                return _above_standard(
                    os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NOCTTY)
                )
            except OSError:
                pass  # a terminal of another user, say after su(1): share it
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 10)


class FileModes:
    """Remembers the modes of open files (O_NONBLOCK, O_APPEND), and puts them back."""

    __slots__ = ("_flags",)

    def __init__(self, standard: Standard) -> None:
        self._flags = {number: fcntl.fcntl(number, fcntl.F_GETFL) for number in standard.kinds}

    def restore(self) -> None:
        """Undo what the hypervisor did to files that it shared with us."""
        for number, flags in self._flags.items():
            if fcntl.fcntl(number, fcntl.F_GETFL) != flags:
                fcntl.fcntl(number, fcntl.F_SETFL, flags)


def open_missing() -> set[int]:
    """Open /dev/null where a standard descriptor is closed, so that no new file takes its place."""
    missing = set()
    for number in (STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERRORS):
        try:
            os.fstat(number)
        except OSError:
            missing.add(os.open(os.devnull, os.O_RDWR))  # the lowest free descriptor: this one
    return missing


def _is_null(kind: os.stat_result) -> bool:
    return stat.S_ISCHR(kind.st_mode) and kind.st_rdev == os.makedev(1, 3)


def _is_foreground(terminal: int) -> bool:
    """Whether reading the terminal would not stop us (SIGTTIN)."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True  # not our controlling terminal: no job control


def _above_standard(descriptor: int) -> int:
    if descriptor > STANDARD_ERRORS:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved
