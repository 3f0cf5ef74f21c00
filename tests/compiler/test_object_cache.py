"""Objects by content: what was made of other inputs is never taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from krait.compiler.object_cache import ObjectCache, forget_unused, mark_used

INPUTS = (b"gcc -O2", b"int f(void);")


def get(cache: ObjectCache, *inputs: bytes) -> bytes:
    """The object for these inputs; a compiler that writes what it was given."""
    return cache.get(inputs, lambda path: _write(path, b"|".join(inputs))).read_bytes()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def test_the_same_inputs_are_made_once(tmp_path: Path) -> None:
    first, later = ObjectCache(tmp_path), ObjectCache(tmp_path)
    assert get(first, *INPUTS) == get(later, *INPUTS) == b"gcc -O2|int f(void);"
    assert (first.made, later.made) == (1, 0)


@pytest.mark.parametrize(
    "changed",
    [
        (b"gcc -O1", b"int f(void);"),
        (b"gcc -O2", b"int g(void);"),
        (b"gcc -O2i", b"nt f(void);"),  # the same bytes, cut elsewhere
        (b"gcc -O2", b"int f(void);", b""),
    ],
)
def test_a_change_of_any_input_makes_another(tmp_path: Path, changed: tuple[bytes, ...]) -> None:
    cache = ObjectCache(tmp_path)
    get(cache, *INPUTS)
    assert get(cache, *changed) == b"|".join(changed)
    assert cache.made == 2
    assert get(cache, *INPUTS) == b"|".join(INPUTS)
    assert cache.made == 2


def test_the_object_unused_for_longest_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("krait.compiler.object_cache.KEPT", 2)
    cache = ObjectCache(tmp_path)
    for age, name in enumerate((b"newest", b"middle", b"oldest")):
        path = cache.get([name], lambda path: path.touch())
        path.with_suffix(".ci").touch()
        os.utime(path, (1000 - age, 1000 - age))
    cache.prune()
    assert len(list(tmp_path.glob("*.o"))) == len(list(tmp_path.glob("*.ci"))) == 2
    get(cache, b"newest")
    get(cache, b"middle")
    assert cache.made == 3


def test_what_was_used_lately_stays(tmp_path: Path) -> None:
    old, late = tmp_path / "old", tmp_path / "late"
    for path in (old, late):
        path.touch()
    os.utime(old, (1000, 1000))
    assert forget_unused([old, late], 0) == [old]
    assert late.exists()


def test_what_another_process_has_removed_is_passed_over(tmp_path: Path) -> None:
    gone, old = tmp_path / "gone", tmp_path / "old"
    old.touch()
    os.utime(old, (1000, 1000))
    assert forget_unused([gone, old], 0) == [old]
    assert not mark_used(gone)
    assert not gone.exists()
