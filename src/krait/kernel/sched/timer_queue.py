"""Timers in the order of their deadlines.

A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986): adding is a comparison and a few stores,
taking the first is logarithmic over a sequence of operations, and a timer is removed from anywhere
without a search, which is what most timers want: they are cancelled, not reached. It lies in the
timers themselves, so an interrupt handler can arm one. Linux' wheel is cheaper yet but rounds
deadlines; a binary heap needs an array that grows.

Invariant: a timer's deadline is not after those of its children. `previous` is the parent of a
first child, else the sibling before; it is None for the first timer alone. Interrupts are off in
every method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.lang import Counted, Struct, u32, u64

NEVER: Final = u64(0xFFFF_FFFF_FFFF_FFFF)


class Timer(Counted):
    """A deadline and what happens then; whoever arms it keeps a reference until it is over."""

    deadline_ns: u64 = 0
    on_expiry: Callable[[Timer], None] | None = None
    armed: bool = False
    cpu: u32 = 0
    """In whose queue it is."""
    child: Timer | None = None
    next: Timer | None = None
    previous: Timer | None = None


class TimerQueue(Struct):
    """The armed timers."""

    first: Timer | None = None

    def add(self, timer: Timer) -> None:
        """Put a timer in."""
        timer.armed = True
        first = self.first
        if first is None:
            self.first = timer
        elif timer.deadline_ns < first.deadline_ns:
            _adopt(timer, first)
            self.first = timer
        else:
            _adopt(first, timer)

    def remove(self, timer: Timer) -> None:
        """Take an armed timer out."""
        timer.armed = False
        before = timer.previous
        if before is None:
            self.first = None
        else:
            _cut(timer, before)
        heap = _merge_children(timer)
        if heap is None:
            return
        first = self.first
        if first is None:
            self.first = heap
        elif heap.deadline_ns < first.deadline_ns:
            _adopt(heap, first)
            self.first = heap
        else:
            _adopt(first, heap)


def _adopt(parent: Timer, child: Timer) -> None:
    """Make a heap the first child of another."""
    following = parent.child
    child.next = following
    if following is not None:
        following.previous = child
    child.previous = parent
    parent.child = child


def _cut(timer: Timer, before: Timer) -> None:
    """Take a timer, with what is below it, out of its list of siblings."""
    following = timer.next
    if following is not None:
        following.previous = before
    if before.child is timer:
        before.child = following
    else:
        before.next = following
    timer.next = None
    timer.previous = None


def _meld(one: Timer, other: Timer) -> Timer:
    """Join two heaps."""
    if other.deadline_ns < one.deadline_ns:
        _adopt(other, one)
        return other
    _adopt(one, other)
    return one


def _merge_children(timer: Timer) -> Timer | None:
    """Make one heap of a timer's children: join them in pairs, then the pairs."""
    pairs: Timer | None = None
    rest = timer.child
    timer.child = None
    while rest is not None:
        one = rest
        other = one.next
        one.next = None
        one.previous = None
        if other is None:
            rest = None
        else:
            rest = other.next
            other.next = None
            other.previous = None
            one = _meld(one, other)
        one.next = pairs
        pairs = one
    if pairs is None:
        return None
    heap = pairs
    rest = heap.next
    heap.next = None
    while rest is not None:
        one = rest
        rest = one.next
        one.next = None
        heap = _meld(heap, one)
    return heap
