"""The names of a directory in memory, against a dictionary in the order of its making."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from krait.kernel.lang import interpret, text, u32, u64

table: Any = interpret.load("krait.kernel.fs.ramfs.entry_table")

STEPS = st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=200)


def hashed(number: int) -> Any:
    return u32(number % 7)


def name(number: int) -> Any:
    return text(b"name-%d" % number)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_behaves_like_a_dictionary(steps: list[tuple[int, bool]]) -> None:
    entries = table.EntryTable()
    model: dict[int, Any] = {}
    for number, add in steps:
        if add and number not in model:
            model[number] = entries.add(name(number), hashed(number), None)
        elif not add and number in model:
            entries.remove(model.pop(number))
        assert int(entries.live) == len(model)
    for number in range(41):
        assert entries.find(name(number), hashed(number)) is model.get(number)
    position, listed = u64(0), []
    while (entry := entries.from_position(position)) is not None:
        listed.append(entry)
        position = entry.position + 1
    assert listed == list(model.values())


def test_a_large_table_goes_with_its_last_entry() -> None:
    entries = table.EntryTable()
    made = [entries.add(name(number), hashed(number), None) for number in range(500)]
    last = entries.last_position
    for entry in made[250:] + made[:250]:
        assert entries.slots is not None
        entries.remove(entry)
    assert entries.slots is None
    assert entries.index is None
    assert entries.from_position(u64(0)) is None
    again = entries.add(name(7), hashed(7), None)
    assert again.position > last  # a reader of the directory finds its place
    assert entries.find(name(7), hashed(7)) is again
