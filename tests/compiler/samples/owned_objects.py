"""Constructs: objects with one owner, which is moved."""

from __future__ import annotations

from krait.kernel.errno import EINVAL
from krait.kernel.lang import Array, Counted, Errno, Owned, Struct, inline, u8, u32, u64


class Log(Struct):
    """How many died."""

    deaths: u32 = 0


log = Log()


class Note(Counted):
    """Tells when the request that holds it goes."""

    def __del__(self) -> None:
        """Note."""
        log.deaths += 1


class Request(Struct):
    """Waits in a queue."""

    number: u32
    note: Note
    data: Array[u8] = inline(4)
    next: Owned[Request] | None = None


class Queue(Struct):
    """A stack of requests."""

    head: Owned[Request] | None = None
    length: u64 = 0

    def push(self, request: Owned[Request]) -> None:
        """Take a request over."""
        rest, self.head = self.head, None
        request.next = rest
        self.head = request
        self.length += 1

    def pop(self) -> Owned[Request] | None:
        """Hand the newest over."""
        first, self.head = self.head, None
        if first is None:
            return None
        rest, first.next = first.next, None
        self.head = rest
        self.length -= 1
        return first


queue = Queue()


def make(number: u32) -> Owned[Request]:
    """Make one, unless the number is bad."""
    if number == 9:
        raise Errno(EINVAL)
    return Request(number=number, note=Note())


def look(request: Request) -> u32:
    """Borrow."""
    request.data[0] = 5
    return request.number + u32(request.data[0])


def clear() -> None:
    """Start again."""
    while queue.pop() is not None:
        pass
    log.deaths = 0


def case_local(number: u32) -> u32:
    """Freed at the end."""
    clear()
    use_local(number)
    return log.deaths


def use_local(number: u32) -> u32:
    """Own two."""
    first = make(number)
    second = make(number + 1)
    first.number += 1
    return look(first) + look(second)


def case_moved(number: u32) -> u32:
    """Moved into a queue and out again."""
    clear()
    queue.push(make(number))
    queue.push(make(number + 1))
    total = log.deaths * 1000
    request = queue.pop()
    if request is not None:
        total += look(request)
        queue.push(request)
    return total * 10 + log.deaths + u32(queue.length)


def case_dropped(number: u32) -> u32:
    """A queue owns what it holds, to the end of the chain."""
    clear()
    for i in range(number):
        queue.push(make(10 + u32(i)))
    queue.head = None
    queue.length = 0
    return log.deaths


def case_error(number: u32) -> u32:
    """An error frees what was owned."""
    clear()
    try:
        kept = make(1)
        queue.push(make(2))
        queue.push(make(number))
        return look(kept)
    except Errno as error:
        return error.code * 100 + log.deaths * 10 + u32(queue.length)


def choose(first: Owned[Request], second: Owned[Request], number: u32) -> Owned[Request]:
    """Keep one of two."""
    return first if number == 1 else second


def case_chosen(number: u32) -> u32:
    """The other goes."""
    clear()
    kept = choose(make(30), make(40), number)
    return look(kept) * 10 + log.deaths


CALLS: dict[str, list[tuple[object, ...]]] = {
    "case_local": [(1,), (8,)],
    "case_moved": [(1,), (20,)],
    "case_dropped": [(0,), (1,), (5,), (100,)],
    "case_error": [(3,), (9,)],
    "case_chosen": [(1,), (2,)],
}
