"""The run queue is fair to within a bucket, and first come, first served inside one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import interpret

module = interpret.load("krait.kernel.sched.run_queue")
threads = interpret.load("krait.kernel.sched.thread")

BUCKET = 1 << module.BUCKET_SHIFT


START = int(module.FIRST_BUCKET) * BUCKET
"""When fair time begins."""


def make(tid: int, virtual_time: int) -> object:
    return threads.Thread(tid=tid, virtual_time=START + virtual_time)


def drain(queue: object) -> list[int]:
    order = []
    while (thread := queue.take()) is not None:
        assert thread.next_runnable is None
        order.append(int(thread.tid))
    assert queue.is_empty()
    assert queue.count == 0
    return order


def test_same_bucket_is_first_come_first_served() -> None:
    queue = module.RunQueue()
    for tid in (3, 1, 2):
        queue.add(make(tid, 5))
    assert drain(queue) == [3, 1, 2]


def test_earlier_bucket_goes_first() -> None:
    queue = module.RunQueue()
    for tid, bucket in ((1, 9), (2, 3), (3, 40), (4, 3)):
        queue.add(make(tid, bucket * BUCKET))
    assert drain(queue) == [2, 4, 1, 3]


def test_sleeper_gets_no_credit() -> None:
    queue = module.RunQueue()
    queue.advance(START + 100 * BUCKET)
    sleeper = make(1, 0)
    queue.add(sleeper)
    assert sleeper.virtual_time == START + 100 * BUCKET


@given(st.lists(st.integers(0, 200), max_size=60))
def test_order_follows_the_buckets(times: list[int]) -> None:
    queue = module.RunQueue()
    for tid, time in enumerate(times):
        queue.add(make(tid + 1, time * BUCKET))
    expected = sorted(range(len(times)), key=lambda each: min(times[each], 63))
    assert drain(queue) == [each + 1 for each in expected]


def test_equal_threads_share_equally() -> None:
    queue = module.RunQueue()
    ran = dict.fromkeys((1, 2, 3), 0)
    for tid in ran:
        queue.add(make(tid, 0))
    for _ in range(3000):
        thread = queue.take()
        ran[int(thread.tid)] += 1
        thread.virtual_time += BUCKET // 3 + int(thread.tid)
        queue.add(thread)
    assert max(ran.values()) - min(ran.values()) <= 3


def urgent(tid: int, priority: int, **fields: object) -> object:
    weight = int(threads.URGENT) + priority
    time = module.urgent_time(weight)
    return threads.Thread(tid=tid, weight=weight, virtual_time=time, **fields)


def test_urgent_threads_go_first_by_priority_and_arrival() -> None:
    queue = module.RunQueue()
    queue.add(make(1, 0))
    for tid, priority in ((2, 5), (3, 9), (4, 5), (5, 99), (6, 9)):
        queue.add(urgent(tid, priority))
    assert queue.count == 6
    assert drain(queue) == [5, 3, 6, 2, 4, 1]


def test_one_that_is_driven_away_keeps_its_place_and_one_that_yields_does_not() -> None:
    queue = module.RunQueue()
    queue.add(urgent(1, 5))
    queue.add_behind_first(urgent(2, 5))  # yields: its equals are next
    assert drain(queue) == [1, 2]
    queue.add(urgent(1, 5))
    queue.add(urgent(3, 6))
    queue.add_again(urgent(2, 5))  # a more urgent one came
    assert drain(queue) == [3, 2, 1]


def test_an_ordinary_thread_yields_to_urgent_ones_alone() -> None:
    queue = module.RunQueue()
    queue.add(urgent(1, 1))
    queue.add_behind_first(make(2, 0))
    assert drain(queue) == [1, 2]


def test_urgent_threads_are_found_for_other_cpus_and_removed() -> None:
    queue = module.RunQueue()
    queue.add(make(1, 0))
    for tid, cpus in ((2, 1), (3, 2), (4, 3)):
        queue.add(urgent(tid, 7, affinity=cpus))
    assert queue.take_urgent_for(2, None).tid == 3
    assert queue.take_urgent_for(2, None).tid == 4
    assert queue.take_urgent_for(2, None) is None
    assert queue.take_fair_for(2, None).tid == 1
    queue.add(make(1, 0))
    last = urgent(5, 7)
    assert not queue.remove(last)
    queue.add(last)
    assert queue.remove(last)
    assert drain(queue) == [2, 1]


def test_round_robin_relieves_after_a_tenth_of_a_second_and_fifo_never() -> None:
    queue = module.RunQueue()
    queue.add(urgent(1, 7))
    turns, first = urgent(2, 7, takes_turns=True), urgent(3, 7)
    assert [queue.is_relieved(turns, 1) for _ in range(26)] == [False] * 24 + [True, False]
    assert not any(queue.is_relieved(first, 1) for _ in range(100))
    other = urgent(4, 8, takes_turns=True)  # has no equals
    assert not any(queue.is_relieved(other, 1) for _ in range(100))


def test_urgent_threads_leave_the_others_a_twentieth() -> None:
    queue = module.RunQueue()
    hog, poor = urgent(1, 50), make(2, 0)
    ran = {1: 0, 2: 0}
    queue.add(poor)
    running = hog
    for _ in range(2500):
        ran[int(running.tid)] += 1
        if queue.is_relieved(running, 1):
            queue.add_behind_first(running)
            running = queue.take()
    assert ran[2] == 130
    assert ran[1] == 2370


def test_one_whose_priority_fell_goes_before_its_new_equals() -> None:
    queue = module.RunQueue()
    queue.add(urgent(1, 5))
    queue.add_ahead(urgent(2, 5))
    queue.add(urgent(3, 6))
    assert queue.is_more_urgent(int(threads.URGENT) + 5)
    assert not queue.is_more_urgent(int(threads.URGENT) + 6)
    assert drain(queue) == [3, 2, 1]


def test_a_larger_share_is_next_again_when_its_turn_ends() -> None:
    queue = module.RunQueue()
    queue.add(make(1, 30 * BUCKET))
    queue.add_again(make(2, 4 * BUCKET))
    assert drain(queue) == [2, 1]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60))
def test_the_first_is_the_one_that_is_taken(times: list[int]) -> None:
    queue = module.RunQueue()
    assert queue.first_fair() is None
    for tid, time in enumerate(times):
        queue.add(make(tid + 1, time * BUCKET))
    while not queue.is_empty():
        first = queue.first_fair()
        assert first is queue.take()
    queue.add(make(1, 0))
    queue.add(urgent(2, 5))
    assert queue.first_fair() is None
