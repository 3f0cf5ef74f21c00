"""The timer queue keeps timers in order, whatever is added, removed and taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.lang import interpret

module = interpret.load("krait.kernel.sched.timer_queue")

operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 50)),
        st.tuples(st.just("remove"), st.integers(0, 200)),
        st.tuples(st.just("take"), st.just(0)),
    ),
    max_size=120,
)


@given(operations)
def test_behaves_like_a_sorted_list(steps: list[tuple[str, int]]) -> None:
    queue = module.TimerQueue()
    armed = []
    for what, number in steps:
        if what == "add":
            timer = module.Timer(deadline_ns=number)
            queue.add(timer)
            armed.append(timer)
        elif armed:
            timer = queue.first if what == "take" else armed[number % len(armed)]
            queue.remove(timer)
            assert not timer.armed
            assert timer.next is None
            assert timer.previous is None
            assert timer.child is None
            armed = [each for each in armed if each is not timer]
        first = queue.first
        assert (first is None) == (not armed)
        if first is not None:
            assert first.deadline_ns == min(each.deadline_ns for each in armed)
    order = []
    while queue.first is not None:
        order.append(int(queue.first.deadline_ns))
        queue.remove(queue.first)
    assert order == sorted(int(each.deadline_ns) for each in armed)
