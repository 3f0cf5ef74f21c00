"""Objects by content: what was made of other inputs is never taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from krait.compiler.object_cache import ObjectCache

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
