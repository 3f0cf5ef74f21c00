"""The treap of mappings against a sorted list."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from krait.kernel.lang import interpret, u32, u64

vma: Any = interpret.load("krait.kernel.mm.vma")
protection: Any = interpret.load("krait.kernel.mm.protection")

PAGE = 4096


def make(start: int, pages: int) -> Any:
    return vma.Vma(
        start=u64(start * PAGE),
        end=u64((start + pages) * PAGE),
        protection=protection.Protection(u32(3)),
        flags=protection.MapFlags(u32(0)),
    )


STEPS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6), st.booleans()), max_size=60)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_behaves_like_a_sorted_list(steps: list[tuple[int, int, bool]]) -> None:
    tree = vma.VmaTree()
    model: dict[int, tuple[int, Any]] = {}
    for start, pages, add in steps:
        overlapping = [s for s, (e, _) in model.items() if s < start + pages and e > start]
        if add and not overlapping:
            node = make(start, pages)
            tree.insert(node)
            model[start] = (start + pages, node)
        elif overlapping:
            tree.remove(model.pop(overlapping[0])[1])
        assert int(tree.count) == len(model)
        assert int(tree.total_pages) == sum(e - s for s, (e, _) in model.items())
    for page in range(70):
        address = u64(page * PAGE + 7)
        inside = [n for s, (e, n) in model.items() if s <= page < e]
        assert tree.find(address) is (inside[0] if inside else None)
        after = [s for s, (e, _) in model.items() if e > page]
        found = tree.at_or_after(address)
        assert found is (model[min(after)][1] if after else None)
        before = [s for s in model if s < page]
        found = tree.before(u64(page * PAGE))
        assert found is (model[max(before)][1] if before else None)


def test_stays_shallow() -> None:
    tree = vma.VmaTree()
    for index in range(1000):
        tree.insert(make(index * 2, 1))

    def depth(node: Any) -> int:
        return 0 if node is None else 1 + max(depth(node.left), depth(node.right))

    assert depth(tree.root) < 40


def test_continues_only_what_is_alike_and_contiguous() -> None:
    first, second = make(1, 2), make(3, 1)
    assert first.continues(second)
    second.protection = protection.Protection(u32(1))
    assert not first.continues(second)
