"""The deepest path through the kernel's functions, in bytes of stack.

gcc writes a call graph with the frame size of each function (`-fcallgraph-info=su`). The longest
path over direct calls is what is reported; a cycle is followed once, and calls through pointers
(vtables, callbacks) start a path of their own, so the number is a lower bound that shows when a
function grows a large frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*?\\n(\d+) bytes')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
RETURN_ADDRESS = 8


class DeepestPath(NamedTuple):
    """How deep, and by which functions, outermost first."""

    bytes: int
    functions: tuple[str, ...]


def deepest_path(graphs: Iterable[Path]) -> DeepestPath:
    """Read the graphs of all units and find the longest path."""
    sizes: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    for graph in graphs:
        text = graph.read_text(errors="replace")
        for name, size in _NODE.findall(text):
            sizes[_plain(name)] = int(size) + RETURN_ADDRESS
        for caller, callee in _EDGE.findall(text):
            calls.setdefault(_plain(caller), set()).add(_plain(callee))
    return _Search(sizes, calls).deepest()


def _plain(title: str) -> str:
    """A static function's title has its file in front."""
    return title.rpartition(":")[2]


class _Search:
    """Depth-first search that remembers what it has found."""

    def __init__(self, sizes: dict[str, int], calls: dict[str, set[str]]) -> None:
        self.sizes = sizes
        self.calls = calls
        self.known: dict[str, DeepestPath] = {}
        self.on_path: set[str] = set()

    def deepest(self) -> DeepestPath:
        """The deepest path from any function."""
        best = DeepestPath(0, ())
        for name in sorted(self.sizes):
            found = self.below(name)
            if found.bytes > best.bytes:
                best = found
        return best

    def below(self, name: str) -> DeepestPath:
        """The deepest path that starts with `name`."""
        if name in self.known:
            return self.known[name]
        if name in self.on_path:
            return DeepestPath(0, ())
        self.on_path.add(name)
        best = DeepestPath(0, ())
        for callee in sorted(self.calls.get(name, ())):
            found = self.below(callee)
            if found.bytes > best.bytes:
                best = found
        self.on_path.discard(name)
        result = DeepestPath(best.bytes + self.sizes.get(name, 0), (name, *best.functions))
        self.known[name] = result
        return result
