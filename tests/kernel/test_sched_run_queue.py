"""The run queue is fair to within a bucket, and first come, first served inside one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import interpret

module = interpret.load("krait.kernel.sched.run_queue")
threads = interpret.load("krait.kernel.sched.thread")

BUCKET = 1 << module.BUCKET_SHIFT


def make(tid: int, virtual_time: int) -> object:
    return threads.Thread(tid=tid, virtual_time=virtual_time)


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
    queue.advance(100 * BUCKET)
    sleeper = make(1, 0)
    queue.add(sleeper)
    assert sleeper.virtual_time == 100 * BUCKET


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
