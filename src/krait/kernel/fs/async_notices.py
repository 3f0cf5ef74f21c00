"""Telling the owner of an open file by a signal that it became ready (O_ASYNC, fcntl(2)).

What can become ready has a list of those who want to know: the two ends of a pipe one each, a
socket, a terminal, an inotify instance. A file is in the list from the moment when O_ASYNC is set
until it is cleared or the file is closed (fasync_helper and kill_fasync of Linux, fs/fcntl.c).
Kinds of file without a list take no O_ASYNC: eventfd, timerfd, epoll, regular files.

This layer says when; `linux/async_signals.py` knows processes and sends.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import IntEnum

from krait.kernel.arch.x86_64.cpu import interrupts_off
from krait.kernel.lang import Counted


class Reason(IntEnum):
    """What happened: `si_code` of the signal (asm-generic/siginfo.h)."""

    IN = 1
    OUT = 2
    MESSAGE = 3
    ERROR = 4
    URGENT = 5
    HANG_UP = 6


class AsyncNotice(Counted):
    """One open file in one list.

    The list and the file's owner refer to it, and it to the list: `FileOwner.leave` parts them.
    """

    places: AsyncNotices
    following: AsyncNotice | None = None
    next_of_file: AsyncNotice | None = None

    @abstractmethod
    def tell(self, reason: Reason) -> None:
        """Send the signal; never fails."""

    @abstractmethod
    def tell_from_interrupt(self, reason: Reason) -> None:
        """Do so where nothing may be allocated."""


class AsyncNotices(Counted):
    """Who wants to know of one thing."""

    first: AsyncNotice | None = None

    def add(self, notice: AsyncNotice) -> None:
        """Enter one."""
        with interrupts_off():
            notice.following = self.first
            self.first = notice

    def remove(self, gone: AsyncNotice) -> None:
        """Take one out."""
        before: AsyncNotice | None = None
        each = self.first
        while each is not None and each is not gone:
            before = each
            each = each.following
        if each is None:
            return
        with interrupts_off():
            if before is None:
                self.first = gone.following
            else:
                before.following = gone.following
            gone.following = None

    def tell(self, reason: Reason) -> None:
        """Tell all of them."""
        each = self.first
        while each is not None:
            each.tell(reason)
            each = each.following

    def tell_from_interrupt(self, reason: Reason) -> None:
        """Do so where nothing may be allocated."""
        each = self.first
        while each is not None:
            each.tell_from_interrupt(reason)
            each = each.following
