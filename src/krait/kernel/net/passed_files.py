"""Open files on their way through a socket (SCM_RIGHTS of unix(7)), and who frees lost ones.

A message holds references to the files that it carries. A socket may so be kept alive by a message
in a queue that only that socket could read: counting references never frees such a ring. So every
socket that is on its way is in a list, with the number of messages that carry it, and `collect`
finds those that are reachable from nowhere else: a socket is suspect when it has no references but
those of messages; suspects that lie in the queue of one which is not garbage are cleared; what is
left is garbage, and its queues are emptied. This is cycle collection by trial deletion (Christopher
1984); Linux did the same until 6.10.

Files of a message that is lost may be sockets in whose queues lie messages with files, and so on
without end: `LostFiles` closes one after the other, not one within the other (`delayed_fput`).

Invariant: `in_flight` of a socket is the number of times that it appears in `PassedFiles`; it is in
the list exactly while that is not 0.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from krait.kernel.fs.file import File
from krait.kernel.lang import Buffer, Counted, Struct, reference_count, u32, u64
from krait.kernel.net.socket import Socket

LIST_AND_LOCAL = u64(2)  # references to a socket besides those of messages, while it is looked at


class PassableSocket(Socket):
    """A socket that can carry files and be carried."""

    in_flight: u32 = 0
    unexplained: u32 = 0  # while collecting: carried by a message that is not a suspect's
    suspect: bool = False
    next_in_flight: PassableSocket | None = None
    next_cleared: PassableSocket | None = None  # while collecting

    @abstractmethod
    def visit(self, action: Callable[[PassedFiles], None]) -> None:
        """Call `action` for what each message that waits here carries."""

    @abstractmethod
    def discard(self) -> None:
        """Drop everything that waits here."""

    @abstractmethod
    def nesting(self) -> u32:
        """Say how deep sockets in messages lie in here: 0 when there are none."""


class Bundle(Counted):
    """Files, which may wait until they are closed."""

    files: Buffer[File | None]
    following: Bundle | None = None

    def close(self) -> None:
        """Refer to none of them any more."""
        for index in range(self.files.length):
            self.files[index] = None


class PassedFiles(Counted):
    """The files that one message carries."""

    bundle: Bundle
    nesting: u32 = 0

    @property
    def files(self) -> Buffer[File | None]:
        """The files, in order."""
        return self.bundle.files

    def __del__(self) -> None:
        """The files have arrived, or are lost."""
        end_flight(self.files)
        lost_files.close(self.bundle)


def pass_files(files: Buffer[File | None]) -> PassedFiles:
    """Send files on their way. Raises ENOMEM."""
    bundle = Bundle(files=files)
    made = PassedFiles(bundle=bundle)
    for index in range(files.length):
        file = files[index]
        if file is not None and isinstance(file, PassableSocket):
            sockets_in_flight.enter(file)
            made.nesting = max(made.nesting, file.nesting() + 1)
    return made


def end_flight(files: Buffer[File | None]) -> None:
    """A message does not carry these any more."""
    for index in range(files.length):
        file = files[index]
        if file is not None and isinstance(file, PassableSocket):
            sockets_in_flight.leave(file)


class SocketsInFlight(Struct):
    """Every socket that some message carries."""

    first: PassableSocket | None = None
    count: u64 = 0
    collecting: bool = False
    first_cleared: PassableSocket | None = None  # suspects that turned out to be none

    def enter(self, socket: PassableSocket) -> None:
        """A message carries a socket."""
        self.count += 1
        socket.in_flight += 1
        if socket.in_flight == 1:
            socket.next_in_flight = self.first
            self.first = socket

    def leave(self, socket: PassableSocket) -> None:
        """A message that carried a socket is gone."""
        self.count -= 1
        socket.in_flight -= 1
        if socket.in_flight == 0:
            self._unlink(socket)

    def _unlink(self, socket: PassableSocket) -> None:
        before: PassableSocket | None = None
        each = self.first
        while each is not None:
            following = each.next_in_flight
            if each is socket:
                if before is None:
                    self.first = following
                else:
                    before.next_in_flight = following
                each.next_in_flight = None
                return
            before = each
            each = following

    def collect(self) -> None:
        """Free what nobody can receive any more; called when a socket goes."""
        if self.collecting or self.first is None:
            return
        if lost_files.is_closing:  # what is still to be closed looks as if somebody had it
            lost_files.collect_after = True
            return
        self.collecting = True
        self._suspect()
        self._clear()
        while (garbage := self._next_suspect()) is not None:
            garbage.suspect = False
            garbage.discard()
        self.collecting = False

    def _suspect(self) -> None:
        each = self.first
        while each is not None:
            each.suspect = reference_count(each) == u64(each.in_flight) + LIST_AND_LOCAL
            each.unexplained = each.in_flight
            each = each.next_in_flight
        each = self.first
        while each is not None:
            if each.suspect:
                each.visit(explain)
            each = each.next_in_flight

    def _clear(self) -> None:
        """Clear suspects that lie in a queue which somebody can read, and what they carry."""
        each = self.first
        while each is not None:
            self.clear_if_reachable(each)
            each = each.next_in_flight
        while (cleared := self.first_cleared) is not None:
            self.first_cleared = cleared.next_cleared
            cleared.next_cleared = None
            cleared.visit(take_back)

    def clear_if_reachable(self, socket: PassableSocket) -> None:
        """A suspect that somebody can receive is none; what it carries is looked at later."""
        if socket.suspect and socket.unexplained != 0:
            socket.suspect = False
            socket.next_cleared = self.first_cleared
            self.first_cleared = socket

    def _next_suspect(self) -> PassableSocket | None:
        each = self.first
        while each is not None:
            if each.suspect:
                return each
            each = each.next_in_flight
        return None


class LostFiles(Struct):
    """Files that nobody will receive, each closed after the one before."""

    first: Bundle | None = None
    is_closing: bool = False
    collect_after: bool = False

    def close(self, bundle: Bundle) -> None:
        """Close files, now or when those that are being closed are."""
        bundle.following = self.first
        self.first = bundle
        if self.is_closing:
            return
        self.is_closing = True
        while (each := self.first) is not None:
            self.first = each.following
            each.following = None
            each.close()
        self.is_closing = False
        if self.collect_after:
            self.collect_after = False
            sockets_in_flight.collect()


lost_files = LostFiles()
sockets_in_flight = SocketsInFlight()


def explain(carried: PassedFiles) -> None:
    """A suspect's message carries these."""
    for index in range(carried.files.length):
        file = carried.files[index]
        if file is not None and isinstance(file, PassableSocket):
            file.unexplained -= 1


def take_back(carried: PassedFiles) -> None:
    """The one whose message carries these is no suspect after all."""
    for index in range(carried.files.length):
        file = carried.files[index]
        if file is not None and isinstance(file, PassableSocket):
            file.unexplained += 1
            sockets_in_flight.clear_if_reachable(file)
