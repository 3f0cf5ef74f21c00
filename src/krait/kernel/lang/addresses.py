"""Raw addresses and instructions, for modules that declare `unsafe: Final = True`.

The compiler refuses these functions everywhere else. There is no interpreted version: such modules
are tested compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from krait.kernel.lang.integers import u64
from krait.kernel.lang.panics import Panic
from krait.kernel.lang.slices import Slice

T = TypeVar("T")


def _not_here() -> NoReturn:
    raise Panic("raw addresses exist only in compiled code")


def at(kind: type[T], address: u64, /) -> T:
    """Refer to the structure that lies at an address."""
    _not_here()


def slice_at(kind: type[T], address: u64, length: u64, /) -> Slice[T]:
    """Borrow `length` elements at an address."""
    _not_here()


def address_of(target: object, /) -> u64:
    """Give the address of an object, an array or a slice's first element."""
    _not_here()


def function_address(function: Callable[..., Any], /) -> u64:
    """Give the address of a function."""
    _not_here()


def reference(kind: type[T], address: u64, /) -> T:
    """Refer to a counted object by its address, without taking part in its count."""
    _not_here()


def load(kind: type[T], address: u64, /) -> T:
    """Read a value at an address."""
    _not_here()


def store(kind: type[T], address: u64, value: T, /) -> None:
    """Write a value at an address."""
    _not_here()


def symbol_address(name: str, /) -> u64:
    """Give the address of a symbol of the linker script or of assembly."""
    _not_here()


def asm(
    code: str,
    *inputs: object,
    out: type[T],
    fixed: tuple[str, ...] = (),
    clobbers: tuple[str, ...] = (),
) -> T:
    """Run instructions in GCC's syntax.

    `%0` is the result, the inputs follow; `fixed` gives their constraints.
    """
    _not_here()


def asm_do(
    code: str, *inputs: object, fixed: tuple[str, ...] = (), clobbers: tuple[str, ...] = ()
) -> None:
    """Run instructions for their effect; `%0` is the first input."""
    _not_here()
