"""Draws call chains as a flame graph (Gregg 2016): one SVG file that needs nothing else.

A frame is as wide as its share of the samples; callers are below, callees above, neighbours in
alphabetical order. Clicking a frame makes it as wide as the picture, the search colours what
matches.
"""

from __future__ import annotations

import zlib
from collections import Counter
from html import escape

from krait.machine.profile import KERNEL_MARK

WIDTH = 1200
ROW = 17
TOP = 56
LEAST_WIDTH = 0.4
"""Frames narrower than so many pixels are left out."""

_SCRIPT = """
var frames = Array.from(document.querySelectorAll('g.f')), zoomed = null;
var total = WIDTH;
function part(g, name) { return parseFloat(g.getAttribute(name)); }
function lay(x0, w0) {
  frames.forEach(function (g) {
    var x = (part(g, 'x') - x0) / w0 * total, w = part(g, 'w') / w0 * total;
    var under = part(g, 'x') <= x0 + 1e-6 && part(g, 'x') + part(g, 'w') >= x0 + w0 - 1e-6;
    if (under) { x = 0; w = total; }
    var seen = w > 0.3 && x < total && x + w > 0;
    g.style.display = seen ? '' : 'none';
    if (!seen) return;
    var r = g.children[1], t = g.children[2], room = Math.floor((w - 4) / 6.6);
    r.setAttribute('x', x); r.setAttribute('width', Math.max(w - 0.5, 0.2));
    t.setAttribute('x', x + 3);
    var name = g.getAttribute('n');
    t.textContent = room < 3 ? '' : name.length > room ? name.slice(0, room - 2) + '..' : name;
  });
}
frames.forEach(function (g) {
  g.onclick = function () { zoomed = g; lay(part(g, 'x'), part(g, 'w')); };
});
document.getElementById('reset').onclick = function () { lay(0, total); };
document.getElementById('search').onclick = function () {
  var word = prompt('Regular expression:'), matched = 0, end = 0;
  if (word === null) return;
  var pattern = new RegExp(word, 'i');
  frames.forEach(function (g) {
    var hit = word !== '' && pattern.test(g.getAttribute('n'));
    g.children[1].setAttribute('fill', hit ? '#c050e0' : g.getAttribute('c'));
  });
};
lay(0, total);
"""


class _Node:
    """A function in one place of the tree."""

    __slots__ = ("below", "count")

    def __init__(self) -> None:
        self.count = 0
        self.below: dict[str, _Node] = {}


def draw(chains: Counter[tuple[str, ...]], title: str, subtitle: str) -> str:
    """The whole SVG."""
    root = _tree(chains)
    depth = max((len(chain) for chain in chains), default=0) + 1
    height = TOP + (depth + 1) * ROW
    parts: list[str] = []
    if root.count:
        _draw_node(root, "all", 0.0, WIDTH / root.count, 0, height, root.count, parts)
    script = _SCRIPT.replace("WIDTH", str(WIDTH))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="monospace" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#fbfaf5"/>\n'
        f'<text x="{WIDTH / 2}" y="20" font-size="15" text-anchor="middle">{escape(title)}</text>\n'
        f'<text x="{WIDTH / 2}" y="38" text-anchor="middle" fill="#666">{escape(subtitle)}</text>\n'
        '<text id="reset" x="8" y="20" fill="#666" style="cursor:pointer">reset zoom</text>\n'
        f'<text id="search" x="{WIDTH - 60}" y="20" fill="#666" style="cursor:pointer">'
        "search</text>\n" + "".join(parts) + f"<script><![CDATA[{script}]]></script>\n</svg>\n"
    )


def _tree(chains: Counter[tuple[str, ...]]) -> _Node:
    """Chains that begin alike share their beginning."""
    root = _Node()
    for chain, count in chains.items():
        node = root
        node.count += count
        for name in chain:
            node = node.below.setdefault(name, _Node())
            node.count += count
    return root


def _draw_node(
    node: _Node,
    name: str,
    left: float,
    scale: float,
    level: int,
    height: int,
    total: int,
    parts: list[str],
) -> None:
    """One frame and those above it."""
    width = node.count * scale
    if width < LEAST_WIDTH:
        return
    y = height - (level + 1) * ROW
    colour = _colour(name)
    shown = escape(_printable(name.removesuffix(KERNEL_MARK)), quote=True)
    share = f"{node.count} samples, {node.count / total:.2%}"
    parts.append(
        f'<g class="f" x="{left:.2f}" w="{width:.2f}" n="{shown}" c="{colour}">'
        f"<title>{shown} ({share})</title>"
        f'<rect x="{left:.2f}" y="{y}" width="{width:.2f}" height="{ROW - 1}" rx="1" '
        f'fill="{colour}"/><text x="{left + 3:.2f}" y="{y + 12}"></text></g>\n'
    )
    for below, child in sorted(node.below.items()):
        _draw_node(child, below, left, scale, level + 1, height, total, parts)
        left += child.count * scale


def _printable(name: str) -> str:
    """The name without what XML does not allow in a file."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _colour(name: str) -> str:
    """Warm for the program, blue for the kernel, grey for what has no name."""
    shade = zlib.crc32(name.encode()) % 55
    if name.endswith(KERNEL_MARK):
        return f"rgb({90 + shade},{150 + shade},{235 - shade // 2})"
    if name.startswith("[") or name == "all":
        return f"rgb({190 + shade // 3},{185 + shade // 3},{175 + shade // 3})"
    return f"rgb({225 - shade // 3},{120 + 2 * shade},{50 + shade // 2})"
