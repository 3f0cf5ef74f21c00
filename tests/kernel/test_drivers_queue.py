"""A virtqueue holds against a device that writes anything anywhere in its page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krait.compiler.worker import HostWorker

MODEL = "virtio_worker.device_model"
SIZE = 8
NOTHING = 0xFFFF_FFFF_FFFF
USED = 2560  # where queue.py puts the used ring
worker: HostWorker


@pytest.fixture(scope="module", autouse=True)
def start_worker() -> Iterator[None]:
    global worker
    with HostWorker([MODEL]) as worker:
        yield


def call(name: str, *arguments: object) -> int:
    result = worker.call(f"{MODEL}:{name}", *arguments)
    return 0 if result is None else int(result)


def use(place: int, number: int, length: int) -> None:
    """Put an entry into the used ring, as a device that keeps the rules."""
    entry = USED + 4 + place % SIZE * 8
    for offset, value in ((0, number), (2, number >> 16), (4, length), (6, length >> 16)):
        call("write_as_device", entry + offset, value & 0xFFFF)
    call("write_as_device", USED + 2, (place + 1) & 0xFFFF)


def test_honest_device() -> None:
    call("make", SIZE)
    for place in range(100):
        number = call("offer", 1 + place % 3, 512, True)
        assert number < SIZE
        assert call("take") == NOTHING
        use(place, number, 100 + place)
        assert call("take") == number | 100 + place << 16
        assert call("take") == NOTHING
        assert call("free_count") == SIZE


def test_out_of_order() -> None:
    call("make", SIZE)
    numbers = [call("offer", 1, 64, True) for _ in range(4)]
    for place, number in enumerate(reversed(numbers)):
        use(place, number, place)
    taken = [call("take") for _ in numbers]
    assert taken == [n | i << 16 for i, n in enumerate(reversed(numbers))]


def test_full_queue_has_no_room() -> None:
    call("make", SIZE)
    assert call("offer", SIZE, 16, False) < SIZE
    assert call("offer", 1, 16, False) == 0xFFFF


@pytest.mark.parametrize(
    ("number", "length"), [(SIZE, 0), (0xFFFF_FFFF, 0), (3, 0), (0, 65), (0, 0xFFFF_FFFF)]
)
def test_lie_breaks_the_queue(number: int, length: int) -> None:
    """A number beyond the queue or not under way, or more bytes than there was room for."""
    call("make", SIZE)
    assert call("offer", 1, 64, True) == 0
    use(0, number, length)
    assert call("take") == NOTHING
    assert call("is_broken")
    assert call("take") == NOTHING


def test_same_chain_twice_breaks_the_queue() -> None:
    call("make", SIZE)
    number = call("offer", 1, 64, True)
    use(0, number, 1)
    use(1, number, 1)
    assert call("take") == number | 1 << 16
    assert call("take") == NOTHING
    assert call("is_broken")


steps = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(1, 4), st.integers(0, 4096), st.booleans()),
        st.tuples(st.just("write"), st.integers(0, 4094), st.integers(0, 0xFFFF)),
        st.tuples(st.just("write"), st.integers(USED, USED + 70), st.integers(0, SIZE)),
        st.tuples(st.just("take")),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(steps)
def test_hostile_device(steps: list[tuple[object, ...]]) -> None:
    """Only chains that are under way come back, once, with no more bytes than they have room."""
    call("make", SIZE)
    under_way: dict[int, tuple[int, int]] = {}
    for what, *arguments in steps:
        if what == "offer":
            parts, length, writable = arguments
            number = call("offer", parts, length, writable)
            if number != 0xFFFF:
                assert number not in under_way
                under_way[number] = (int(parts), int(parts) * int(length) if writable else 0)
        elif what == "write":
            call("write_as_device", *arguments)
        else:
            taken = call("take")
            if taken != NOTHING:
                number, length = taken & 0xFFFF, taken >> 16
                assert number in under_way
                assert length <= under_way.pop(number)[1]
    held = sum(parts for parts, _ in under_way.values())
    assert call("free_count") == SIZE - held


def test_frames_that_follow_each_other_are_one_piece_for_a_disk() -> None:
    page = 4096
    assert call("piece_length", 8 * page, 9 * page, 10 * page, 0) == 3
    assert call("piece_length", 8 * page, 9 * page, 10 * page, 1) == 2
    assert call("piece_length", 8 * page, 9 * page, 12 * page, 0) == 2
    assert call("piece_length", 8 * page, 7 * page, 6 * page, 0) == 1
    assert call("piece_length", 8 * page, 9 * page, 10 * page, 2) == 1
