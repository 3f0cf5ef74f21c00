"""Pipes and socket pairs against simple models, compiled with sanitizers."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest
from fs_worker.server import FileSystemWorker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GLUE = "glue_queues"
STREAM, SEQPACKET = 1, 5
PIPE_BUF, CAPACITY = 4096, 65536
POLLIN, POLLOUT, POLLERR, POLLHUP = 1, 4, 8, 16
QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def queues() -> Iterator[FileSystemWorker]:
    with FileSystemWorker([GLUE]) as made:
        yield made


def attempt(worker: FileSystemWorker, name: str, *arguments: object) -> object:
    """A result, or the name of an errno."""
    try:
        return worker.call(f"{GLUE}:{name}", *arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))


def read(worker: FileSystemWorker, number: int, size: int) -> object:
    into = bytearray(size)
    result = attempt(worker, "read", number, into)
    return bytes(into[:result]) if isinstance(result, int) else result


def pattern(start: int, size: int) -> bytes:
    return bytes((start + index) % 251 for index in range(size))


@QUIET
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(1, 70000)),
            st.tuples(st.just("read"), st.integers(1, 70000)),
            st.tuples(st.just("resize"), st.integers(1, 1 << 18)),
        ),
        max_size=25,
    )
)
def test_pipe_is_a_bounded_queue(queues: FileSystemWorker, steps: list[tuple[str, int]]) -> None:
    queues.call(f"{GLUE}:open_pipe")
    held, capacity, written = b"", CAPACITY, 0
    for step, size in steps:
        if step == "write":
            data = pattern(written, size)
            room = capacity - len(held)
            least = size if size <= PIPE_BUF else 1
            expected: object = "EAGAIN" if room < least else min(size, room)
            assert attempt(queues, "write", 1, data) == expected
            if isinstance(expected, int):
                held += data[:expected]
                written += expected
        elif step == "read":
            expected = held[:size] if held else "EAGAIN"
            assert read(queues, 0, size) == expected
            held = held[size:]
        else:
            wanted = max(4096, 1 << (size - 1).bit_length())
            if len(held) > wanted:
                assert attempt(queues, "resize", size) == "EBUSY"
            else:
                assert attempt(queues, "resize", size) == wanted
                capacity = wanted
        events = queues.call(f"{GLUE}:events", 0)
        assert bool(events & POLLIN) == bool(held)
        room = queues.call(f"{GLUE}:events", 1)
        assert bool(room & POLLOUT) == (capacity - len(held) >= PIPE_BUF)


def test_pipe_ends(queues: FileSystemWorker) -> None:
    queues.call(f"{GLUE}:open_pipe")
    assert attempt(queues, "write", 1, b"last") == 4
    queues.call(f"{GLUE}:close", 1)
    assert queues.call(f"{GLUE}:events", 0) & (POLLIN | POLLHUP) == POLLIN | POLLHUP
    assert read(queues, 0, 100) == b"last"
    assert read(queues, 0, 100) == b""
    queues.call(f"{GLUE}:open_pipe")
    queues.call(f"{GLUE}:close", 0)
    assert queues.call(f"{GLUE}:events", 1) & POLLERR
    assert attempt(queues, "write", 1, b"nobody") == "EPIPE"


@QUIET
@given(st.sampled_from([STREAM, SEQPACKET]), st.lists(st.integers(-9000, 9000), max_size=30))
def test_socket_pair(queues: FileSystemWorker, kind: int, steps: list[int]) -> None:
    """A positive number writes so many bytes, a negative one reads up to so many."""
    queues.call(f"{GLUE}:open_pair", kind)
    held: list[bytes] = []
    written = 0
    for step in steps:
        if step > 0:
            data = pattern(written, step)
            assert attempt(queues, "write", 1, data) == step
            held.append(data)
            written += step
        elif step < 0 and not held:
            assert read(queues, 0, -step) == "EAGAIN"
        elif step < 0 and kind == STREAM:
            whole = b"".join(held)
            assert read(queues, 0, -step) == whole[:-step]
            held = [whole[-step:]] if whole[-step:] else []
        elif step < 0:
            assert read(queues, 0, -step) == held.pop(0)[:-step]
    queues.call(f"{GLUE}:close", 1)
    if not held:
        assert read(queues, 0, 10) == b""
    queues.call(f"{GLUE}:close", 0)


def test_nothing_leaks(queues: FileSystemWorker) -> None:
    queues.call(f"{GLUE}:open_pair", STREAM)
    attempt(queues, "write", 1, pattern(0, 50000))
    queues.call(f"{GLUE}:close", 0)
    queues.call(f"{GLUE}:close", 1)
    before = live_objects(queues)
    for _ in range(3):
        queues.call(f"{GLUE}:open_pipe")
        attempt(queues, "write", 1, pattern(0, 50000))
        queues.call(f"{GLUE}:close", 0)
        queues.call(f"{GLUE}:close", 1)
    assert live_objects(queues) == before


def live_objects(worker: FileSystemWorker) -> int:
    """How many kernel objects exist."""
    return int(worker.call("live_objects"))


@QUIET
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=6), st.booleans())
def test_sockets_lost_in_their_own_queues_are_freed(
    queues: FileSystemWorker, sent: list[tuple[int, int]], other_first: bool
) -> None:
    queues.call(f"{GLUE}:close", 0)
    queues.call(f"{GLUE}:close", 1)
    before = queues.call("live_objects")
    queues.call(f"{GLUE}:open_pair", STREAM)
    for through, carried in sent:
        assert attempt(queues, "carry", through, carried, b"x") == 1
    queues.call(f"{GLUE}:close", 1 if other_first else 0)
    queues.call(f"{GLUE}:close", 0 if other_first else 1)
    queues.call(f"{GLUE}:open_pair", STREAM)  # Linux too looks when some socket is closed
    queues.call(f"{GLUE}:close", 0)
    queues.call(f"{GLUE}:close", 1)
    assert queues.call("live_objects") == before
