"""What mypy must refuse, each line with its reason."""

from __future__ import annotations

from krait.kernel.lang import Counted, Slice, be16, log, u8, u32, u64


class Address(u64):
    """An address."""


class Node(Counted):
    """A node."""

    next: Node | None = None
    size: u32
    here: u32 = 0


def bad(node: Node, a: u8, b: u64, data: Slice[u8]) -> u32:
    """Break rules."""
    Node()  # refused: call-arg
    node.next.size = 3  # refused: union-attr
    if a == b:  # refused: comparison-overlap
        b += a  # refused: operator
    node.size = b  # refused: assignment
    node.wrong = 1  # refused: attr-defined
    if node.size:  # refused: truthy-bool
        return a  # refused: return-value
    data[0] = b  # refused: assignment
    log("{}", u64(a) / 2)  # refused: operator
    port = be16(80) + 1  # refused: operator
    address: Address = b  # refused: assignment
    return u32(u64(port) + u64(address))
