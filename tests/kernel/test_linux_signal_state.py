"""Pending signals against a model: standard signals once, real-time signals all, in order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from krait.kernel.lang import i32, interpret, u32, u64

state = interpret.load("krait.kernel.linux.signal_state")
SIGNALS = st.sampled_from([2, 9, 11, 31, 32, 40, 64])


def info(signo: int, value: int) -> object:
    return state.SignalInfo(u32(signo), i32(0), i32(0), u64(value), u64(0), u64(0))


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), SIGNALS),
        st.tuples(st.just("mark"), SIGNALS),
        st.tuples(st.just("take"), SIGNALS),
        st.tuples(st.just("drop"), SIGNALS),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(ACTIONS)
def test_against_model(actions: list[tuple[str, int]]) -> None:
    pending = state.PendingSignals()
    queued: list[tuple[int, int]] = []
    marked: set[int] = set()
    for number, (action, signo) in enumerate(actions):
        if action == "send":
            if pending.wants(u32(signo)):
                pending.add(state.make_queued(info(signo, number)))
                queued.append((signo, number))
        elif action == "mark":
            pending.mark(u32(signo))
            marked.add(signo)
        elif action == "drop":
            pending.drop(u64(1 << (signo - 1)))
            queued = [each for each in queued if each[0] != signo]
            marked.discard(signo)
        elif pending.bits & u64(1 << (signo - 1)) != 0:
            taken = pending.take(u32(signo))
            here = [each for each in queued if each[0] == signo]
            if here:
                assert taken.word0 == here[0][1]
                queued.remove(here[0])
                if len(here) == 1:
                    marked.discard(signo)
            else:
                assert taken.code == 0x80
                marked.discard(signo)
        expected = {signo for signo, _ in queued} | marked
        assert pending.bits == sum(1 << (each - 1) for each in expected)
        assert pending.count == len(queued)


@given(st.lists(st.sampled_from(["again", "take", "other", "drop"]), max_size=30))
def test_an_entry_that_interrupts_send_again(actions: list[str]) -> None:
    """It is taken as often as it was sent, and counted so."""
    pending = state.PendingSignals()
    own = state.make_queued(info(40, 1))
    sent = others = 0
    for action in actions:
        if action == "again":
            if own.waiting:
                own.repeats += u32(1)
            else:
                pending.add(own)
            sent += 1
        elif action == "other":
            pending.add(state.make_queued(info(40, 2)))
            others += 1
        elif action == "drop":
            pending.drop(u64(1 << 39))
            sent = others = 0
        elif sent + others:
            if pending.take(u32(40)).word0 == 1:
                sent -= 1
            else:
                others -= 1
        assert (sent >= 0, others >= 0) == (True, True)
        assert (pending.bits != 0) == (sent + others > 0)
        assert own.waiting == (sent > 0)
        assert pending.count + own.repeats == sent + others
